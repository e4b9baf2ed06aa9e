"""Row by row: what is accepted under the contract, what is rejected, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cvm.engines import DuckDBEngine, identifier, literal
from cvm.engines.sql import literals
from cvm.errors import ParamsError
from cvm.ingest import values
from cvm.ingest.contracts import Column, Contract, Kind
from cvm.ingest.numbers import NumberFormat
from cvm.ingest.reading import Origin, Reading, column_origins
from cvm.ingest.sources import FILE_NAME, RESERVED, ROW_NUMBER
from cvm.ingest.times import TimeFormat, lacks_zone, time_format

# What stands for "no id" in exports of databases, spreadsheets, R, Python and JavaScript.
_NO_ID = ("null", "none", "nan", "na", "n/a", "#n/a", "<na>", "undefined")
# Before it lie only placeholders: 0001-01-01, 1899-12-30, 1900-01-01.
_EARLIEST = datetime(1901, 1, 1)

_REASON = identifier(f"{RESERVED}reason")
_ROW = identifier(ROW_NUMBER)

TEST_ORDER = "test order"
REPLACED = "replaced by a later row with the same key"
SKIPPED = "skipped, as skip_without says"
_NO_FAULTS = (TEST_ORDER, REPLACED, SKIPPED)


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
        """Faulty rows; test orders, replaced and skipped rows are no faults."""
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
        Column names, zone, formats and key.
    now : datetime
        UTC, without zone. Times after it are faulty.

    Raises
    ------
    MissingColumnsError
        If a required or a mapped column is not there.
    ColumnTypeError
        If a column has a type that would have to be guessed at.
    ParamsError
        If the mapping or the key names a column that the contract does not know, the format of times is none, or
        times carry no zone and none is declared.
    """
    table = contract.table
    types = engine.columns(f"raw_{table}")
    theirs = [name for name in types if name not in (FILE_NAME, ROW_NUMBER)]
    origins = column_origins(contract, reading, found=theirs)
    numbers = NumberFormat(reading.decimal, reading.thousands)
    _check_rows(engine, contract, reading, origins, types, numbers=numbers, now=now)
    kept_columns = [name for name in origins if name != "is_test" or contract.column(name) is None]
    if reading.key:
        _replace_by_key(engine, contract, reading.key)
    quantities = _quantities(engine, [name for name in kept_columns if contract.column(name) is None], numbers)
    casts = ", ".join(f"CAST({numbers.plain(identifier(name))} AS DOUBLE) AS {identifier(name)}" for name in quantities)
    replaced = f"REPLACE ({casts})" if casts else ""
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


def _check_rows(
    engine: DuckDBEngine,
    contract: Contract,
    reading: Reading,
    origins: Mapping[str, Origin],
    types: Mapping[str, str],
    *,
    numbers: NumberFormat,
    now: datetime,
) -> None:
    """Write the temporary table ``checked``: every row with its values as read, and the first fault of it or null."""
    table = contract.table
    times = time_format(engine, table, zone=reading.timezone, pattern=reading.datetime_format, day_first=reading.day_first)
    if reading.timezone is None:
        _check_zones(engine, contract, origins, types, times)
    given, selected = [], []
    for ours, origin in origins.items():
        column = contract.column(ours)
        if column is None:
            selected.append(f"{_attribute(origin, types)} AS {identifier(ours)}")
            continue
        given.append(f"{_first_given(origin, types)} AS {_given(ours)}")
        selected += [f"{_value(table, column, origin, types, times, numbers)} AS {identifier(ours)}", _given(ours)]
    fault = _first_fault(contract, origins, reading.skip_without, now)
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE checked AS SELECT *, {fault} AS {_REASON} "
        f"FROM (SELECT {', '.join(selected)}, {_ROW} FROM (SELECT *, {', '.join(given)} FROM raw_{table}))"
    )


def _attribute(origin: Origin, types: Mapping[str, str]) -> str:
    """SQL for a value that no contract knows: of one column as it is, of several as text, whose types may differ."""
    theirs, *others = origin.columns
    return _first_given(origin, types) if others else values.attribute(theirs, types[theirs])


def _first_given(origin: Origin, types: Mapping[str, str]) -> str:
    """SQL for what the file says in the first of these columns that says anything, as text; else the default."""
    said = [values.given(theirs, types[theirs]) for theirs in origin.columns]
    said += [literal(origin.default)] if origin.default is not None else []
    return f"coalesce({', '.join(said)})" if len(said) > 1 else said[0]


def _value(
    table: str, column: Column, origin: Origin, types: Mapping[str, str], times: TimeFormat, numbers: NumberFormat
) -> str:
    """SQL for the value, read from the same column as ``_first_given``."""
    found = [(theirs, types[theirs]) for theirs in origin.columns]
    text = _given(column.name)
    read = [values.parsed(table, column, *one, text=text, times=times, numbers=numbers) for one in found]
    if origin.default is not None:
        read.append(values.parsed(table, column, column.name, "VARCHAR", text=text, times=times, numbers=numbers))
    if len(read) == 1:
        return read[0]
    tests = [f"WHEN {values.given(*one)} IS NOT NULL THEN {sql}" for one, sql in zip(found, read, strict=False)]
    return f"CASE {' '.join(tests)} ELSE {read[-1]} END"


def _check_zones(
    engine: DuckDBEngine, contract: Contract, origins: Mapping[str, Origin], types: Mapping[str, str], times: TimeFormat
) -> None:
    """Refuse times without a zone where none is declared."""
    for column in contract.columns:
        if column.kind is not Kind.TIME or column.name not in origins:
            continue
        origin = origins[column.name]
        told = [
            (repr(theirs), identifier(theirs), types[theirs], values.given(theirs, types[theirs]))
            for theirs in origin.columns
        ]
        if origin.default is not None:
            told.append(("of defaults", literal(origin.default), "VARCHAR", literal(origin.default)))
        for shown, raw, found_type, text in told:
            query = (
                f"SELECT count(*) AS n, min({text}) AS example FROM raw_{contract.table} "
                f"WHERE {lacks_zone(raw, found_type, text, times)}"
            )
            found = engine.row(query)
            if found["n"]:
                raise ParamsError(
                    f"Table {contract.table!r}: column {shown} ({column.name}) holds {found['n']:,} times without a "
                    f"zone, for example {found['example']!r}. Say which zone they are in, for example "
                    f"data.{contract.table}.timezone: Europe/Kyiv, or for all tables business.timezone."
                )


def _given(ours: str) -> str:
    return identifier(f"{RESERVED}given {ours}")


def _first_fault(contract: Contract, names: Collection[str], skip_without: Sequence[str], now: datetime) -> str:
    """First fault of a row, or null; test orders come last so that a faulty one counts as faulty."""
    branches = [f"WHEN {_given(name)} IS NULL THEN {literal(SKIPPED)}" for name in skip_without]
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
            if not column.may_lie_ahead:
                branches.append(f"WHEN {parsed} > {literal(now)} THEN {literal(f'{column.name} lies in the future')}")
            placeholder = literal(f"{column.name} lies before {_EARLIEST.year}")
            branches.append(f"WHEN {parsed} < {literal(_EARLIEST)} THEN {placeholder}")
    if "is_test" in names and contract.column("is_test"):
        branches.append(f"WHEN is_test THEN {literal(TEST_ORDER)}")
    return f"CASE {' '.join(branches)} END"


def _replace_by_key(engine: DuckDBEngine, contract: Contract, key: Sequence[str]) -> None:
    """Mark all but the latest recorded of the rows that agree on the key; a row that lacks part of the key stands alone.

    Ids are those of a system: where a ``source`` is told, rows of different sources never replace each other.
    """
    found = engine.columns("checked")
    has_recorded_at = contract.column("recorded_at") and "recorded_at" in found
    latest = f"{'recorded_at DESC NULLS LAST, ' if has_recorded_at else ''}{_ROW} DESC"
    partition = ", ".join(identifier(name) for name in dict.fromkeys([*key, *(["source"] if "source" in found else [])]))
    complete = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in key)
    engine.execute(
        f"UPDATE checked SET {_REASON} = {literal(REPLACED)} WHERE {_ROW} IN ("
        f"SELECT {_ROW} FROM checked WHERE {_REASON} IS NULL AND {complete} "
        f"QUALIFY row_number() OVER (PARTITION BY {partition} ORDER BY {latest}) > 1)"
    )


def _quantities(engine: DuckDBEngine, attributes: Sequence[str], numbers: NumberFormat) -> list[str]:
    """The attributes that came as text and hold nothing but numbers."""
    types = engine.columns("checked")
    texts = [name for name in attributes if types[name] == "VARCHAR"]
    if not texts:
        return []
    tests = ", ".join(f"{numbers.is_quantity(name)} AS {identifier(name)}" for name in texts)
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
