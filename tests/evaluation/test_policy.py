from __future__ import annotations

import numpy as np
import pytest

from cvm.errors import ExperimentError
from cvm.evaluation import arm_values, policy_difference, policy_value


@pytest.fixture(scope="module")
def values():
    """Treatment brings x, so treating whom it helps brings E max(x, 0) = 1 / sqrt(2 pi)."""
    rng = np.random.default_rng(4)
    x, arm = rng.normal(size=20_000), rng.integers(2, size=20_000)
    outcome = arm * x + rng.normal(size=20_000)
    return arm_values(outcome, arm, 0.5, n_arms=2), (x > 0).astype(int)


def test_the_best_policy_is_worth_what_it_is_worth(values):
    signals, best = values
    found = policy_value(signals, best)
    assert found.lower < 1 / np.sqrt(2 * np.pi) < found.upper
    assert policy_difference(signals, best, np.array([1.0, 0.0])).lower > 0
    assert policy_difference(signals, best, best).upper == 0


def test_a_policy_that_draws_lies_between(values):
    signals, _ = values
    nobody, everybody = (policy_value(signals, np.full(len(signals), arm)).value for arm in (0, 1))
    assert policy_value(signals, np.array([0.25, 0.75])).value == pytest.approx(0.25 * nobody + 0.75 * everybody)
    each = np.tile([0.25, 0.75], (len(signals), 1))
    assert policy_value(signals, each) == policy_value(signals, np.array([0.25, 0.75]))


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (np.array([0, 1, 2]), r"arms outside of 0 to 1"),
        (np.array([0, 1]), r"shape \(2,\).*whole numbers of shape \(3,\)"),
        (np.array([0.5, 0.6]), r"no probabilities"),
        (np.array([-0.5, 1.5]), r"no probabilities"),
    ],
)
def test_what_is_no_policy_is_refused(policy, message):
    with pytest.raises(ExperimentError, match=message):
        policy_value(np.zeros((3, 2)), policy)
