"""SQL that reads a moment in time as UTC; neither the order of day and month nor a zone is ever guessed."""

from __future__ import annotations

from dataclasses import dataclass

from cvm.engines import Engine, QueryError, literal
from cvm.errors import ParamsError
from cvm.ingest.column_types import FLOATS, INTEGERS, has_zone, is_time

# Moments counted from 1970-01-01 in UTC: name of the format -> microseconds per unit.
EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_LAST_MICROSECOND = 253_402_300_799_999_999  # of the year 9999

_DATE = r"\d{4}-\d{2}-\d{2}"
_TIME = r"[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?"
_UTC_OFFSET = r"\s*(Z|z|UTC|[+-](0\d|1[0-5])(:?[0-5]\d)?)"
_DAY_FIRST = "|".join(rf"\d{{1,2}}{mark}\d{{1,2}}{mark}\d{{4}}" for mark in (r"\.", "/", "-"))


@dataclass(frozen=True)
class TimeFormat:
    """How the times of a table are written.

    Attributes
    ----------
    zone : str or None
        Zone of times that carry none; ``None`` when nobody declared one.
    pattern : str or None
        ``strptime`` format, or one of ``EPOCHS``; ``None`` means ISO 8601.
    has_offset : bool
        Whether the pattern itself tells the offset from UTC.
    day_first : bool
        Whether 01.02.2024 is a date too, the first of February.
    """

    zone: str | None
    pattern: str | None = None
    has_offset: bool = False
    day_first: bool = False


def time_format(engine: Engine, table: str, *, zone: str | None, pattern: str | None, day_first: bool = False) -> TimeFormat:
    """The format of a table's times, once the engine has understood its pattern.

    Raises
    ------
    ParamsError
        If the pattern is none.
    """
    if pattern is None or pattern in EPOCHS:
        return TimeFormat(zone, pattern, has_offset=pattern is not None, day_first=day_first)
    try:
        found = engine.columns(f"(SELECT try_strptime('', {literal(pattern)}) AS moment)")
    except QueryError as error:
        raise ParamsError(
            f"data.{table}.datetime_format == {pattern!r} is no format ({error}). "
            f'Write it as for strptime, for example "%d.%m.%Y %H:%M", or one of {list(EPOCHS)}.'
        ) from None
    return TimeFormat(zone, pattern, has_offset=found["moment"] != "TIMESTAMP")


def utc_time(raw: str, found_type: str, text: str, times: TimeFormat) -> str | None:
    """SQL for the moment a value names, in UTC; null where it is not fully understood.

    Parameters
    ----------
    raw, found_type : str
        SQL of the value and its type.
    text : str
        SQL of the value as text.
    times : TimeFormat

    Returns
    -------
    str or None
        ``None`` if values of that type would have to be guessed at.
    """
    if times.pattern in EPOCHS and not is_time(found_type):
        return _epoch_time(raw, found_type, text, EPOCHS[times.pattern])
    if times.pattern and found_type in ("VARCHAR", *INTEGERS):
        moment = f"try_strptime({text}, {literal(times.pattern)})"
        return f"timezone('UTC', {moment})" if times.has_offset else _to_utc(moment, times.zone)
    if found_type == "VARCHAR":
        return _iso_time(_year_first(text) if times.day_first else text, times.zone)
    if not is_time(found_type):
        return None
    if has_zone(found_type):
        moment = f"timezone('UTC', CAST({raw} AS TIMESTAMPTZ))"
    else:
        moment = _to_utc(f"CAST({raw} AS TIMESTAMP)", times.zone)
    return f"CASE WHEN isfinite({moment}) THEN {moment} END"


def lacks_zone(raw: str, found_type: str, text: str, times: TimeFormat) -> str:
    """SQL that says whether a value is a time that does not tell its zone."""
    if has_zone(found_type) or (times.has_offset and not is_time(found_type)):
        return "false"
    if is_time(found_type):
        return f"{raw} IS NOT NULL"
    if times.pattern:
        return f"try_strptime({text}, {literal(times.pattern)}) IS NOT NULL"
    written = _year_first(text) if times.day_first else text
    return f"coalesce(regexp_full_match({written}, {literal(f'{_DATE}({_TIME})?')}), false)"


def _epoch_time(raw: str, found_type: str, text: str, microseconds: int) -> str | None:
    if found_type == "VARCHAR":
        count = f"CASE WHEN regexp_full_match({text}, '-?\\d{{1,18}}') THEN TRY_CAST({text} AS HUGEINT) END"
    elif found_type in INTEGERS:
        count = f"CAST({raw} AS HUGEINT)"
    elif found_type in FLOATS:  # what frames with gaps make of whole numbers
        count = f"CASE WHEN {raw} = trunc({raw}) THEN TRY_CAST({raw} AS HUGEINT) END"
    else:
        return None
    furthest = _LAST_MICROSECOND // microseconds
    return (
        f"CASE WHEN {count} BETWEEN {-furthest} AND {furthest} "
        f"THEN make_timestamp(CAST({count} * {microseconds} AS BIGINT)) END"
    )


def _iso_time(text: str, zone: str | None) -> str:
    """A cast alone would drop an offset, a zone or a PM without a word; so only what is fully understood is cast."""
    tidy = f"regexp_replace(regexp_replace({text}, '\\s*(Z|z|UTC)$', '+00'), '\\s+([+-])', '\\1')"
    with_offset = f"timezone('UTC', TRY_CAST({tidy} AS TIMESTAMPTZ))"
    naive = _to_utc(f"TRY_CAST({text} AS TIMESTAMP)", zone)
    return (
        f"CASE WHEN regexp_full_match({text}, {literal(f'{_DATE}({_TIME})?')}) THEN {naive} "
        f"WHEN regexp_full_match({text}, {literal(_DATE + _TIME + _UTC_OFFSET)}) THEN {with_offset} END"
    )


def _year_first(text: str) -> str:
    """``5.1.2024, 10:30`` as ``2024-01-05 10:30``; any other text as it is."""
    two_digits = (
        f"regexp_replace(regexp_replace({text}, '^(\\d)([./-])', '0\\1\\2'), '^(\\d\\d[./-])(\\d)([./-])', '\\10\\2\\3')"
    )
    turned = f"regexp_replace({two_digits}, '^(\\d\\d).(\\d\\d).(\\d{{4}}),?', '\\3-\\2-\\1')"
    return f"CASE WHEN regexp_matches({text}, {literal(f'^({_DAY_FIRST})([^0-9]|$)')}) THEN {turned} ELSE {text} END"


def _to_utc(naive: str, zone: str | None) -> str:
    # Without a declared zone the table is refused before any of its times is used.
    return naive if zone in (None, "UTC") else f"timezone('UTC', timezone({literal(str(zone))}, {naive}))"
