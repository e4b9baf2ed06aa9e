"""The commands about which model is in use."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from cvm.terminal import DEFAULT_PARAMS, ParamsOption, Printer, QuietOption, SetOption, load_params

# Of `cvm promote`, for schedulers: the champion stays.
KEPT = 5


def promote(
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
    force: Annotated[str | None, typer.Option("--force", help="Reason to promote it whatever the gates say.")] = None,
    accept_drift: Annotated[
        str | None, typer.Option("--accept-drift", help="Reason to let the scores of today's customers change.")
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="Print the decisions so far; decide nothing.")] = False,
) -> None:
    """Make the challenger champion if it passes every gate. Exit code 0, or 5 if the champion stays."""
    checked, printer, started = load_params(params, overrides=set_ or ()), Printer(quiet=quiet), time.perf_counter()
    if history:
        from cvm.promotion.history import read_decisions
        from cvm.reports.promotion import history_table
        from cvm.stages.context import workspace_of

        decisions = read_decisions(workspace_of(checked).decisions)
        figures = {"decisions": [asdict(decision) for decision in decisions]}
        printer.record("promote", f"{len(decisions):,} decisions so far", (), time.perf_counter() - started, figures)
        printer.console.print(history_table(decisions) if decisions else "No decision yet. `cvm train` makes the first.")
        return
    for option, reason in (("--force", force), ("--accept-drift", accept_drift)):
        if reason is not None and not reason.strip():
            raise typer.BadParameter(f"{option} takes the reason, which goes into the history")
    from cvm.stages.order import STAGES

    outcome = printer.run("promote", STAGES["promote"], checked, force=force, accept_drift=accept_drift)
    if outcome.figures.get("decision") == "kept":
        raise typer.Exit(KEPT)


def rollback(
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
    to: Annotated[str | None, typer.Option("--to", help="Version; by default the champion before.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Goes into the history.")] = "",
) -> None:
    """Bring a former champion back."""
    from cvm.stages.promote import run_rollback

    Printer(quiet=quiet).run("rollback", run_rollback, load_params(params, overrides=set_ or ()), to=to, reason=reason)
