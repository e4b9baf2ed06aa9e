from __future__ import annotations

import numpy as np
import pytest

from cvm.errors import ExperimentError
from cvm.evaluation import uplift_at_share, uplift_at_share_of_each_arm, uplift_curve, uplift_table


def experiment(n: int, *, seed: int):
    """The effect is 5 times the score, of money."""
    rng = np.random.default_rng(seed)
    score, treated = rng.random(n), rng.random(n) < 0.7
    return rng.gamma(2, 5, size=n) + treated * 5 * score, treated, score


def test_the_table_by_hand():
    outcome, treated = np.array([4.0, 6.0, 1.0, 3.0, 2.0, 2.0, 2.0, 4.0]), np.array([1, 1, 0, 0, 1, 1, 0, 0])
    table = uplift_table(outcome, treated, np.array([9, 9, 9, 9, 1, 1, 1, 1.0]), n_groups=2)
    np.testing.assert_array_equal(table.from_score, [9, -np.inf])
    np.testing.assert_array_equal(table.n_treated, [2, 2])
    np.testing.assert_allclose(table.treated_mean, [5, 2])
    np.testing.assert_allclose(table.control_mean, [2, 3])
    np.testing.assert_allclose(table.effect, [3, -1])
    np.testing.assert_allclose(table.effect_so_far, [3, 1])
    np.testing.assert_allclose(table.share, [0.5, 1])


def test_tenths_hold_what_the_score_says():
    given = experiment(20_000, seed=1)
    table = uplift_table(*given)
    true = 5 * (0.95 - np.arange(10) / 10)
    assert ((table.lower < true) & (true < table.upper)).sum() >= 8
    assert table.effect_so_far[-1] == pytest.approx(uplift_curve(*given).mean_effect)


def test_the_first_share_is_that_of_the_curve():
    outcome, treated, score = experiment(1_000, seed=2)
    found = uplift_at_share(outcome, treated, score, share=0.3)
    assert found.value == pytest.approx(uplift_curve(outcome, treated, score).effect_at(0.3))
    everybody = uplift_at_share_of_each_arm(outcome, treated, score, share=1.0)
    assert everybody.value == pytest.approx(uplift_curve(outcome, treated, score).mean_effect)


def test_ties_at_the_end_of_the_share_count_in_part():
    outcome, treated = np.array([1.0, 0.0, 4.0, 4.0, 0.0, 0.0]), np.array([1, 0, 1, 1, 0, 0])
    found = uplift_at_share(outcome, treated, np.array([2, 2, 1, 1, 1, 1.0]), share=2 / 3)
    assert found.value == pytest.approx((1 + 0.5 * 8) / 2)
    order = np.array([0, 1, 4, 2, 5, 3])
    shuffled = uplift_at_share(outcome[order], treated[order], np.array([2, 2, 1, 1, 1, 1.0])[order], share=2 / 3)
    assert shuffled.lower == pytest.approx(found.lower)


def test_a_share_of_whole_customers_takes_no_further_one():
    assert 0.07 * 100 > 7  # as floats
    outcome, treated, score = experiment(100, seed=4)
    first = np.argsort(-score)
    treated[first[:8]] = [1, 1, 1, 1, 1, 1, 0, 0]
    with pytest.raises(ExperimentError, match="an arm has fewer than two"):
        uplift_at_share(outcome, treated, score, share=0.07)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    covered = []
    for seed in range(400):
        found = uplift_at_share(*experiment(300, seed=seed), share=0.2)
        covered.append(found.lower < 4.5 < found.upper)
    assert 0.92 <= np.mean(covered) <= 0.98


@pytest.mark.parametrize(
    ("share", "message"), [(0.0, r"share is 0.0, must be above 0"), (30, r"share is 30"), (0.01, r"fewer than two")]
)
def test_shares_that_mean_nothing_are_refused(share, message):
    with pytest.raises(ExperimentError, match=message):
        uplift_at_share(*experiment(100, seed=3), share=share)
