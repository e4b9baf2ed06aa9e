"""The ingest stage: what is new goes through the contracts, then all there is makes a warehouse and a quarantine.

A refusal leaves the old warehouse alone, and so does a kill at any moment: the next run reads again what was not finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from cvm import __version__
from cvm.engines import DuckDBEngine
from cvm.errors import MissingOutputError, QualityError
from cvm.ingest.assembly import assemble_table, outcome_of
from cvm.ingest.assessment import write_assessment
from cvm.ingest.changes import Changes, changes_of, replaced_note, without_damage
from cvm.ingest.clean import TableOutcome
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.currencies import convert_currencies
from cvm.ingest.identity import IdentitySettings, resolve_identities, write_identities
from cvm.ingest.ledger import (
    NAME,
    Ledger,
    Part,
    TableParts,
    read_ledger,
    remove_orphans,
    sources_of,
    stamps,
    write_ledger,
)
from cvm.ingest.origins import DatabaseSource, FrameSource, PlannedSource, Source
from cvm.ingest.parts import read_parts
from cvm.ingest.protection import UNPROTECTED, Protection
from cvm.ingest.refusal import refusal_of
from cvm.ingest.trimming import needs_trimming, trim_parts
from cvm.privacy.suppression import NOBODY
from cvm.workspace import Workspace, replaced_directory, replaced_file

# What the engine may hold in memory before it goes on with files; the whole process then stays below 4 GiB.
_MEMORY_GIB = 2.5


@dataclass(frozen=True)
class Rules:
    """What decides, beside the exports, on what is written.

    Attributes
    ----------
    currency : str
        Of the business; amounts in another one are converted at ``exchange_rates``.
    max_rejected_share : float
        Of the rows of a table, and of its new rows alone, so that a faulty export cannot hide behind a long history; a
        larger share refuses the run. The quarantine is written all the same.
    timezone : str
        Zone that cuts days.
    horizon_days, lead_days : int
        Outcome window that the data should be enough for.
    identity : IdentitySettings or None
        What makes two accounts one person; if not given, every id is a person.
    """

    currency: str
    max_rejected_share: float
    timezone: str = "UTC"
    horizon_days: int = 181
    lead_days: int = 0
    identity: IdentitySettings | None = None


@dataclass(frozen=True)
class Ingested:
    """What became of all sources.

    Attributes
    ----------
    outcomes : list of TableOutcome
        One per table, in the order of the contracts, over all exports so far.
    notes : tuple of str
        What the user should know about the exports.
    n_read, n_known : int
        Exports read in this run, and those known from before.
    """

    outcomes: list[TableOutcome]
    notes: tuple[str, ...]
    n_read: int
    n_known: int


def ingest(
    sources: Mapping[str, Source],
    workspace: Workspace,
    rules: Rules,
    *,
    now: datetime,
    full: bool = False,
    protection: Protection = UNPROTECTED,
) -> Ingested:
    """Write the clean tables, the quarantine and the assessment; if nothing is new, leave everything as it is.

    Parameters
    ----------
    sources : mapping of str to Source
        Canonical table name to its source; ``transactions`` is needed.
    workspace : Workspace
        Where to write. Quarantine and assessment are written even where the run is refused.
    rules : Rules
    now : datetime
        UTC, without zone; rows dated later are faulty.
    full : bool
        Forget what was ingested before, and read every export there is.
    protection : Protection
        Which rows are never stored, and under which names customers are.

    Raises
    ------
    SourceError, MissingColumnsError, ColumnTypeError, ParamsError
        If a source cannot be read as its contract demands.
    QualityError
        If too many rows are faulty, or amounts in other currencies cannot be converted.
    MissingOutputError
        If the ledger of earlier ingests is damaged and files that it knew are gone.
    WorkspaceError
        If another ingest is at work, or the file system refuses.
    """
    contracts = {table: contract for table, contract in CONTRACTS.items() if table in sources}
    keys = {table: list(sources[table].reading.key) for table in contracts}
    settings = _hash([__version__, asdict(rules), keys])  # all but the parts that decides on the warehouse
    with workspace.writing("cvm ingest"):
        ledger, notes = _ledger(workspace, sources, full=full)
        known = {} if full else ledger.tables
        changes = {
            table: changes_of(contracts[table], sources[table], known.get(table), protection=protection.fingerprint)
            for table in contracts
        }
        is_current = not full and _is_current(ledger, changes, settings, workspace)
        if is_current and not _holds_expired(changes, workspace, protection, now=now):
            _remember_names(ledger, changes, workspace)
            return _ingested(ledger.outcomes, changes, notes)
        changes = {table: without_damage(table, change, workspace.ingested) for table, change in changes.items()}
        try:
            parts, outcomes = _write_outputs(sources, changes, workspace, rules, protection, now=now)
            if ledger.outcomes and ledger.pseudonyms != protection.fingerprint:
                notes.append(_renamed_note(workspace))
            ledger = Ledger(
                tables=known | _table_parts(changes, parts),
                settings=settings,
                stamps=output_stamps(workspace),
                outcomes=outcomes,
                pseudonyms=protection.fingerprint,
            )
            write_ledger(workspace.ingested, ledger)
        finally:
            remove_orphans(workspace.ingested, ledger)
    return _ingested(outcomes, changes, [*notes, *_shrunk(changes, parts)])


def _write_outputs(
    sources: Mapping[str, Source],
    changes: Mapping[str, Changes],
    workspace: Workspace,
    rules: Rules,
    protection: Protection,
    *,
    now: datetime,
) -> tuple[dict[str, list[Part]], list[TableOutcome]]:
    """The new parts, and a quarantine and a warehouse of all parts; a refusal leaves the old warehouse in its place."""
    folder = workspace.ingested
    with replaced_file(workspace.warehouse) as path:
        with DuckDBEngine(path, memory_gib=_MEMORY_GIB) as engine, replaced_directory(workspace.quarantine) as quarantine:
            protection.install(engine)
            parts = {
                table: read_parts(engine, CONTRACTS[table], sources[table], change, folder, now=now, protection=protection)
                for table, change in changes.items()
            }
            # Who was forgotten is out of them since then; what grew old since then is not.
            ages = replace(protection, forgotten=NOBODY)
            parts = {table: trim_parts(engine, CONTRACTS[table], parts[table], folder, ages, now=now) for table in parts}
            outcomes = [
                assemble_table(engine, CONTRACTS[table], sources[table].reading, parts[table], folder) for table in changes
            ]
            # The tables are clean and whole now, and rejected_<table> is beside each. What further steps depend on belongs
            # into ``Rules``, the files they write into ``output_stamps``.
            unconverted = convert_currencies(engine, currency=rules.currency)
            if rules.identity:
                resolve_identities(engine, replace(rules.identity, contacts_are_keys=protection.pseudonyms is not None))
            protection.without_contacts(engine)
            _write_quarantine(engine, outcomes, quarantine)
            write_assessment(
                engine,
                outcomes,
                workspace,
                currency=rules.currency,
                is_converted=unconverted is None,
                timezone=rules.timezone,
                horizon_days=rules.horizon_days,
                lead_days=rules.lead_days,
                now=now,
            )
            new = {table: _new_parts(changes[table], parts[table]) for table in changes}
            refusal = unconverted
            for outcome in reversed(outcomes):
                newly = outcome_of(outcome.table, new[outcome.table])
                where = workspace.quarantine / f"{outcome.table}.parquet"
                refusal = refusal_of(outcome, newly, where, max_rejected_share=rules.max_rejected_share) or refusal
            if not refusal:
                write_identities(engine, workspace.identity)
        if refusal:
            raise QualityError(f"{refusal} All findings are in {workspace.quality}.")
    return parts, outcomes


def _ledger(workspace: Workspace, sources: Mapping[str, Source], *, full: bool) -> tuple[Ledger, list[str]]:
    """What was ingested before. A damaged ledger counts as none if every file is still there to be read again."""
    ledger = read_ledger(workspace.ingested)
    if ledger is not None:
        return ledger, []
    users = {table: source.own if isinstance(source, PlannedSource) else source for table, source in sources.items()}
    tables = [table for table in CONTRACTS if not isinstance(users.get(table), (FrameSource, DatabaseSource))]
    is_lost = any(source is None or not Path(source).is_file() for source in sources_of(workspace.ingested, tables))
    if is_lost and not full:
        raise MissingOutputError.from_damage(workspace.ingested / NAME, command="cvm ingest --full")
    return Ledger(), [f"{workspace.ingested / NAME} was damaged; every export was read again"]


def _is_current(ledger: Ledger, changes: Mapping[str, Changes], settings: str, workspace: Workspace) -> bool:
    """Whether warehouse and quarantine are what they would be made now."""
    return (
        ledger.settings == settings
        and ledger.stamps == output_stamps(workspace)
        and all(
            change.n_read == 0
            and [part.number for part in change.parts] == [part.number for part in ledger.tables[table].parts]
            for table, change in changes.items()
        )
    )


def _holds_expired(changes: Mapping[str, Changes], workspace: Workspace, protection: Protection, *, now: datetime) -> bool:
    """Whether rows on file have grown older than they may."""
    if not protection.keep_days:
        return False
    with DuckDBEngine() as engine:
        return any(
            needs_trimming(engine, CONTRACTS[table], part, workspace.ingested, protection, now=now)
            for table, change in changes.items()
            for part in change.parts
        )


def _renamed_note(workspace: Workspace) -> str:
    return (
        "customers are stored under other names than before (privacy.pseudonym_key); every export was read again. What "
        f"earlier runs left in {workspace.outputs} holds the former names: run `cvm run`, and remove older scores, "
        "audiences and ledgers that nobody needs"
    )


def _remember_names(ledger: Ledger, changes: Mapping[str, Changes], workspace: Workspace) -> None:
    """A file that was renamed is known by its new name, so that another may come under the old one."""
    updated = replace(ledger, tables=ledger.tables | _table_parts(changes, {t: c.parts for t, c in changes.items()}))
    if updated != ledger:
        write_ledger(workspace.ingested, updated)


def output_stamps(workspace: Workspace) -> dict[str, list[int]]:
    """Of everything that ingest writes beside its parts."""
    beside = (workspace.quality, workspace.sufficiency, workspace.identity)
    return stamps(workspace.outputs, [workspace.warehouse, *beside, *workspace.quarantine.glob("*")])


def _table_parts(changes: Mapping[str, Changes], parts: Mapping[str, Sequence[Part]]) -> dict[str, TableParts]:
    return {table: TableParts(change.reading, tuple(parts[table])) for table, change in changes.items()}


def _new_parts(changes: Changes, parts: Sequence[Part]) -> list[Part]:
    return [part for slot, part in zip(changes.slots, parts, strict=True) if slot.is_new]


def _shrunk(changes: Mapping[str, Changes], parts: Mapping[str, Sequence[Part]]) -> list[str]:
    pairs = [(table, *pair) for table in changes for pair in zip(changes[table].slots, parts[table], strict=True)]
    return [note for note in (replaced_note(*pair) for pair in pairs) if note]


def _ingested(outcomes: list[TableOutcome], changes: Mapping[str, Changes], notes: Sequence[str]) -> Ingested:
    n_read = sum(change.n_read for change in changes.values())
    return Ingested(
        outcomes=outcomes,
        notes=(*notes, *(note for change in changes.values() for note in change.notes)),
        n_read=n_read,
        n_known=sum(len(change.slots) for change in changes.values()) - n_read,
    )


def _hash(values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _write_quarantine(engine: DuckDBEngine, outcomes: Sequence[TableOutcome], folder: Path) -> None:
    for outcome in outcomes:
        if engine.row(f"SELECT count(*) AS n FROM rejected_{outcome.table}")["n"]:
            engine.write_parquet(f"SELECT * FROM rejected_{outcome.table}", folder / f"{outcome.table}.parquet")
