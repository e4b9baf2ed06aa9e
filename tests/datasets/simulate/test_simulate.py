"""The files: reproducible, within the contracts, nothing from the future, never over somebody else's work."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from cvm.datasets.simulate import SimulationOutcome, chunk, simulate
from cvm.engines import DuckDBEngine
from cvm.errors import ParamsError, WorkspaceError
from cvm.ingest.clean import TEST_ORDER
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.origins import FileSource
from cvm.ingest.reading import Reading
from cvm.ingest.stage import Rules, ingest
from cvm.params import load_params
from cvm.stages.data import run_features, run_ingest
from cvm.workspace import Workspace

AS_OF = datetime(2026, 1, 1)
TABLES = ("transactions", "events", "customers", "subscriptions", "assignments", "identities")


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_people(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        simulate(tmp_path / name, n_customers=300, seed=seed)
    one, again, other = (digests(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    # The season and the parameters do not depend on the seed; everything else does.
    assert {name for name in one if one[name] == other[name]} == {"params.yaml", "truth/season.parquet"}


def test_chunks_follow_each_other_without_sharing_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk, "CHUNK_CUSTOMERS", 200)
    said: list[str] = []
    simulate(tmp_path, n_customers=500, seed=3, progress=said.append)
    assert said == ["200 of 500 customers", "400 of 500 customers", "500 of 500 customers"]
    ids = pq.read_table(tmp_path / "truth" / "truth.parquet")["customer_id"].to_pylist()
    assert ids == [f"C{number:08d}" for number in range(500)]
    lines = pq.read_table(tmp_path / "tables" / "transactions.parquet").to_pandas()
    real = lines[lines["customer_id"].fillna("").str.startswith("C") & ~lines["is_test"]]
    assert real.groupby("order_id")["customer_id"].nunique().max() == 1


def test_the_tables_fit_the_contracts(simulated: SimulationOutcome, tmp_path: Path) -> None:
    sources = {
        table: FileSource([f"tables/{table}.parquet"], simulated.folder, Reading(timezone="UTC")) for table in CONTRACTS
    }
    outcomes = ingest(
        {table: source for table, source in sources.items() if table in TABLES},
        Workspace(tmp_path / "outputs", tmp_path / "models" / "champion"),
        Rules("EUR", 0.01),
        now=AS_OF,
    ).outcomes
    for outcome in outcomes:
        assert set(outcome.n_by_reason) <= {"customer_id is missing", TEST_ORDER}
        assert outcome.n_read == simulated.n_rows[f"tables/{outcome.table}"]


def test_every_column_of_the_contracts_is_there(simulated: SimulationOutcome) -> None:
    for table, contract in CONTRACTS.items():
        if table in TABLES:
            found = set(pq.read_schema(simulated.folder / "tables" / f"{table}.parquet").names)
            # One system, one currency, and draws that fixed no sizes: where a contract does not require it, it is not told.
            untold = {"source", "currency", "stratum"} if table != "transactions" else {"source"}
            wanted = {column.name for column in contract.columns if column.required or column.name not in untold}
            assert wanted <= found


def test_the_params_that_come_with_it_run(simulated: SimulationOutcome, tmp_path: Path) -> None:
    params = load_params(simulated.params, overrides=[f"outputs={tmp_path / 'outputs'}", f"models={tmp_path / 'models'}"])
    outcome = run_ingest(params, now=AS_OF)
    assert "transactions" in outcome.message
    assert "earlier snapshots to learn from" in run_features(params).message
    with DuckDBEngine(tmp_path / "outputs" / "warehouse.duckdb", read_only=True) as engine:
        assert engine.row("SELECT count(*) AS n FROM transactions WHERE margin IS NULL")["n"] == 0


def test_nothing_of_the_future_is_in_the_tables(simulated: SimulationOutcome) -> None:
    as_of = np.datetime64(AS_OF, "us")
    moments = {
        "transactions": ("occurred_at", "recorded_at"),
        "events": ("occurred_at", "recorded_at"),
        "customers": ("signed_up_at",),
        "subscriptions": ("started_at", "ended_at"),
        "assignments": ("assigned_at", "exposed_at"),
    }
    for table, columns in moments.items():
        found = pq.read_table(simulated.folder / "tables" / f"{table}.parquet", columns=list(columns))
        assert all(pc.max(found[column]).as_py() < AS_OF for column in columns)
    future = pq.read_table(simulated.folder / "truth" / "future_transactions.parquet")
    assert pc.min(future["occurred_at"]).as_py() >= AS_OF
    # A year of it, and half a day of slack at its end.
    assert (pc.max(future["occurred_at"]).as_py() - AS_OF).days == 364
    assert future.num_rows > 0
    assert as_of == np.datetime64("2026-01-01")


def test_the_truth_has_one_row_per_person_and_accounts_lead_to_it(simulated: SimulationOutcome) -> None:
    truth = pq.read_table(simulated.folder / "truth" / "truth.parquet").to_pandas()
    assert truth["customer_id"].is_unique
    assert len(truth) == simulated.n_customers
    second = pq.read_table(simulated.folder / "truth" / "second_accounts.parquet").to_pandas()
    person = dict(zip(second["source_id"], second["customer_id"], strict=True))
    for table in ("transactions", "events", "customers", "assignments"):
        ids = pq.read_table(simulated.folder / "tables" / f"{table}.parquet", columns=["customer_id"])["customer_id"]
        people = {person.get(i, i) for i in ids.unique().to_pylist() if i}
        assert people <= set(truth["customer_id"])


def test_another_date_and_length_of_history(tmp_path: Path) -> None:
    outcome = simulate(tmp_path, n_customers=300, seed=5, as_of=date(2024, 7, 1), years=1.0)
    lines = pq.read_table(tmp_path / "tables" / "transactions.parquet")
    first, last = (limit(lines["occurred_at"]).as_py() for limit in (pc.min, pc.max))
    assert datetime(2023, 7, 2) <= first
    assert last < datetime(2024, 7, 1)
    assert "as_of: 2024-07-01" in outcome.params.read_text()


def test_one_customer_is_a_base_too(tmp_path: Path) -> None:
    assert simulate(tmp_path, n_customers=1, seed=1).n_rows["truth/truth"] == 1


def test_a_rerun_replaces_a_simulation(tmp_path: Path) -> None:
    simulate(tmp_path, n_customers=50, seed=1)
    simulate(tmp_path, n_customers=60, seed=1)
    assert pq.read_metadata(tmp_path / "truth" / "truth.parquet").num_rows == 60
    assert sorted(path.name for path in tmp_path.iterdir()) == ["params.yaml", "tables", "truth"]


@pytest.mark.parametrize("name", ["params.yaml", "tables"])
def test_what_somebody_else_put_there_is_left_alone(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    if name == "tables":
        mine.mkdir()
    else:
        mine.write_text("data: {dataset: cdnow}\n")
    with pytest.raises(WorkspaceError, match=rf"holds \['{name}'\] that `cvm simulate` did not write"):
        simulate(tmp_path, n_customers=5)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="is a file; give a folder"):
        simulate(tmp_path / "file", n_customers=5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_customers": 0}, r"n_customers == 0, must be from 1 to 99,999,999"),
        ({"n_customers": 10**8}, r"n_customers == 100000000, must be"),
        ({"seed": -1}, r"seed == -1, must be >= 0"),
        ({"years": 0.1}, r"years == 0.1, must be from 0.5 to 10"),
        ({"years": float("nan")}, r"years == nan, must be from 0.5 to 10"),
        ({"as_of": date(1, 1, 1)}, r"as_of == 0001-01-01, must be in the years 1920 to 2200"),
        ({"as_of": date(9999, 12, 31)}, r"as_of == 9999-12-31, must be"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        simulate(tmp_path / "base", **wrong)
    assert not (tmp_path / "base").exists()
