"""Row by row: what is accepted under the contract, what is rejected, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cvm.engines import Engine, identifier, literal
from cvm.engines.sql import literals, parquet
from cvm.errors import ParamsError
from cvm.ingest import values
from cvm.ingest.contracts import Column, Contract, Kind
from cvm.ingest.numbers import NumberFormat
from cvm.ingest.protection import NEVER_STORED, UNPROTECTED, Protection
from cvm.ingest.reading import Origin, Reading, column_origins
from cvm.ingest.sources import FILE_NAME, RESERVED, ROW_NUMBER
from cvm.ingest.times import TimeFormat, lacks_zone, time_format

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
SKIPPED = "skipped, as skip_without says"
_NO_FAULTS = (TEST_ORDER, REPLACED, SKIPPED, *NEVER_STORED)
_NEVER_STORED = identifier(f"{RESERVED}never stored")


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
        The other rows by the reason why they are left out. Those that are never stored are in neither file.
    """

    columns: tuple[str, ...]
    attributes: dict[str, str]
    n_kept: int
    n_by_reason: dict[str, int]


def clean_rows(
    engine: Engine,
    contract: Contract,
    reading: Reading,
    *,
    now: datetime,
    part: int,
    checked: Path,
    rejected: Path,
    protection: Protection = UNPROTECTED,
) -> Cleaned:
    """Read the rows of one export under its contract.

    Parameters
    ----------
    engine : Engine
        Holds ``raw_<table>``, one export as it was given.
    contract : Contract
        What the table must look like.
    reading : Reading
        Column names, zone and formats.
    now : datetime
        UTC, without zone. Times after it are faulty.
    part : int
        Written beside every row as ``PART``.
    checked : Path
        Parquet file to write: every row in the canonical columns, in the order of the export, and ``REASON``, which is
        null where the row is accepted.
    rejected : Path
        Parquet file to write if a row is left out: the user's columns as text, ``source_file``, ``source_row``, ``reason``.
    protection : Protection
        Which rows are never stored, and under which names customers are.

    Raises
    ------
    MissingColumnsError
        If a required column is not there. Others may be: an export need not have all columns of the ones before.
    ColumnTypeError
        If a column has a type that would have to be guessed at.
    ParamsError
        If the mapping or the key names a column that the contract does not know, the format of times is none, or
        times carry no zone and none is declared.
    """
    found = checked_rows(engine, contract, reading, now=now, protection=protection)
    # Sorted, because the engine does not promise that what is computed on several threads follows the file.
    engine.write_parquet(f"SELECT *, {part} AS {PART} FROM ({found.query}) ORDER BY {ROW}", checked)
    file = parquet([checked])
    query = f"SELECT {REASON} AS reason, count(*) AS n FROM {file} GROUP BY ALL ORDER BY n DESC, reason"
    counts: dict[str | None, int] = {row["reason"]: row["n"] for row in engine.table(query).to_pylist()}
    n_kept = counts.pop(None, 0)
    if counts:
        engine.write_parquet(_rejected_rows(contract.table, found.shown, file, part), rejected)
    return Cleaned(
        columns=found.columns,
        attributes=found.attributes,
        n_kept=n_kept,
        n_by_reason={reason: n for reason, n in counts.items() if reason is not None} | found.n_never_stored,
    )


@dataclass(frozen=True)
class CheckedRows:
    """The rows of one export, read and judged.

    Attributes
    ----------
    query : str
        Every row that may be stored: canonical columns, ``SOURCE``, ``ROW``, ``REASON`` (null where it is accepted), and
        what was asked for beside.
    columns : tuple of str
        The user's names.
    names : tuple of str
        Canonical columns.
    attributes : dict of str to str
        Those of them that no contract knows, and their types; the query gives them as text.
    shown : dict of str to str
        The user's columns as the quarantine may show them, in SQL over ``raw_<table>``.
    n_never_stored : dict of str to int
        Rows that may not be stored, by reason.
    """

    query: str
    columns: tuple[str, ...]
    names: tuple[str, ...]
    attributes: dict[str, str]
    shown: dict[str, str]
    n_never_stored: dict[str, int]


def checked_rows(
    engine: Engine,
    contract: Contract,
    reading: Reading,
    *,
    now: datetime,
    protection: Protection = UNPROTECTED,
    beside: Collection[str] = (),
    shown_as: str | None = None,
) -> CheckedRows:
    """What one export says under its contract; ``clean_rows`` tells of the other arguments and of what is raised.

    Parameters
    ----------
    beside : collection of str
        Columns of ours in ``raw_<table>`` that the query passes on.
    shown_as : str, optional
        The query passes on the columns of ``shown`` too, under their names behind this.
    """
    types = engine.columns(f"raw_{contract.table}")
    theirs = [name for name in types if not name.lower().startswith(RESERVED)]
    origins = column_origins(contract, reading, found=theirs)
    origins = {ours: origin for ours, origin in origins.items() if not protection.hides(ours)}
    shown = _shown(theirs, types, origins, protection)
    further = {identifier(name): identifier(name) for name in beside}
    if shown_as is not None:
        further |= {identifier(f"{shown_as}{name}"): sql for name, sql in shown.items()}
    rows = _checked_rows(engine, contract, reading, origins, types, now=now, beside=further)
    columns = [*map(identifier, origins), SOURCE, ROW, *further, REASON]
    rows, n_never_stored = _stored_rows(engine, contract, rows, origins, columns, protection, now=now)
    return CheckedRows(
        query=rows,
        columns=tuple(theirs),
        names=tuple(origins),
        attributes={ours: _attribute_type(origin, types) for ours, origin in origins.items() if not contract.column(ours)},
        shown=shown,
        n_never_stored=n_never_stored,
    )


def _stored_rows(
    engine: Engine,
    contract: Contract,
    rows: str,
    names: Collection[str],
    columns: Sequence[str],
    protection: Protection,
    *,
    now: datetime,
) -> tuple[str, dict[str, int]]:
    """Query for the ``columns`` of rows that may be stored, as they are stored, and how many others there are by reason."""
    reason, n_by_reason = protection.never_stored(contract, names, now), {}
    if reason:
        rows = f"SELECT *, {reason} AS {_NEVER_STORED} FROM ({rows})"
        query = f"SELECT {_NEVER_STORED} AS reason, count(*) AS n FROM ({rows}) WHERE {_NEVER_STORED} IS NOT NULL GROUP BY 1"
        n_by_reason = {row["reason"]: row["n"] for row in engine.table(query).to_pylist()}
        rows = f"SELECT {', '.join(columns)} FROM ({rows}) WHERE {_NEVER_STORED} IS NULL"
    stored = {identifier(name): sql for name, sql in protection.stored(names).items()}
    if stored:
        selected = ", ".join(f"{stored[name]} AS {name}" if name in stored else name for name in columns)
        rows = f"SELECT {selected} FROM ({rows})"
    return rows, n_by_reason


def _shown(
    theirs: Sequence[str], types: Mapping[str, str], origins: Mapping[str, Origin], protection: Protection
) -> dict[str, str]:
    """SQL for the user's columns of rows left out, as far as the quarantine may show them."""
    ours = {name: canonical for canonical, origin in origins.items() for name in origin.columns}
    found = {name: protection.shown(ours.get(name), values.written(name, types[name])) for name in theirs}
    return {name: sql for name, sql in found.items() if sql is not None}


def _checked_rows(
    engine: Engine,
    contract: Contract,
    reading: Reading,
    origins: Mapping[str, Origin],
    types: Mapping[str, str],
    *,
    now: datetime,
    beside: Mapping[str, str],
) -> str:
    """Query for every row: its values as read, where it stood, what is told beside, and the first fault of it or null."""
    table, numbers = contract.table, reading.numbers
    times = time_format(engine, table, zone=reading.timezone, pattern=reading.datetime_format, day_first=reading.day_first)
    if reading.timezone is None:
        _check_zones(engine, contract, origins, types, times)
    given, selected = [], []
    for ours, origin in origins.items():
        column = contract.column(ours)
        if column is None:
            selected.append(f"CAST({_attribute(origin, types)} AS VARCHAR) AS {identifier(ours)}")
            continue
        given.append(f"{_first_given(origin, types)} AS {_given(ours)}")
        selected += [f"{_value(table, column, origin, types, times, numbers)} AS {identifier(ours)}", _given(ours)]
    fault = _first_fault(contract, origins, reading.skip_without, now)
    kept = ", ".join([*map(identifier, origins), SOURCE, ROW, *beside])
    read = ", ".join([*selected, SOURCE, ROW, *(f"{sql} AS {name}" for name, sql in beside.items())])
    return f"SELECT {kept}, {fault} AS {REASON} FROM (SELECT {read} FROM (SELECT *, {', '.join(given)} FROM raw_{table}))"


def _attribute_type(origin: Origin, types: Mapping[str, str]) -> str:
    """Type of the values of ``_attribute``."""
    theirs, *others = origin.columns
    return "VARCHAR" if others else values.attribute_type(types[theirs])


def _attribute(origin: Origin, types: Mapping[str, str]) -> str:
    """SQL for a value that no contract knows: of one column as it is, of several as text, whose types may differ."""
    theirs, *others = origin.columns
    return _first_given(origin, types) if others else values.attribute(theirs, types[theirs])


def _first_given(origin: Origin, types: Mapping[str, str]) -> str:
    """SQL for what the file says in the first of these columns that says anything, as text; else the default."""
    said = [values.given(theirs, types[theirs]) for theirs in origin.columns]
    said = ["(" + " || ' x ' || ".join(said) + ")"] if origin.is_product else said
    said += [literal(origin.default)] if origin.default is not None else []
    return f"coalesce({', '.join(said)})" if len(said) > 1 else said[0]


def _value(
    table: str, column: Column, origin: Origin, types: Mapping[str, str], times: TimeFormat, numbers: NumberFormat
) -> str:
    """SQL for the value, read from the same column as ``_first_given``."""
    found = [(theirs, types[theirs]) for theirs in origin.columns]
    text = _given(column.name)
    if origin.is_product:
        said = [_first_given(replace(origin, default=None), types)]
        read = [values.product(table, column, found, numbers=numbers)]
    else:
        said = [values.given(*one) for one in found]
        read = [values.parsed(table, column, *one, text=text, times=times, numbers=numbers) for one in found]
    if origin.default is not None:
        read.append(values.parsed(table, column, column.name, "VARCHAR", text=text, times=times, numbers=numbers))
    if len(read) == 1:
        return read[0]
    tests = [f"WHEN {one} IS NOT NULL THEN {sql}" for one, sql in zip(said, read, strict=False)]
    return f"CASE {' '.join(tests)} ELSE {read[-1]} END"


def _check_zones(
    engine: Engine, contract: Contract, origins: Mapping[str, Origin], types: Mapping[str, str], times: TimeFormat
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
                branches.append(f"WHEN {parsed} > {literal(now)} THEN {literal(f'{column.name} {FUTURE}')}")
            placeholder = literal(f"{column.name} lies before {_EARLIEST.year}")
            branches.append(f"WHEN {parsed} < {literal(_EARLIEST)} THEN {placeholder}")
    if "is_test" in names and contract.column("is_test"):
        branches.append(f"WHEN is_test THEN {literal(TEST_ORDER)}")
    return f"CASE {' '.join(branches)} END"


def _rejected_rows(table: str, shown: Mapping[str, str], checked: str, part: int) -> str:
    """Query for the user's own columns of every row left out, as ``shown`` says; where it stood and why."""
    added = {"source_file": SOURCE, "source_row": ROW, "reason": REASON}
    # A mended quarantine file may be fed in again; what it says of its first reading is stale.
    columns = [f"{sql} AS {identifier(name)}" for name, sql in shown.items() if name.lower() not in added]
    columns += [f"{sql} AS {name}" for name, sql in added.items()]
    return (
        f"SELECT {', '.join(columns)}, {part} AS {PART} FROM raw_{table} "
        f"JOIN (SELECT {ROW}, {REASON} FROM {checked} WHERE {REASON} IS NOT NULL) USING ({ROW}) ORDER BY {ROW}"
    )
