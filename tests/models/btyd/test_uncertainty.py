from __future__ import annotations

import numpy as np
import pytest

from cvm.models.btyd.uncertainty import estimates


def poisson(parameters):
    """Of 50 counts that sum to 100, with rate ``parameters[0]``."""
    rate = parameters[0]
    return 100 * np.log(rate) - 50 * rate, np.array([100 / rate - 50])


def test_the_error_of_a_mean_count_is_the_textbooks():
    assert estimates(poisson, {"rate": 2.0}).standard_error["rate"] == pytest.approx(np.sqrt(2.0 / 50), rel=1e-6)


def test_draws_spread_as_the_error_says():
    found, rng = estimates(poisson, {"rate": 2.0}), np.random.default_rng(1)
    draws = np.array([found.draw(rng)["rate"] for _ in range(4000)])
    assert np.log(draws).std() == pytest.approx(0.1, rel=0.05)
    assert (draws > 0).all()


def test_a_parameter_the_data_do_not_settle_has_no_finite_error_and_is_drawn_as_it_is():
    def ridge(parameters):
        value, gradient = poisson(parameters[:1])
        return value, np.append(gradient, 0.0)

    found = estimates(ridge, {"rate": 2.0, "free": 5.0})
    assert np.isinf(found.standard_error["free"])
    assert np.isfinite(found.standard_error["rate"])
    assert found.draw(np.random.default_rng(0))["free"] == pytest.approx(5.0)
