"""The command that looks for what is wrong."""

from __future__ import annotations

import time

import typer

from cvm.terminal import DEFAULT_PARAMS, ParamsOption, Printer, QuietOption, SetOption


def doctor(params: ParamsOption = DEFAULT_PARAMS, set_: SetOption = None, quiet: QuietOption = False) -> None:
    """What is wrong here, and how to mend it. Looks at this installation, your data and the outputs; writes nothing.

    Exit code 0, or 1 if anything is wrong. With --json, one line for programs.
    """
    from cvm.doctor.diagnosis import diagnose
    from cvm.doctor.table import diagnosis_tables, summary_line

    printer, started = Printer(quiet=quiet), time.perf_counter()
    with printer.stage("doctor") as progress:
        found = diagnose(params, overrides=set_ or (), progress=progress)
    seconds = time.perf_counter() - started
    message = f"{found.n_wrong} wrong, {found.n_to_look_at} to look at"
    printer.record("doctor", message, (), seconds, found.figures())
    printer.console.print(*diagnosis_tables(found, only_amiss=quiet), sep="\n")
    if not quiet:
        printer.console.print(summary_line(found, seconds))
    if found.n_wrong:
        raise typer.Exit(1)
