"""The ingest stage: raw tables in, a warehouse and a quarantine out, or a refusal that leaves the old ones alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from cvm.engines import DuckDBEngine
from cvm.errors import QualityError
from cvm.ingest.clean import Reading, TableOutcome, clean_table
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.currencies import convert_currencies
from cvm.ingest.identity import IdentitySettings, resolve_identities, write_identities
from cvm.ingest.sources import read_files, read_frame
from cvm.workspace import Workspace, replaced_directory, replaced_file


@dataclass(frozen=True)
class FileSource:
    """Files of one table, and how to read them."""

    paths: list[str]
    folder: Path
    reading: Reading


@dataclass(frozen=True)
class FrameSource:
    """A table that is already in memory."""

    frame: pa.Table
    name: str
    reading: Reading


def ingest(
    sources: Mapping[str, FileSource | FrameSource],
    workspace: Workspace,
    *,
    currency: str,
    max_rejected_share: float,
    now: datetime,
    identity: IdentitySettings | None = None,
) -> list[TableOutcome]:
    """Write the clean tables and the quarantine.

    Parameters
    ----------
    sources : mapping of str to FileSource or FrameSource
        Canonical table name to its source; ``transactions`` is needed.
    workspace : Workspace
        Where to write.
    currency : str
        Of the business; amounts in another one are converted at ``exchange_rates``.
    max_rejected_share : float
        Of the rows of a table; a larger share refuses the run. The quarantine is written all the same.
    now : datetime
        UTC, without zone; rows dated later are faulty.
    identity : IdentitySettings, optional
        What makes two accounts one person; if not given, every id is a person.

    Returns
    -------
    list of TableOutcome
        One per table, in the order of the contracts.

    Raises
    ------
    SourceError, MissingColumnsError, ColumnTypeError, ParamsError
        If a source cannot be read as its contract demands.
    QualityError
        If too many rows are faulty, or amounts in other currencies cannot be converted.
    """
    outcomes = []
    with replaced_file(workspace.warehouse) as path:
        with DuckDBEngine(path) as engine, replaced_directory(workspace.quarantine) as quarantine:
            for table, contract in CONTRACTS.items():
                if table not in sources:
                    continue
                _read(engine, table, sources[table])
                outcome = clean_table(engine, contract, sources[table].reading, now=now)
                if outcome.n_by_reason:
                    query = f"SELECT * FROM rejected_{table} ORDER BY source_row"
                    engine.write_parquet(query, quarantine / f"{table}.parquet")
                engine.execute(f"DROP TABLE raw_{table}; DROP TABLE rejected_{table}")
                outcomes.append(outcome)
            unconverted = convert_currencies(engine, currency=currency)
            if identity:
                resolve_identities(engine, identity)
            refusal = _refusal(outcomes, workspace, max_rejected_share=max_rejected_share) or unconverted
            if not refusal:
                write_identities(engine, workspace.identity)
        if refusal:
            raise QualityError(refusal)
    return outcomes


def _read(engine: DuckDBEngine, table: str, source: FileSource | FrameSource) -> None:
    if isinstance(source, FileSource):
        read_files(engine, table, source.paths, folder=source.folder)
    else:
        read_frame(engine, table, source.frame, name=source.name)


def _refusal(outcomes: list[TableOutcome], workspace: Workspace, *, max_rejected_share: float) -> str | None:
    for outcome in outcomes:
        reasons = "; ".join(f"{reason}: {n:,}" for reason, n in outcome.n_by_reason.items())
        where = f"The rows and their reasons are in {workspace.quarantine / f'{outcome.table}.parquet'}."
        if outcome.n_kept == 0:
            return (
                f"Table {outcome.table!r}: all {outcome.n_read:,} rows were rejected ({reasons}). {where} {_advice(outcome)}"
            )
        share = outcome.n_rejected / outcome.n_read
        if share > max_rejected_share:
            return (
                f"Table {outcome.table!r}: {outcome.n_rejected:,} of {outcome.n_read:,} rows ({share:.1%}) were rejected, "
                f"more than data.max_rejected_share == {max_rejected_share:g} ({reasons}). {where} "
                f"{_advice(outcome)} Or raise the share, if these rows may be left out."
            )
    return None


def _advice(outcome: TableOutcome) -> str:
    """How to mend the commonest fault."""
    commonest = next(iter(outcome.n_by_fault), "")
    for ending, advice in (
        ("is no date", f'Say how times are written, for example data.{outcome.table}.datetime_format: "%d.%m.%Y %H:%M".'),
        ("is no amount of money", "Export amounts as plain numbers such as 1234.56."),
        ("lies in the future", f"Check the clock of this machine and data.{outcome.table}.timezone."),
        ("is missing", f"Check which column is mapped under data.{outcome.table}.columns."),
    ):
        if commonest.endswith(ending):
            return advice
    return "Mend the export."
