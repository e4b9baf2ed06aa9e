from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import pytest
from scipy.special import digamma, gammaln

from cvm.errors import InsufficientDataError
from cvm.models.btyd.maximise import maximise, maximise_over_rows

PEAK = np.array([0.02, 300.0])


def bell(parameters):
    """Highest at PEAK, in the logarithms of the parameters."""
    distance = np.log(parameters / PEAK)
    return -float(distance @ distance), -2 * distance / parameters


def test_the_peak_is_found_from_far_away():
    found = maximise(bell, starts=[(1.0, 1.0)], scale=1.0, model="bell")
    np.testing.assert_allclose(found, PEAK, rtol=1e-6)


def test_the_scale_of_the_likelihood_does_not_move_the_peak():
    def many_customers(parameters):
        value, gradient = bell(parameters)
        return 1e7 * value, 1e7 * gradient

    found = maximise(many_customers, starts=[(1.0, 1.0)], scale=1e7, model="bell")
    np.testing.assert_allclose(found, PEAK, rtol=1e-6)


def test_the_best_of_several_starts_wins():
    def two_peaks(parameters):
        # Peaks at 1 (height 1) and at e^6 (height 2), in the logarithm.
        u = np.log(parameters[0])
        low, high = np.exp(-(u**2)), 2 * np.exp(-((u - 6) ** 2))
        slope = -2 * u * low - 2 * (u - 6) * high
        return float(low + high), np.array([slope]) / parameters

    assert maximise(two_peaks, starts=[(1.1,)], scale=1.0, model="peaks")[0] == pytest.approx(1.0, abs=1e-4)
    assert maximise(two_peaks, starts=[(1.1,), (300.0,)], scale=1.0, model="peaks")[0] == pytest.approx(np.exp(6), rel=1e-4)


def test_a_start_without_a_finite_likelihood_is_passed_over():
    def half_blind(parameters):
        if parameters[0] > 10:
            return -np.inf, np.zeros(2)
        return bell(parameters)

    found = maximise(half_blind, starts=[(1e6, 1.0), (1.0, 1.0)], scale=1.0, model="bell")
    np.testing.assert_allclose(found, PEAK, rtol=1e-6)


def test_a_free_parameter_stays_finite():
    def only_growth(parameters):
        return float(np.log(parameters[0])), 1 / parameters

    found = maximise(only_growth, starts=[(2.0,)], scale=1.0, model="growth")
    assert np.isfinite(found).all()
    assert found[0] > 2.0


def test_a_likelihood_that_is_nowhere_finite_is_refused_with_the_name_of_the_model():
    def nowhere(parameters):
        return float("nan"), np.full(2, np.nan)

    with pytest.raises(InsufficientDataError, match="BG/NBD finds no parameters"):
        maximise(nowhere, starts=[(1.0, 1.0)], scale=1.0, model="BG/NBD")


class GammaOfRows:
    """The likelihood of gamma-distributed values, which counts how often it is asked for so many rows."""

    def __init__(self, value, weight, *, asked):
        self.asked = asked
        self.log_sum, self.sum, self.n, self.rows = weight @ np.log(value), weight @ value, weight.sum(), len(value)

    def __call__(self, parameters):
        shape, rate = parameters
        self.asked[self.rows] += 1
        value = self.n * (shape * np.log(rate) - gammaln(shape)) + (shape - 1) * self.log_sum - rate * self.sum
        slope = self.n * (np.log(rate) - digamma(shape)) + self.log_sum, self.n * shape / rate - self.sum
        return float(value), np.array(slope)


STARTS = [(1.0, 1.0), (0.1, 10.0)]


def test_many_rows_are_looked_at_a_few_times_only():
    rng = np.random.default_rng(1)
    rows = np.sort(rng.gamma(3.0, 0.5, 40_000)), rng.integers(1, 9, 40_000).astype(float)
    found, asked = _maximised(rows)
    assert asked[40_000] <= 6
    np.testing.assert_allclose(found, _maximised_without_sample(rows), rtol=1e-6)


def test_a_sample_unlike_the_rest_does_not_move_the_peak():
    rng = np.random.default_rng(2)
    values = np.where(np.arange(12_000) % 3 == 0, rng.gamma(90.0, 1.0, 12_000), rng.gamma(0.5, 1.0, 12_000))
    rows = values, np.ones(12_000)
    np.testing.assert_allclose(_maximised(rows)[0], _maximised_without_sample(rows), rtol=1e-5)


def _maximised(rows):
    asked = Counter()
    return maximise_over_rows(partial(GammaOfRows, asked=asked), rows, starts=STARTS, model="gamma"), asked


def _maximised_without_sample(rows):
    return maximise(GammaOfRows(*rows, asked=Counter()), starts=STARTS, scale=rows[1].sum(), model="gamma")
