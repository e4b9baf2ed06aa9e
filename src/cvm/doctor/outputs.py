"""What commands have written so far: may they write, who is at it, is what lies there whole and up to date."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from cvm.doctor.line import Line, size
from cvm.doctor.machine import nearest
from cvm.engines import identifier
from cvm.features.files import features_file, read_catalogue, read_plan
from cvm.ingest.contracts import CONTRACTS
from cvm.locks import holder_of
from cvm.models.bundle import bundle_version
from cvm.params import Params
from cvm.scoring.files import origin_of
from cvm.stages.context import engine_trouble
from cvm.stages.warehouse import open_duckdb
from cvm.workspace import Workspace


def writing_lines(workspace: Workspace) -> Iterator[Line]:
    """Whether outputs and models can be written, as far as rights go, and who is writing now."""
    folders = {"outputs": workspace.outputs, "models": workspace.champion.parent}
    for key, folder in folders.items():
        closed = _closed(folder)
        if closed:
            yield Line(key, "wrong", closed, f"Grant write access, or set another folder under {key} in params.yaml.")
        elif folder.is_dir():
            yield Line(key, "ok", f"{size(bytes_in(folder))} in {folder}")
        else:
            yield Line(key, "ok", f"{folder}, not made yet")
    held = {holder for folder in folders.values() if folder.is_dir() and (holder := holder_of(folder))}
    if held:
        fix = "Wait for its end, or have commands wait with --set wait_s=600."
        yield Line("lock", "look", f"held by {'; '.join(sorted(held))}", fix)
    else:
        yield Line("lock", "ok", "nobody is writing")


def is_untouched(workspace: Workspace) -> bool:
    """Whether no command has written anything yet."""
    return not any(path.exists() for path in (workspace.warehouse, workspace.lake, workspace.features, workspace.champion))


def nothing_yet_line() -> Iterator[Line]:
    """What is said of outputs that nobody has made."""
    yield Line("results", "ok", "nothing is made yet", "cvm run")


def warehouse_lines(params: Params, workspace: Workspace, *, data_changed: datetime | None) -> Iterator[Line]:
    """Whether the clean tables can be read, and how far they reach.

    Parameters
    ----------
    params : Params
    workspace : Workspace
    data_changed : datetime or None
        When the user's files were last written.
    """
    if params.engine == "spark":
        yield _lake_line(params, workspace)
        return
    path = workspace.warehouse
    if not path.exists():
        yield Line("warehouse", "look", "not made yet", "cvm ingest")
        return
    if holder_of(workspace.outputs):
        yield Line("warehouse", "look", "not looked at while another command is writing", "Ask again when it has ended.")
        return
    with engine_trouble(), open_duckdb(params, step="cvm doctor") as engine:
        tables = sorted(engine.tables() & set(CONTRACTS))
        if "transactions" not in tables:
            yield Line("warehouse", "wrong", f"{path} has no table of transactions", "cvm ingest --full")
            return
        rows = {name: engine.row(f"SELECT count(*) AS n FROM {identifier(name)}")["n"] for name in tables}
        newest = engine.row("SELECT max(occurred_at) AS newest FROM transactions")["newest"]
    counted = ", ".join(f"{name} {n:,} rows" for name, n in rows.items())
    until = f", purchases up to {newest:%Y-%m-%d}" if newest else ""
    yield Line("warehouse", "ok" if newest else "wrong", f"{counted}{until}; {size(path.stat().st_size)}", _refill(newest))
    if data_changed and data_changed > changed(path):
        found = f"written {changed(path):%Y-%m-%d %H:%M} UTC, before your files changed"
        yield Line("warehouse", "look", found, "cvm ingest")


def features_lines(params: Params, workspace: Workspace) -> Iterator[Line]:
    """Whether the features on file are whole, and those that params ask for."""
    folder = workspace.features
    if not folder.is_dir():
        yield Line("features", "look", "not made yet", "cvm features")
        return
    plan, features = read_plan(folder), read_catalogue(folder)
    damaged = [str(day) for day in plan.as_of if not _is_whole(features_file(folder, day))]
    if damaged:
        yield Line("features", "wrong", f"missing or damaged at {', '.join(damaged)}", "cvm features")
        return
    yield Line("features", "ok", f"{len(features)} entries of the catalogue at {len(plan.as_of)} dates, scored {plan.score}")
    made = f"{plan.horizon_days} and {plan.lead_days}"
    asked = f"{params.windows.horizon_days} and {params.windows.lead_days}"
    if made != asked:
        found = f"made for horizon and lead of {made} days; params.yaml asks for {asked}"
        yield Line("features", "look", found, "cvm features, then cvm train")
    source = workspace.warehouse
    if params.engine == "duckdb" and source.exists() and changed(features_file(folder, plan.score)) < changed(source):
        yield Line("features", "look", "older than the warehouse", "cvm features")


def scores_lines(workspace: Workspace) -> Iterator[Line]:
    """Whether scores are whole, and those of the champion."""
    damaged, files = workspace.damaged_scores(), workspace.score_files()
    for day, path in damaged.items():
        yield Line("scores", "wrong", f"{path} is damaged", f"cvm score --as-of {day}")
    if not files:
        if not damaged:
            yield Line("scores", "look", "not made yet", "cvm score")
        return
    latest = max(files)
    made_by = str((origin_of(files[latest]) or {}).get("model_version", "an unknown model"))
    champion = bundle_version(workspace.champion)
    found = f"{len(files):,} date{'s' if len(files) > 1 else ''}, the latest {latest} by model {made_by}"
    if champion is not None and made_by != champion:
        yield Line("scores", "look", f"{found}; the champion is {champion}", "cvm score")
    else:
        yield Line("scores", "ok", found)


def bytes_in(folder: Path) -> int:
    """Size of all files below a folder that can be looked at; 0 where there is none."""
    total = 0
    for at, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(at) / name).lstat().st_size
            except OSError:  # gone meanwhile, or not ours to see
                continue
    return total


def changed(path: Path) -> datetime:
    """When a file was last written."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _closed(folder: Path) -> str:
    """Why nothing can be written to a folder, as far as rights tell; empty where something can."""
    start = nearest(folder)
    if not start.is_dir():
        return f"{start} is a file, and no folder"
    return "" if os.access(start, os.W_OK | os.X_OK) else f"no right to write in {start}"


def _refill(newest: datetime | None) -> str:
    return "" if newest else "Its table of transactions is empty: cvm ingest --full"


def _lake_line(params: Params, workspace: Workspace) -> Line:
    if params.spark.in_schema is not None:
        return Line(
            "warehouse", "ok", f"schema {params.spark.in_schema} of Spark's catalog, which only Spark can be asked for"
        )
    tables = [name for name in CONTRACTS if (workspace.lake / name).is_dir()]
    if "transactions" not in tables:
        return Line("warehouse", "look", "not made yet", "cvm ingest")
    return Line("warehouse", "ok", f"{', '.join(tables)} as Parquet; {size(bytes_in(workspace.lake))}")


def _is_whole(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (OSError, ValueError):  # pyarrow's own errors are ValueErrors
        return False
    return True
