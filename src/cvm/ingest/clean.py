"""Row by row: what is accepted under the contract, what is rejected, and why."""

from __future__ import annotations

import glob
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

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

# Columns of ours in the files that are written here.
PART = identifier(f"{RESERVED}part")
REASON = identifier(f"{RESERVED}reason")
ROW = identifier(ROW_NUMBER)
SOURCE = identifier(FILE_NAME)

# To be raised when the same rows would now be read otherwise: what was cleaned before is then cleaned again.
VERSION = 1

TEST_ORDER = "test order"
FUTURE = "lies in the future"
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


@dataclass(frozen=True)
class Cleaned:
    """What was found in one export.

    Attributes
    ----------
    columns : tuple of str
        The user's names.
    attributes : dict of str to str
        Columns that no contract knows, by our names, and their types; the file holds them as text.
    n_kept : int
        Rows without a fault.
    n_by_reason : dict of str to int
        The other rows by the reason why they are left out.
    """

    columns: tuple[str, ...]
    attributes: dict[str, str]
    n_kept: int
    n_by_reason: dict[str, int]


def clean_rows(
    engine: DuckDBEngine,
    contract: Contract,
    reading: Reading,
    *,
    now: datetime,
    part: int,
    checked: Path,
    rejected: Path,
) -> Cleaned:
    """Read the rows of one export under its contract.

    Parameters
    ----------
    engine : DuckDBEngine
        Holds ``raw_<table>``, one export as it was given.
    contract : Contract
        What the table must look like.
    reading : Reading
        Column names, zone and format.
    now : datetime
        UTC, without zone. Times after it are faulty.
    part : int
        Written beside every row as ``PART``.
    checked : Path
        Parquet file to write: every row in the canonical columns, in the order of the export, and ``REASON``, which is
        null where the row is accepted.
    rejected : Path
        Parquet file to write if a row is left out: the user's columns as text, ``source_file``, ``source_row``, ``reason``.

    Raises
    ------
    MissingColumnsError
        If a required column is not there. Others may be: an export need not have all columns of the ones before.
    ColumnTypeError
        If a column has a type that would have to be guessed at.
    ParamsError
        If the mapping or the key names a column that the contract does not know, or the format of times is none.
    """
    types = engine.columns(f"raw_{contract.table}")
    theirs = [name for name in types if name not in (FILE_NAME, ROW_NUMBER)]
    names = _column_names(contract, reading, found=theirs)
    rows = _checked_rows(engine, contract, reading, names, types, now=now)
    # Sorted, because the engine does not promise that what is computed on several threads follows the file.
    engine.write_parquet(f"SELECT *, {part} AS {PART} FROM ({rows}) ORDER BY {ROW}", checked)
    file = f"read_parquet({literal(glob.escape(str(checked)))})"
    query = f"SELECT {REASON} AS reason, count(*) AS n FROM {file} GROUP BY ALL ORDER BY n DESC, reason"
    counts: dict[str | None, int] = {row["reason"]: row["n"] for row in engine.table(query).to_pylist()}
    n_kept = counts.pop(None, 0)
    if counts:
        engine.write_parquet(_rejected_rows(contract.table, {name: types[name] for name in theirs}, file, part), rejected)
    return Cleaned(
        columns=tuple(theirs),
        attributes={ours: values.attribute_type(types[names[ours]]) for ours in names if contract.column(ours) is None},
        n_kept=n_kept,
        n_by_reason={reason: n for reason, n in counts.items() if reason is not None},
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
    if any(theirs not in found for ours, theirs in reading.columns.items() if ours in contract.required):
        check_mapping(contract.table, reading, found=found)
    mapped = {ours: theirs for ours, theirs in reading.columns.items() if theirs in found}
    names = {ours: ours for ours in known if ours in found and ours not in reading.columns} | mapped
    if contract.open_ended:
        # Case aside, because the engine's names are so.
        taken = {name.lower() for name in (*names, *names.values())}
        names |= {theirs: theirs for theirs in found if theirs.lower() not in taken}
    unmapped = [name for name in contract.required if name not in names]
    if unmapped:
        raise MissingColumnsError.from_columns(contract.table, required=unmapped, found=found)
    return {name: names[name] for name in [*(n for n in known if n in names), *(n for n in names if n not in known)]}


def check_mapping(table: str, reading: Reading, *, found: Collection[str]) -> None:
    """Refuse a mapping that points at columns which are not among those ``found``.

    Raises
    ------
    MissingColumnsError
        If there are such columns.
    """
    lost = sorted(theirs for theirs in reading.columns.values() if theirs not in found)
    if lost:
        raise MissingColumnsError(
            f"Table {table!r}: data.{table}.columns points at {lost}; the file has {sorted(found)}. "
            "Correct the names on the right-hand side of the mapping."
        )


def _checked_rows(
    engine: DuckDBEngine,
    contract: Contract,
    reading: Reading,
    names: Mapping[str, str],
    types: Mapping[str, str],
    *,
    now: datetime,
) -> str:
    """Query for every row: its values as read, where it stood, and the first fault of it or null."""
    time_format = _time_format(engine, contract.table, reading.datetime_format)
    given, selected = [], []
    for ours, theirs in names.items():
        column, found_type = contract.column(ours), types[theirs]
        if column is None:
            selected.append(f"CAST({values.attribute(theirs, found_type)} AS VARCHAR) AS {identifier(ours)}")
            continue
        text = _given(ours)
        given.append(f"{values.given(theirs, found_type)} AS {text}")
        sql = values.parsed(
            contract.table, column, theirs, found_type, text=text, zone=reading.timezone, time_format=time_format
        )
        selected += [f"{sql} AS {identifier(ours)}", text]
    kept = ", ".join([*(identifier(ours) for ours in names), SOURCE, ROW])
    return (
        f"SELECT {kept}, {_first_fault(contract, names, now)} AS {REASON} "
        f"FROM (SELECT {', '.join(selected)}, {SOURCE}, {ROW} FROM (SELECT *, {', '.join(given)} FROM raw_{contract.table}))"
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
            # An IN of so many would become a join.
            no_id = f"{parsed} IS NULL OR list_contains([{literals(_NO_ID)}], lower({parsed}))"
            blank = no_id if column.kind is Kind.TEXT else f"{given} IS NULL"
            branches.append(f"WHEN {blank} THEN {literal(f'{column.name} is missing')}")
        if column.kind is not Kind.TEXT:
            fault = literal(f"{column.name} is no {values.wanted(column.kind)}")
            branches.append(f"WHEN {parsed} IS NULL AND {given} IS NOT NULL THEN {fault}")
        if column.kind is Kind.TIME:
            branches.append(f"WHEN {parsed} > {literal(now)} THEN {literal(f'{column.name} {FUTURE}')}")
            placeholder = literal(f"{column.name} lies before {_EARLIEST.year}")
            branches.append(f"WHEN {parsed} < {literal(_EARLIEST)} THEN {placeholder}")
    if "is_test" in names and contract.column("is_test"):
        branches.append(f"WHEN is_test THEN {literal(TEST_ORDER)}")
    return f"CASE {' '.join(branches)} END"


def _rejected_rows(table: str, types: Mapping[str, str], checked: str, part: int) -> str:
    """Query for the user's own columns, as given, of every row left out; where it stood and why."""
    added = {"source_file": SOURCE, "source_row": ROW, "reason": REASON}
    # A mended quarantine file may be fed in again; what it says of its first reading is stale.
    columns = [
        f"{values.written(name, kind)} AS {identifier(name)}" for name, kind in types.items() if name.lower() not in added
    ]
    columns += [f"{sql} AS {name}" for name, sql in added.items()]
    return (
        f"SELECT {', '.join(columns)}, {part} AS {PART} FROM raw_{table} "
        f"JOIN (SELECT {ROW}, {REASON} FROM {checked} WHERE {REASON} IS NOT NULL) USING ({ROW}) ORDER BY {ROW}"
    )
