"""Killed at any moment: every output is the old one or the new one, and the rerun gives what an undisturbed run gives."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import shop
from cvm.engines import DuckDBEngine
from cvm.ingest.ledger import read_ledger
from cvm.models.bundle import read_bundle
from cvm.pipeline import STAGES
from cvm.privacy.erasing import n_traces
from cvm.privacy.marks import Marks
from cvm.promotion.shelf import retired_versions
from cvm.stages.context import fingerprint
from cvm.tracking.store import Store
from cvm.workspace import Workspace
from forking import ForkServer

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="has no fork")]

ORDER = (*STAGES, "monitor")
QUICK = tuple(name for name in ORDER if name != "train")
# What is killed: the whole loop, training, and every other stage by turns.
VICTIMS = [*["run"] * 3, *["train"] * 3, *(QUICK[turn % len(QUICK)] for turn in range(37))]
# Beside these, 50 kills in all.
N_FORGOTTEN, N_ROLLED_BACK = 4, 3
PERSON = "c00007"
# Of folders that are replaced as a whole; else an output is a file.
WHOLE = re.compile(
    r"outputs/(features|experiments|kpis|triggers|quarantine|(segments|actions)/as_of=[^/]+)(?=/)|models/[^/]+(?=/)"
)

Tree = dict[str, str]

# By the hash of a file's bytes.
_contents: dict[str, str] = {}


@dataclass(frozen=True)
class Shop:
    """A shop whose month-old outputs are replaced, and copies of its workspace before and after each stage."""

    folder: Path
    states: Path
    trees: dict[str, Tree]  # by the stage that was the last one to run; "" before the first
    seconds: dict[str, float]

    @property
    def params(self) -> Path:
        return self.folder / "params.yaml"

    def put_back(self, state: str) -> None:
        for name in ("outputs", "models"):
            shutil.rmtree(self.folder / name)
            shutil.copytree(self.states / f"after {state}" / name, self.folder / name)


def tree(folder: Path) -> Tree:
    """Every file below ``outputs`` and ``models``, hidden ones too, and what is in it.

    Rows of exports lie in files numbered in the order of attempts; that they are whole is the ledger's affair.
    """
    return {
        path.relative_to(folder).as_posix(): content(path)
        for name in ("outputs", "models")
        for path in sorted((folder / name).rglob("*"))
        if path.is_file() and path.parent.parent.name != "ingested"
    }


def content(path: Path) -> str:
    """What must be the same after the same run: not the time of writing, nor the last digits of sums in any order."""
    if path.name.startswith(".") or ".tmp" in path.as_posix():
        return "half written"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest not in _contents:
        _contents[digest] = hashlib.sha256(_essence(path).encode()).hexdigest()
    return _contents[digest]


def _essence(path: Path) -> str:
    if path.name == "warehouse.duckdb":
        with DuckDBEngine(path, read_only=True) as engine:
            return fingerprint(engine)
    if path.suffix == ".parquet":
        rows = pq.read_table(path, partitioning=None)
        text = str(rows.drop_columns(list({"decided_at"} & set(rows.column_names))).to_pydict())
    else:
        text = path.read_text(encoding="utf-8")
    if path.name == "ledger.json":
        values = json.loads(text) | {"stamps": None}
        for table in values["tables"].values():
            table["parts"] = [part | {"number": None, "files": len(part["files"])} for part in table["parts"]]
        text = json.dumps(values)
    return re.sub(r"-?\d+\.\d+(e-?\d+)?", lambda number: f"{round(float(number[0]), 6) + 0.0:.6g}", text)


def outputs_of(files: Tree) -> dict[str, Tree]:
    """Files by the output they belong to; what is hidden is none, nor the mark of a decision that is being carried out."""
    found: dict[str, Tree] = {}
    for name, text in files.items():
        if "/." not in name and name != "models/unsettled":
            whole = WHOLE.match(name)
            found.setdefault(whole[0] if whole else name, {})[name] = text
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="module")
def base(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder, states = tmp_path_factory.mktemp("shop"), tmp_path_factory.mktemp("states")
    lines = shop.purchases(n_customers=400, days=500)
    last = lines["occurred_at"].max()
    lines[lines["occurred_at"] <= last - timedelta(days=30)].to_csv(folder / "transactions.csv", index=False)
    windows, train = {"horizon_days": 60, "clv_days": 120}, {"snapshots": 1, "seed": 7}
    shop.write_params(folder, windows=windows, train=train, segments={"clusters": 2})
    server.run(folder / "params.yaml", ORDER)
    lines.to_csv(folder / "transactions.csv", index=False)
    found = Shop(folder, states, {}, {})
    for stage in ("", *ORDER):
        if stage:
            found.seconds[stage] = server.run(found.params, [stage])
        found.trees[stage] = tree(folder)
        for name in ("outputs", "models"):
            shutil.copytree(folder / name, states / f"after {stage}" / name)
    assert found.trees[""].keys() != found.trees["monitor"].keys()
    return found


def test_an_undisturbed_rerun_gives_the_same(base: Shop, server: ForkServer) -> None:
    base.put_back("")
    assert server.run(base.params, ORDER) > 0
    assert tree(base.folder) == base.trees["monitor"]


@pytest.mark.parametrize("number", range(len(VICTIMS)))
def test_killed_at_any_moment_nothing_is_half_written_and_the_rerun_is_whole(
    base: Shop, server: ForkServer, number: int
) -> None:
    draw = np.random.default_rng(number)
    victim = VICTIMS[number]
    stages = list(STAGES) if victim == "run" else [victim]
    before = ORDER[ORDER.index(stages[0]) - 1] if stages[0] != ORDER[0] else ""
    seen = [outputs_of(base.trees[name]) for name in (before, *stages)]
    base.put_back(before)
    duration = sum(base.seconds[name] for name in stages)
    for _ in range(draw.choice([1, 1, 1, 2])):  # a rerun may be killed, too
        server.run(base.params, stages, kill_after=draw.uniform(0, duration))
        now = outputs_of(tree(base.folder))
        for name, files in now.items():
            assert any(files == state.get(name) for state in seen), f"{name} is neither the old one nor the new one"
        lost = {name for name in seen[0] if all(name in state for state in seen)} - now.keys()
        assert not lost, f"{sorted(lost)} are gone"
        assert read_bundle(base.folder / "models" / "champion").model_version
        ledger = read_ledger(base.folder / "outputs" / "ingested")
        assert ledger is not None
        assert all(part.is_whole(base.folder / "outputs" / "ingested") for part in ledger.tables["transactions"].parts)
    assert server.run(base.params, stages) > 0
    assert tree(base.folder) == base.trees[stages[-1]]
    parts = read_ledger(base.folder / "outputs" / "ingested").tables["transactions"].parts
    assert sum(len(part.files) for part in parts) == len(list((base.folder / "outputs" / "ingested").glob("*/*")))
    if victim in ("run", "train"):
        runs, role = base.folder / "mlruns", "champion" if victim == "run" else "challenger"
        registered = Store(f"sqlite:///{runs / 'mlflow.db'}", runs / "artifacts", "cvm", "cvm").bundle(role)
        assert registered.model_version == read_bundle(base.folder / "models" / role).model_version


@pytest.fixture(scope="module")
def forgetting_s(base: Shop, server: ForkServer) -> float:
    base.put_back("monitor")
    return server.run(base.params, ["forget"], of=[PERSON])


@pytest.mark.parametrize("number", range(N_FORGOTTEN))
def test_a_forget_that_is_killed_at_any_moment_is_finished_and_proven_by_a_rerun(
    base: Shop, server: ForkServer, forgetting_s: float, number: int
) -> None:
    kill_after = np.random.default_rng(number).uniform(number, number + 1) / N_FORGOTTEN * forgetting_s
    base.put_back("monitor")
    marks = Marks(frozenset({PERSON}))
    assert n_traces(base.folder / "outputs" / "warehouse.duckdb", marks)
    server.run(base.params, ["forget"], kill_after=kill_after, of=[PERSON])
    rest = [path for path in files_of(base.folder) if path.name not in ("warehouse.duckdb", "identity.parquet")]
    if any(n_traces(path, marks) for path in rest):  # the next run has to know who is who
        assert n_traces(base.folder / "outputs" / "warehouse.duckdb", marks)
    server.run(
        base.params, ["forget"], of=[PERSON], nothing_left="They were forgotten before; nothing about them is on file"
    )
    assert not [path for path in files_of(base.folder) if n_traces(path, marks)]
    assert server.run(base.params, ["ingest"]) > 0
    assert not n_traces(base.folder / "outputs" / "warehouse.duckdb", marks)


def files_of(folder: Path) -> list[Path]:
    """Everything below ``outputs`` that is whole."""
    found = (path for path in sorted((folder / "outputs").rglob("*")) if path.is_file())
    return [path for path in found if "/." not in path.as_posix()]


@pytest.mark.parametrize("number", range(N_ROLLED_BACK))
def test_a_rollback_that_is_killed_at_any_moment_leaves_a_champion_and_is_finished_by_a_rerun(
    base: Shop, server: ForkServer, number: int
) -> None:
    base.put_back("monitor")
    champion = base.folder / "models" / "champion"
    before = read_bundle(champion).model_version
    (wanted, *_) = retired_versions(Workspace(base.folder / "outputs", champion))
    kill_after = np.random.default_rng(number).uniform(0, 0.4)
    server.run(base.params, ["rollback"], kill_after=kill_after, of=wanted)
    assert read_bundle(champion).model_version in (before, wanted)
    server.run(base.params, ["rollback"], of=wanted, nothing_left="is the champion already")
    assert read_bundle(champion).model_version == wanted
    assert before in retired_versions(Workspace(base.folder / "outputs", champion))


@pytest.mark.parametrize("stage", ORDER)
def test_a_disk_that_fills_up_in_the_midst_of_a_stage_is_named_and_nothing_is_lost(
    base: Shop, server: ForkServer, stage: str
) -> None:
    before = ORDER[ORDER.index(stage) - 1] if stage != ORDER[0] else ""
    base.put_back(before)
    error, _, message = server.refusal(base.params, stage, limit=300).partition(": ")
    assert error in ("WorkspaceError", "CvmError", "TrackingError")
    assert "Free the path or disk space" in message or "Free disk space" in message
    seen = [outputs_of(base.trees[name]) for name in (before, stage)]
    for name, files in outputs_of(tree(base.folder)).items():
        assert any(files == state.get(name) for state in seen), f"{name} is neither the old one nor the new one"
    assert server.run(base.params, [stage]) > 0
    assert tree(base.folder) == base.trees[stage]


def test_frames_of_both_runs_differ(base: Shop) -> None:
    """Else the tests above would say nothing."""
    before, after = (outputs_of(base.trees[state]) for state in ("", "monitor"))
    same = {name for name in before.keys() & after.keys() if before[name] == after[name]}
    assert same <= {name for name in before if re.search(r"as_of=|monitoring/20|experiments|ingested/|sufficiency", name)}
    assert isinstance(pd.read_csv(base.folder / "transactions.csv"), pd.DataFrame)
