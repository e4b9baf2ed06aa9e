"""Lists of dates to score: a backfill from one date to another."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from enum import StrEnum

from cvm.errors import ParamsError


class Every(StrEnum):
    """How far apart the dates of a backfill are."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def dates_between(first: date, last: date, *, every: Every) -> list[date]:
    """Dates from ``first`` to at most ``last``; of months the same day, or the last of those that are shorter.

    Raises
    ------
    ParamsError
        If ``last`` comes before ``first``.

    >>> [str(day) for day in dates_between(date(2025, 1, 31), date(2025, 4, 1), every=Every.MONTH)]
    ['2025-01-31', '2025-02-28', '2025-03-31']
    """
    if last < first:
        raise ParamsError(f"--from {first} --to {last} holds no date; write the earlier one after --from.")
    if every is Every.MONTH:
        n_months = 12 * (last.year - first.year) + last.month - first.month
        found = [_months_later(first, number) for number in range(n_months + 1)]
        return [day for day in found if day <= last]
    step = 7 if every is Every.WEEK else 1
    return [first + timedelta(days=days) for days in range(0, (last - first).days + 1, step)]


def _months_later(day: date, n_months: int) -> date:
    year, month = divmod(12 * day.year + day.month - 1 + n_months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
