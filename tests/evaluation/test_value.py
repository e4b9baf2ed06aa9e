from __future__ import annotations

import math

import numpy as np
import pytest

from cvm.evaluation import (
    decile_error,
    interval_score,
    mean_absolute_error,
    ratio,
    root_mean_squared_error,
    tweedie_deviance,
)

ACTUAL = np.array([0.0, 10.0, 0.0, 30.0])
PREDICTED = np.array([5.0, 5.0, 5.0, 45.0])
ALL = (ratio, mean_absolute_error, root_mean_squared_error, tweedie_deviance, decile_error)


def test_the_ratio_is_of_sums():
    assert ratio(ACTUAL, PREDICTED) == 60 / 40


def test_errors_are_relative_to_the_actual_mean():
    assert mean_absolute_error(ACTUAL, PREDICTED) == pytest.approx((5 + 5 + 5 + 15) / 4 / 10)
    assert root_mean_squared_error(ACTUAL, PREDICTED) == pytest.approx(math.sqrt((25 + 25 + 25 + 225) / 4) / 10)


def test_errors_do_not_depend_on_the_currency():
    for metric in (ratio, mean_absolute_error, root_mean_squared_error, decile_error):
        assert metric(40 * ACTUAL, 40 * PREDICTED) == pytest.approx(metric(ACTUAL, PREDICTED))


def test_tweedie_deviance_is_its_formula_at_power_one_and_a_half():
    # 2 (y^0.5 / -0.25 ... ): y^(2-p) / ((1-p)(2-p)) - y mu^(1-p) / (1-p) + mu^(2-p) / (2-p), p = 1.5.
    def deviance(y, mu):
        return 2 * (math.sqrt(y) / -0.25 + y / math.sqrt(mu) / 0.5 + math.sqrt(mu) / 0.5)

    expected = sum(deviance(y, mu) for y, mu in zip(ACTUAL, PREDICTED, strict=True)) / 4
    assert tweedie_deviance(ACTUAL, PREDICTED) == pytest.approx(expected)


def test_no_constant_has_less_deviance_than_the_mean():
    deviances = [tweedie_deviance(ACTUAL, np.full(4, level)) for level in (5.0, 9.0, 10.0, 11.0, 20.0)]
    assert min(deviances) == deviances[2]


def test_a_prediction_of_nothing_costs_much_but_not_infinitely():
    nothing = tweedie_deviance(ACTUAL, np.zeros(4))
    assert math.isfinite(nothing)
    assert nothing > 10 * tweedie_deviance(ACTUAL, PREDICTED)


def test_the_decile_error_is_the_mean_gap_of_ten_groups_over_the_mean():
    rng = np.random.default_rng(1)
    predicted = rng.permutation(1000) / 10
    actual = predicted * rng.gamma(1.0, 1.5, 1000)
    position = np.empty(1000, dtype=int)
    position[np.argsort(predicted)] = np.arange(1000)
    groups = [position * 10 // 1000 == group for group in range(10)]
    gaps = [abs(predicted[group].mean() - actual[group].mean()) for group in groups]
    assert decile_error(actual, predicted) == pytest.approx(np.mean(gaps) / actual.mean())


def test_a_prediction_of_the_mean_for_all_has_no_decile_error_in_any_order_of_rows():
    rng = np.random.default_rng(2)
    actual = rng.gamma(0.3, 100, 500)
    for _ in range(3):
        assert decile_error(rng.permutation(actual), np.full(500, actual.mean())) == pytest.approx(0.0, abs=1e-9)


def test_a_handful_of_customers_can_be_judged():
    assert decile_error(np.array([2.0, 4.0]), np.array([3.0, 4.0])) == pytest.approx((1 / 3 + 0) / 2)


@pytest.mark.parametrize("metric", ALL)
def test_without_revenue_there_is_nothing_to_compare_with(metric):
    assert math.isnan(metric(np.zeros(4), PREDICTED))


def test_the_interval_score_is_width_plus_what_was_missed():
    actual, lower, upper = np.array([5.0, 0.0, 12.0]), np.array([0.0, 1.0, 4.0]), np.array([10.0, 3.0, 10.0])
    # Widths 10, 2, 6; missed by 0, 1, 2, each times 2 / .1.
    assert interval_score(actual, lower, upper, level=0.9) == pytest.approx((10 + 2 + 6 + 20 + 40) / 3)


def test_no_interval_scores_better_than_the_true_quantiles():
    drawn = np.random.default_rng(1).normal(size=20_000)
    width = np.ones(len(drawn))
    true, wide, narrow = (interval_score(drawn, -k * width, k * width, level=0.9) for k in (1.645, 2.2, 1.2))
    assert true < min(wide, narrow)
