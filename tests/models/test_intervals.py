from __future__ import annotations

import json
from datetime import date

import numpy as np
import pytest

from cvm.models.intervals import Forecast, ValueBands, fit_bands, judge_bands, simulated_forecast
from simulated import TRUTH, histories

TIERS = {"top": 0.05, "high": 0.15, "medium": 0.3}


def world(n=20_000, *, seed=1, level=1.0) -> Forecast:
    """Some order, the more is expected of them the likelier, and then spend around it."""
    rng = np.random.default_rng(seed)
    expected = rng.lognormal(2, 1.2, n)
    p = expected / (expected + 15)
    return Forecast(expected, level * np.where(rng.random(n) < p, rng.gamma(3, expected / p / 3), 0.0))


class TestCoverage:
    @pytest.mark.parametrize("knows_season", [True, False])
    def test_new_customers_fall_inside_as_often_as_promised(self, knows_season):
        bands = fit_bands(world(), knows_season=knows_season)
        found = judge_bands(bands, world(), world(seed=2), tiers=TIERS)
        assert 0.89 <= found["coverage"] <= 0.94
        assert min(found["coverage_by_tier"].values()) >= 0.87
        assert set(found["coverage_by_tier"]) == {"top", "high", "medium", "low"}

    @pytest.mark.parametrize("level", [0.8, 1.25])
    def test_a_window_unlike_all_before_is_covered_better_where_season_is_not_known(self, level):
        known, test = world(), world(seed=2, level=level)
        unsure, sure = (
            judge_bands(fit_bands(known, knows_season=season), known, test, tiers=TIERS)["coverage_by_tier"]["top"]
            for season in (False, True)
        )
        assert unsure > sure
        assert unsure > 0.8

    def test_it_beats_one_band_for_everybody(self):
        found = judge_bands(fit_bands(world(), knows_season=True), world(), world(seed=2), tiers=TIERS)
        assert found["score"] < 0.9 * found["score_of_one_band"]


class TestBands:
    def test_the_expectation_lies_inside_and_nothing_is_negative(self):
        known = world(2000)
        lower, upper = fit_bands(known, knows_season=False).interval(known.expected)
        assert (lower >= 0).all()
        assert (lower <= known.expected).all()
        assert (upper >= known.expected).all()

    def test_who_rarely_orders_has_a_band_from_nothing(self):
        rng = np.random.default_rng(1)
        known = Forecast(np.ones(1000), np.where(rng.random(1000) < 0.3, 3.0, 0.0))
        lower, upper = fit_bands(known, knows_season=True).interval(np.ones(1))
        assert lower[0] == 0
        assert upper[0] >= 3

    def test_who_always_orders_has_a_band_from_something(self):
        rng = np.random.default_rng(1)
        known = Forecast(np.full(4000, 50.0), rng.gamma(100, 0.5, 4000))
        lower, upper = fit_bands(known, knows_season=True).interval(np.array([50.0]))
        assert 35 < lower[0] < 42
        assert 59 < upper[0] < 68

    def test_a_few_customers_are_one_group(self):
        assert len(fit_bands(world(150), knows_season=True).expected) == 1
        assert len(fit_bands(world(900), knows_season=True).expected) == 4

    @pytest.mark.parametrize("n", [1, 2])
    def test_one_or_two_are_enough_for_a_band(self, n):
        lower, upper = fit_bands(Forecast(np.full(n, 5.0), np.full(n, 4.0)), knows_season=True).interval(
            np.array([0.0, 5.0])
        )
        assert np.isfinite([lower, upper]).all()

    def test_expectations_all_alike_are_one_knot(self):
        bands = fit_bands(Forecast(np.full(2000, 7.0), world(2000).actual), knows_season=True)
        assert bands.expected == (7.0,)

    def test_they_survive_json(self):
        bands = fit_bands(world(1000), knows_season=True)
        assert ValueBands.from_state(json.loads(json.dumps(bands.state()))) == bands


def test_forecasts_are_joined_in_order():
    one, other = Forecast(np.array([1.0]), np.array([2.0])), Forecast(np.array([3.0]), np.array([4.0]))
    both = Forecast.join([one, other])
    assert both.expected.tolist() == [1, 3]
    assert both.actual.tolist() == [2, 4]
    assert len(Forecast.join([]).actual) == 0


def test_where_no_outcome_is_known_a_future_is_drawn():
    customers = histories(n_customers=3000, seed=5)
    window = {"horizon_days": 90, "lead_days": 0, "as_of": date(2024, 1, 1), "seed": 1}
    drawn = simulated_forecast(TRUTH, customers, **window)
    assert drawn.actual.sum() == pytest.approx(drawn.expected.sum(), rel=0.1)
    bands = fit_bands(drawn, knows_season=True)
    lower, upper = bands.interval(drawn.expected)
    real = customers["revenue_in_window"].to_numpy()
    assert 0.87 <= ((real >= lower) & (real <= upper)).mean() <= 0.97
