"""When too many rows of a table are left out for the rest to be trusted, and what to do about it."""

from __future__ import annotations

from pathlib import Path

from cvm.ingest.clean import TableOutcome
from cvm.ingest.protection import EXPIRED, NEVER_STORED, keep_days_key

_OR_RAISE = "Or raise the share, if these rows may be left out."


def refusal_of(outcome: TableOutcome, newly: TableOutcome, where: Path, *, max_rejected_share: float) -> str | None:
    """Why the rows of a table cannot be used and how to mend it, or None.

    Parameters
    ----------
    outcome, newly : TableOutcome
        What became of all rows, and of the new ones alone.
    where : Path
        Where the rows left out are.
    max_rejected_share : float
        Of all rows, and of the new ones.
    """
    quarantine = f"The rows and their reasons are in {where}."
    if outcome.n_kept == 0 and _n_never_stored(outcome) > outcome.n_rejected:
        return (
            f"Table {outcome.table!r}: none of {outcome.n_read:,} rows may be kept ({_reasons(outcome)}). "
            f"{_privacy_advice(outcome)}"
        )
    if outcome.n_kept == 0:
        return (
            f"Table {outcome.table!r}: all {outcome.n_read:,} rows were rejected ({_reasons(outcome)}). "
            f"{quarantine} {_advice(outcome)}"
        )
    for judged, rows in ((outcome, "rows"), (newly, "new rows")):
        if judged.n_read and judged.n_rejected / judged.n_read > max_rejected_share:
            return f"{_share_refusal(judged, rows, max_rejected_share)} {quarantine} {_advice(judged)} {_OR_RAISE}"
    return None


def _share_refusal(outcome: TableOutcome, rows: str, max_rejected_share: float) -> str:
    share = outcome.n_rejected / outcome.n_read
    return (
        f"Table {outcome.table!r}: {outcome.n_rejected:,} of {outcome.n_read:,} {rows} ({share:.1%}) were rejected, "
        f"more than data.max_rejected_share == {max_rejected_share:g} ({_reasons(outcome)})."
    )


def _reasons(outcome: TableOutcome) -> str:
    return "; ".join(f"{reason}: {n:,}" for reason, n in outcome.n_by_reason.items())


def _n_never_stored(outcome: TableOutcome) -> int:
    return sum(outcome.n_by_reason.get(reason, 0) for reason in NEVER_STORED)


def _privacy_advice(outcome: TableOutcome) -> str:
    """What to do where nothing is left because of what is never stored."""
    if EXPIRED in outcome.n_by_reason:
        return f"Raise {keep_days_key(outcome.table)} and run `cvm ingest --full`, or export newer rows."
    return f"Export rows of other customers too, or remove data.{outcome.table}."


def _advice(outcome: TableOutcome) -> str:
    """How to mend the commonest fault."""
    commonest = next(iter(outcome.n_by_fault), "")
    marks = f'how they are written, for example data.{outcome.table}.decimal: ","'
    for ending, advice in (
        (
            "is no date",
            f'Say how times are written, for example data.{outcome.table}.datetime_format: "%d.%m.%Y %H:%M", '
            f"or data.{outcome.table}.day_first: true.",
        ),
        ("is no amount of money", f"Export amounts as plain numbers such as 1234.56, or say {marks}."),
        ("is no number", f"Export numbers as plain as 1234.56, or say {marks}."),
        ("lies in the future", f"Check the clock of this machine and data.{outcome.table}.timezone."),
        ("is missing", f"Check which column is mapped under data.{outcome.table}.columns."),
    ):
        if commonest.endswith(ending):
            return advice
    return "Mend the export."
