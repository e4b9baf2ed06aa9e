"""Season: a clock on which customers buy at a steady rate, because its days are longer when everybody buys.

A purchase process assumes that rates do not depend on the date. Measured on a clock that runs with the season they do not:
a Poisson process whose rate is ``lambda * s(t)`` has rate ``lambda`` on the clock ``S(t)``, the integral of ``s``
(time-rescaling theorem). So histories are told in clock days, the process is fitted to them, and a window of calendar days
is as long as the clock says. The level ``s`` of each day of the year is what happened on that day against what a process
fitted without it expects of everybody who had joined by then; growth and ageing are in that expectation, so they are not
mistaken for season. (Own derivation; see ``docs/models.md``.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Days = NDArray[np.int64]

_EPOCH = date(1970, 1, 1)
_DAYS_PER_YEAR = 365.2425
_YEAR = 365

# Days of the year are judged by the two weeks around them: short enough for Christmas, long enough for a steady count.
_HALF_WIDTH = 7
# What stood behind a day counts as evidence, in years up to one, against this much for "no season": the first weeks of a
# history hold those who had bought before it began, and say little.
_PRIOR_YEARS = 0.15
# Orders expected in those two weeks that count as much as "no season": their noise against seasons of about 30 %.
_PRIOR_ORDERS = 20.0
_ROUNDS = 2
_FAR = 3653


class NewCustomers(Protocol):
    """A fitted purchase process, as far as season needs it."""

    def expected_new(self, *, days: Floats) -> Floats:
        """Orders expected of a new customer in the ``days`` after the first order."""
        ...


Process = TypeVar("Process", bound=NewCustomers)


@dataclass(frozen=True)
class DailyOrders:
    """What happened on each day before a snapshot.

    Attributes
    ----------
    first_day : int
        Day number (since 1970-01-01) of the first element.
    n_orders, n_joined : arrays of shape (n_days,)
        Orders of the day, and those among them that were their customer's first. The last element is the day before
        the snapshot.
    """

    first_day: int
    n_orders: Floats
    n_joined: Floats

    @property
    def days(self) -> Days:
        """Day numbers."""
        return np.arange(self.first_day, self.first_day + len(self.n_orders))


@dataclass(frozen=True)
class SeasonClock:
    """Clock days per calendar day, by day of the year.

    Attributes
    ----------
    levels : tuple of float
        365 values with mean 1, or none where season is not known: then the clock runs with the calendar.
    """

    levels: tuple[float, ...] = ()

    def ago(self, as_of: date | None, days: Floats) -> Floats:
        """Clock days in the last ``days`` calendar days before ``as_of``."""
        if not self.levels or not len(days):
            return days
        reach = int(np.ceil(np.max(days, initial=0.0)))
        start = day_number(as_of)
        passed = np.concatenate([[0.0], np.cumsum(self.level(np.arange(start - 1, start - reach - 1, -1)))])
        return np.interp(days, np.arange(reach + 1), passed)

    def ahead(self, as_of: date | None, days: float) -> float:
        """Clock days in the next ``days`` calendar days."""
        if not self.levels:
            return days
        return float(np.interp(days, np.arange(int(np.ceil(days)) + 1), self._until(as_of, int(np.ceil(days)))))

    def calendar_days(self, as_of: date | None, clock_days: Floats) -> Floats:
        """Calendar days until ``clock_days`` have passed; infinite where that takes longer than ten years."""
        if not self.levels:
            return clock_days
        passed = self._until(as_of, _FAR)
        reached = clock_days <= passed[-1]
        return np.where(reached, np.interp(np.where(reached, clock_days, 0.0), passed, np.arange(_FAR + 1)), np.inf)

    def _until(self, as_of: date | None, days: int) -> Floats:
        start = day_number(as_of)
        return np.concatenate([[0.0], np.cumsum(self.level(np.arange(start, start + days)))])

    def level(self, days: Days) -> Floats:
        """Clock days in each of these calendar days, given by day number."""
        return np.asarray(self.levels)[_day_of_year(days)] if self.levels else np.ones(len(days))


def fit_on_clock(fit: Callable[[SeasonClock], Process], daily_orders: DailyOrders) -> tuple[Process, SeasonClock]:
    """Fit a process and the clock it runs on, in turns.

    Parameters
    ----------
    fit : callable
        Fits the process to histories told on a clock.
    daily_orders : DailyOrders
        Of the same customers.
    """
    clock = SeasonClock()
    process = fit(clock)
    for _ in range(_ROUNDS):
        clock = _improved(clock, process, daily_orders)
        process = fit(clock)
    return process, clock


def _improved(clock: SeasonClock, process: NewCustomers, daily_orders: DailyOrders) -> SeasonClock:
    """The clock, corrected by what happened on each day of the year against what was expected on it."""
    days = daily_orders.days
    level = clock.level(days)
    weight = np.clip((days - daily_orders.first_day) / _YEAR, 0.0, 1.0)
    happened = _by_day_of_year(days, weight * (daily_orders.n_orders - daily_orders.n_joined))
    expected = _by_day_of_year(days, weight * _expected_repeats(process, daily_orders.n_joined, level))
    years = _by_day_of_year(days, weight) / (2 * _HALF_WIDTH + 1)
    trust = years / (years + _PRIOR_YEARS) * expected / (expected + _PRIOR_ORDERS)
    # Trust is in the whole season found so far, not in this turn's correction of it.
    found = np.asarray(clock.levels or np.ones(_YEAR)) * (happened + 0.5) / (expected + 0.5)
    levels = found**trust
    return SeasonClock(tuple((levels / levels.mean()).tolist()))


def _expected_repeats(process: NewCustomers, n_joined: Floats, level: Floats) -> Floats:
    """Orders after the first expected on each day of everybody who had joined by then."""
    passed = np.concatenate([[0.0], np.cumsum(level)])
    ages = np.linspace(0.0, passed[-1], max(len(level), 2))
    orders = process.expected_new(days=ages)
    expected = np.zeros(len(level))
    for day in np.flatnonzero(n_joined):
        expected[day:] += n_joined[day] * np.diff(np.interp(passed[day:] - passed[day], ages, orders))
    return expected


def _by_day_of_year(days: Days, values: Floats) -> Floats:
    """Sums over the two weeks around each day of the year, the year being a circle."""
    sums = np.bincount(_day_of_year(days), weights=values, minlength=_YEAR)
    circle = np.concatenate([sums[-_HALF_WIDTH:], sums, sums[:_HALF_WIDTH]])
    return np.convolve(circle, np.ones(2 * _HALF_WIDTH + 1), "valid")


def _day_of_year(days: Days) -> Days:
    return np.minimum((days % _DAYS_PER_YEAR).astype(np.int64), _YEAR - 1)


def day_number(day: date | None) -> int:
    """Days since 1970-01-01."""
    if day is None:
        raise ValueError("as_of is None: a clock that knows a season needs the date of the snapshot; pass as_of")
    return (day - _EPOCH).days
