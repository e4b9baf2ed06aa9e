"""Ingest on Spark: the tables of a lake go through the same contracts as files on one machine.

Every run reads all that the sources hold: what is new is the lake's own business, and no ledger is kept here. Rows never
pass through the driver; it sees counts, and a few examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cvm.engines import QueryError, identifier
from cvm.engines.spark import SparkEngine
from cvm.engines.spark_catalog import catalog_place, drop_own_table, is_own, save_catalog_table
from cvm.engines.spark_lake import show_catalog_table, show_files
from cvm.errors import ParamsError, QualityError, SourceError
from cvm.ingest.assessment import write_assessment
from cvm.ingest.clean import TableOutcome
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.currencies import convert_currencies
from cvm.ingest.identity import IdentitySettings
from cvm.ingest.lake_table import PLACED, LakePart, clean_lake_table, drop_working_tables
from cvm.ingest.merging import LISTED
from cvm.ingest.protection import NEVER_STORED, UNPROTECTED, Protection, keep_days_key
from cvm.ingest.reading import Reading, column_origins, given_name
from cvm.ingest.refusal import refusal_of
from cvm.ingest.sources import RESERVED, source_files
from cvm.ingest.stage import Ingested, Rules
from cvm.ingest.trimming import QUARANTINE
from cvm.workspace import Workspace, replaced_directory

_MERGE = "Else merge accounts before they get here, or set engine: duckdb."
# How to switch off what merges accounts: Splink, or contacts alone.
_OFF = {True: "probabilistic: false and identity.match: []", False: "match: []"}


@dataclass(frozen=True)
class LakeSource:
    """One table of a lake: files, or a table of the catalog.

    Attributes
    ----------
    paths : list of Path or None
        Files, folders of them, or globs: Parquet, CSV, JSON lines, or a folder of Delta. The format may differ from path to
        path, and so may the columns: each path is read by itself.
    table : str or None
        Name in the catalog of the session: ``sales.orders``.
    reading : Reading
        Column names, zone and formats.
    """

    paths: list[Path] | None
    table: str | None
    reading: Reading


def ingest_lake(
    engine: SparkEngine,
    sources: Mapping[str, LakeSource],
    workspace: Workspace,
    rules: Rules,
    *,
    now: datetime,
    protection: Protection = UNPROTECTED,
    schema: str | None = None,
) -> Ingested:
    """Write the clean tables, the quarantine and the assessment.

    Parameters
    ----------
    engine : SparkEngine
        Afterwards holds the clean tables.
    sources : mapping of str to LakeSource
        Canonical table name to its source; ``transactions`` is needed. Ledgers of approved plans join ``assignments``.
    workspace : Workspace
        Clean tables go to ``lake``, a folder each. Quarantine and assessment are written even where the run is refused.
    rules : Rules
    now : datetime
        UTC, without zone; rows dated later are faulty.
    protection : Protection
        Which rows are never stored, and under which names customers are.
    schema : str, optional
        Schema of the catalog that takes the clean tables instead of ``lake``. Clean tables of sources that are no more are
        dropped.

    Raises
    ------
    SourceError, MissingColumnsError, ColumnTypeError, ParamsError
        If a source cannot be read as its contract demands, something is asked for that Spark does not do, or ``schema`` has
        tables that cvm did not write under the names of clean ones.
    QualityError
        If too many rows are faulty, or amounts in other currencies cannot be converted.
    WorkspaceError
        If another ingest is at work, or the file system refuses.
    """
    sources = _with_plans(sources, workspace)
    _check_asked(sources, rules, protection)
    if schema is not None:
        _check_schema(engine, sources, schema)
    with workspace.writing("cvm ingest"):
        outcomes = _clean(engine, sources, workspace, rules, replace(protection, reads_contacts=False), now=now)
        if schema is None:
            with replaced_directory(workspace.lake) as folder:
                for outcome in outcomes:
                    engine.write_parquet(f"SELECT * FROM {outcome.table}", folder / outcome.table)
        else:
            for outcome in outcomes:
                save_catalog_table(engine, f"SELECT * FROM {outcome.table}", f"{schema}.{outcome.table}")
            for table in sorted(CONTRACTS.keys() - {outcome.table for outcome in outcomes}):
                drop_own_table(engine.session, f"{schema}.{table}")
        workspace.identity.unlink(missing_ok=True)  # of an ingest that merged accounts
    return Ingested(outcomes, notes=(), n_read=sum(map(_n_origins, sources.values())), n_known=0)


def _clean(
    engine: SparkEngine,
    sources: Mapping[str, LakeSource],
    workspace: Workspace,
    rules: Rules,
    protection: Protection,
    *,
    now: datetime,
) -> list[TableOutcome]:
    """Hold the clean tables, and write what they were judged by; raises where they must not be used."""
    with replaced_directory(workspace.quarantine) as quarantine:
        protection.install(engine)
        outcomes = []
        for table, contract in CONTRACTS.items():
            if table in sources:
                reading, parts = sources[table].reading, _parts(table, sources[table], workspace)
                if table == "customers" and rules.identity:
                    parts = [_never_merged(part, reading, rules.identity) for part in parts]
                outcomes.append(clean_lake_table(engine, contract, reading, parts, now=now, protection=protection))
                drop_working_tables(engine, table)
        unconverted = convert_currencies(engine, currency=rules.currency)
        for outcome in outcomes:
            if outcome.n_by_reason.keys() - set(NEVER_STORED):
                engine.write_parquet(f"SELECT * FROM rejected_{outcome.table}", quarantine / outcome.table)
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
    refusals = [
        refusal_of(outcome, outcome, workspace.quarantine / outcome.table, max_rejected_share=rules.max_rejected_share)
        for outcome in outcomes
    ]
    refusal = next(filter(None, [*refusals, unconverted]), None)
    if refusal:
        raise QualityError(f"{refusal} All findings are in {workspace.quality}.")
    return outcomes


def _with_plans(sources: Mapping[str, LakeSource], workspace: Workspace) -> dict[str, LakeSource]:
    """The same sources, with one of assignments if there are approved plans; their times carry their zone."""
    plans = LakeSource(None, None, Reading(timezone=None))
    return {"assignments": plans, **sources} if workspace.ledgers else dict(sources)


def _n_origins(source: LakeSource) -> int:
    return len(source.paths or ()) + (source.table is not None)


def _parts(table: str, source: LakeSource, workspace: Workspace) -> list[LakePart]:
    """Where the rows of a table come from, in the order in which they count."""
    parts = [_path_part(table, path) for path in source.paths or ()]
    if source.table is not None:
        parts.append(_catalog_part(table, source.table))
    if table == "assignments":
        parts += [_plan_part(plan, source.reading) for plan in workspace.ledgers]
    if not parts:
        raise ParamsError(f"data.{table} has no origin. Set path, or table: the name of a table in the catalog of Spark.")
    return parts


def _path_part(table: str, path: Path) -> LakePart:
    def load(engine: SparkEngine) -> None:
        paths = [path] if path.is_dir() else source_files(table, [str(path)], folder=Path())
        show_files(engine, f"raw_{table}", paths, PLACED)
        _check_names(engine, table, str(path))

    def trouble(error: QueryError) -> SourceError:
        return SourceError.from_unreadable_file(table, str(path), _cause(error))

    return LakePart(str(path), load, trouble)


def _catalog_part(table: str, name: str) -> LakePart:
    def load(engine: SparkEngine) -> None:
        show_catalog_table(engine, f"raw_{table}", name, PLACED)
        _check_names(engine, table, name)

    def trouble(error: QueryError) -> SourceError:
        fix = f"Correct data.{table}.table, or create the table in the catalog of the session."
        return SourceError.from_unreadable_database(table, f"the catalog's table {name!r}", str(error), fix)

    return LakePart(name, load, trouble)


def _plan_part(plan: Path, reading: Reading) -> LakePart:
    """The ledger of one approved plan, under the names that the user's mapping expects."""

    def load(engine: SparkEngine) -> None:
        show_files(engine, "raw_plan", [plan], PLACED)
        columns = ", ".join(
            f"{identifier(ours)} AS {identifier(ours if ours.startswith(RESERVED) else given_name(reading, ours))}"
            for ours in engine.columns("raw_plan")
        )
        engine.show("raw_assignments", engine.frame(f"SELECT {columns} FROM raw_plan"))

    def trouble(error: QueryError) -> SourceError:
        return SourceError.from_unreadable_file("assignments", str(plan), str(error))

    return LakePart(str(plan), load, trouble)


def _cause(error: QueryError) -> str:
    """Spark tells of a bad line only that some task failed."""
    if any(sign in str(error) for sign in ("FAILED_READ_FILE", "TASK_WRITE_FAILED", "MALFORMED")):
        return "its rows differ in their number of columns, a quote is never closed, or its files differ in their headers"
    return str(error)


def _check_names(engine: SparkEngine, table: str, shown: str) -> None:
    own = {PLACED.file, PLACED.row, PLACED.order}
    reserved = sorted(
        name for name in engine.columns(f"raw_{table}") if name.lower().startswith(RESERVED) and name not in own
    )
    if reserved:
        raise SourceError(f"Table {table!r}: {shown!r} has columns {reserved}; rename them, {RESERVED!r} is for cvm's own.")


def _never_merged(part: LakePart, reading: Reading, settings: IdentitySettings) -> LakePart:
    """Customers whose accounts nobody asks to be merged: to keep them apart without a word would be another answer."""

    def load(engine: SparkEngine) -> None:
        part.load(engine)
        found = [name for name in engine.columns("raw_customers") if not name.startswith(RESERVED)]
        columns = column_origins(CONTRACTS["customers"], reading, found=found)
        matched = [kind for kind in settings.match if kind in columns]
        if matched or settings.probabilistic:
            raise ParamsError(
                f"Table 'customers' has {matched or 'profiles'}, by which accounts of one person are found, and engine: "
                f"spark merges no accounts. If customer_id tells people apart, set identity.{_OFF[settings.probabilistic]}. "
                f"{_MERGE}"
            )

    return replace(part, load=load)


def _check_asked(sources: Mapping[str, LakeSource], rules: Rules, protection: Protection) -> None:
    """Refuse what only one machine does and params alone tell of."""
    if LISTED in sources and rules.identity:
        raise ParamsError(
            "data.identities lists accounts of the same person, and engine: spark merges no accounts. If customer_id tells "
            f"people apart, remove data.identities. {_MERGE}"
        )
    if QUARANTINE in protection.keep_days:
        raise ParamsError(
            f"{keep_days_key(QUARANTINE)} counts from the day on which an export was read, and engine: spark keeps no list "
            "of exports: each run reads all and writes the quarantine anew. Remove the key, and mend the faulty rows at "
            "their source; or set engine: duckdb."
        )


def _check_schema(engine: SparkEngine, sources: Mapping[str, LakeSource], schema: str) -> None:
    """Refuse to replace, or to take for clean tables, what cvm did not write."""
    there = {place: name for name in CONTRACTS if (place := catalog_place(engine.session, f"{schema}.{name}"))}
    read = {
        f"data.{table}.table == {source.table!r}"
        for table, source in sources.items()
        if source.table is not None and catalog_place(engine.session, source.table) in there
    }
    if read:
        raise ParamsError(
            f"spark.in_schema == {schema!r} would have cvm write over {len(read)} of its sources: {sorted(read)}. Name a "
            "schema that holds nothing but clean tables."
        )
    strange = sorted(name for name in there.values() if not is_own(engine.session, f"{schema}.{name}"))
    if strange:
        raise ParamsError(
            f"The schema {schema!r} of spark.in_schema has {len(strange)} tables that cvm did not write: {strange}. "
            "They are not touched. Name a schema that holds nothing but clean tables, or drop or rename them."
        )
