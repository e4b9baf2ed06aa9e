from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from cvm.errors import InsufficientDataError
from cvm.models.btyd.sbg import Sbg, _Likelihood, cohort

# "Regular" subscribers of tests/golden/test_cohorts_of_occasions.py.
REGULAR = np.array([1000.0, 631, 468, 382, 326, 289, 262, 241])
PUBLISHED = Sbg(0.704, 1.182)


def test_the_gradient_agrees_with_finite_differences():
    likelihood, at = _Likelihood(*cohort(REGULAR)), np.array([0.9, 2.5])
    numeric = approx_fprime(at, lambda parameters: likelihood(parameters)[0], 1e-6)
    np.testing.assert_allclose(likelihood(at)[1], numeric, rtol=1e-4)


def test_survival_is_the_product_of_retentions_which_rise():
    retention = PUBLISHED.retention(np.arange(1.0, 30))
    assert (np.diff(retention) > 0).all()
    np.testing.assert_allclose(np.cumprod(retention), PUBLISHED.survival(np.arange(1.0, 30)), rtol=1e-12)
    later = PUBLISHED.survival(np.array([5.0]), n_renewals=3)[0]
    assert later == pytest.approx(np.prod(retention[3:8]))


def test_residual_lifetimes_are_the_sums_of_the_survival_to_come():
    process, ahead = Sbg(2.5, 6.0), np.arange(1.0, 200_001)
    for renewed in (0.0, 4.0):
        survival = process.survival(ahead, n_renewals=renewed)
        found = process.expected_residual_periods(np.array([renewed]))[0]
        assert found == pytest.approx(survival.sum(), rel=1e-5)
        discounted = process.discounted_residual_periods(np.array([renewed]), discount_rate_per_period=0.1)[0]
        assert discounted == pytest.approx(survival @ 1.1 ** -(ahead - 1), rel=1e-9)


def test_without_a_mean_the_undiscounted_lifetime_is_infinite_and_the_discounted_one_is_not():
    assert np.isinf(PUBLISHED.expected_residual_periods(np.array([0.0])))[0]
    assert 0 < PUBLISHED.discounted_residual_periods(np.array([0.0]), discount_rate_per_period=0.1)[0] < 11


def test_who_is_censored_at_different_ages_is_learned_from_alike():
    rng, n = np.random.default_rng(3), 40_000
    left = rng.geometric(rng.beta(1.5, 4.0, n)).astype(float)
    age = rng.integers(0, 12, n).astype(float)
    churned = (left <= age).astype(float)
    periods = np.where(churned > 0, left, age)
    found = Sbg.fit(periods, churned)
    errors = found.estimates(periods, churned).standard_error
    assert abs(found.alpha - 1.5) < 4 * errors["alpha"] < 0.5
    assert abs(found.beta - 4.0) < 4 * errors["beta"] < 1.5


def test_what_cannot_be_learned_from_is_refused():
    with pytest.raises(InsufficientDataError, match="No subscriber has reached a renewal"):
        Sbg.fit(np.zeros(5), np.zeros(5))
    with pytest.raises(InsufficientDataError, match="1 of 3 rows churned after 0 periods"):
        Sbg.fit(np.array([0.0, 2, 3]), np.array([1.0, 0, 1]))
    with pytest.raises(InsufficientDataError, match=r"only shrinks.*\[10\.0, 12\.0\]"):
        Sbg.fit_survivors(np.array([10.0, 12.0]))
