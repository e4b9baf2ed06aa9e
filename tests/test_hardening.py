"""What an attacker could put into data, names, params and answers of servers, and that nothing comes of it."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import shop
from cvm.engines import DuckDBEngine
from cvm.errors import TrackingError
from cvm.privacy.erasing import erase
from cvm.privacy.marks import Marks
from cvm.stages.train import logged_params
from cvm.tracking.store import Store
from cvm.tracking.training_run import _flat
from cvm.workspace import Workspace

SRC = Path(__file__).parents[1] / "src" / "cvm"
SECRET = "planted-" + "password"

HOSTILE = [
    '"; DROP TABLE transactions; --',
    "'); DROP TABLE transactions; --",
    "{window}",
    "{0.__class__}",
    "%(x)s $1 ?",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "../../../etc/passwd",
    "\u202egnp.exe",
    "a\tb",
    "κόσμε 🙂",
    "x" * 300,
]


def test_hostile_names_and_values_are_data_from_ingest_to_features(tmp_path):
    cells = [value.replace('"', '""') for value in HOSTILE]
    bought = "".join(
        f'c{n},2024-0{month}-1{n % 9},{n}.5,"{cell}","{cell}"\n' for month in (1, 3, 5) for n, cell in enumerate(cells)
    )
    (tmp_path / "transactions.csv").write_text(
        f"customer_id,occurred_at,amount,category,channel\n{bought}", encoding="utf-8"
    )
    did = "".join(f'c{n},2024-02-0{1 + n % 9},"{cell}"\n' for n, cell in enumerate(cells) for _ in range(3))
    (tmp_path / "events.csv").write_text(f"customer_id,occurred_at,event_type\n{did}", encoding="utf-8")
    columns = ",".join(f'"{cell}"' for cell in cells)
    people = "".join(f"c{n},{','.join(['v', 'w'][n % 2] for _ in cells)}\n" for n in range(len(cells)))
    (tmp_path / "customers.csv").write_text(f"customer_id,{columns}\n{people}", encoding="utf-8")
    tables = {name: {"path": f"{name}.csv"} for name in ("transactions", "events", "customers")}
    windows = {"horizon_days": 30, "clv_days": 60}
    shop.write_params(tmp_path, data=tables, windows=windows, train={"snapshots": 1, "step_days": 30, "seed": 7})
    for command in ("ingest", "features"):
        done = shop.cvm(tmp_path, command, "--quiet")
        assert done.code == 0, done.err
    with DuckDBEngine(tmp_path / "outputs" / "warehouse.duckdb", read_only=True) as engine:
        assert engine.tables() == {"transactions", "events", "customers"}
        assert set(engine.table("SELECT DISTINCT category FROM transactions").column(0).to_pylist()) == set(HOSTILE)
        assert set(HOSTILE) <= set(engine.columns("customers"))
    snapshots = list((tmp_path / "outputs" / "features").glob("as_of=*/features.parquet"))
    assert all(pq.read_metadata(path).num_rows == len(HOSTILE) for path in snapshots[-1:])


NAMES = [
    *HOSTILE, "..", ".", "", "/etc/cron.d/x", "C:\\Windows\\x", "con", "NUL", "aux.txt", "com1", "a.", " ", "\0",
    "語" * 80, "🙂" * 80, "x" * 5000, "-rf", "~root", "a/b", "a\\b",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name)[:15])
def test_no_name_leads_out_of_its_folder_or_past_what_file_systems_take(tmp_path, name):
    workspace = Workspace(tmp_path / "outputs", tmp_path / "models" / "champion")
    for path in (
        workspace.ledger_of(name),
        workspace.audience_of(name),
        workspace.effect_of(name),
        workspace.cells_effect_of(name),
    ):
        assert path.resolve().is_relative_to(tmp_path / "outputs")
        assert path.parent in (workspace.outputs / folder for folder in ("ledger", "audiences", "effects", "effects/cells"))
        assert len(f".{path.name}.1234567.tmp".encode()) <= 255
        assert not re.match(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", path.name, re.IGNORECASE)
        assert path.name.rstrip(". ") == path.name != ""


def test_two_names_never_share_a_file():
    workspace = Workspace(Path("outputs"), Path("models"))
    assert len({workspace.ledger_of(name) for name in NAMES}) == len(NAMES)


def test_every_csv_that_is_written_passes_by_the_guard_against_formulas():
    """Of modules that write CSV, those that do it themselves are known, and use ``safe_cells`` or repeat what it wrote."""
    own = re.compile(r"csv\.writer\(|pa_csv\.write_csv\(|\.to_csv\(|FORMAT csv", re.IGNORECASE)
    writers = {
        path.relative_to(SRC).as_posix() for path in SRC.rglob("*.py") if own.search(path.read_text(encoding="utf-8"))
    }
    # Simulated data, and what goes to PostgreSQL, are no files that people open.
    writers = {name for name in writers if not name.startswith(("datasets/", "publish/"))}
    assert writers == {"campaigns/spreadsheet.py", "kpis/files.py", "privacy/erasing.py"}
    for name in ("campaigns/spreadsheet.py", "kpis/files.py"):
        assert "safe_cells(" in (SRC / name).read_text(encoding="utf-8")


def test_a_formula_stays_text_when_somebody_else_is_taken_out_of_the_file(tmp_path):
    path = tmp_path / "audience.csv"
    path.write_bytes(b"customer_id,first_name\r\nc1-shop,Ann\r\nc2-shop,'=1+1\r\n")
    assert erase(path, Marks(frozenset({"c1-shop"}))) == 1
    assert path.read_bytes() == b"customer_id,first_name\r\nc2-shop,'=1+1\r\n"


@pytest.mark.parametrize(
    "uri",
    [f"postgresql://cvm:{SECRET}@127.0.0.1:9/db", f"http://cvm:{SECRET}@127.0.0.1:9", f"nonsense://cvm:{SECRET}@h/d"],
)
def test_a_store_that_cannot_be_reached_does_not_tell_its_password(monkeypatch, caplog, capfd, uri):
    for name, value in (("MAX_RETRIES", "0"), ("BACKOFF_FACTOR", "0"), ("TIMEOUT", "1")):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", value)
    monkeypatch.setattr("mlflow.store.db.utils.MAX_RETRY_COUNT", 0)
    with pytest.raises(TrackingError, match=r"tracking\.uri in params\.yaml") as refused:
        Store(uri, None, "cvm", "cvm").bundle("champion")
    captured = capfd.readouterr()
    assert SECRET not in str(refused.value) + caplog.text + captured.out + captured.err
    assert refused.value.__cause__ is None


def test_no_file_that_a_run_writes_holds_a_password_of_params(tmp_path):
    shop.purchases(n_customers=20, days=200).to_csv(tmp_path / "transactions.csv", index=False)
    tracking = {"uri": f"postgresql://cvm:{SECRET}@127.0.0.1:9/db"}
    tables = {
        "transactions": {"path": "transactions.csv"},
        "events": {"url": f"postgresql://cvm:{SECRET}@127.0.0.1:9/db", "query": "SELECT 1"},
    }
    shop.write_params(tmp_path, data=tables, tracking=tracking)
    done = shop.cvm(tmp_path, "ingest")
    assert done.code == 1
    shop.write_params(tmp_path, data={"transactions": {"path": "transactions.csv"}}, tracking=tracking)
    assert shop.cvm(tmp_path, "ingest").code == 0
    assert SECRET not in done.out + done.err
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "params.yaml"]
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]


def test_no_password_of_params_is_recorded_with_a_training(tmp_path):
    params = shop.params_for(tmp_path, tracking={"uri": f"https://cvm:{SECRET}@mlflow.example/path"})
    recorded = dict(_flat(logged_params(params)))
    assert recorded["tracking.uri"] == "https://***@mlflow.example/path"
    assert SECRET not in str(recorded)


def test_a_compressed_line_without_end_is_refused(tmp_path):
    with gzip.open(tmp_path / "transactions.csv.gz", "wb") as file:
        file.write(b"customer_id,occurred_at,amount\n" + b"0" * 20_000_000)
    shop.write_params(tmp_path, data={"transactions": {"path": "transactions.csv.gz"}})
    done = shop.cvm(tmp_path, "ingest")
    assert done.code == 1
    assert "cannot be read" in done.err
    assert len(done.err) < 2_000


def test_every_escape_from_the_security_rules_says_why():
    """``noqa: S...`` stands with a reason, and never for a whole file."""
    lines = [
        (path.name, line.strip()) for path in SRC.rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines()
    ]
    escapes = [(name, line) for name, line in lines if re.search(r"noqa(?!: )|noqa: [^#]*\bS\d", line)]
    assert all(re.search(r"noqa: S\d+ - \w", line) for _, line in escapes), escapes
    assert len(escapes) <= 5
