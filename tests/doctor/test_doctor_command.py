"""``cvm doctor`` on workspaces that are new, half made, damaged and whole: a line for each trouble, never a stack trace."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import shop
from cvm.doctor import diagnosis, packages
from cvm.doctor.line import Line
from cvm.features.files import PLAN_FILE, features_file, read_plan
from cvm.params import load_params
from cvm.stages.data import run_features, run_ingest
from held import held

WINDOWS = {"horizon_days": 90, "clv_days": 180}
TRAIN = {"snapshots": 2, "step_days": 30, "seed": 7}


def doctor(folder: Path, *arguments: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Exit code and lines by what they are about."""
    done = shop.cvm(folder, "doctor", "--json", *arguments)
    assert "Traceback" not in done.err
    told = json.loads(done.out)
    (stage,) = told["stages"]
    assert done.code == (1 if stage["n_wrong"] else 0)
    lines: dict[str, list[dict[str, str]]] = {}
    for line in stage["lines"]:
        assert line["state"] in ("ok", "look", "wrong")
        assert line["found"]
        lines.setdefault(line["what"], []).append(line)
    return done.code, lines


def states(lines: list[dict[str, str]]) -> list[str]:
    return [line["state"] for line in lines]


@pytest.fixture(scope="module")
def half_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop whose clean tables and features are made, and no model."""
    folder = tmp_path_factory.mktemp("shop")
    shop.purchases(n_customers=80).to_csv(folder / "transactions.csv", index=False)
    params = load_params(shop.write_params(folder, windows=WINDOWS, train=TRAIN))
    run_ingest(params)
    run_features(params)
    return folder


@pytest.fixture
def folder(half_made: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    return shutil.copytree(half_made, tmp_path / "shop")


def change_params(folder: Path, **sections: Any) -> None:
    shop.write_params(folder, **{"windows": WINDOWS, "train": TRAIN, **sections})


def test_a_new_workspace_is_well_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {dataset: cdnow}\n", encoding="utf-8")
    done = shop.cvm(tmp_path, "doctor")
    assert done.code == 0
    assert "69,659 rows up to 1998-06-30" in done.out
    assert "nothing is made yet" in done.out
    assert " wrong" not in done.out.replace("nothing wrong", "")
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_without_params_the_environment_is_looked_at_all_the_same(tmp_path: Path) -> None:
    code, lines = doctor(tmp_path)
    assert code == 1
    assert states(lines["Python"]) == ["ok"]
    (line,) = lines["params"]
    assert line["found"].startswith("params.yaml cannot be read: No such file or directory")
    assert line["fix"] == "cvm init writes one for your files."
    assert "warehouse" not in lines


def test_all_problems_of_params_are_in_one_line(folder: Path) -> None:
    (folder / "params.yaml").write_text("data: {dataset: cdnow}\nwindow: {}\nbtyd: {family: nbd}\n", encoding="utf-8")
    _, lines = doctor(folder)
    (line,) = lines["params"]
    assert line["state"] == "wrong"
    assert "window: unknown key; did you mean 'windows'?" in line["found"]
    assert "btyd.family" in line["found"]


def test_a_half_made_workspace_says_how_far_it_is(folder: Path) -> None:
    code, lines = doctor(folder)
    assert code == 0
    assert lines["transactions"][0]["found"].startswith("1 file, ")
    assert "3 of 3 columns are used" in lines["transactions"][0]["found"]
    (warehouse,) = lines["warehouse"]
    assert warehouse["state"] == "ok"
    assert "purchases up to 20" in warehouse["found"]
    assert states(lines["features"]) == ["ok"]
    assert (states(lines["scores"]), states(lines["champion"])) == (["look"], ["look"])
    assert lines["champion"][0]["fix"] == "cvm train, then cvm promote"
    assert lines["MLflow"][0]["found"] == "mlruns/mlflow.db is not made yet; cvm train makes it"
    assert not (folder / "mlruns").exists()


def test_no_line_says_the_folders_of_a_person(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder.parent)
    monkeypatch.setattr(socket, "gethostname", lambda: "laptop-of-ann")
    (folder / "outputs" / "warehouse.duckdb").write_bytes(b"damaged")
    found = diagnosis.diagnose(folder / "params.yaml")
    assert found.n_wrong == 1
    monkeypatch.setattr(os, "access", lambda *_: False)
    with held(folder / "outputs"):
        closed = diagnosis.diagnose(folder / "params.yaml")
    assert closed.n_wrong == 2
    for line in found.lines + closed.lines:
        told = line.found + line.fix
        assert not [name for name in (str(folder), str(folder.parent), "laptop-of-ann") if name in told]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no right to write in /home/ann", "no right to write in ~"),
        ("/home/ann is a file. It is /home/ann.", "~ is a file. It is ~."),
        ("in /home/ann/shop: /home/ann/shop/outputs, '/home/ann/shop'", "in .: outputs, '.'"),
        ("/home/ann/.cache and sqlite:////home/ann/x.db", "~/.cache and sqlite:///~/x.db"),
        (
            "/home/ann/shopping, /home/anna, /home/ann.old, /mnt/home/ann",
            "~/shopping, /home/anna, /home/ann.old, /mnt/home/ann",
        ),
    ],
)
def test_folders_of_a_person_have_short_names(monkeypatch: pytest.MonkeyPatch, text: str, shown: str) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ann"))
    monkeypatch.setattr(Path, "cwd", lambda: Path("/home/ann/shop"))
    assert diagnosis.shareable(Line("disk", "ok", text)).found == shown


def test_who_holds_the_lock_is_named_and_the_warehouse_left_alone(folder: Path) -> None:
    with held(folder / "outputs", command="cvm ingest"):
        _, lines = doctor(folder)
        (line,) = lines["lock"]
        assert line["state"] == "look"
        assert f"held by `cvm ingest`, process {os.getpid()} on " in line["found"]
        assert states(lines["warehouse"]) == ["look"]
    (folder / "outputs" / ".cvm.lock").write_text("left by a kill", encoding="utf-8")
    assert states(doctor(folder)[1]["lock"]) == ["ok"]
    assert (folder / "outputs" / ".cvm.lock").exists()


def test_new_data_asks_for_an_ingest_and_a_new_warehouse_for_features(folder: Path) -> None:
    os.utime(folder / "transactions.csv", (4e9, 4e9))
    _, lines = doctor(folder)
    assert lines["warehouse"][-1]["found"].endswith("before your files changed")
    assert lines["warehouse"][-1]["fix"] == "cvm ingest"
    os.utime(folder / "outputs" / "warehouse.duckdb", (4.1e9, 4.1e9))
    _, lines = doctor(folder)
    assert states(lines["warehouse"]) == ["ok"]
    assert lines["features"][-1] == {
        "part": "outputs", "what": "features", "state": "look", "found": "older than the warehouse", "fix": "cvm features",
    }  # fmt: skip


def test_features_of_other_windows_are_said(folder: Path) -> None:
    change_params(folder, windows={**WINDOWS, "horizon_days": 60})
    _, lines = doctor(folder)
    found = "made for horizon and lead of 90 and 0 days; params.yaml asks for 60 and 0"
    assert lines["features"][-1]["found"] == found


@pytest.mark.parametrize("key", ["outputs", "models"])
def test_folders_without_the_right_to_write_are_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    (folder / "models").mkdir(exist_ok=True)
    monkeypatch.setattr(os, "access", lambda path, _: Path(path).name != key)
    code, lines = doctor(folder)
    assert code == 1
    assert lines[key][0]["found"] == f"no right to write in {key}"
    assert f"under {key} in params.yaml" in lines[key][0]["fix"]


def damage_features(folder: Path) -> None:
    day = read_plan(folder / "outputs" / "features").score
    features_file(folder / "outputs" / "features", day).write_bytes(b"PAR1")


def cut_the_scores_short(folder: Path) -> None:
    path = folder / "outputs" / "scores" / f"as_of={date(2024, 1, 1)}" / "scores.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 and no more")


def remove(*names: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        for name in names:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return apply


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    return apply


def empty_warehouse(folder: Path) -> None:
    from cvm.engines import DuckDBEngine

    with DuckDBEngine(folder / "outputs" / "warehouse.duckdb") as engine:
        engine.execute("DROP TABLE transactions")


def other_columns(folder: Path) -> None:
    change_params(folder, data={"transactions": {"path": "transactions.csv", "columns": {"amount": "total"}}})


def own_url(url: str) -> Callable[[Path], None]:
    return lambda folder: change_params(folder, data={"transactions": {"url": url, "query": "SELECT 1"}})


TROUBLES: list[tuple[Callable[[Path], None], str, str]] = [
    (remove("transactions.csv"), "transactions", "no file matches 'transactions.csv'"),
    (write("transactions.csv", b""), "transactions", "columns"),
    (write("transactions.csv", b"\x00\xff\xfe"), "transactions", "not utf-8 encoded"),
    (write("transactions.csv", b"a,b\n1,2\n"), "transactions", "lacks columns ['amount', 'customer_id', 'occurred_at']"),
    (other_columns, "transactions", "data.transactions.columns points at ['total']"),
    (own_url("env:CVM_NO_SUCH_DATABASE"), "transactions", "'CVM_NO_SUCH_DATABASE', which is not set"),
    (own_url("oracle9://me:hunter2@host/db"), "transactions", "SQLAlchemy knows no dialect 'oracle9'"),
    (own_url("sqlite:////no/such/folder/shop.db"), "transactions", "unable to open database file"),
    (lambda folder: change_params(folder, data={"transactions": {"path": "x.db", "table": "t"}}), "transactions", "x.db"),
    (lambda folder: change_params(folder, privacy={"pseudonym_key": "env:CVM_NO_KEY"}), "secrets", "CVM_NO_KEY"),
    (
        lambda folder: change_params(folder, publish={"url": "mysql://me:hunter2@h/d"}),
        "secrets",
        "publish.url is of 'mysql'",
    ),
    (write("outputs/warehouse.duckdb", b"damaged"), "warehouse", "warehouse.duckdb cannot be opened"),
    (empty_warehouse, "warehouse", "has no table of transactions"),
    (write(f"outputs/features/{PLAN_FILE}", b"{"), "features", f"{PLAN_FILE} is damaged"),
    (remove("outputs/features/catalogue.json"), "features", "catalogue.json does not exist yet"),
    (damage_features, "features", "missing or damaged at 20"),
    (cut_the_scores_short, "scores", "as_of=2024-01-01/scores.parquet is damaged"),
    (write("models/champion/bundle.json", b"{}"), "champion", "holds no complete bundle: hashes.json is missing"),
    (write("models/challenger/hashes.json", b"{}"), "challenger", "was changed after it was written"),
    (write("mlruns/mlflow.db", b"not a database" * 1000), "MLflow", "file is not a database"),
]


@pytest.mark.parametrize(("damage", "what", "found"), TROUBLES)
def test_each_trouble_is_one_wrong_line_that_says_what_it_is(
    folder: Path, damage: Callable[[Path], None], what: str, found: str
) -> None:
    damage(folder)
    code, lines = doctor(folder)
    assert code == 1
    wrong = [line for line in lines[what] if line["state"] == "wrong"]
    assert len(wrong) == 1, lines[what]
    assert found in wrong[0]["found"]
    assert "hunter2" not in json.dumps(lines)


def test_an_empty_store_is_left_empty(folder: Path) -> None:
    path = folder / "mlruns" / "mlflow.db"
    path.parent.mkdir()
    path.touch()
    _, lines = doctor(folder)
    assert lines["MLflow"][0]["found"] == "the database answers, and holds no store yet; cvm train makes one"
    assert path.stat().st_size == 0


def test_a_store_of_another_mlflow_is_not_migrated_by_looking_at_it(folder: Path) -> None:
    path = folder / "mlruns" / "mlflow.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as store:
        store.executescript("CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('old')")
    before = path.read_bytes()
    _, lines = doctor(folder)
    (line,) = lines["MLflow"]
    assert line["state"] == "wrong"
    assert "Another version of MLflow wrote it" in line["found"]
    assert path.read_bytes() == before


def test_extras_that_params_ask_for_are_wrong_where_they_are_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "requirements", lambda extra: [Requirement("nowhere")] if extra == "identity" else [])
    change_params(folder, identity={"probabilistic": True})
    _, lines = doctor(folder)
    assert lines["extras"][0]["fix"] == "pip install 'cvm[identity]'"


def test_a_package_that_fits_no_other_is_named_with_its_reason(tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "pandas"
    broken.mkdir(parents=True)
    reason = "numpy.dtype size changed, may indicate binary incompatibility"
    (broken / "__init__.py").write_text(f"raise ValueError({reason!r})", encoding="utf-8")
    path = os.pathsep.join([str(broken.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "cvm", "doctor", "--json"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    (stage,) = json.loads(done.stdout)["stages"]
    found = {line["what"]: line for line in stage["lines"]}
    assert done.returncode == 1
    assert (found["loading"]["state"], f"pandas: {reason}" in found["loading"]["found"]) == ("wrong", True)
    assert found["params"]["found"].endswith(f"packages that do not load; pandas: {reason}")


def test_packages_that_do_not_load_end_the_diagnosis_in_words(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cvm.doctor.checks", None)
    code, lines = doctor(folder)
    assert code == 0
    assert states(lines["params"]) == ["look"]
    assert "packages that do not load" in lines["params"][0]["found"]


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_the_terminal(folder: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    from rich.console import Console

    from cvm.doctor.table import diagnosis_tables, summary_line

    monkeypatch.chdir(folder)
    (folder / "outputs" / "warehouse.duckdb").write_bytes(b"damaged")
    found = diagnosis.diagnose(Path("params.yaml"))
    console = Console(width=width, record=True, file=StringIO())
    console.print(*diagnosis_tables(found), summary_line(found, 1.0), sep="\n")
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.startswith("  wrong  warehouse") for line in lines)
    assert lines[-1].startswith("doctor    1 wrong, ")


def test_quiet_prints_what_is_amiss_alone(folder: Path) -> None:
    (folder / "outputs" / "warehouse.duckdb").write_bytes(b"damaged")
    done = shop.cvm(folder, "doctor", "--quiet")
    assert done.code == 1
    assert "warehouse" in done.out
    assert "  ok " not in done.out
