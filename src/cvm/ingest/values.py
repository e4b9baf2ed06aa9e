"""SQL that reads one column of the user's table as its contract demands; a value that cannot be read becomes null."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cvm.engines import identifier, literal
from cvm.errors import ColumnTypeError
from cvm.ingest.contracts import Column, Kind

# Besides spaces what exports leave around values: tabs, line ends, the no-break space, the byte order mark.
_BLANKS = " \t\n\r\v\f\u00a0\ufeff"

_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
# Neither 007 nor a card number of 16 digits is a quantity.
_QUANTITY = r"-?(0|[1-9]\d{0,14})(\.\d+)?"
_DATE = r"\d{4}-\d{2}-\d{2}"
_TIME = r"[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?"
_UTC_OFFSET = r"\s*(Z|z|UTC|[+-](0\d|1[0-5])(:?[0-5]\d)?)"

_FLOATS = ("DOUBLE", "FLOAT")
_INTEGERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
)
_NESTED = ("STRUCT", "MAP", "UNION", "LIST")


@dataclass(frozen=True)
class TimeFormat:
    """How times are written that are not ISO 8601."""

    pattern: str
    has_offset: bool


def parsed(
    table: str, column: Column, theirs: str, found_type: str, *, text: str, zone: str, time_format: TimeFormat | None
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
    zone : str
        Zone of times that carry none.
    time_format : TimeFormat or None
        ``None`` means ISO 8601.

    Raises
    ------
    ColumnTypeError
        If values of that type would have to be guessed at.
    """
    raw = identifier(theirs)
    if column.kind is Kind.TEXT and not found_type.endswith("]") and not found_type.startswith(_NESTED):
        return _text(raw, found_type, text)
    if column.kind is Kind.TIME:
        sql = _time(raw, found_type, text, zone, time_format)
        hint = f' or say how it is written: data.{table}.datetime_format, for example "%Y%m%d".'
    else:
        sql = _flag(raw, found_type, text) if column.kind is Kind.FLAG else _number(raw, found_type, text, column.kind)
        hint = f" under data.{table}.columns in params.yaml."
    if sql is None:
        wrong = f"is of type {found_type}, which is no {wanted(column.kind)}"
        raise ColumnTypeError(f"Table {table!r}: column {theirs!r} ({column.name}) {wrong}. Map another column{hint}")
    return sql


def given(theirs: str, found_type: str) -> str:
    """SQL for what the file says, as text; null where it says nothing."""
    raw = identifier(theirs)
    return f"CASE WHEN NOT isnan({raw}) THEN CAST({raw} AS VARCHAR) END" if found_type in _FLOATS else _trimmed(raw)


def attribute(theirs: str, found_type: str) -> str:
    """SQL for an attribute no contract knows: numbers, truth values and dates as they are, everything else as text."""
    raw = identifier(theirs)
    return _trimmed(raw) if attribute_type(found_type) == "VARCHAR" else raw


def attribute_type(found_type: str) -> str:
    """Type of the values of ``attribute``."""
    return found_type if found_type == "BOOLEAN" or _is_number(found_type) or _is_time(found_type) else "VARCHAR"


def common_type(found_types: Collection[str]) -> str:
    """Type that holds what several exports say of one attribute: their own, a number, or else text."""
    if len(set(found_types)) == 1:
        return next(iter(found_types))
    return "DOUBLE" if all(_is_number(found_type) for found_type in found_types) else "VARCHAR"


def written(theirs: str, found_type: str) -> str:
    """SQL for a value as a person would write it, blanks and all."""
    raw = identifier(theirs)
    return f"coalesce({_text(raw, found_type, f'CAST({raw} AS VARCHAR)')}, CAST({raw} AS VARCHAR))"


def is_quantity(name: str) -> str:
    """SQL that says whether all values of a text column are plain numbers."""
    return f"coalesce(bool_and(regexp_full_match({identifier(name)}, {literal(_QUANTITY)})), false)"


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
    if found_type not in _FLOATS and not found_type.startswith("DECIMAL"):
        return text
    # Spreadsheets and frames with gaps turn the id 17850 into 17850.0.
    whole = f"CASE WHEN {raw} = trunc({raw}) THEN CAST(TRY_CAST({raw} AS HUGEINT) AS VARCHAR) END"
    number = f"coalesce({whole}, CAST({raw} AS VARCHAR))"
    return f"CASE WHEN isfinite({raw}) THEN {number} END" if found_type in _FLOATS else number


def _number(raw: str, found_type: str, text: str, kind: Kind) -> str | None:
    if found_type == "VARCHAR":
        number = f"CASE WHEN regexp_full_match({text}, {literal(_NUMBER)}) THEN TRY_CAST({text} AS {kind}) END"
    elif _is_number(found_type):
        number = f"TRY_CAST({raw} AS {kind})"
    else:
        return None
    return f"CASE WHEN isfinite({number}) THEN {number} END" if kind is Kind.NUMBER else number


def _flag(raw: str, found_type: str, text: str) -> str | None:
    if found_type == "BOOLEAN":
        return raw
    return f"TRY_CAST({text} AS BOOLEAN)" if found_type == "VARCHAR" else None


def _time(raw: str, found_type: str, text: str, zone: str, time_format: TimeFormat | None) -> str | None:
    if time_format and found_type in ("VARCHAR", *_INTEGERS):
        moment = f"try_strptime({text}, {literal(time_format.pattern)})"
        return f"timezone('UTC', {moment})" if time_format.has_offset else _to_utc(moment, zone)
    if found_type == "VARCHAR":
        return _iso_time(text, zone)
    if not _is_time(found_type):
        return None
    if found_type.startswith("TIMESTAMPTZ") or found_type == "TIMESTAMP WITH TIME ZONE":
        moment = f"timezone('UTC', CAST({raw} AS TIMESTAMPTZ))"
    else:
        moment = _to_utc(f"CAST({raw} AS TIMESTAMP)", zone)
    return f"CASE WHEN isfinite({moment}) THEN {moment} END"


def _iso_time(text: str, zone: str) -> str:
    """A cast alone would drop an offset, a zone or a PM without a word; so only what is fully understood is cast."""
    tidy = f"regexp_replace(regexp_replace({text}, '\\s*(Z|z|UTC)$', '+00'), '\\s+([+-])', '\\1')"
    with_offset = f"timezone('UTC', TRY_CAST({tidy} AS TIMESTAMPTZ))"
    naive = _to_utc(f"TRY_CAST({text} AS TIMESTAMP)", zone)
    return (
        f"CASE WHEN regexp_full_match({text}, {literal(f'{_DATE}({_TIME})?')}) THEN {naive} "
        f"WHEN regexp_full_match({text}, {literal(_DATE + _TIME + _UTC_OFFSET)}) THEN {with_offset} END"
    )


def _to_utc(naive: str, zone: str) -> str:
    return naive if zone == "UTC" else f"timezone('UTC', timezone({literal(zone)}, {naive}))"


def _trimmed(raw: str) -> str:
    """Text without blanks around it; null where nothing is left."""
    text = f"CAST({raw} AS VARCHAR)"
    # To look first is four times as fast, because hardly any value has blanks.
    padded = f"regexp_matches({text}, {literal(f'^[{_BLANKS}]|[{_BLANKS}]$')})"
    return f"CASE WHEN {padded} THEN nullif(trim({text}, {literal(_BLANKS)}), '') ELSE nullif({text}, '') END"


def _is_number(found_type: str) -> bool:
    return found_type in _INTEGERS or found_type in _FLOATS or found_type.startswith("DECIMAL")


def _is_time(found_type: str) -> bool:
    return found_type == "DATE" or found_type.startswith("TIMESTAMP")
