"""SQL that reads one column of the user's table as its contract demands; a value that cannot be read becomes null."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cvm.engines import identifier, literal
from cvm.engines.sql import BLANKS
from cvm.errors import ColumnTypeError
from cvm.ingest.column_types import FLOATS, INTEGERS, has_zone, is_number, is_time
from cvm.ingest.contracts import Column, Kind
from cvm.ingest.numbers import NumberFormat
from cvm.ingest.times import TimeFormat, utc_time

_NESTED = ("STRUCT", "MAP", "UNION", "LIST")


def parsed(
    table: str, column: Column, theirs: str, found_type: str, *, text: str, times: TimeFormat, numbers: NumberFormat
) -> str:
    """SQL for the values of ``column``, read from the user's column ``theirs``.

    Parameters
    ----------
    table : str
    column : Column
    theirs, found_type : str
        Name and type in the user's table.
    text : str
        SQL for what the file says, as ``given`` tells it.
    times : TimeFormat
    numbers : NumberFormat
        How times and numbers are written in text.

    Raises
    ------
    ColumnTypeError
        If values of that type would have to be guessed at.
    """
    raw = identifier(theirs)
    if column.kind is Kind.TEXT and not found_type.endswith("]") and not found_type.startswith(_NESTED):
        return _text(raw, found_type, text)
    if column.kind is Kind.TIME:
        sql = utc_time(raw, found_type, text, times)
        hint = f' or say how it is written: data.{table}.datetime_format, for example "%Y%m%d".'
    else:
        is_flag = column.kind is Kind.FLAG
        sql = _flag(raw, found_type, text) if is_flag else _number(raw, found_type, text, column.kind, numbers)
        hint = f" under data.{table}.columns in params.yaml."
    if sql is None:
        wrong = f"is of type {found_type}, which is no {wanted(column.kind)}"
        raise ColumnTypeError(f"Table {table!r}: column {theirs!r} ({column.name}) {wrong}. Map another column{hint}")
    return sql


def product(table: str, column: Column, found: Sequence[tuple[str, str]], *, numbers: NumberFormat) -> str:
    """SQL for the product of the user's columns ``found``, name and type each, as a value of ``column``.

    Raises
    ------
    ColumnTypeError
        If one of them holds no numbers.
    """
    factors = []
    for theirs, found_type in found:
        factor = _number(identifier(theirs), found_type, given(theirs, found_type), Kind.NUMBER, numbers)
        if factor is None:
            raise ColumnTypeError(
                f"Table {table!r}: column {theirs!r} (a factor of {column.name}) is of type {found_type}, which is no "
                f"number. Map another column under data.{table}.columns in params.yaml."
            )
        factors.append(factor)
    result = f"TRY_CAST({' * '.join(factors)} AS {column.kind})"
    return f"CASE WHEN isfinite({result}) THEN {result} END" if column.kind is Kind.NUMBER else result


def given(theirs: str, found_type: str) -> str:
    """SQL for what the file says, as text; null where it says nothing."""
    raw = identifier(theirs)
    return f"CASE WHEN NOT isnan({raw}) THEN {_as_text(raw, found_type)} END" if found_type in FLOATS else _trimmed(raw)


def attribute(theirs: str, found_type: str) -> str:
    """SQL for an attribute no contract knows: numbers, truth values and dates as they are, everything else as text."""
    raw = identifier(theirs)
    return _trimmed(raw) if attribute_type(found_type) == "VARCHAR" else _named(raw, found_type)


def attribute_type(found_type: str) -> str:
    """Type of the values of ``attribute``."""
    return found_type if found_type == "BOOLEAN" or is_number(found_type) or is_time(found_type) else "VARCHAR"


def common_type(found_types: Collection[str]) -> str:
    """Type that holds what several exports say of one attribute: their own, a number, or else text."""
    if len(set(found_types)) == 1:
        return next(iter(found_types))
    return "DOUBLE" if all(is_number(found_type) for found_type in found_types) else "VARCHAR"


def written(theirs: str, found_type: str) -> str:
    """SQL for a value as a person would write it, blanks and all."""
    raw = identifier(theirs)
    text = _as_text(raw, found_type)
    return f"coalesce({_text(raw, found_type, text)}, {text})"


def wanted(kind: Kind) -> str:
    """``kind`` in words."""
    return {
        Kind.TEXT: "text",
        Kind.MONEY: "amount of money",
        Kind.NUMBER: "number",
        Kind.FLAG: "yes or no",
        Kind.TIME: "date",
    }[kind]


def _text(raw: str, found_type: str, text: str) -> str:
    if found_type in INTEGERS or not is_number(found_type):
        return text
    # Spreadsheets and frames with gaps turn the id 17850 into 17850.0.
    whole = f"CASE WHEN {raw} = trunc({raw}) THEN CAST(TRY_CAST({raw} AS HUGEINT) AS VARCHAR) END"
    number = f"coalesce({whole}, {_as_text(raw, found_type)})"
    return f"CASE WHEN isfinite({raw}) THEN {number} END" if found_type in FLOATS else number


def _number(raw: str, found_type: str, text: str, kind: Kind, numbers: NumberFormat) -> str | None:
    if found_type == "VARCHAR":
        number = f"CASE WHEN {numbers.is_number(text)} THEN TRY_CAST({numbers.plain(text)} AS {kind}) END"
    elif is_number(found_type):
        number = f"TRY_CAST({_named(raw, found_type)} AS {kind})"
    else:
        return None
    return f"CASE WHEN isfinite({number}) THEN {number} END" if kind is Kind.NUMBER else number


def _flag(raw: str, found_type: str, text: str) -> str | None:
    if found_type == "BOOLEAN":
        return raw
    return f"TRY_CAST({text} AS BOOLEAN)" if found_type == "VARCHAR" else None


def _as_text(raw: str, found_type: str) -> str:
    return f"CAST({_named(raw, found_type)} AS VARCHAR)"


def _named(raw: str, found_type: str) -> str:
    """With its type beside it where engines write or round values each in its own way, and must be told of them."""
    return f"CAST({raw} AS {found_type})" if found_type in FLOATS or has_zone(found_type) else raw


def _trimmed(raw: str) -> str:
    """Text without blanks around it; null where nothing is left."""
    text = f"CAST({raw} AS VARCHAR)"
    # To look first is four times as fast, because hardly any value has blanks.
    padded = f"regexp_matches({text}, {literal(f'^[{BLANKS}]|[{BLANKS}]$')})"
    return f"CASE WHEN {padded} THEN nullif(trim({text}, {literal(BLANKS)}), '') ELSE nullif({text}, '') END"
