"""What all commands share: their common options, and how they tell what they do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

ParamsOption = Annotated[Path, typer.Option("--params", help="Parameter file.", show_default=True)]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override a key: section.key=value. Repeatable.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print only warnings and errors.")]

DEFAULT_PARAMS = Path("params.yaml")


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

    def outcome(self, stage: str, message: str, warnings: tuple[str, ...], seconds: float) -> None:
        """One line of outcome, then its warnings."""
        if not self.quiet:
            self.console.print(f"[bold green]{stage:9s}[/] {escape(message)} [dim]({seconds:.1f} s)[/]")
        for warning in warnings:
            self.console.print(f"[yellow]{stage:9s} note:[/] {escape(warning)}")
