"""Quoting: nothing from data or params reaches SQL by any other way; and days of a time zone."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

# Besides spaces what exports leave around values: tabs, line ends, the no-break space, the byte order mark.
BLANKS = " \t\n\r\v\f\u00a0\ufeff"


def identifier(name: str) -> str:
    """``name`` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | int | float | date) -> str:
    """``value`` as a SQL literal; a moment must carry no zone, as the times of the warehouse."""
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise ValueError(f"literal of {value!r}: convert it to UTC and drop its zone first")
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


def literals(values: Iterable[str | int | float | date]) -> str:
    """Literals separated by commas."""
    return ", ".join(literal(value) for value in values)


def parquet(paths: Iterable[Path]) -> str:
    """Parquet files or folders of them, at least one, as a relation; the signs of a glob in a path are signs."""
    return f"read_parquet([{literals(_pattern(path) for path in paths)}], hive_partitioning = false)"


def _pattern(path: Path) -> str:
    return glob.escape(str(path)) + ("/*.parquet" if path.is_dir() else "")


def local_moment(moment: str, timezone: str) -> str:
    """SQL for a UTC moment as the clocks of a zone show it."""
    return moment if timezone == "UTC" else f"timezone({literal(timezone)}, timezone('UTC', {moment}))"


def midnight(day: date, timezone: str) -> datetime:
    """When a day of a time zone begins, UTC, without zone: what ``occurred_at`` is compared with."""
    return datetime.combine(day, time(), tzinfo=ZoneInfo(timezone)).astimezone(UTC).replace(tzinfo=None)


def day_of(moment: datetime, timezone: str) -> date:
    """Day of a zone in which a moment lies that is UTC, without zone."""
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)).date()


def local_day(moment: str, timezone: str) -> str:
    """SQL for the day of a UTC moment in a zone."""
    return f"CAST({local_moment(moment, timezone)} AS DATE)"


def pretty(query: str) -> str:
    """``query`` laid out for a reader."""
    import sqlglot  # takes long to import, and only what is printed needs it

    return sqlglot.transpile(query, read="duckdb", write="duckdb", pretty=True)[0] + "\n"
