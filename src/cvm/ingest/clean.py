"""Row by row: what is accepted under the contract, what is rejected, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cvm.engines import DuckDBEngine, QueryError, identifier, literal
from cvm.engines.sql import literals
from cvm.errors import MissingColumnsError, ParamsError
from cvm.ingest import values
from cvm.ingest.contracts import Contract, Kind
from cvm.ingest.sources import FILE_NAME, RESERVED, ROW_NUMBER

# What stands for "no id" in exports of databases, spreadsheets, R, Python and JavaScript.
_NO_ID = ("null", "none", "nan", "na", "n/a", "#n/a", "<na>", "undefined")
# Before it lie only placeholders: 0001-01-01, 1899-12-30, 1900-01-01.
_EARLIEST = datetime(1901, 1, 1)

_REASON = identifier(f"{RESERVED}reason")
_ROW = identifier(ROW_NUMBER)

TEST_ORDER = "test order"
REPLACED = "replaced by a later row with the same key"
_NO_FAULTS = (TEST_ORDER, REPLACED)


@dataclass(frozen=True)
class Reading:
    """How the user's table is to be read.

    Attributes
    ----------
    columns : mapping of str to str
        Canonical name to the user's name, where the two differ.
    timezone : str
        Zone of times that carry none.
    datetime_format : str or None
        ``strptime`` format when times are not ISO 8601.
    key : sequence of str
        Canonical columns; of the rows that agree on all of them only the latest recorded counts.
    """

    timezone: str
    columns: Mapping[str, str] = field(default_factory=dict)
    datetime_format: str | None = None
    key: Sequence[str] = ()


@dataclass(frozen=True)
class TableOutcome:
    """What became of the rows of one table."""

    table: str
    n_read: int
    n_kept: int
    n_by_reason: dict[str, int]
    n_exact_duplicates: int

    @property
    def n_rejected(self) -> int:
        """Faulty rows; test orders and replaced rows are no faults."""
        return sum(self.n_by_fault.values())

    @property
    def n_by_fault(self) -> dict[str, int]:
        """Faulty rows by reason, the commonest first."""
        return {reason: n for reason, n in self.n_by_reason.items() if reason not in _NO_FAULTS}


def clean_table(engine: DuckDBEngine, contract: Contract, reading: Reading, *, now: datetime) -> TableOutcome:
    """Split ``raw_<table>`` into the canonical table and the temporary table ``rejected_<table>``.

    Parameters
    ----------
    engine : DuckDBEngine
        Holds ``raw_<table>``; afterwards also ``<table>`` and ``rejected_<table>`` (the user's columns,
        ``source_file``, ``source_row`` and ``reason``).
    contract : Contract
        What the table must look like.
    reading : Reading
        Column names, zone, format and key.
    now : datetime
        UTC, without zone. Times after it are faulty.

    Raises
    ------
    MissingColumnsError
        If a required or a mapped column is not there.
    ColumnTypeError
        If a column has a type that would have to be guessed at.
    ParamsError
        If the mapping or the key names a column that the contract does not know, or the format of times is none.
    """
    table = contract.table
    types = engine.columns(f"raw_{table}")
    theirs = [name for name in types if name not in (FILE_NAME, ROW_NUMBER)]
    names = _column_names(contract, reading, found=theirs)
    _check_rows(engine, contract, reading, names, types, now=now)
    kept_columns = [name for name in names if name != "is_test" or contract.column(name) is None]
    if reading.key:
        _replace_by_key(engine, contract, reading.key)
    quantities = _quantities(engine, [name for name in kept_columns if contract.column(name) is None])
    numbers = ", ".join(f"CAST({identifier(name)} AS DOUBLE) AS {identifier(name)}" for name in quantities)
    replaced = f"REPLACE ({numbers})" if numbers else ""
    selection = ", ".join(identifier(name) for name in kept_columns)
    engine.replace_table(table, f"SELECT * {replaced} FROM (SELECT {selection} FROM checked WHERE {_REASON} IS NULL)")
    _write_rejected(engine, table, theirs)
    query = f"SELECT {_REASON} AS reason, count(*) AS n FROM checked GROUP BY ALL ORDER BY n DESC, reason"
    counts: dict[str | None, int] = {row["reason"]: row["n"] for row in engine.table(query).to_pylist()}
    duplicates = engine.row(
        f"SELECT count(*) - count(DISTINCT h) AS n FROM (SELECT hash({selection}) AS h FROM {identifier(table)})"
    )
    engine.execute("DROP TABLE checked")
    return TableOutcome(
        table=table,
        n_read=sum(counts.values()),
        n_kept=counts.get(None, 0),
        n_by_reason={reason: n for reason, n in counts.items() if reason is not None},
        n_exact_duplicates=duplicates["n"],
    )


def _column_names(contract: Contract, reading: Reading, *, found: Sequence[str]) -> dict[str, str]:
    """Canonical name -> name in the file, for every column that will be kept."""
    known = [column.name for column in contract.columns]
    for where, named in (("columns", reading.columns), ("key", reading.key)):
        strangers = [] if contract.open_ended else sorted(set(named) - set(known))
        if strangers:
            raise ParamsError(
                f"data.{contract.table}.{where} names {strangers}, which no {contract.table} table has. Known: {known}."
            )
    lost = sorted(theirs for theirs in reading.columns.values() if theirs not in found)
    if lost:
        raise MissingColumnsError(
            f"Table {contract.table!r}: data.{contract.table}.columns points at {lost}; the file has {sorted(found)}. "
            "Correct the names on the right-hand side of the mapping."
        )
    names = {ours: ours for ours in known if ours in found} | dict(reading.columns)
    if contract.open_ended:
        # Case aside, because the engine's names are so.
        taken = {name.lower() for name in (*names, *names.values())}
        names |= {theirs: theirs for theirs in found if theirs.lower() not in taken}
    unmapped = [name for name in contract.required if name not in names]
    if unmapped:
        raise MissingColumnsError.from_columns(contract.table, required=unmapped, found=found)
    unknown_key = sorted(set(reading.key) - set(names))
    if unknown_key:
        raise MissingColumnsError(
            f"Table {contract.table!r}: data.{contract.table}.key names {unknown_key}, which the file does not have. "
            f"It has {sorted(names)}."
        )
    return {name: names[name] for name in [*(n for n in known if n in names), *(n for n in names if n not in known)]}


def _check_rows(
    engine: DuckDBEngine,
    contract: Contract,
    reading: Reading,
    names: Mapping[str, str],
    types: Mapping[str, str],
    *,
    now: datetime,
) -> None:
    """Write the temporary table ``checked``: every row with its values as read, and the first fault of it or null."""
    time_format = _time_format(engine, contract.table, reading.datetime_format)
    given, selected = [], []
    for ours, theirs in names.items():
        column, found_type = contract.column(ours), types[theirs]
        if column is None:
            selected.append(f"{values.attribute(theirs, found_type)} AS {identifier(ours)}")
            continue
        text = _given(ours)
        given.append(f"{values.given(theirs, found_type)} AS {text}")
        sql = values.parsed(
            contract.table, column, theirs, found_type, text=text, zone=reading.timezone, time_format=time_format
        )
        selected += [f"{sql} AS {identifier(ours)}", text]
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE checked AS SELECT *, {_first_fault(contract, names, now)} AS {_REASON} "
        f"FROM (SELECT {', '.join(selected)}, {_ROW} FROM (SELECT *, {', '.join(given)} FROM raw_{contract.table}))"
    )


def _time_format(engine: DuckDBEngine, table: str, pattern: str | None) -> values.TimeFormat | None:
    if pattern is None:
        return None
    try:
        found = engine.columns(f"(SELECT try_strptime('', {literal(pattern)}) AS moment)")
    except QueryError as error:
        raise ParamsError(
            f"data.{table}.datetime_format == {pattern!r} is no format ({error}). "
            'Write it as for strptime, for example "%d.%m.%Y %H:%M".'
        ) from None
    return values.TimeFormat(pattern, has_offset=found["moment"] != "TIMESTAMP")


def _given(ours: str) -> str:
    return identifier(f"{RESERVED}given {ours}")


def _first_fault(contract: Contract, names: Mapping[str, str], now: datetime) -> str:
    """First fault of a row, or null; test orders come last so that a faulty one counts as faulty."""
    branches = []
    for column in (column for column in contract.columns if column.name in names):
        parsed, given = identifier(column.name), _given(column.name)
        if column.required:
            no_id = f"{parsed} IS NULL OR lower({parsed}) IN ({literals(_NO_ID)})"
            blank = no_id if column.kind is Kind.TEXT else f"{given} IS NULL"
            branches.append(f"WHEN {blank} THEN {literal(f'{column.name} is missing')}")
        if column.kind is not Kind.TEXT:
            fault = literal(f"{column.name} is no {values.wanted(column.kind)}")
            branches.append(f"WHEN {parsed} IS NULL AND {given} IS NOT NULL THEN {fault}")
        if column.kind is Kind.TIME:
            branches.append(f"WHEN {parsed} > {literal(now)} THEN {literal(f'{column.name} lies in the future')}")
            placeholder = literal(f"{column.name} lies before {_EARLIEST.year}")
            branches.append(f"WHEN {parsed} < {literal(_EARLIEST)} THEN {placeholder}")
    if "is_test" in names and contract.column("is_test"):
        branches.append(f"WHEN is_test THEN {literal(TEST_ORDER)}")
    return f"CASE {' '.join(branches)} END"


def _replace_by_key(engine: DuckDBEngine, contract: Contract, key: Sequence[str]) -> None:
    """Mark all but the latest recorded of the rows that agree on the key; a row that lacks part of the key stands alone."""
    has_recorded_at = contract.column("recorded_at") and "recorded_at" in engine.columns("checked")
    latest = f"{'recorded_at DESC NULLS LAST, ' if has_recorded_at else ''}{_ROW} DESC"
    partition = ", ".join(identifier(name) for name in key)
    complete = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in key)
    engine.execute(
        f"UPDATE checked SET {_REASON} = {literal(REPLACED)} WHERE {_ROW} IN ("
        f"SELECT {_ROW} FROM checked WHERE {_REASON} IS NULL AND {complete} "
        f"QUALIFY row_number() OVER (PARTITION BY {partition} ORDER BY {latest}) > 1)"
    )


def _quantities(engine: DuckDBEngine, attributes: Sequence[str]) -> list[str]:
    """The attributes that came as text and hold nothing but numbers."""
    types = engine.columns("checked")
    texts = [name for name in attributes if types[name] == "VARCHAR"]
    if not texts:
        return []
    tests = ", ".join(f"{values.is_quantity(name)} AS {identifier(name)}" for name in texts)
    row = engine.row(f"SELECT {tests} FROM checked WHERE {_REASON} IS NULL")
    return [name for name in texts if row[name]]


def _write_rejected(engine: DuckDBEngine, table: str, theirs: Sequence[str]) -> None:
    """The user's own columns, as given, of every row left out; where it stood and why."""
    added = {"source_file": identifier(FILE_NAME), "source_row": _ROW, "reason": _REASON}
    # A mended quarantine file may be fed in again; what it says of its first reading is stale.
    columns = [identifier(name) for name in theirs if name.lower() not in added]
    columns += [f"{sql} AS {name}" for name, sql in added.items()]
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE rejected_{table} AS SELECT {', '.join(columns)} "
        f"FROM raw_{table} JOIN (SELECT {_ROW}, {_REASON} FROM checked WHERE {_REASON} IS NOT NULL) USING ({_ROW})"
    )
