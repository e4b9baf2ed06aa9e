from __future__ import annotations

import numpy as np
import pytest

from cvm.errors import ExperimentError
from cvm.evaluation import arm_values, effect_qini, effect_signal, qini_per_customer


def drawn(n: int, *, seed: int):
    """Three arms, propensities by customer, outcome ``x + arm * (1 + x)``."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    propensity = rng.dirichlet([5, 5, 5], size=n) * 0.7 + 0.1
    arm = (rng.random(n)[:, None] > propensity.cumsum(axis=1)).sum(axis=1)
    outcome = x + arm * (1 + x) + rng.normal(size=n)
    return x, arm, propensity[np.arange(n), arm], outcome


@pytest.mark.parametrize("worth", [0.0, 1.0])
def test_values_have_the_right_mean_whatever_the_prediction_is_worth(worth):
    x, arm, drawn_with, outcome = drawn(40_000, seed=1)
    truth = x[:, None] + np.arange(3) * (1 + x[:, None])
    values = arm_values(outcome, arm, drawn_with, n_arms=3, expected=worth * truth)
    error = values.std(axis=0) / np.sqrt(len(x))
    assert (np.abs(values.mean(axis=0) - truth.mean(axis=0)) < 3 * error).all()
    if worth:
        assert (error < arm_values(outcome, arm, drawn_with, n_arms=3).std(axis=0) / np.sqrt(len(x))).all()


def test_values_by_hand():
    values = arm_values([3.0, 5.0], [0, 1], [0.5, 0.25], n_arms=2, expected=[[1.0, 2.0], [1.0, 2.0]])
    np.testing.assert_allclose(values, [[1 + 2 / 0.5, 2], [1, 2 + 3 / 0.25]])
    np.testing.assert_allclose(effect_signal([3.0, 5.0], [0, 1], 0.25), [-3 / 0.75, 5 / 0.25])


def test_the_qini_is_that_of_the_ratio_form_in_expectation():
    rng = np.random.default_rng(2)
    score, treated = rng.normal(size=50_000), rng.random(50_000) < 0.3
    outcome = rng.normal(size=50_000) + treated * (1 + score)
    found = effect_qini(effect_signal(outcome, treated, 0.3, expected=outcome.mean()), score)
    assert found.value == pytest.approx(qini_per_customer(outcome, treated, score), abs=0.02)
    assert found.lower < 1 / (2 * np.sqrt(np.pi)) < found.upper


def test_the_interval_is_as_wide_as_resampling_says():
    rng = np.random.default_rng(3)
    score = np.round(rng.normal(size=700), 1)
    effect = score + 2 * rng.normal(size=700)
    found = effect_qini(effect, score)
    draws = [effect_qini(effect[rows], score[rows]).value for rows in (rng.integers(700, size=700) for _ in range(300))]
    assert found.upper - found.lower == pytest.approx(2 * 1.96 * np.std(draws), rel=0.15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arm": np.array([0, 2])}, r"outside of 0 to 1"),
        ({"arm": np.array([0.0, 1.0])}, r"outside of 0 to 1"),
        ({"arm": np.array([0])}, r"shapes \(2,\) and \(1,\)"),
        ({"outcome": np.array([np.nan, 1.0])}, r"outcome is missing or infinite for 1 of 2"),
        ({"drawn_with": np.array([0.0, 0.5])}, r"propensity of 1 of 2 customers"),
        ({"drawn_with": np.nan}, r"propensity of 2 of 2 customers"),
        ({"drawn_with": 1.5}, r"propensity of 2 of 2 customers"),
    ],
)
def test_what_means_nothing_is_refused(change, message):
    given = {"outcome": np.ones(2), "arm": np.array([0, 1]), "drawn_with": np.full(2, 0.5)} | change
    with pytest.raises(ExperimentError, match=message):
        arm_values(**given, n_arms=2)
