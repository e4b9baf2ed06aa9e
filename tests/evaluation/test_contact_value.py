from __future__ import annotations

import numpy as np
import pytest

from cvm.errors import ExperimentError
from cvm.evaluation import contact_curve


def experiment(n: int, *, seed: int):
    """The effect is twice the score, from 2 down to 0."""
    rng = np.random.default_rng(seed)
    score, treated = rng.random(n), rng.random(n) < 0.5
    return rng.normal(5, 1, size=n) + treated * 2 * score, treated, score


def test_the_best_share_is_where_the_next_customer_no_longer_pays():
    curve = contact_curve(*experiment(20_000, seed=1), outcome_value=1.0, contact_cost=0.8, n_replicates=300)
    # 2 s > .8 for the first 60 %: earns the integral of 2 s - .8 over them.
    assert curve.best_share.lower <= 0.6 <= curve.best_share.upper
    assert curve.best_share.upper - curve.best_share.lower < 0.4
    assert curve.best_value == pytest.approx(0.36, abs=0.06)
    assert (curve.share[0], curve.value[0], curve.share[-1]) == (0, 0, 1)


def test_the_interval_at_a_share_covers_the_truth_as_often_as_it_says():
    covered = []
    for seed in range(200):
        terms = {"outcome_value": 1.0, "contact_cost": 0.8, "n_points": 10, "n_replicates": 200}
        curve = contact_curve(*experiment(400, seed=seed), **terms)
        assert curve.share[4] == pytest.approx(0.4)
        covered.append(curve.lower[4] < 2 * 0.4 - 0.4**2 - 0.8 * 0.4 < curve.upper[4])
    assert 0.91 <= np.mean(covered) <= 0.98


def test_where_no_contact_pays_nobody_is_contacted():
    curve = contact_curve(*experiment(5_000, seed=2), outcome_value=0.1, contact_cost=0.8, n_replicates=50)
    assert (curve.best_share.value, curve.best_share.upper, curve.best_value) == (0, 0, 0)


def test_where_contacts_are_free_nearly_all_are():
    curve = contact_curve(*experiment(5_000, seed=3), outcome_value=1.0, contact_cost=0.0, n_replicates=50)
    assert curve.best_share.value > 0.75


@pytest.mark.parametrize("terms", [(1.0, -0.1), (np.nan, 1.0), (1.0, np.inf)])
def test_terms_that_mean_nothing_are_refused(terms):
    with pytest.raises(ExperimentError, match=r"contact_cost .*both have to be numbers, and the cost at least 0"):
        contact_curve(*experiment(100, seed=4), outcome_value=terms[0], contact_cost=terms[1])
