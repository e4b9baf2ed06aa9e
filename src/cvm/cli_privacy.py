"""The commands about personal data."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cvm.errors import CvmError
from cvm.terminal import DEFAULT_PARAMS, ParamsOption, Printer, QuietOption, SetOption, load_params


def forget(
    customer_id: Annotated[str | None, typer.Argument(help="Id of the person, or of one of their accounts.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Ids: one a line, or a CSV column customer_id.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
) -> None:
    """Remove a person from all outputs, for good, and prove it."""
    from cvm.reports.privacy import found_table
    from cvm.stages.context import workspace_of
    from cvm.stages.forget import find_people, run_forget

    checked, printer, started = load_params(params, overrides=set_ or ()), Printer(quiet=quiet), time.perf_counter()
    with printer.stage("forget") as progress:
        ids = _ids(customer_id, file)
        found = find_people(checked, ids, progress=progress)
    if not quiet or dry_run:
        folder = workspace_of(checked).outputs
        printer.console.print(found_table(found.n_in_parts, found.n_published, found.n_by_file, folder=folder))
    if dry_run:
        message, figures = f"{found.n_rows:,} rows and values would be removed", {"n_to_remove": found.n_rows}
        printer.outcome("forget", message, (), time.perf_counter() - started, figures)
        return
    if not yes:
        _confirm(found.n_rows)
    printer.run("forget", run_forget, checked, ids)


def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
) -> None:
    """Remove outputs older than privacy.keep_days. Rows of tables go at each ingest."""
    from cvm.reports.privacy import expired_table
    from cvm.stages.context import workspace_of
    from cvm.stages.forget import find_expired, run_purge

    checked, printer, started = load_params(params, overrides=set_ or ()), Printer(quiet=quiet), time.perf_counter()
    if dry_run:
        expired = find_expired(checked)
        if expired:
            printer.console.print(expired_table(expired, folder=workspace_of(checked).outputs))
        message, figures = f"{len(expired)} outputs would be removed", {"n_to_remove": len(expired)}
        printer.outcome("purge", message, (), time.perf_counter() - started, figures)
        return
    printer.run("purge", run_purge, checked)


def _ids(customer_id: str | None, file: Path | None) -> Sequence[str]:
    from cvm.campaigns.customer_lists import read_customer_list

    if (customer_id is None) == (file is None):
        raise typer.BadParameter("give either a customer_id or --file with a list of them")
    return [customer_id] if customer_id is not None else read_customer_list(file) if file else ()


def _confirm(n_rows: int) -> None:
    if not sys.stdin.isatty():
        raise CvmError(f"{n_rows:,} rows and values would be removed for good, and nobody can be asked. Add --yes to do it.")
    typer.confirm("Remove all of it for good?", abort=True)
