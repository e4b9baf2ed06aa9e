"""What all stages share: the line they end with, the workspace they write to, and what is said of an engine that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar, cast

from cvm.engines import Engine, QueryError
from cvm.errors import CvmError, ParamsError
from cvm.features.files import read_plan
from cvm.ingest.assessment import Assessment
from cvm.params import Params
from cvm.workspace import Workspace

if TYPE_CHECKING:
    from rich.console import RenderableType

Progress = Callable[[str], None]
# How the engine words a file of tables that was cut short or changed.
_DAMAGE = ("Could not read enough bytes from file", "not a valid DuckDB database file", "Corrupt database file")
_Options = ParamSpec("_Options")
_Outcome = TypeVar("_Outcome")
_Stage = Callable[Concatenate[Params, _Options], _Outcome]


@dataclass(frozen=True)
class StageOutcome:
    """One line about what a stage did, what a reader should be warned of, and what ingest found in the data.

    ``tables`` are shown where the stage is run alone. ``figures`` say what ``message`` says to programs: plain JSON values.
    """

    stage: str
    message: str
    warnings: tuple[str, ...] = ()
    assessment: Assessment | None = field(default=None, repr=False)
    tables: tuple[RenderableType, ...] = field(default=(), repr=False)
    figures: Mapping[str, object] = field(default_factory=dict, repr=False)


def silent(_: str) -> None:
    """Progress that nobody reads."""


def utc_now() -> datetime:
    """What the clock says, without zone, as the times of the warehouse."""
    return datetime.now(UTC).replace(tzinfo=None)


def workspace_of(params: Params) -> Workspace:
    """Where the outputs of these params live.

    Raises
    ------
    ParamsError
        If ``params`` are none.
    """
    if not isinstance(params, Params):
        raise ParamsError(f"params is of type {type(params).__name__}; pass cvm.load_params('params.yaml').")
    return Workspace(outputs=params.resolve(params.outputs), champion=params.resolve(params.models) / "champion")


@contextmanager
def only_writer(params: Params, command: str, *, with_models: bool = False, progress: Progress = silent) -> Iterator[None]:
    """Be the only command that writes to the workspace of these params; ``wait_s`` says how long to wait for others.

    ``with_models`` says that the command writes models, too: most only read them, and need no right to write there.

    Raises
    ------
    WorkspaceError
        If nothing could be written there, or another command is at work.
    """
    with workspace_of(params).writing(command, with_models=with_models, wait_s=params.wait_s, tell=progress):
        yield


def writes(command: str, *, with_models: bool = False) -> Callable[[_Stage[_Options, _Outcome]], _Stage[_Options, _Outcome]]:
    """Of a stage that writes outputs: checks that it can before any work is done, and keeps other commands out meanwhile.

    Parameters
    ----------
    command : str
        What others are told who want to write meanwhile: ``"cvm score"``.
    with_models : bool
        Whether it writes models, too.
    """

    def decorate(stage: _Stage[_Options, _Outcome]) -> _Stage[_Options, _Outcome]:
        @wraps(stage)
        def alone(params: Params, /, *args: _Options.args, **options: _Options.kwargs) -> _Outcome:
            progress = cast(Progress, options.get("progress", silent))
            with only_writer(params, command, with_models=with_models, progress=progress):
                return stage(params, *args, **options)

        return alone

    return decorate


def damaged_scores(workspace: Workspace) -> tuple[str, ...]:
    """A note on each file of scores that is left out because it was cut short."""
    return tuple(
        f"{path} is damaged and left out. Delete it, or write it again: `cvm score --as-of {day}`."
        for day, path in workspace.damaged_scores().items()
    )


@contextmanager
def engine_trouble() -> Iterator[None]:
    """Nothing a user supplies should make a query fail; a full disk or memory may."""
    try:
        yield
    except QueryError as error:
        if any(sign in str(error) for sign in _DAMAGE):
            raise CvmError(
                f"The warehouse is damaged: {error}. Nothing was replaced. Run `cvm ingest`, which writes it anew, and then "
                "this again."
            ) from error
        raise CvmError(
            f"The engine gave up: {error}. Nothing was replaced. Free disk space and memory and run again; "
            "if neither was short, this is a fault of cvm: please report it with this message."
        ) from error


def fingerprint(engine: Engine) -> str:
    """Hash of all clean rows, whatever their order."""
    sums = {table: engine.checksum(table) for table in sorted(engine.tables())}
    return "; ".join(f"{table} {n} {rows:016x}" for table, (n, rows) in sums.items())


def scoring_date(params: Params, workspace: Workspace) -> date:
    """The ``as_of`` of the scores that params ask for."""
    return read_plan(workspace.features).score if params.windows.as_of == "latest" else params.windows.as_of
