"""What all commands share: their common options, and how they tell what they do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from cvm.params import Params
    from cvm.stages.context import StageOutcome

ParamsOption = Annotated[Path, typer.Option("--params", help="Parameter file.", show_default=True)]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override a key: section.key=value. Repeatable.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print only warnings and errors.")]

DEFAULT_PARAMS = Path("params.yaml")

_stages: ContextVar[list[dict[str, object]] | None] = ContextVar("stages", default=None)


def load_params(path: Path, *, overrides: Sequence[str] = ()) -> Params:
    """``cvm.params.load_params``, imported when a command needs it: help and completion of the shell do without."""
    from cvm.errors import ParamsError
    from cvm.params import load_params as load

    if path == DEFAULT_PARAMS and not path.exists():
        raise ParamsError(
            f"{path} cannot be read: No such file or directory. Choose another file with --params, or write one for your "
            "exports with `cvm init FILE`."
        )
    return load(path, overrides=overrides)


@contextmanager
def recording() -> Iterator[list[dict[str, object]]]:
    """Everything that printers tell of stages inside the block, for programs."""
    stages: list[dict[str, object]] = []
    token = _stages.set(stages)
    try:
        yield stages
    finally:
        _stages.reset(token)


class Printer:
    """Progress and outcomes: a spinner in a terminal, plain lines elsewhere, next to nothing when quiet."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        terminal = sys.stdout.isatty()
        self.console = Console(highlight=False, emoji=False, soft_wrap=not terminal, width=None if terminal else 160)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[str], None]]:
        """Show a stage at work; what it reports replaces the spinner's text, or is one line each."""
        if self.quiet or not self.console.is_terminal:
            yield lambda text: None if self.quiet else self.console.print(f"{name:9s} ... {escape(text)}")
            return
        with self.console.status(name) as status:
            yield lambda text: status.update(f"{name}: {escape(text)}")

    def run(
        self, name: str, stage: Callable[..., StageOutcome], *args: object, with_tables: bool = True, **options: object
    ) -> StageOutcome:
        """Run a stage, and tell what came of it."""
        started = time.perf_counter()
        with self.stage(name) as progress:
            outcome = stage(*args, progress=progress, **options)
        self.outcome(outcome.stage, outcome.message, outcome.warnings, time.perf_counter() - started, outcome.figures)
        if outcome.tables and with_tables and not self.quiet:
            self.console.print(*outcome.tables, sep="\n")
        return outcome

    def outcome(
        self,
        stage: str,
        message: str,
        warnings: tuple[str, ...],
        seconds: float,
        figures: Mapping[str, object] = MappingProxyType({}),
        *,
        with_seconds: bool = True,
    ) -> None:
        """One line of outcome, then its warnings; ``figures`` are for programs."""
        self.record(stage, message, warnings, seconds, figures)
        if not self.quiet:
            took = f" [dim]({seconds:.1f} s)[/]" if with_seconds else ""
            self.console.print(f"[bold green]{stage:9s}[/] {escape(message)}{took}")
        for warning in warnings:
            self.note(stage, warning)

    def record(
        self, stage: str, message: str, warnings: tuple[str, ...], seconds: float, figures: Mapping[str, object]
    ) -> None:
        """The same to programs alone."""
        stages = _stages.get()
        if stages is not None:
            told = {"stage": stage, "message": message, "warnings": list(warnings), "seconds": round(seconds, 3)}
            stages.append({**told, **figures, **told})  # its own words first, and not to be overwritten

    def note(self, stage: str, text: str) -> None:
        """What a reader should know even when all else is quiet."""
        self.console.print(f"[yellow]{stage:9s} note:[/] {escape(text)}")
