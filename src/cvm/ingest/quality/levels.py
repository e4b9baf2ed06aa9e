"""Sudden breaks of level in weekly orders, revenue and order value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from cvm.engines import Engine
from cvm.engines.sql import local_day
from cvm.ingest.orders import ORDER, quarter
from cvm.ingest.quality.finding import N_EXAMPLES, Finding

Floats = NDArray[np.float64]

# Weeks compared on either side of a day; a break of level is a change that stays.
_SIDE = 4
_WEEK, _YEAR = 7, 364
_MIN_DAYS = 12 * _WEEK
# A break is a change of the median beyond this many robust standard deviations of all such changes in the history ...
_BREAK_Z = 4.0
# ... by at least this factor, so that the small spread of a calm history makes no alarm of trifles ...
_MIN_FACTOR = 1.4
# ... half of which lies between two weeks, for a season rises over many ...
_AT_ONCE = 0.5
# ... and is beyond what a count of that size does by chance (no false alarm on 36 simulated bases of 1,000 to 8,000).
_NOISE_Z = 2.5
# Within these days of New Year a change by less than this factor may be the end of a season that history shows once.
_TURN_DAYS, _SEASON_FACTOR = 15, 3.0
# Revenue of n orders varies as if they were n / 2: order values vary about as much as their mean.
_VALUE_VARIANCE = 2.0


@dataclass(frozen=True)
class Break:
    """A sudden change: the first day of the new level (counted from 0), and medians of four weeks before and after."""

    day: int
    before: float
    after: float

    @property
    def factor(self) -> float:
        """How many times the lower level the higher one is."""
        return max(self.before, self.after) / max(min(self.before, self.after), 1e-9)


def level_findings(engine: Engine, *, timezone: str) -> list[Finding]:
    """Breaks in what a week brings, one finding per measure.

    Parameters
    ----------
    engine : Engine
        Holds the tables of ``order_tables``.
    timezone : str
        Zone that cuts days.
    """
    quarters = (
        f"SELECT {quarter('placed_at')} AS quarter, count(*) AS n, CAST(sum(amount) AS DOUBLE) AS amount "
        f"FROM {ORDER} WHERE is_order GROUP BY quarter"
    )
    query = (
        f"SELECT {local_day('quarter', timezone)} AS day, CAST(sum(n) AS BIGINT) AS n, sum(amount) AS amount "
        f"FROM ({quarters}) GROUP BY day ORDER BY day"
    )
    rows = engine.table(query).to_pylist()
    if not rows or (rows[-1]["day"] - rows[0]["day"]).days < _MIN_DAYS:
        return []
    first = rows[0]["day"]
    days = [(row["day"] - first).days for row in rows]
    orders, revenue = np.zeros(days[-1] + 1), np.zeros(days[-1] + 1)
    orders[days], revenue[days] = [row["n"] for row in rows], [row["amount"] for row in rows]
    n, amount = _weekly(orders), _weekly(revenue)
    value = np.divide(amount, n, out=np.full(len(n), amount.sum() / n.sum()), where=n > 0)
    found = []
    for name, weekly, variance in (
        ("orders per week", n, 1.0),
        ("revenue per week", amount, _VALUE_VARIANCE),
        ("order value", value, _VALUE_VARIANCE),
    ):
        breaks = level_breaks(weekly, n / variance)
        if breaks:
            found.append(_finding(name, breaks, first, len(orders)))
    return found


def level_breaks(weekly: Floats, n: Floats) -> list[Break]:
    """Sudden and lasting changes of a series.

    The log-ratio of the medians of the four weeks from each day on and of the four before is compared with the robust
    spread of all such ratios, with the same a year before and after, and with the noise of counts. (Own rule, tuned on
    simulated bases; medians and their absolute deviation as in Huber 1981, Robust Statistics.)

    Parameters
    ----------
    weekly : array of shape (n_days - 6,)
        What the seven days from each day on bring, >= 0.
    n : array of shape (n_days - 6,)
        Independent cases behind it.

    Returns
    -------
    list of Break
        At most one within four weeks, in order of time.
    """
    side = _SIDE * _WEEK
    if len(weekly) + _WEEK - 1 < max(_MIN_DAYS, 2 * side) or not weekly.any():
        return []
    # Where nothing is sold, a tenth of a percent of the mean stands for it, so that a ratio exists.
    logs = np.log(np.maximum(weekly, 1e-3 * weekly.mean()))
    days = np.arange(side, len(weekly) - side + _WEEK)
    later, earlier = days[:, None] + _WEEK * np.arange(_SIDE), days[:, None] - _WEEK * np.arange(1, _SIDE + 1)
    after, before = logs[later], logs[earlier]
    change = np.median(after, axis=1) - np.median(before, axis=1)
    at_once = np.maximum(after.min(axis=1) - before.max(axis=1), before.min(axis=1) - after.max(axis=1))
    # Weeks without any sale, before or after, say nothing of how sales vary.
    alive = change[(np.median(weekly[earlier], axis=1) > 0) & (np.median(weekly[later], axis=1) > 0)]
    spread = 1.4826 * float(np.median(np.abs(alive - np.median(alive)))) if len(alive) else 0.0
    noise = np.sqrt(sum(1 / np.maximum(np.median(n[weeks], axis=1), 1) for weeks in (later, earlier)))
    is_break = (
        (_surprise(change) > np.log(_MIN_FACTOR))
        & (np.abs(change) > _BREAK_Z * spread)
        & (at_once > np.maximum(np.log(_MIN_FACTOR), np.maximum(_AT_ONCE * np.abs(change), _NOISE_Z * noise)))
    )
    found: list[Break] = []
    left = np.where(is_break, at_once, -np.inf)
    while left.max() > 0:
        best = int(left.argmax())
        found.append(Break(int(days[best]), *(float(np.median(weekly[weeks[best]])) for weeks in (earlier, later))))
        left[max(best - side, 0) : best + side + 1] = -np.inf
    return sorted(found, key=lambda each: each.day)


def _weekly(daily: Floats) -> Floats:
    """Sums over the seven days from each day on."""
    total = np.concatenate([[0.0], np.cumsum(daily)])
    return total[_WEEK:] - total[:-_WEEK]


def _surprise(change: Floats) -> Floats:
    """Size of each change less that of a year before or after, give or take a week: what recurs is a season."""
    surprise = np.abs(change)
    for lag in range(_YEAR - _WEEK, min(_YEAR + _WEEK + 1, len(change))):
        difference = np.abs(change[lag:] - change[:-lag])
        surprise[lag:] = np.minimum(surprise[lag:], difference)
        surprise[:-lag] = np.minimum(surprise[:-lag], difference)
    return surprise


def _may_be_season(each: Break, first: date) -> bool:
    day = first + timedelta(days=each.day)
    from_new_year = min(abs((day - date(year, 1, 1)).days) for year in (day.year, day.year + 1))
    return from_new_year <= _TURN_DAYS and each.factor < _SEASON_FACTOR


def _finding(name: str, breaks: list[Break], first: date, n_days: int) -> Finding:
    worst = max(breaks, key=lambda each: each.factor)
    starts = [str(first + timedelta(days=each.day)) for each in breaks]
    verb = "rose" if worst.after > worst.before else "fell"
    at = first + timedelta(days=worst.day)
    return Finding(
        table="transactions",
        check=f"sudden break in {name}",
        severity="info" if all(_may_be_season(each, first) for each in breaks) else "warning",
        n=len(breaks),
        unit="weeks",
        share=len(breaks) * _WEEK / n_days,
        action="kept",
        meaning=f"About {at} {name} {verb} from {worst.before:,.0f} to {worst.after:,.0f} at once and stayed for weeks.",
        advice="If a source was added or lost, or prices changed their unit, mend the export; models take it for behaviour.",
        examples=tuple(starts[:N_EXAMPLES]),
    )
