"""Rows over time: days without any, tables that end early, times without a clock, customers who stop arriving."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cvm.engines import Engine
from cvm.engines.sql import local_day, local_moment
from cvm.ingest.orders import BUYER, quarter
from cvm.ingest.quality.finding import N_EXAMPLES, Finding, Severity

Floats = NDArray[np.float64]

# Events in time, in the order of the contracts, and the column that dates them.
_MOMENTS = {"transactions": "occurred_at", "events": "occurred_at"}
# False alarms expected over the whole calendar of one table.
_FALSE_ALARMS = 0.01
# Usual for a weekday: the median of this many such days before and after that have rows.
_NEIGHBOURS = 4
_SHORT_GAP_DAYS = 2
_STALE_DAYS, _ARCHIVED_DAYS = 31, 365
_MIN_LAG_DAYS = 2
_QUIET_DAYS = 28
# Shops close between the years, though not for longer than this.
_HOLIDAY_DAYS = 14
# Newcomers expected in the days without any: chance leaves 30 out with a probability of e**-30.
_EXPECTED_NEWCOMERS = 30


def calendar_findings(engine: Engine, *, tables: set[str], timezone: str, now: datetime) -> list[Finding]:
    """Gaps, stale tables, missing clocks and the end of new customers.

    Parameters
    ----------
    engine : Engine
        Holds the clean tables and those of ``order_tables``.
    tables : set of str
        Clean tables there are.
    timezone : str
        Zone that cuts days.
    now : datetime
        UTC, without zone.
    """
    found: list[Finding] = []
    days: dict[str, tuple[date, Floats]] = {}
    for table, moment in _MOMENTS.items():
        if table not in tables:
            continue
        rows = _rows_per_day(engine, table, moment, timezone)
        if not rows:
            continue
        first, counts = min(rows), _dense({day: n for day, (n, _) in rows.items()})
        days[table] = (first, counts)
        n_midnight = sum(n for _, n in rows.values())
        found += gap_findings(table, first, counts) + _clock_findings(table, n_rows=int(counts.sum()), n_midnight=n_midnight)
    if not days:
        return []
    silent = _silent_channels(engine) if "channel" in engine.columns("transactions") and "transactions" in days else []
    return found + stale_findings(days, today=now.date()) + _cohort_findings(engine) + silent


def gap_findings(table: str, first: date, counts: Floats) -> list[Finding]:
    """Days without a row that chance would hardly leave empty.

    A day is a gap when a negative binomial count with the mean usual for its weekday around it, and the dispersion of the
    whole calendar, is 0 with a probability below ``_FALSE_ALARMS`` over the number of days. (Own derivation.)

    Parameters
    ----------
    table : str
    first : date
        Day of the first count.
    counts : array of shape (n_days,)
        Rows per day, without a hole.
    """
    usual = usual_counts(counts)
    traded = usual > 0
    # Moments: variance = mean + mean**2 * dispersion.
    excess = (counts[traded] - usual[traded]) ** 2 - usual[traded]
    dispersion = max(float(np.mean(excess / usual[traded] ** 2)) if traded.any() else 0.0, 1e-9)
    p_empty = np.exp(-np.log1p(dispersion * usual) / dispersion)
    lost = (counts == 0) & (p_empty < _FALSE_ALARMS / len(counts))
    gaps = [(start, end) for start, end in _runs(counts == 0) if lost[start:end].any()]
    if not gaps:
        return []
    spans = [(first + timedelta(days=start), first + timedelta(days=end - 1)) for start, end in gaps]
    grave = [span for span in spans if (span[1] - span[0]).days >= _SHORT_GAP_DAYS and not _turns_the_year(*span)]
    longest = max(spans, key=lambda span: span[1] - span[0])
    n = int(lost.sum())
    return [
        Finding(
            table=table,
            check="gap in the calendar",
            severity="warning" if grave else "info",
            n=n,
            unit="days",
            share=n / len(counts),
            action="kept",
            meaning=f"Days without a row on weekdays that otherwise have some (the longest: {_span(*longest)}).",
            advice="Fine for holidays; else export these days, for they look like days on which nobody bought.",
            examples=tuple(_span(*span) for span in sorted(spans, key=lambda s: s[0] - s[1])[:N_EXAMPLES]),
        )
    ]


def usual_counts(counts: Floats) -> Floats:
    """What each day usually has: the median of the nearest days of its weekday that have rows; 0 where few have any."""
    usual = np.zeros(len(counts))
    for weekday in range(min(7, len(counts))):
        same = counts[weekday::7]
        open_days = np.flatnonzero(same > 0)
        if 2 * len(open_days) < len(same):
            continue
        for position in range(len(same)):
            at = int(np.searchsorted(open_days, position))
            after = at + (at < len(open_days) and open_days[at] == position)
            near = [*open_days[max(at - _NEIGHBOURS, 0) : at], *open_days[after : after + _NEIGHBOURS]]
            usual[weekday + 7 * position] = np.median(same[near]) if near else 0.0
    return usual


def stale_findings(days: dict[str, tuple[date, Floats]], *, today: date) -> list[Finding]:
    """Tables that end before the others, and data that ends long before today.

    Parameters
    ----------
    days : mapping of str to (date, array of shape (n_days,))
        Table to its first day and its rows per day.
    today : date
    """
    last = {table: first + timedelta(days=len(counts) - 1) for table, (first, counts) in days.items()}
    newest = max(last.values())
    found = []
    for table, (_, counts) in days.items():
        lag = (newest - last[table]).days
        if lag >= _MIN_LAG_DAYS and _p_silence(int(np.sum(counts > 0)), len(counts), lag) < _FALSE_ALARMS:
            ends = f"The last row is of {last[table]}, {lag} days before the latest row of all tables ({newest})."
            advice = f"Export {table} up to the same day, for the days between look like days without any."
            found.append(
                Finding(table, "ends early", "warning", lag, "days", min(lag / len(counts), 1.0), "kept", ends, advice)
            )
    age = (today - newest).days
    if age > _STALE_DAYS:
        table = next(table for table in days if last[table] == newest)
        length = (newest - min(first for first, _ in days.values())).days + 1
        severity: Severity = "info" if age > _ARCHIVED_DAYS else "warning"
        meaning = f"The latest row of all tables is of {newest}, {age:,} days ago; scores are as of the day after it."
        advice = "Fine for an archive; else export newer data before acting on scores."
        found.append(Finding(table, "stale source", severity, age, "days", min(age / length, 1.0), "kept", meaning, advice))
    return found


def _p_silence(n_open: int, n_days: int, lag: int) -> float:
    """Probability that chance leaves the last ``lag`` days empty, were days independent."""
    return ((n_days - n_open + 1) / (n_days + 2)) ** lag


def _silent_channels(engine: Engine) -> list[Finding]:
    """Sales channels whose rows stop before the end of the table: a feed that broke, or a channel that closed."""
    days = "SELECT channel, epoch_us(occurred_at) // 86400000000 AS day, count(*) AS n FROM transactions GROUP BY ALL"
    query = (
        "SELECT channel, CAST(sum(n) AS BIGINT) AS n, CAST(sum(sum(n)) OVER () AS BIGINT) AS n_all, count(*) AS n_open, "
        "max(day) - min(day) + 1 AS n_days, max(max(day)) OVER () - max(day) AS lag, "
        "make_date(CAST(max(day) AS INTEGER)) AS last "
        f"FROM ({days}) GROUP BY channel ORDER BY n DESC, channel"
    )
    rows = engine.table(query).to_pylist()
    silent = [
        row
        for row in rows
        if row["channel"] is not None
        and row["lag"] >= _QUIET_DAYS
        and row["n_days"] >= _QUIET_DAYS
        and _p_silence(row["n_open"], row["n_days"], row["lag"]) < _FALSE_ALARMS / len(rows)
    ]
    if not silent:
        return []
    names = ", ".join(f"{row['channel']} after {row['last']}" for row in silent[:N_EXAMPLES])
    n = sum(row["n"] for row in silent)
    meaning = f"Channels that sold regularly and then fell silent: {names}."
    advice = "Fine if they closed; else a feed is broken, and their customers look lost."
    share = n / silent[0]["n_all"]
    examples = tuple(row["channel"] for row in silent[:N_EXAMPLES])
    return [Finding("transactions", "channel falls silent", "warning", n, "rows", share, "kept", meaning, advice, examples)]


def _cohort_findings(engine: Engine) -> list[Finding]:
    row = engine.row(
        f"SELECT count(*) AS n, min(first_at) AS a, max(first_at) AS b, max(last_at) AS z, "
        f"(SELECT count(*) FROM {BUYER} WHERE n_orders = 1) AS n_single FROM {BUYER}"
    )
    if not row["n"]:
        return []
    arriving, quiet = (row["b"] - row["a"]).days + 1, (row["z"] - row["b"]).days
    if quiet < _QUIET_DAYS or row["n"] * quiet / arriving < _EXPECTED_NEWCOMERS:
        return []
    whole = (row["z"] - row["a"]).days + 1
    meaning = (
        f"No customer bought for the first time after {row['b'].date()}, though {row['n']:,} did in {arriving} days before."
    )
    advice = (
        "Fine for a study of one cohort; else the export leaves new customers out: totals, trends and new ones lack them."
    )
    return [Finding("transactions", "new customers stop", "warning", quiet, "days", quiet / whole, "kept", meaning, advice)]


def _clock_findings(table: str, *, n_rows: int, n_midnight: int) -> list[Finding]:
    if n_midnight < n_rows:
        return []
    meaning = "Every time is midnight: the source knows days and no clock, so what happened first within a day is unknown."
    advice = "Fine for models in days; export times for send-time and session features."
    return [Finding(table, "no clock", "info", n_rows, "rows", 1.0, "kept", meaning, advice)]


def _rows_per_day(engine: Engine, table: str, moment: str, timezone: str) -> dict[date, tuple[int, int]]:
    """Day to its rows, and how many of them are of its very midnight."""
    quarters = (
        f"SELECT {quarter(moment)} AS quarter, count(*) AS n, "
        f"count(*) FILTER (WHERE epoch_us({moment}) % 900000000 = 0) AS n_sharp FROM {table} GROUP BY quarter"
    )
    is_midnight = f"{local_moment('quarter', timezone)} = {local_day('quarter', timezone)}"
    query = (
        f"SELECT {local_day('quarter', timezone)} AS day, CAST(sum(n) AS BIGINT) AS n, "
        f"CAST(coalesce(sum(n_sharp) FILTER (WHERE {is_midnight}), 0) AS BIGINT) AS n_midnight "
        f"FROM ({quarters}) GROUP BY day"
    )
    return {row["day"]: (row["n"], row["n_midnight"]) for row in engine.table(query).to_pylist()}


def _dense(rows: dict[date, int]) -> Floats:
    first = min(rows)
    counts = np.zeros((max(rows) - first).days + 1)
    for day, n in rows.items():
        counts[(day - first).days] = n
    return counts


def _runs(empty: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], empty, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in list(pairwise(edges))[::2]]


def _turns_the_year(start: date, end: date) -> bool:
    """Whether it may be the holidays of Christmas or New Year."""
    days = [start + timedelta(days=k) for k in range((end - start).days + 1)]
    return len(days) <= _HOLIDAY_DAYS and any((day.month, day.day) in ((12, 25), (1, 1)) for day in days)


def _span(start: date, end: date) -> str:
    return str(start) if start == end else f"{start} to {end}"
