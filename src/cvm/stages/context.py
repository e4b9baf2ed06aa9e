"""What all stages share: the line they end with, the workspace they write to, and the warehouse they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cvm.engines import DuckDBEngine, QueryError
from cvm.errors import CvmError, MissingOutputError
from cvm.features.files import read_plan
from cvm.ingest.assessment import Assessment
from cvm.params import Params
from cvm.workspace import Workspace

Progress = Callable[[str], None]


@dataclass(frozen=True)
class StageOutcome:
    """One line about what a stage did, what to be warned of, what ingest found in the data, and where the KPIs are."""

    stage: str
    message: str
    warnings: tuple[str, ...] = ()
    assessment: Assessment | None = None
    kpis: Path | None = None


def silent(_: str) -> None:
    """Progress that nobody reads."""


def workspace_of(params: Params) -> Workspace:
    """Where the outputs of these params live."""
    return Workspace(outputs=params.resolve(params.outputs), champion=params.resolve(params.models) / "champion")


def open_warehouse(workspace: Workspace) -> DuckDBEngine:
    """The clean tables, to be read only.

    Raises
    ------
    CvmError
        If there are none yet, or another program holds them.
    """
    if not workspace.warehouse.is_file():
        raise MissingOutputError.from_stage(workspace.warehouse, command="cvm ingest")
    try:
        return DuckDBEngine(workspace.warehouse, read_only=True)
    except QueryError as error:
        raise CvmError(
            f"The warehouse {workspace.warehouse} cannot be opened: {error}. "
            "Close the program that holds it, or run `cvm ingest`."
        ) from None


@contextmanager
def engine_trouble() -> Iterator[None]:
    """Nothing a user supplies should make a query fail; a full disk or memory may."""
    try:
        yield
    except QueryError as error:
        raise CvmError(
            f"The engine gave up: {error}. Nothing was replaced. Free disk space and memory and run again; "
            "if neither was short, this is a fault of cvm: please report it with this message."
        ) from error


def fingerprint(engine: DuckDBEngine) -> str:
    """Hash of all clean rows, whatever their order."""
    query = "SELECT count(*) AS n, coalesce(sum(hash(t)::HUGEINT), 0)::VARCHAR AS h FROM {} AS t"
    rows = {table: engine.row(query.format(table)) for table in sorted(engine.tables())}
    return "; ".join(f"{table} {row['n']} {int(row['h']) % 2**64:016x}" for table, row in rows.items())


def scoring_date(params: Params, workspace: Workspace) -> date:
    """The ``as_of`` of the scores that params ask for."""
    return read_plan(workspace.features).score if params.windows.as_of == "latest" else params.windows.as_of
