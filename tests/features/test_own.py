from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import shop
from cvm.errors import InsufficientDataError
from cvm.features.files import read_catalogue, read_features, read_notes, read_plan
from cvm.features.own import own_features, read_own_table
from cvm.features.query import Schema, catalogue
from cvm.models.bundle import read_bundle
from cvm.params import Params, load_params
from cvm.pipeline import run
from cvm.stages.context import workspace_of
from cvm.stages.data import run_features, run_ingest
from cvm.stages.score import run_score
from shop import order

AS_OF = date(2024, 3, 1)
BOUGHT = [order(name, on="2024-01-01", amount=5.0) for name in ("ann", "ben")]


def row(customer_id: str, **columns: Any) -> dict[str, Any]:
    return {"customer_id": customer_id, **columns}


def own(*rows: dict[str, Any], as_of: date = AS_OF, timezone: str = "UTC") -> dict[str, dict[str, Any]]:
    """Own features of every customer at ``as_of``."""
    engine = shop.typed_warehouse(transactions=BOUGHT, features=list(rows))
    found = shop.features_at(engine, as_of, timezone=timezone)[as_of]
    return {who: {n: v for n, v in values.items() if n.startswith("own_")} for who, values in found.items()}


def test_numbers_flags_dates_and_texts_become_features_of_their_kind():
    found = own(
        row("ann", score=0.5, is_member=True, born=date(2024, 2, 1), plan="gold"),
        row("ben", score=1, is_member=False, born=date(2024, 2, 2), plan="blue"),
    )
    assert found["ann"] == {"own_score": 0.5, "own_is_member": 1.0, "own_born": 29.0, "own_plan": "gold"}
    engine = shop.typed_warehouse(transactions=BOUGHT, features=[row("ann", plan="a", x=1), row("ben", plan="b", x=2)])
    table = read_own_table(engine)
    assert table is not None
    assert {f.name: (f.kind, f.unit) for f in own_features(table)} == {
        "own_plan": ("category", "as given"),
        "own_x": ("number", "as given"),
    }


@pytest.mark.parametrize(
    ("as_of", "known"),
    [
        (datetime(2024, 2, 29), True),
        (datetime(2024, 3, 1), True),  # as_of tells what held before it
        (datetime(2024, 3, 1, 0, 0, 1), False),
        (datetime(2024, 3, 2), False),
        (None, True),
    ],
)
def test_values_count_from_their_as_of_on(as_of, known):
    assert own(row("ann", as_of=as_of, x=1), row("ben", as_of=datetime(2020, 1, 1), x=2))["ann"] == {
        "own_x": 1.0 if known else None
    }


@pytest.mark.parametrize(
    ("recorded_at", "known"),
    [(datetime(2024, 2, 29, 23, 59), True), (datetime(2024, 3, 1), False), (None, True)],
)
def test_values_count_if_recorded_before_as_of(recorded_at, known):
    found = own(row("ann", recorded_at=recorded_at, x=1), row("ben", recorded_at=datetime(2020, 1, 1), x=2))
    assert found["ann"] == {"own_x": 1.0 if known else None}


def test_with_both_times_both_must_hold():
    late = datetime(2024, 3, 5)
    early = datetime(2024, 1, 5)
    rows = [row("ann", as_of=early, recorded_at=late, x=1), row("ben", as_of=late, recorded_at=early, x=2)]
    assert own(*rows) == {"ann": {"own_x": None}, "ben": {"own_x": None}}
    assert own(*rows, as_of=date(2024, 3, 6)) == {"ann": {"own_x": 1.0}, "ben": {"own_x": 2.0}}


def test_the_latest_known_row_counts_as_a_whole():
    rows = [
        row("ann", as_of=datetime(2024, 1, 1), x=1, plan="a"),
        row("ann", as_of=datetime(2024, 2, 1), x=2, plan=None),
        row("ann", as_of=datetime(2024, 4, 1), x=3, plan="c"),
        row("ann", as_of=None, x=9, plan="z"),
    ]
    at = {day: own(*rows, as_of=day)["ann"] for day in (date(2024, 1, 31), AS_OF, date(2024, 4, 1))}
    assert [found["own_x"] for found in at.values()] == [1, 2, 3]
    assert at[AS_OF]["own_plan"] is None


def test_of_rows_of_one_as_of_the_one_recorded_last_counts():
    when = datetime(2024, 1, 1)
    rows = [
        row("ann", as_of=when, recorded_at=datetime(2024, 1, 9), x=2),
        row("ann", as_of=when, recorded_at=datetime(2024, 1, 8), x=1),
        row("ann", as_of=when, recorded_at=datetime(2024, 4, 1), x=3),
    ]
    assert own(*rows)["ann"] == own(*reversed(rows))["ann"] == {"own_x": 2.0}


def test_rows_without_a_time_give_the_same_whatever_their_order():
    rows = [row("ann", as_of=None, x=1, y=5), row("ann", as_of=None, x=2, y=4)]
    assert own(*rows)["ann"] == own(*reversed(rows))["ann"]


def test_the_business_time_zone_decides_the_day():
    midnight = datetime(2024, 2, 29, 22)  # of 1 March in Kyiv
    rows = [row("ann", as_of=midnight, x=1), row("ben", as_of=None, x=2)]
    assert own(*rows, timezone="Europe/Kyiv")["ann"] == {"own_x": 1.0}
    assert own(*rows, timezone="Europe/Kyiv", as_of=date(2024, 2, 29))["ann"] == {"own_x": None}


def test_own_features_add_no_customer_and_strangers_are_no_customers():
    assert set(own(row("eve", x=1), row("ann", x=2))) == {"ann", "ben"}


@pytest.mark.parametrize(
    "column", ["as_of_day", "customer", "known_day", "valid_at", "value", "select", 'a "b"', "{window}"]
)
def test_a_column_may_have_any_name(column):
    assert own(row("ann", **{column: 7}), row("ben", **{column: 8}))["ann"] == {f"own_{column}": 7.0}


def test_without_a_usable_column_the_table_is_refused():
    engine = shop.typed_warehouse(
        transactions=BOUGHT, features=[row("ann", same=1, gone=None), row("ben", same=1, gone=None)]
    )
    with pytest.raises(InsufficientDataError, match=r"left out are same \(the same in every row\), gone \(empty\)\. Add"):
        Schema.of(engine)
    with pytest.raises(InsufficientDataError, match="it has no further column"):
        Schema.of(shop.typed_warehouse(transactions=BOUGHT, features=[row("ann"), row("ben")]))


def test_without_the_table_nothing_changes():
    engine = shop.typed_warehouse(transactions=BOUGHT)
    assert Schema.of(engine).own is None
    assert not [f.name for f in catalogue(Schema.of(engine)) if f.name.startswith("own_")]


# --- through the pipeline --------------------------------------------------------------------------------------------


def params_with(folder: Path, **features: Any) -> Params:
    windows, train = {"horizon_days": 90, "clv_days": 180}, {"snapshots": 2, "step_days": 30, "seed": 7}
    data = {"transactions": {"path": "transactions.csv"}, "features": {"path": "features.csv", **features}}
    return load_params(shop.write_params(folder, data=data, windows=windows, train=train))


def scored(params: Params) -> pd.DataFrame:
    folder = workspace_of(params).features
    return read_features(folder, read_plan(folder).score)


def monthly(*, seed: int = 3) -> pd.DataFrame:
    """What every customer has spent by the first of each month, and a mood without meaning."""
    sales = shop.purchases()
    sales["as_of"] = pd.to_datetime(sales["occurred_at"]).dt.to_period("M").dt.to_timestamp() + pd.offsets.MonthBegin()
    spent = sales.pivot_table(index="as_of", columns="customer_id", values="amount", aggfunc="sum", fill_value=0.0)
    frame = spent.iloc[:-1].cumsum().reset_index().melt(id_vars="as_of", value_name="score")
    return frame.assign(mood=np.random.default_rng(seed).choice(["good", "bad"], len(frame)))


@pytest.mark.slow
@pytest.mark.usefixtures("untracked")
def test_own_features_come_from_the_file_into_the_bundle(shop_folder):
    monthly().to_csv(shop_folder / "features.csv", index=False)
    params = params_with(shop_folder)
    run(params)
    workspace = workspace_of(params)
    names = {feature.name: feature.kind for feature in read_catalogue(workspace.features)}
    assert (names["own_score"], names["own_mood"]) == ("number", "category")
    bundle = read_bundle(workspace.champion)
    assert {"own_score", "own_mood"} <= {f.name for f in bundle.features if not f.required}
    assert not [note for note in read_notes(workspace.features) if "Own features" in note]

    # The table is taken away after training: scores come all the same, and the run says so.
    shop.write_params(shop_folder, windows={"horizon_days": 90, "clv_days": 180}, train={"snapshots": 2, "step_days": 30})
    without = load_params(shop_folder / "params.yaml")
    run_ingest(without, full=True)
    run_features(without)
    outcome = run_score(without)
    assert outcome.warnings == (
        "The model was trained with own_score, own_mood, which the features lack now: counted as missing.",
    )


def test_a_table_without_times_is_named_a_risk_and_one_row_per_customer_counts(shop_folder):
    ids = shop.purchases()["customer_id"].unique()
    frame = pd.DataFrame({"customer_id": [*ids, ids[0]], "x": range(len(ids) + 1), "same": 1, "label": [*ids, "n"]})
    frame.to_csv(shop_folder / "features.csv", index=False)
    params = params_with(shop_folder)
    ingested = run_ingest(params)
    assert any("replaced by a later row with the same key: 1" in warning for warning in ingested.warnings)
    notes = "\n".join(run_features(params).warnings)
    assert "left out same (the same in every row), label (text of 400 values among 400 customers" in notes
    assert "count as known at every snapshot" in notes
    assert scored(params).set_index("customer_id")["own_x"][ids[0]] == len(ids)


def test_values_known_only_today_teach_nothing_and_the_run_says_so(shop_folder):
    sales = shop.purchases()
    ids, last = sales["customer_id"].unique(), max(sales["occurred_at"])
    frame = pd.DataFrame({"customer_id": ids, "as_of": last, "x": range(len(ids))})
    frame.to_csv(shop_folder / "features.csv", index=False)
    notes = notes_of(params_with(shop_folder))
    assert "Nothing can be learned from own_x: no customer has a value at the snapshots that models learn from" in notes


def test_values_that_stop_before_today_are_named(shop_folder):
    frame = monthly()
    frame["old"] = frame["score"].where(frame["as_of"] < "2024-03-01")
    frame.to_csv(shop_folder / "features.csv", index=False)
    notes = notes_of(params_with(shop_folder))
    assert "no customer has a value of own_old: models that learned from it go without." in notes


def notes_of(params: Params) -> str:
    run_ingest(params)
    return "\n".join(run_features(params).warnings)


def test_a_frame_from_python_is_as_good_as_a_file(shop_folder):
    params = load_params(shop_folder / "params.yaml")
    run_ingest(params, tables={"features": monthly()})
    run_features(params)
    assert scored(params)["own_score"].notna().all()


def test_times_without_a_zone_are_refused_where_none_is_declared(shop_folder):
    monthly().to_csv(shop_folder / "features.csv", index=False)
    path = shop_folder / "params.yaml"
    path.write_text("data: {transactions: {path: transactions.csv, timezone: UTC}, features: {path: features.csv}}\n")
    done = shop.cvm(shop_folder, "ingest")
    assert (done.code, "data.features.timezone" in done.err) == (1, True)
