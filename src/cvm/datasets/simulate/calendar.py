"""The time axis: days since ``as_of`` (negative is the past), UTC; and the season of purchases along it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from cvm.datasets.simulate.chance import Floats, Ints
from cvm.datasets.simulate.world import World

FUTURE_DAYS = 365
DAYS_PER_YEAR = 365.25
_MICROSECONDS_PER_DAY = 86_400_000_000
# Shops sleep: what happens within a day is squeezed into 07:00 to 23:00.
_OPENS, _OPEN_SHARE = 7 / 24, 16 / 24


@dataclass(frozen=True)
class Calendar:
    """Days and their season.

    Attributes
    ----------
    as_of : date
        Day 0.
    first_day : int
        When the first customer may join; negative.
    day : array of shape (n_days + 1,)
        Borders of days, from ``first_day`` to ``FUTURE_DAYS``.
    season : array of shape (n_days,)
        Factor on everyone's free purchases, per day; mean 1 over a year, trend aside.
    elapsed : array of shape (n_days + 1,)
        Season-weighted days since ``first_day``: the clock by which purchases are a homogeneous process.
    """

    as_of: date
    first_day: int
    day: Floats
    season: Floats
    elapsed: Floats

    @classmethod
    def of(cls, world: World, *, as_of: date, years: float) -> Calendar:
        """Calendar of a history of so many years."""
        first_day = -round(years * DAYS_PER_YEAR)
        days = np.arange(first_day, FUTURE_DAYS)
        season = _season(world, as_of, days) * (1 + world.trend_per_year) ** (days / DAYS_PER_YEAR)
        elapsed = np.concatenate([[0.0], np.cumsum(season)])
        return cls(as_of, first_day, np.arange(first_day, FUTURE_DAYS + 1, dtype=float), season, elapsed)

    def exposure(self, day: Floats) -> Floats:
        """Season-weighted days from ``first_day`` to ``day``, of any shape."""
        return np.interp(day, self.day, self.elapsed)

    def moment(self, exposure: Floats) -> Floats:
        """The day at which ``exposure`` is reached; inverse of ``exposure()``."""
        return np.interp(exposure, self.elapsed, self.day)

    def date_of(self, day: int) -> date:
        """Calendar date of a day number."""
        return self.as_of + timedelta(days=day)

    def timestamps(self, day: Floats) -> Ints:
        """Microseconds since 1970, cut to whole seconds, within opening hours of the same day: shape (n,)."""
        whole = np.floor(day)
        seconds = np.floor((_OPENS + _OPEN_SHARE * (day - whole)) * 86_400).astype(np.int64)
        return self.midnight(0) + whole.astype(np.int64) * _MICROSECONDS_PER_DAY + seconds * 1_000_000

    def midnight(self, day: int) -> int:
        """Microseconds since 1970 at the start of a day."""
        moment = datetime.combine(self.date_of(day), datetime.min.time(), tzinfo=UTC)
        return int(moment.timestamp()) * 1_000_000


def join_weights(world: World, calendar: Calendar) -> Floats:
    """Relative number of joiners per day of the past: array of shape (-first_day,)."""
    days = np.arange(calendar.first_day, 0)
    weights = (1 + world.joiners_growth_per_year) ** (days / DAYS_PER_YEAR)
    bursts = dict(world.burst_months)
    months = np.array([calendar.date_of(int(day)).month for day in days])
    return weights * np.array([bursts.get(int(month), 1.0) for month in months])


def _season(world: World, as_of: date, days: Ints) -> Floats:
    """Season per day; scaled by a fixed leap cycle, so that it does not depend on the dates simulated."""
    knots, levels = np.array(world.season_knots, dtype=float).T
    cycle = np.interp((np.arange(1461) % DAYS_PER_YEAR) + 1, knots, levels)
    dates = [as_of + timedelta(days=int(day)) for day in days]
    day_of_year = np.array([day.timetuple().tm_yday for day in dates], dtype=float)
    weekday = np.array([day.weekday() for day in dates])
    factors = np.array(world.weekday_factors) / np.mean(world.weekday_factors)
    return np.interp(day_of_year, knots, levels) / cycle.mean() * factors[weekday]
