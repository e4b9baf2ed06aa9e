"""Row by row: what is accepted under the contract, what is rejected, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cvm.engines import DuckDBEngine, identifier, literal
from cvm.engines.sql import literals
from cvm.errors import ColumnTypeError, MissingColumnsError, ParamsError
from cvm.ingest.contracts import Column, Contract, Kind
from cvm.ingest.sources import FILE_NAME, ROW_NUMBER

_NO_ID = ("", "null", "none", "nan", "n/a")
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_ISO_DATE = r"^\s*\d{4}-\d{2}-\d{2}([T ]|\s*$)"
_UTC_OFFSET = r"\d{2}:\d{2}.*(Z|[+-]\d{2}(:?\d{2})?)\s*$"
_NUMERIC_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")

TEST_ORDER = "test order"
REPLACED = "replaced by a later row with the same key"
_NOT_ERRORS = (TEST_ORDER, REPLACED)


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
        return sum(n for reason, n in self.n_by_reason.items() if reason not in _NOT_ERRORS)


def clean_table(engine: DuckDBEngine, contract: Contract, reading: Reading, *, now: datetime) -> TableOutcome:
    """Split ``raw_<table>`` into the canonical table and the temporary table ``rejected_<table>``.

    Parameters
    ----------
    engine : DuckDBEngine
        Holds ``raw_<table>``; afterwards also ``<table>`` and ``rejected_<table>`` (raw columns plus ``reason``).
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
        If the mapping or the key names a column that the contract does not know.
    """
    table = contract.table
    types = engine.columns(f"raw_{table}")
    names = _column_names(contract, reading, found=[name for name in types if name not in (FILE_NAME, ROW_NUMBER)])
    parsed = {ours: _parse(table, contract, ours, theirs, types[theirs], reading) for ours, theirs in names.items()}
    kept_columns = [name for name in parsed if name != "is_test"]
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE checked AS SELECT *, {_reason(contract, names, now)} AS reason FROM ("
        f"SELECT {', '.join(f'{sql} AS {identifier(ours)}' for ours, sql in parsed.items())}, "
        f"{', '.join(f'{identifier(theirs)} AS {_raw(ours)}' for ours, theirs in names.items())}, {ROW_NUMBER} "
        f"FROM raw_{table})"
    )
    if reading.key:
        _replace_by_key(engine, contract, reading.key, columns=kept_columns)
    selection = ", ".join(identifier(name) for name in kept_columns)
    engine.replace_table(table, f"SELECT {selection} FROM checked WHERE reason IS NULL")
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE rejected_{table} AS SELECT raw_{table}.*, checked.reason "
        f"FROM raw_{table} JOIN checked USING ({ROW_NUMBER}) WHERE reason IS NOT NULL"
    )
    reasons = engine.table("SELECT reason, count(*) AS n FROM checked GROUP BY reason ORDER BY n DESC, reason").to_pylist()
    counts: dict[str | None, int] = {row["reason"]: row["n"] for row in reasons}
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
        taken = set(names.values())
        names |= {theirs: theirs for theirs in found if theirs not in taken}
    if not set(contract.required) <= set(names):
        raise MissingColumnsError.from_columns(contract.table, required=contract.required, found=found)
    unknown_key = sorted(set(reading.key) - set(names))
    if unknown_key:
        raise MissingColumnsError(
            f"Table {contract.table!r}: data.{contract.table}.key names {unknown_key}, which the file does not have. "
            f"It has {sorted(names)}."
        )
    return {name: names[name] for name in [*(n for n in known if n in names), *(n for n in names if n not in known)]}


def _parse(table: str, contract: Contract, ours: str, theirs: str, found_type: str, reading: Reading) -> str:
    column, raw = contract.column(ours), identifier(theirs)
    if column is None:
        return raw
    if column.kind is Kind.TEXT:
        return _text(raw, found_type)
    if column.kind is Kind.TIME:
        return _time(table, column, theirs, found_type, reading)
    return _typed(table, column, theirs, found_type)


def _text(raw: str, found_type: str) -> str:
    if found_type in ("DOUBLE", "FLOAT"):
        # Spreadsheets and frames with gaps turn the id 17850 into 17850.0.
        return f"CASE WHEN {raw} = trunc({raw}) THEN CAST(CAST({raw} AS HUGEINT) AS VARCHAR) ELSE CAST({raw} AS VARCHAR) END"
    return f"trim(CAST({raw} AS VARCHAR))"


def _typed(table: str, column: Column, theirs: str, found_type: str) -> str:
    raw = identifier(theirs)
    if found_type == "VARCHAR" and column.kind is not Kind.FLAG:
        return f"CASE WHEN regexp_matches({raw}, {literal(_NUMBER)}) THEN TRY_CAST(trim({raw}) AS {column.kind}) END"
    is_time = found_type == "DATE" or found_type.startswith("TIMESTAMP")
    if found_type == "VARCHAR" or (not is_time and (found_type == "BOOLEAN") == (column.kind is Kind.FLAG)):
        return f"TRY_CAST({raw} AS {column.kind})"
    raise ColumnTypeError(
        f"Table {table!r}: column {theirs!r} ({column.name}) is of type {found_type}, which is no {_wanted(column.kind)}. "
        f"Map another column under data.{table}.columns in params.yaml."
    )


def _wanted(kind: Kind) -> str:
    return {Kind.MONEY: "amount of money", Kind.NUMBER: "number", Kind.FLAG: "yes or no", Kind.TIME: "date"}[kind]


def _time(table: str, column: Column, theirs: str, found_type: str, reading: Reading) -> str:
    raw, zone = identifier(theirs), reading.timezone
    if reading.datetime_format and (found_type == "VARCHAR" or found_type in _NUMERIC_TYPES):
        parsed = f"try_strptime(trim(CAST({raw} AS VARCHAR)), {literal(reading.datetime_format)})"
        has_offset = "%z" in reading.datetime_format
        return f"timezone('UTC', {parsed})" if has_offset else _to_utc(parsed, zone)
    if found_type == "VARCHAR":
        # A cast to TIMESTAMP would drop an offset without a word.
        with_offset = f"timezone('UTC', TRY_CAST({raw} AS TIMESTAMPTZ))"
        naive = _to_utc(f"TRY_CAST({raw} AS TIMESTAMP)", zone)
        return (
            f"CASE WHEN NOT regexp_matches({raw}, {literal(_ISO_DATE)}) THEN NULL "
            f"WHEN regexp_matches({raw}, {literal(_UTC_OFFSET)}) THEN {with_offset} ELSE {naive} END"
        )
    if found_type == "TIMESTAMP WITH TIME ZONE":
        return f"timezone('UTC', {raw})"
    if found_type == "DATE" or found_type.startswith("TIMESTAMP"):
        return _to_utc(f"CAST({raw} AS TIMESTAMP)", zone)
    raise ColumnTypeError(
        f"Table {table!r}: column {theirs!r} ({column.name}) is of type {found_type}, which is no date. Map another column, "
        f'or say how it is written: data.{table}.datetime_format, for example "%Y%m%d".'
    )


def _to_utc(naive: str, zone: str) -> str:
    return naive if zone == "UTC" else f"timezone('UTC', timezone({literal(zone)}, {naive}))"


def _raw(ours: str) -> str:
    return identifier(f"raw of {ours}")


def _reason(contract: Contract, names: Mapping[str, str], now: datetime) -> str:
    """First fault of a row, or null; test orders come last so that a faulty one counts as faulty."""
    branches = []
    for column in contract.columns:
        if column.name not in names:
            continue
        parsed, given = identifier(column.name), f"CAST({_raw(column.name)} AS VARCHAR)"
        absent = f"({given} IS NULL OR trim({given}) = '')"
        if column.required:
            blank = f"{parsed} IS NULL OR lower({parsed}) IN ({literals(_NO_ID)})" if column.kind is Kind.TEXT else absent
            branches.append(f"WHEN {blank} THEN {literal(f'{column.name} is missing')}")
        if column.kind is not Kind.TEXT:
            fault = literal(f"{column.name} is no {_wanted(column.kind)}")
            branches.append(f"WHEN {parsed} IS NULL AND NOT {absent} THEN {fault}")
        if column.kind is Kind.TIME:
            moment = f"TIMESTAMP {literal(now.isoformat(sep=' '))}"
            branches.append(f"WHEN {parsed} > {moment} THEN {literal(f'{column.name} lies in the future')}")
    if "is_test" in names:
        branches.append(f"WHEN is_test THEN {literal(TEST_ORDER)}")
    return f"CASE {' '.join(branches)} END"


def _replace_by_key(engine: DuckDBEngine, contract: Contract, key: Sequence[str], *, columns: Sequence[str]) -> None:
    latest = "recorded_at DESC NULLS LAST, " if "recorded_at" in columns and contract.column("recorded_at") else ""
    partition = ", ".join(identifier(name) for name in key)
    engine.execute(
        f"UPDATE checked SET reason = {literal(REPLACED)} WHERE reason IS NULL AND {ROW_NUMBER} NOT IN ("
        f"SELECT {ROW_NUMBER} FROM checked WHERE reason IS NULL "
        f"QUALIFY row_number() OVER (PARTITION BY {partition} ORDER BY {latest}{ROW_NUMBER} DESC) = 1)"
    )
