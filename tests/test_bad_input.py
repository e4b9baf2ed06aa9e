"""Every refusal through the command line itself: what it says, and what it leaves alone.

Other kinds of files that cannot be read are in ``test_damaged_input.py``: a run refuses them all in one place.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import shop
from cvm.engines import DuckDBEngine
from cvm.models.bundle import read_bundle
from untracked import without_store

WINDOWS = {"horizon_days": 90, "clv_days": 180}
TRAIN = {"snapshots": 2, "step_days": 30, "seed": 7}


@pytest.fixture(scope="session")
def short_history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, shop.Done]:
    """A whole run over 150 days of a shop, less than two horizons of 90: what is on disk, and what was said."""
    folder = tmp_path_factory.mktemp("shop")
    shop.purchases(n_customers=300, days=150).to_csv(folder / "transactions.csv", index=False)
    shop.write_params(folder, windows=WINDOWS, train=TRAIN)
    with without_store():
        return folder, shop.cvm(folder, "run")


@pytest.fixture
def folder(short_history: tuple[Path, shop.Done], tmp_path: Path) -> Path:
    """A copy of that shop after its run."""
    copy = tmp_path / "shop"
    shutil.copytree(short_history[0], copy)
    return copy


def sales(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "transactions.csv", dtype=str)


def write_sales(folder: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(folder / "transactions.csv", index=False)


def set_params(folder: Path, **sections: Any) -> None:
    path = folder / "params.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**values, **sections}), encoding="utf-8")


def contents(folder: Path, *below: str) -> dict[str, bytes]:
    paths = [path for name in below for path in (folder / name, *(folder / name).rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def assert_refused(done: shop.Done, *says: str) -> None:
    """Exit code 1 and a message in which all of ``says`` are found; no stack trace."""
    assert done.code == 1, done.out + done.err
    assert done.err.startswith("cvm: ")
    assert "Traceback" not in done.out + done.err
    for pattern in says:
        assert re.search(pattern, done.err), f"{pattern!r} is not in {done.err!r}"


def assert_nothing_half_written(folder: Path) -> None:
    left_over = [path.name for path in folder.rglob("*") if re.search(r"\.(tmp|old|wal)$|write-test", path.name)]
    assert left_over == []


# --- what is refused before anything is written ----------------------------------------------------------------------


def no_file(folder: Path) -> None:
    (folder / "transactions.csv").unlink()


def every_row_faulty(folder: Path) -> None:
    write_sales(folder, sales(folder).assign(customer_id="", amount="x"))


def foreign_dates(folder: Path) -> None:
    days = pd.to_datetime(sales(folder)["occurred_at"]).dt.strftime("%d.%m.%Y")
    write_sales(folder, sales(folder).assign(occurred_at=days))


def amounts_in_words(folder: Path) -> None:
    write_sales(folder, sales(folder).assign(amount="$" + sales(folder)["amount"]))


def a_tenth_in_the_future(folder: Path) -> None:
    frame = sales(folder)
    frame.loc[frame.index % 10 == 0, "occurred_at"] = str((shop.now() + timedelta(days=30)).date())
    write_sales(folder, frame)


def parquet_with_a_damaged_page(folder: Path) -> None:
    frame = pa.Table.from_pandas(sales(folder))
    pq.write_table(frame, folder / "transactions.parquet", compression="zstd")
    damaged = bytearray((folder / "transactions.parquet").read_bytes())
    damaged[50:1000] = bytes(950)
    (folder / "transactions.parquet").write_bytes(damaged)
    set_params(folder, data={"transactions": {"path": "transactions.parquet"}})


def a_table_without_origin(folder: Path) -> None:
    set_params(folder, data={"transactions": {"columns": {"amount": "total"}}})


@dataclass(frozen=True)
class Refused:
    """A fault of the input, and what the refusal must say of its cause and its remedy."""

    damage: Callable[[Path], None]
    cause: str
    fix: str


OF_SOURCES = [
    Refused(no_file, r"no file matches 'transactions.csv'", r"Correct data\.transactions\.path in params\.yaml"),
    Refused(parquet_with_a_damaged_page, r"'transactions.parquet' cannot be read", r"Export the file again"),
    Refused(a_table_without_origin, r"data\.transactions has no origin", r"Set path, or url and query"),
]
OF_ROWS = [
    Refused(every_row_faulty, r"all [\d,]+ rows were rejected \(customer_id is missing", r"data\.transactions\.columns"),
    Refused(foreign_dates, r"occurred_at is no date: [\d,]+\)", r'data\.transactions\.datetime_format: "%d\.%m\.%Y'),
    Refused(
        amounts_in_words, r"amount is no amount of money: [\d,]+\)", r"Export amounts as plain numbers such as 1234\.56"
    ),
    Refused(a_tenth_in_the_future, r"\(10\..%\) were rejected.*occurred_at lies in the future", r"Check the clock"),
]


def name_of(case: object) -> str | None:
    return case.damage.__name__ if isinstance(case, Refused) else None


@pytest.mark.parametrize("case", OF_SOURCES, ids=name_of)
def test_a_source_that_cannot_be_read_is_refused_and_every_output_kept(folder: Path, case: Refused) -> None:
    before = contents(folder, "outputs", "models")
    case.damage(folder)
    assert_refused(shop.cvm(folder, "run"), case.cause, case.fix)
    assert contents(folder, "outputs", "models") == before
    assert_nothing_half_written(folder)


@pytest.mark.parametrize("case", OF_ROWS, ids=name_of)
def test_rows_that_cannot_be_trusted_are_refused_and_every_output_kept(folder: Path, case: Refused) -> None:
    before = contents(folder, "outputs/warehouse.duckdb", "outputs/features", "outputs/scores", "models")
    case.damage(folder)
    assert_refused(shop.cvm(folder, "run"), case.cause, case.fix)
    assert contents(folder, "outputs/warehouse.duckdb", "outputs/features", "outputs/scores", "models") == before
    assert_nothing_half_written(folder)


@pytest.mark.parametrize("case", [*OF_SOURCES, *OF_ROWS], ids=name_of)
def test_a_first_run_that_is_refused_leaves_no_warehouse(tmp_path: Path, folder: Path, case: Refused) -> None:
    shutil.rmtree(folder / "outputs")
    case.damage(folder)
    assert_refused(shop.cvm(folder, "ingest"), case.cause)
    assert {path.name for path in (folder / "outputs").iterdir()} <= {"quarantine", "quality.parquet", "sufficiency.json"}


def test_a_few_faulty_rows_are_set_aside_and_said(folder: Path) -> None:
    frame = sales(folder)
    frame.loc[3, "amount"] = "1,5"
    frame.loc[5, "occurred_at"] = str((shop.now() + timedelta(days=30)).date())
    frame.loc[7, "customer_id"] = "null"
    write_sales(folder, frame)
    done = shop.cvm(folder, "ingest")
    assert done.code == 0
    assert f"{len(frame) - 3:,} rows kept, 3 rejected" in done.out
    assert "amount is no amount of money: 1" in done.out
    quarantined = pq.read_table(folder / "outputs" / "quarantine" / "transactions.parquet").to_pylist()
    assert [(row["source_row"], row["reason"]) for row in quarantined] == [
        (4, "amount is no amount of money"),
        (6, "occurred_at lies in the future"),
        (8, "customer_id is missing"),
    ]


# --- outputs and params ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "stage"),
    [("outputs", name) for name in ("run", "ingest", "features", "train", "score", "segment", "kpis")]
    + [("models", name) for name in ("run", "train", "promote", "rollback")],  # no other writes there
)
def test_a_file_in_the_place_of_outputs_is_refused_and_kept(folder: Path, place: str, stage: str) -> None:
    shutil.rmtree(folder / place)
    (folder / place).write_text("mine", encoding="utf-8")
    before = contents(folder, "outputs", "models")
    assert_refused(
        shop.cvm(folder, stage), rf"Cannot write to .*{place}", r"Free the path or grant write access, or set another"
    )
    assert contents(folder, "outputs", "models") == before
    assert_nothing_half_written(folder)


def test_scoring_with_a_file_in_the_place_of_models_says_what_is_missing(folder: Path) -> None:
    shutil.rmtree(folder / "models")
    (folder / "models").write_text("mine", encoding="utf-8")
    assert_refused(shop.cvm(folder, "score"), r"models.champion", r"cvm train")
    assert (folder / "models").read_text(encoding="utf-8") == "mine"


def test_a_folder_in_the_place_of_the_warehouse_is_refused_and_kept(folder: Path) -> None:
    warehouse = folder / "outputs" / "warehouse.duckdb"
    warehouse.unlink()
    (warehouse / "mine").mkdir(parents=True)
    assert_refused(shop.cvm(folder, "ingest"), r"warehouse.duckdb could not be written: Is a directory", r"Free the path")
    assert (warehouse / "mine").is_dir()
    assert_nothing_half_written(folder)


@pytest.mark.parametrize(
    ("sections", "cause", "fix"),
    [
        ({"windoes": {}}, "windoes: unknown key", "did you mean 'windows'"),
        ({"windows": {"horizon": 90}}, "windows.horizon: unknown key", "did you mean 'horizon_days'"),
        ({"windows": {"horizon_days": "ninety"}}, "windows.horizon_days: 'ninety'", "input should be a valid integer"),
        (
            {"windows": {"horizon_days": 90, "clv_days": 30}},
            "clv_days == 30, must be >= horizon_days == 90",
            "raise clv_days",
        ),
        ({"windows": {"horizon_days": 0}}, "windows.horizon_days: 0", "greater than 0"),
        ({"windows": {"as_of": "2023-02-30"}}, "'2023-02-30' is no date", "write latest, or a day such as 2024-06-30"),
        ({"data": {}}, "data: names no source", "set dataset: cdnow, or transactions"),
    ],
)
def test_params_that_cannot_be_run_are_refused_before_anything_is_done(
    folder: Path, sections: dict[str, Any], cause: str, fix: str
) -> None:
    before = contents(folder, "outputs", "models")
    set_params(folder, **sections)
    assert_refused(shop.cvm(folder, "run"), "params.yaml has 1 problem", cause, fix)
    assert contents(folder, "outputs", "models") == before


@pytest.mark.parametrize(
    ("as_of", "cause", "fix"),
    [
        ("2022-12-31", "2022-12-31 is not after the first transaction", "Choose a date from 2023-01-02 on, or latest"),
        (
            "2024-12-31",
            "2024-12-31 is 582 days after the last transaction",
            "Ingest newer data, or choose as_of <= 2023-05-30",
        ),
    ],
)
def test_a_scoring_date_outside_of_history_is_refused_and_the_features_kept(
    folder: Path, as_of: str, cause: str, fix: str
) -> None:
    before = contents(folder, "outputs", "models")
    assert_refused(shop.cvm(folder, "features", "--set", f"windows.as_of={as_of}"), cause, fix)
    assert contents(folder, "outputs", "models") == before
    assert_nothing_half_written(folder)


def test_a_missing_params_file_is_refused(tmp_path: Path) -> None:
    assert_refused(
        shop.cvm(tmp_path, "run"),
        "params.yaml cannot be read: No such file",
        "Choose another file with --params.*cvm init FILE",
    )
    named = shop.cvm(tmp_path, "run", "--params", "other.yaml")
    assert_refused(named, "other.yaml cannot be read: No such file", "Choose another file with --params")
    assert "cvm init" not in named.err
    assert list(tmp_path.iterdir()) == []


# --- data that is sound but cannot carry a model ---------------------------------------------------------------------


def one_customer(folder: Path) -> None:
    write_sales(folder, sales(folder).assign(customer_id="only one"))


def one_order_each(folder: Path) -> None:
    write_sales(folder, sales(folder).drop_duplicates("customer_id"))


def one_price(folder: Path) -> None:
    write_sales(folder, sales(folder).assign(amount="9.99").drop_duplicates(["customer_id", "occurred_at"]))


def nothing_but_free_orders(folder: Path) -> None:
    write_sales(folder, sales(folder).assign(amount="0"))


OF_HISTORY = [
    Refused(one_customer, r"Only 1 customers have an order", r"Supply more history or more customers"),
    Refused(one_order_each, r"Only 0 of 300 customers ever ordered twice", r"Check that customer_id is the person"),
    Refused(one_price, r"Every order has the same amount \(9\.99\)", r"set data\.allow_constant_amount: true"),
    Refused(nothing_but_free_orders, r"Every order has the amount 0", r"Check which column is mapped to amount"),
]


@pytest.mark.parametrize("case", OF_HISTORY, ids=name_of)
def test_a_history_that_carries_no_model_is_refused_and_scores_and_champion_kept(folder: Path, case: Refused) -> None:
    before = contents(folder, "outputs/scores", "models")
    case.damage(folder)
    assert_refused(shop.cvm(folder, "run"), case.cause, case.fix)
    assert contents(folder, "outputs/scores", "models") == before
    assert_nothing_half_written(folder)
    assert not (folder / "mlruns").exists()


def test_a_constant_amount_is_accepted_when_the_business_says_so(folder: Path) -> None:
    one_price(folder)
    set_params(folder, data={"transactions": {"path": "transactions.csv"}, "allow_constant_amount": True})
    shutil.rmtree(folder / "models")  # the champion of other prices would stay
    with without_store():
        done = shop.cvm(folder, "run")
    assert (done.code, done.err) == (0, "")
    (scores,) = (folder / "outputs" / "scores").rglob("scores.parquet")
    values = pq.read_table(scores, partitioning=None)["expected_order_value"].to_pylist()
    assert values == pytest.approx([9.99] * len(values))
    assert_nothing_half_written(folder)


def test_a_history_shorter_than_two_horizons_falls_back_to_btyd_and_says_so(short_history: tuple[Path, shop.Done]) -> None:
    folder, done = short_history
    assert (done.code, done.err) == (0, "")
    assert "History is shorter than two outcome windows (2 x 90 days)" in done.out
    assert "churn and CLV come from BTYD alone" in done.out
    assert "Shorten windows.horizon_days, or wait for more history" in done.out
    bundle = read_bundle(folder / "models" / "champion")
    assert (bundle.churn.name, bundle.value.name) == ("BTYD", "BTYD")
    (scores,) = (folder / "outputs" / "scores").rglob("scores.parquet")
    assert pq.read_table(scores, partitioning=None).num_rows == 300
    assert_nothing_half_written(folder)


# --- hostile names and values ----------------------------------------------------------------------------------------


def test_no_name_and_no_value_gets_into_the_sql_of_any_stage(folder: Path) -> None:
    hostile = [
        "'; DROP TABLE transactions; --",
        'a "b" c',
        "{window}",
        "ім'я\n клієнта",
        "100%s",
        "\\",
        "$1",
        "-- end",
        "🙂",
    ]
    frame = sales(folder).rename(columns={"customer_id": hostile[0]})
    for name in hostile[1:]:
        frame = frame.replace({hostile[0]: {frame[hostile[0]].iloc[hostile.index(name) * 50]: name}})
    write_sales(folder, frame)
    days = ["2023-02-01"] * len(hostile)
    events = pd.DataFrame({"customer_id": hostile, "occurred_at": days, "event_type": hostile, "channel": hostile})
    events.to_csv(folder / "events.csv", index=False)
    customers = pd.DataFrame({"customer_id": hostile, **dict.fromkeys(hostile, hostile[::-1])})
    customers.to_csv(folder / "customers.csv", index=False)
    sources = {"transactions": {"path": "transactions.csv", "columns": {"customer_id": hostile[0]}}}
    sources |= {"events": {"path": "events.csv"}, "customers": {"path": "customers.csv"}}
    set_params(folder, data=sources)
    for stage in ("ingest", "features"):
        done = shop.cvm(folder, stage)
        assert (done.code, done.err) == (0, ""), done.err
    with DuckDBEngine(folder / "outputs" / "warehouse.duckdb", read_only=True) as engine:
        assert engine.row("SELECT count(*) AS n FROM transactions") == {"n": len(frame)}
        assert set(engine.columns("customers")) == {"customer_id", *hostile}
    features = pd.read_parquet(folder / "outputs" / "features" / "as_of=2023-05-30" / "features.parquet", partitioning=None)
    assert set(hostile) <= set(features["customer_id"])
    assert set(features["attribute_{window}"].dropna()) == set(hostile)


def test_the_command_refuses_from_outside_as_well(tmp_path: Path) -> None:
    shop.write_params(tmp_path)
    command = [sys.executable, "-m", "cvm", "run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert_refused(
        shop.Done(done.returncode, done.stdout, done.stderr), "no file matches 'transactions.csv'", "Correct data"
    )
    assert_nothing_half_written(tmp_path)
