from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from cvm.models.btyd import BgNbd
from cvm.models.btyd.season import DailyOrders, SeasonClock, fit_on_clock

AS_OF = date(2024, 1, 1)
EPOCH = date(1970, 1, 1)
WAVE = SeasonClock(tuple((1 + 0.4 * np.cos(2 * np.pi * (np.arange(365) - 350) / 365)).tolist()))


def shop(*, years: float, season: float, growth_per_year: float = 0.3, n_customers: int = 6000, seed: int = 3):
    """First and last days, orders after the first, and the daily orders of a growing base whose customers leave.

    Rates follow ``1 + season * cos``, highest in mid December.
    """
    rng = np.random.default_rng(seed)
    n_days = int(365 * years)
    start = (AS_OF - EPOCH).days - n_days
    share = np.exp(growth_per_year * np.arange(n_days) / 365)
    joined = rng.choice(n_days, n_customers, p=share / share.sum())
    rate, stays = rng.gamma(1.5, 1 / 60, n_customers), rng.exponential(400, n_customers).astype(int)
    level = 1 + season * np.cos(2 * np.pi * ((start + np.arange(n_days)) % 365.2425 - 350) / 365)
    orders, first_orders = np.zeros(n_days), np.bincount(joined, minlength=n_days).astype(float)
    x, last = np.zeros(n_customers), joined.copy()
    for customer in range(n_customers):
        days = np.arange(joined[customer] + 1, min(joined[customer] + 1 + stays[customer], n_days))
        bought = days[rng.random(len(days)) < rate[customer] * level[days]]
        orders[bought] += 1
        x[customer], last[customer] = len(bought), bought[-1] if len(bought) else joined[customer]
    return joined, last, x, DailyOrders(start, orders + first_orders, first_orders)


def fitted(joined, last, x, daily_orders):
    n_days = len(daily_orders.n_orders)
    tenure, recency = (n_days - joined).astype(float), (n_days - last).astype(float)

    def fit(clock: SeasonClock) -> BgNbd:
        T = clock.ago(AS_OF, tenure)
        return BgNbd.fit(x, T - clock.ago(AS_OF, recency), T)

    return fit_on_clock(fit, daily_orders)


class TestSeasonClock:
    def test_without_a_season_it_runs_with_the_calendar(self):
        days = np.array([0.0, 1.0, 30.5, 900.0])
        assert SeasonClock().ago(None, days) is days
        assert SeasonClock().ahead(None, 181) == 181
        assert SeasonClock().calendar_days(None, days) is days

    def test_a_year_is_a_year_wherever_it_begins(self):
        for month in (1, 4, 12):
            assert WAVE.ahead(date(2023, month, 1), 365) == pytest.approx(365, abs=1.5)
            assert WAVE.ago(date(2023, month, 1), np.array([365.0]))[0] == pytest.approx(365, abs=1.5)

    def test_the_past_of_one_day_is_the_future_of_an_earlier_one(self):
        for days in (1.0, 17.0, 400.0):
            earlier = AS_OF - timedelta(days=int(days))
            assert WAVE.ago(AS_OF, np.array([days]))[0] == pytest.approx(WAVE.ahead(earlier, days))

    def test_weeks_before_christmas_are_longer_than_weeks_of_summer(self):
        assert WAVE.ahead(date(2023, 12, 1), 20) > 1.3 * 20
        assert WAVE.ahead(date(2023, 6, 5), 20) < 0.7 * 20

    def test_clock_days_are_told_back_as_calendar_days(self):
        days = np.array([0.0, 3.0, 45.25, 700.0])
        clock = np.array([WAVE.ahead(AS_OF, each) for each in days])
        assert WAVE.calendar_days(AS_OF, clock) == pytest.approx(days)

    def test_what_never_comes_never_comes(self):
        assert WAVE.calendar_days(AS_OF, np.array([np.inf, 1e7])).tolist() == [np.inf, np.inf]

    def test_nobody_is_no_trouble(self):
        assert WAVE.ago(AS_OF, np.array([])).size == 0

    def test_a_season_needs_a_date(self):
        with pytest.raises(ValueError, match=r"as_of is None.*pass as_of"):
            WAVE.ahead(None, 10)


class TestFitOnClock:
    def test_a_planted_season_is_found_beneath_growth_and_ageing(self):
        _, clock = fitted(*shop(years=3, season=0.4))
        found = np.asarray(clock.levels)
        planted = 1 + 0.4 * np.cos(2 * np.pi * (np.arange(365) - 350) / 365)
        assert found.mean() == pytest.approx(1)
        assert np.abs(found - planted).max() < 0.16
        assert np.corrcoef(found, planted)[0, 1] > 0.97

    def test_growth_and_ageing_alone_are_no_season(self):
        _, clock = fitted(*shop(years=3, season=0.0))
        assert np.abs(np.asarray(clock.levels) - 1).max() < 0.12

    def test_the_process_is_the_one_without_season(self):
        process, _ = fitted(*shop(years=3, season=0.4))
        flat, _ = fitted(*shop(years=3, season=0.0))
        assert process.r / process.alpha == pytest.approx(flat.r / flat.alpha, rel=0.06)

    def test_a_handful_of_orders_is_no_evidence_of_a_season(self):
        _, clock = fitted(*shop(years=3, season=0.0, n_customers=40))
        assert np.abs(np.asarray(clock.levels) - 1).max() < 0.3

    def test_the_first_weeks_of_a_history_say_little(self):
        """Half a year of history: days just after its beginning are hardly moved."""
        joined, last, x, daily_orders = shop(years=0.5, season=0.4)
        _, clock = fitted(joined, last, x, daily_orders)
        first = int(daily_orders.first_day % 365.2425)
        assert abs(clock.levels[(first + 8) % 365] - 1) < 0.2
