from __future__ import annotations

import numpy as np
import pytest

from cvm.errors import InsufficientDataError
from cvm.models.btyd.maximise import maximise

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
