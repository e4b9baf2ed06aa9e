"""Parts of earlier ingests lose the rows that may no longer be kept: they are written anew without them.

A trimmed part gets a number of its own, so that the ledger changes from whole files to whole files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cvm.engines import DuckDBEngine, QueryError, literal
from cvm.engines.sql import parquet
from cvm.errors import MissingOutputError
from cvm.ingest.clean import PART, REASON, ROW
from cvm.ingest.contracts import Contract
from cvm.ingest.ledger import Part, file_digest, next_number
from cvm.ingest.protection import FORGOTTEN, NEVER_STORED, Protection, age_sql
from cvm.privacy.marks import Marks

QUARANTINE = "quarantine"


def needs_trimming(
    engine: DuckDBEngine, contract: Contract, part: Part, folder: Path, protection: Protection, *, now: datetime
) -> bool:
    """Whether a part holds rows past their time or rows left out that were kept long enough, or cannot be read."""
    if not part.files:
        return False
    since = protection.kept_since(contract.table, now)
    try:
        if since is not None:
            rows = parquet([folder / next(iter(part.files))])
            age = age_sql(contract.table, engine.columns(rows))
            if age and engine.row(f"SELECT coalesce(min({age}) < {literal(since)}, false) AS found FROM {rows}")["found"]:
                return True
        return _is_old_quarantine(part, folder, protection, now=now)
    except (QueryError, FileNotFoundError):
        return True


def trim_parts(
    engine: DuckDBEngine,
    contract: Contract,
    parts: Sequence[Part],
    folder: Path,
    protection: Protection,
    *,
    now: datetime,
    marks: Marks | None = None,
) -> list[Part]:
    """The parts without what ``protection`` says is never stored; those that hold none of it are as they were.

    Parameters
    ----------
    engine : DuckDBEngine
        In which ``protection`` is installed.
    contract : Contract
    parts : sequence of Part
    folder : Path
        Where their files lie, and where those of trimmed parts are written.
    protection : Protection
    now : datetime
        UTC, without zone.
    marks : Marks, optional
        What else tells of people who are taken out, also where a row lacks their id; installed, too.

    Raises
    ------
    MissingOutputError
        If a file of a part is gone or damaged.
    """
    try:
        return [
            _trimmed(engine, contract, part, folder, protection, now=now, marks=marks) if part.files else part
            for part in parts
        ]
    except (QueryError, FileNotFoundError):
        raise MissingOutputError.from_damage(folder / contract.table, command="cvm ingest --full") from None


def _trimmed(
    engine: DuckDBEngine,
    contract: Contract,
    part: Part,
    folder: Path,
    protection: Protection,
    *,
    now: datetime,
    marks: Marks | None,
) -> Part:
    checked, *rejected = (folder / name for name in part.files)
    rows = parquet([checked])
    columns = engine.columns(rows)
    never = protection.never_stored(contract, columns, now) or "CAST(NULL AS VARCHAR)"
    if marks:
        never = f"coalesce({never}, CASE WHEN {marks.row_sql(columns)} THEN {literal(FORGOTTEN)} END)"
    drops_rejected = _is_old_quarantine(part, folder, protection, now=now)
    out = f"({never}) IS NOT NULL" + (f" OR {REASON} IS NOT NULL" if drops_rejected else "")
    engine.execute(f"CREATE OR REPLACE TEMP TABLE trimmed AS SELECT {ROW}, {REASON}, {never} AS why FROM {rows} WHERE {out}")
    if marks:
        for file in rejected:
            left_out = parquet([file])
            engine.execute(
                f"INSERT INTO trimmed SELECT source_row, reason, {literal(FORGOTTEN)} FROM {left_out} "
                f"WHERE ({marks.row_sql(engine.columns(left_out))}) AND source_row NOT IN (SELECT {ROW} FROM trimmed)"
            )
    # Of an old quarantine its own reasons go on counting.
    counted = f"why IS NOT NULL{f' AND {REASON} IS NULL' if drops_rejected else ''}"
    gone = engine.table(f"SELECT why, count(*) AS n FROM trimmed WHERE {counted} GROUP BY 1").to_pylist()
    if not gone and not drops_rejected:
        return part
    number = next_number(folder)
    names = [f"{contract.table}/{number:06d}.parquet", f"{contract.table}/{number:06d}.rejected.parquet"]
    engine.write_parquet(_untrimmed(checked, ROW, number), folder / names[0])
    for file in rejected:
        query = _untrimmed(file, "source_row", number)
        if engine.row(f"SELECT count(*) AS n FROM ({query})")["n"]:
            engine.write_parquet(query, folder / names[1])
            written = file.stat()  # what is left in it is as old as before
            os.utime(folder / names[1], ns=(written.st_atime_ns, written.st_mtime_ns))
    counts = _counts(engine, part, folder / names[0], drops_rejected=drops_rejected)
    counts |= {row["why"]: row["n"] + counts.get(row["why"], 0) for row in gone}
    digests = {name: file_digest(folder / name) for name in names}
    return replace(
        part,
        number=number,
        n_kept=part.n_rows - sum(counts.values()),
        n_by_reason=counts,
        files={name: digest for name, digest in digests.items() if digest is not None},
    )


def _counts(engine: DuckDBEngine, part: Part, checked: Path, *, drops_rejected: bool) -> dict[str, int]:
    """Rows left out by reason after the trim: what an old quarantine lost still counts, what may not be kept does not."""
    if drops_rejected:
        return dict(part.n_by_reason)
    query = f"SELECT {REASON} AS reason, count(*) AS n FROM {parquet([checked])} WHERE {REASON} IS NOT NULL GROUP BY 1"
    found = {row["reason"]: row["n"] for row in engine.table(query).to_pylist()}
    stays = {reason: n for reason, n in part.n_by_reason.items() if reason in NEVER_STORED or not _is_on_file(part)}
    return {**stays, **found}


def _is_on_file(part: Part) -> bool:
    return len(part.files) > 1


def _is_old_quarantine(part: Part, folder: Path, protection: Protection, *, now: datetime) -> bool:
    """Whether the rows left out were written longer ago than they may be kept; the file's own time tells."""
    days = protection.keep_days.get(QUARANTINE)
    if days is None or not _is_on_file(part):
        return False
    written = datetime.fromtimestamp((folder / list(part.files)[1]).stat().st_mtime, UTC).replace(tzinfo=None)
    return now - written > timedelta(days=days)


def _untrimmed(file: Path, row: str, number: int) -> str:
    """Query for the rows of a file, whose numbers are in the column ``row``, without those in ``trimmed``, as a new part."""
    return (
        f"SELECT * REPLACE ({number} AS {PART}) FROM {parquet([file])} "
        f"WHERE {row} NOT IN (SELECT {ROW} FROM trimmed) ORDER BY {row}"
    )
