"""Reading what is new: every export that is to be read goes through its contract into a part of its own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cvm.engines import DuckDBEngine
from cvm.errors import ColumnTypeError, EmptySourceError, MissingColumnsError, SourceError
from cvm.ingest.changes import Changes
from cvm.ingest.clean import clean_rows
from cvm.ingest.contracts import Contract
from cvm.ingest.ledger import Part, file_digest, next_number
from cvm.ingest.origins import Export, Source
from cvm.ingest.protection import UNPROTECTED, Protection
from cvm.ingest.reading import Reading


def read_parts(
    engine: DuckDBEngine,
    contract: Contract,
    source: Source,
    changes: Changes,
    folder: Path,
    *,
    now: datetime,
    protection: Protection = UNPROTECTED,
) -> list[Part]:
    """The parts of one table in the order of arrival, those that are to be read written to ``folder``.

    Each export is read by itself, so that what becomes of its rows does not depend on which others came with it.

    Raises
    ------
    SourceError, MissingColumnsError, ColumnTypeError, ParamsError
        If an export cannot be read as the contract demands, or no export has a row.
    """
    parts = []
    for number, slot in enumerate(changes.slots, start=next_number(folder)):
        if slot.is_read and slot.export is not None:
            try:
                new = _read(
                    engine, contract, source.reading, slot.export, folder, number=number, now=now, protection=protection
                )
                parts.append(new)
            except (MissingColumnsError, ColumnTypeError) as error:
                if len(changes.slots) == 1:
                    raise
                raise type(error)(f"In {slot.export.name!r}: {error}") from None
        elif slot.part is not None:
            parts.append(slot.part)
    if not any(part.n_rows for part in parts):
        raise SourceError.from_empty_table(contract.table, source.shown)
    return parts


def _read(
    engine: DuckDBEngine,
    contract: Contract,
    reading: Reading,
    export: Export,
    folder: Path,
    *,
    number: int,
    now: datetime,
    protection: Protection,
) -> Part:
    table = contract.table
    try:
        export.load(engine)
    except EmptySourceError:
        return Part(export.name, export.fingerprint, number, columns=(), attributes={}, n_kept=0, n_by_reason={}, files={})
    (folder / table).mkdir(parents=True, exist_ok=True)
    checked, rejected = f"{table}/{number:06d}.parquet", f"{table}/{number:06d}.rejected.parquet"
    cleaned = clean_rows(
        engine,
        contract,
        reading,
        now=now,
        part=number,
        checked=folder / checked,
        rejected=folder / rejected,
        protection=protection,
    )
    engine.execute(f"DROP TABLE raw_{table}")
    digests = {name: file_digest(folder / name) for name in (checked, rejected)}
    return Part(
        name=export.name,
        fingerprint=export.fingerprint,
        number=number,
        columns=cleaned.columns,
        attributes=cleaned.attributes,
        n_kept=cleaned.n_kept,
        n_by_reason=cleaned.n_by_reason,
        files={name: digest for name, digest in digests.items() if digest is not None},
    )
