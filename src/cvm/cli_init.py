"""The command that writes ``params.yaml`` for the user's own files."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.padding import Padding

from cvm.errors import ParamsError
from cvm.proposing.questions import proposed
from cvm.terminal import DEFAULT_PARAMS, Printer, QuietOption, load_params

if TYPE_CHECKING:
    from cvm.proposing.questions import Ask, Question

_NO_TERMINAL = "no terminal to ask in, so every proposal is taken, as with --yes"


def init(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Your exports, or folders that hold them; by default this folder.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = DEFAULT_PARAMS,
    force: Annotated[bool, typer.Option("--force", help="Overwrite it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take every proposal.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Write an annotated params.yaml for your files. Tables and columns are proposed from their headers and values."""
    from cvm.proposing.annotated import params_text
    from cvm.proposing.proposal import propose
    from cvm.reports.proposal import next_step, proposal_tables, summary_lines
    from cvm.writing import replaced_file

    printer, started = Printer(quiet=quiet), time.perf_counter()
    if output.exists() and not force:
        raise ParamsError(f"{output} is there already. Write another file with --output FILE, or replace it with --force.")
    if not output.parent.is_dir():
        raise ParamsError(f"There is no folder {str(output.parent)!r} to write {output.name} in. Make it first.")
    can_ask = sys.stdin.isatty() and sys.stdout.isatty() and not quiet
    now = datetime.now(UTC).replace(tzinfo=None)
    if yes or not can_ask:
        with printer.stage("init") as progress:
            found = propose(
                files or [Path()],
                folder=output.parent,
                ask=proposed if yes else _taking(printer),
                now=now,
                progress=progress,
            )
    else:
        # Lines and no spinner, which would write over the questions.
        found = propose(
            files or [Path()],
            folder=output.parent,
            ask=asking(printer),
            now=now,
            progress=lambda text: printer.console.print(f"[dim]{escape(text)}[/]"),
        )
    with replaced_file(output) as temporary:
        temporary.write_text(params_text(found), encoding="utf-8")
        _check(temporary, output)
    if not quiet:
        printer.console.print(*proposal_tables(found), sep="\n")
    n_rows = {outcome.table: outcome.n_read for outcome in found.rehearsal.outcomes}
    command = "cvm run" if output == DEFAULT_PARAMS else f"cvm run --params {output}"
    figures = {
        "params": output,
        "n_rows": n_rows,
        "horizon_days": found.rehearsal.horizon_days,
        "currency": found.currency[0],
    }
    notes = tuple(summary_lines(found))
    printer.outcome(
        "init",
        f"wrote {output}. Next: {next_step(found, command)}",
        notes,
        time.perf_counter() - started,
        figures,
        with_seconds=yes or not can_ask,  # those of a user who thinks are nobody's business
    )


def _check(proposal: Path, output: Path) -> None:
    """Refuse what does not load before it takes the place of anything."""
    try:
        load_params(proposal)
    except ParamsError as error:
        problems = str(error).replace(str(proposal), "the proposal")
        raise ParamsError(
            f"What was proposed for these files does not load, and was not written to {output}: {problems} "
            "Answer otherwise, or write params.yaml by hand (docs/init.md)."
        ) from None


def _taking(printer: Printer) -> Ask:
    """Every proposal, once it is said that nobody can be asked."""
    has_told = False

    def ask(question: Question) -> str:
        nonlocal has_told
        if not has_told:
            printer.note("init", _NO_TERMINAL)
            has_told = True
        return proposed(question)

    return ask


def asking(printer: Printer) -> Ask:
    """Questions in the terminal: Enter takes the proposal, anything else is checked before it is taken."""
    subjects: list[str] = []

    def ask(question: Question) -> str:
        console = printer.console
        if not subjects or subjects[-1] != question.subject:
            subjects.append(question.subject)
            console.print(f"\n[bold]{escape(question.subject)}[/]  [dim]Enter takes what stands in brackets, - is none[/]")
        while True:
            console.print(Padding(escape(question.text), (0, 0, 0, 2)))
            console.print(Padding(f"[dim]{escape(question.reason)}[/]", (0, 0, 0, 4)))
            answer = console.input(f"    [bold cyan]\\[{escape(question.proposal)}][/] ").strip()
            problem = question.problem(answer or question.proposal)
            if problem is None:
                return answer or question.proposal
            console.print(Padding(f"[red]{escape(problem)}[/]", (0, 0, 0, 4)))

    return ask
