from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import shop
from cvm.engines import DuckDBEngine, QueryError
from cvm.errors import MissingOutputError
from cvm.features.economics import Economics
from cvm.features.files import (
    features_file,
    outcome_file,
    read_catalogue,
    read_features,
    read_labelled,
    read_outcome,
    read_plan,
    read_treatments,
    treatments_file,
)
from cvm.features.query import Schema, catalogue
from cvm.features.snapshots import SnapshotPlan
from cvm.features.stage import history_days, write_features
from shop import event, order

AS_OF = date(2024, 3, 1)
PLAN = SnapshotPlan(
    score=AS_OF,
    horizon_days=20,
    lead_days=2,
    judged_days=15,
    test=date(2024, 2, 13),
    training=(date(2024, 1, 27), date(2024, 1, 20)),
    labelled=(date(2024, 2, 8),),
    first_day=date(2024, 1, 1),
)
FILES = {"catalogue.json", "churn.json", "features.sql", "history.json", "notes.json", "plan.json"}
NOTHING_TO_JUDGE = replace(PLAN, judged_days=0, test=None, training=(), labelled=())


@pytest.fixture
def engine() -> DuckDBEngine:
    bought = [
        order(
            f"c{n % 7}", on=date(2024, 1, 1) + timedelta(days=n), amount=10.0 + n, channel=f"it's {n % 2}", order_id=f"o{n}"
        )
        for n in range(60)
    ]
    return shop.typed_warehouse(
        transactions=bought,
        events=[event("c1", "{odd} 'type'", on="2024-01-05", value=1.0)],
        customers=[{"customer_id": "c1", "city": "Lviv"}, {"customer_id": "prospect", "city": None}],
    )


def write(engine: DuckDBEngine, folder: Path, plan: SnapshotPlan = PLAN) -> list[str]:
    told: list[str] = []
    write_features(engine, folder, plan, timezone="UTC", economics=Economics(margin_rate=0.5), progress=told.append)
    return told


@pytest.mark.parametrize("plan", [PLAN, NOTHING_TO_JUDGE], ids=["judged", "not judged"])
def test_the_plan_survives_writing_and_reading(engine, tmp_path, plan):
    write(engine, tmp_path / "features", plan)
    assert read_plan(tmp_path / "features") == plan


def test_the_catalogue_survives_writing_and_reading(engine, tmp_path):
    write(engine, tmp_path / "features")
    assert read_catalogue(tmp_path / "features") == catalogue(Schema.of(engine), Economics(margin_rate=0.5))


def test_every_snapshot_and_outcome_of_the_plan_is_on_file_and_nothing_else(engine, tmp_path):
    folder = tmp_path / "features"
    write(engine, folder)
    expected = {features_file(folder, as_of) for as_of in PLAN.as_of}
    expected |= {outcome_file(folder, as_of, horizon_days) for as_of, horizon_days in PLAN.outcomes}
    expected |= {treatments_file(folder, as_of, horizon_days) for as_of, horizon_days in PLAN.outcomes}
    assert len(expected) == 5 + 4 + 4
    assert set(folder.glob("*/*")) == expected
    assert {path.name for path in folder.iterdir() if path.is_file()} == FILES


def test_features_on_file_are_those_of_the_query_ordered_by_customer(engine, tmp_path):
    write(engine, tmp_path / "features")
    frame = read_features(tmp_path / "features", AS_OF)
    assert list(frame.columns) == ["as_of", "customer_id", *(f.name for f in catalogue(Schema.of(engine)))]
    assert frame["customer_id"].tolist() == [*(f"c{n}" for n in range(7)), "prospect"]
    assert set(frame["as_of"]) == {"2024-03-01"}
    expected = shop.features_at(engine, AS_OF, margin_rate=0.5)[AS_OF]
    by_customer = pd.DataFrame.from_dict(expected, orient="index").loc[frame["customer_id"]]
    pd.testing.assert_frame_equal(frame[by_customer.columns], by_customer.reset_index(drop=True), check_dtype=False)


def test_numbers_on_file_are_floats_and_categories_text(engine, tmp_path):
    write(engine, tmp_path / "features")
    frame = read_features(tmp_path / "features", AS_OF)
    for feature in catalogue(Schema.of(engine)):
        is_float = frame[feature.name].dtype == "float64"
        assert is_float == (feature.kind == "number"), feature.name


def test_the_outcome_on_file_is_that_of_the_window_after_the_lead(engine, tmp_path):
    write(engine, tmp_path / "features")
    frame = read_outcome(tmp_path / "features", PLAN.test, 15)
    expected = shop.outcome_of(engine, PLAN.test, horizon_days=15, lead_days=2)
    assert list(frame.columns) == ["customer_id", "n_orders", "revenue", "stayed"]
    assert {row.customer_id: (row.n_orders, row.revenue) for row in frame.itertuples()} == expected
    assert frame["n_orders"].sum() == 15


def test_a_labelled_snapshot_has_every_customer_and_what_followed(engine, tmp_path):
    folder = tmp_path / "features"
    write(engine, folder)
    frame = read_labelled(folder, PLAN.test, 15)
    pd.testing.assert_frame_equal(frame.iloc[:, :-2], read_features(folder, PLAN.test))
    expected = shop.outcome_of(engine, PLAN.test, horizon_days=15, lead_days=2)
    known = {who: found for who, found in expected.items() if who in set(frame["customer_id"])}
    assert 0 < len(known) < len(frame)
    for row in frame.itertuples():
        assert (row.outcome_orders, row.outcome_revenue) == known.get(row.customer_id, (0, 0))


def test_the_ledger_on_file_is_that_of_each_window(engine, tmp_path):
    drawn = [
        {"campaign_id": "a", "customer_id": "c1", "assigned_at": datetime(2024, 2, 14), "arm": "mail"},
        {"campaign_id": "a", "customer_id": "c2", "assigned_at": datetime(2024, 2, 14), "arm": "control"},
    ]
    ledger = shop.typed_warehouse(assignments=drawn).table("SELECT * FROM assignments")
    write(engine, tmp_path / "without")
    engine.register("drawn", ledger)
    engine.replace_table("assignments", "SELECT * FROM drawn")
    write(engine, tmp_path / "with")
    found = read_treatments(tmp_path / "with", PLAN.test, 15)
    assert found.to_dict("list") == {"customer_id": ["c1", "c2"], "is_treated": [True, False]}
    assert read_treatments(tmp_path / "with", PLAN.training[1], 15).empty
    assert read_treatments(tmp_path / "without", PLAN.test, 15).empty


def test_the_query_on_file_gives_the_features_on_file(engine, tmp_path):
    write(engine, tmp_path / "features")
    query = (tmp_path / "features" / "features.sql").read_text(encoding="utf-8")
    counts = engine.row(f"SELECT count(*) AS n, sum(spend) AS spend FROM ({query}) WHERE as_of = DATE '2024-03-01'")
    frame = read_features(tmp_path / "features", AS_OF)
    assert counts == {"n": len(frame), "spend": frame["spend"].sum()}


def test_writing_tells_what_it_does_and_counts_customers(engine, tmp_path):
    told = write(engine, tmp_path / "features")
    n = len(catalogue(Schema.of(engine)))
    assert told == [f"{n} features at {as_of} ({number} of 5)" for number, as_of in enumerate(PLAN.as_of, start=1)]
    outcome = write_features(engine, tmp_path / "features", PLAN, timezone="UTC", economics=Economics(margin_rate=0.5))
    assert outcome.plan == PLAN
    assert outcome.n_customers == dict.fromkeys(PLAN.as_of, 8)


def test_the_folder_is_replaced_whole(engine, tmp_path):
    folder = tmp_path / "features"
    write(engine, folder)
    (folder / "stale.txt").write_text("stale")
    later = replace(NOTHING_TO_JUDGE, score=date(2024, 2, 1))
    write(engine, folder, later)
    assert {path.name for path in folder.iterdir()} == {"as_of=2024-02-01", *FILES}
    assert {path.name for path in tmp_path.iterdir()} == {"features"}


def test_a_rerun_writes_the_same_bytes(engine, tmp_path):
    write(engine, tmp_path / "one")
    write(engine, tmp_path / "two")
    one, two = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in ("one", "two")
    )
    assert one == two


def test_a_run_that_fails_leaves_the_old_folder_alone(engine, tmp_path):
    folder = tmp_path / "features"
    write(engine, folder)
    before = (folder / "plan.json").read_bytes()
    engine.execute("ALTER TABLE transactions DROP COLUMN amount")
    with pytest.raises(QueryError, match="amount"):
        write(engine, folder, NOTHING_TO_JUDGE)
    assert (folder / "plan.json").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"features"}


def test_features_never_written_name_the_command_for_their_date(tmp_path):
    with pytest.raises(MissingOutputError, match=r"features\.parquet.*`cvm features --set windows\.as_of=2024-03-01`"):
        read_features(tmp_path, AS_OF)


@pytest.mark.parametrize(
    ("read", "file"),
    [
        (read_plan, "plan.json"),
        (read_catalogue, "catalogue.json"),
        (lambda folder: read_outcome(folder, AS_OF, 20), "outcome_20d.parquet"),
    ],
    ids=["plan", "catalogue", "outcome"],
)
def test_a_file_never_written_names_the_command(tmp_path, read, file):
    with pytest.raises(MissingOutputError, match=rf"{file} does not exist yet\. Run `cvm features` first"):
        read(tmp_path)


def test_the_plan_on_file_is_readable_json(engine, tmp_path):
    write(engine, tmp_path / "features")
    values = json.loads((tmp_path / "features" / "plan.json").read_text(encoding="utf-8"))
    assert (values["score"], values["training"]) == ("2024-03-01", ["2024-01-27", "2024-01-20"])


def test_the_history_is_cut_in_the_business_time_zone():
    rows = [order("c", on="2024-01-01", amount=1.0), order("c", on="2024-01-09", amount=-1.0)]
    rows[0]["occurred_at"] = rows[0]["occurred_at"].replace(hour=3)
    rows[1]["occurred_at"] = rows[1]["occurred_at"].replace(hour=23)
    engine = shop.typed_warehouse(transactions=rows)
    assert history_days(engine, timezone="UTC") == (date(2024, 1, 1), date(2024, 1, 9))
    assert history_days(engine, timezone="Europe/Kyiv") == (date(2024, 1, 1), date(2024, 1, 10))
    assert history_days(engine, timezone="America/New_York") == (date(2023, 12, 31), date(2024, 1, 9))


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"score": "no date"}'])
def test_a_damaged_plan_or_catalogue_is_refused_with_the_command_that_mends_it(tmp_path, content):
    for name, read in (("plan.json", read_plan), ("catalogue.json", read_catalogue)):
        (tmp_path / name).write_text(content)
        with pytest.raises(MissingOutputError, match=r"is damaged\. Run `cvm features`"):
            read(tmp_path)


def test_damaged_features_are_refused_with_the_command_that_mends_them(tmp_path):
    path = features_file(tmp_path, date(2024, 1, 1))
    path.parent.mkdir()
    path.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(MissingOutputError, match=r"is damaged\. Run `cvm features --set windows.as_of=2024-01-01`"):
        read_features(tmp_path, date(2024, 1, 1))
