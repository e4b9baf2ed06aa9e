from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest

from cvm.errors import ExperimentError
from cvm.evaluation import auuc_per_customer, qini_difference, qini_estimate, qini_per_customer, uplift_curve


def experiment(n: int, *, seed: int, decimals: int = 9, signal: float = 0.5, share: float = 0.6):
    """Outcome, treated, score: the effect is ``0.2 + signal * x``."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    treated = (rng.random(n) < share).astype(float)
    outcome = rng.normal(size=n) + x + treated * (0.2 + signal * x)
    return outcome, treated, np.round(x, decimals)


def slow_qini(outcome, treated, score):
    """Straight from the definition, a loop over distinct scores."""
    n, points = len(score), [(0.0, 0.0)]
    for level in sorted(set(score.tolist()), reverse=True):
        top = score >= level
        yes, no = outcome[top & (treated == 1)], outcome[top & (treated == 0)]
        u = top.sum() * (yes.mean() - no.mean()) if len(yes) and len(no) else 0.0
        points.append((top.sum() / n, u / n))
    area = sum((x1 - x0) * (y1 + y0) / 2 for (x0, y0), (x1, y1) in pairwise(points))
    return area - points[-1][1] / 2


@pytest.mark.parametrize("decimals", [9, 1, 0])
def test_the_area_is_that_of_the_definition_ties_and_all(decimals):
    given = experiment(300, seed=1, decimals=decimals)
    assert qini_per_customer(*given) == pytest.approx(slow_qini(*given), abs=1e-12)
    assert qini_estimate(*given).value == qini_per_customer(*given)


def test_the_curves_by_hand():
    # Best level: treated 3, control 1; next: treated 1 and control 0; last: control 2 alone.
    outcome, treated = [3.0, 1.0, 1.0, 0.0, 2.0], [1, 0, 1, 0, 0]
    curve = uplift_curve(outcome, treated, [9.0, 9.0, 5.0, 5.0, 1.0])
    np.testing.assert_allclose(curve.share, [0, 0.4, 0.8, 1])
    np.testing.assert_allclose(curve.qini, [0, 3 - 1, 4 - 1, 4 - 3 * 2 / 3])
    np.testing.assert_allclose(curve.gain, [0, 2 * 2, 4 * 1.5, 5 * 1])
    assert curve.mean_effect == 1
    assert curve.effect_at(0.4) == 2
    assert curve.effect_at(0.2) == 2
    assert auuc_per_customer(outcome, treated, [9.0, 9.0, 5.0, 5.0, 1.0]) == pytest.approx(
        0.4 * 0.8 / 2 + 0.4 * (0.8 + 1.2) / 2 + 0.2 * (1.2 + 1.0) / 2
    )


def test_the_curve_is_flat_while_an_arm_is_empty():
    curve = uplift_curve([1.0, 1.0, 0.0], [1, 1, 0], [3, 2, 1])
    np.testing.assert_array_equal(curve.gain, [0, 0, 0, 3])
    np.testing.assert_array_equal(curve.qini, [0, 0, 0, 2])


def test_knowing_who_gains_more_is_worth_more_than_guessing():
    outcome, treated, score = experiment(20_000, seed=2)
    # Of a normal effect with standard deviation .5, ranked perfectly: .5 / (2 sqrt(pi)).
    found = qini_estimate(outcome, treated, score)
    assert found.lower < 0.5 / (2 * np.sqrt(np.pi)) < found.upper
    noise = np.random.default_rng(3).normal(size=len(score))
    assert qini_difference(outcome, treated, score, noise).lower > 0
    nothing = qini_estimate(outcome, treated, noise)
    assert nothing.lower < 0 < nothing.upper


@pytest.mark.parametrize("decimals", [9, 0])
def test_the_interval_is_as_wide_as_resampling_says(decimals):
    outcome, treated, score = experiment(800, seed=4, decimals=decimals)
    found = qini_estimate(outcome, treated, score)
    rng = np.random.default_rng(5)
    draws = [rng.integers(800, size=800) for _ in range(300)]
    resampled = [qini_per_customer(outcome[rows], treated[rows], score[rows]) for rows in draws]
    assert found.upper - found.lower == pytest.approx(2 * 1.96 * np.std(resampled), rel=0.15)


def test_the_interval_of_a_difference_knows_that_both_judge_the_same_customers():
    outcome, treated, score = experiment(2_000, seed=6)
    like = score + 0.01 * np.random.default_rng(7).normal(size=2_000)
    difference, own = qini_difference(outcome, treated, score, like), qini_estimate(outcome, treated, score)
    assert difference.upper - difference.lower < 0.1 * (own.upper - own.lower)
    assert qini_difference(outcome, treated, score, 3 * score + 1).upper == pytest.approx(0, abs=1e-12)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    truth = 0.5 / (2 * np.sqrt(np.pi))
    found = [qini_estimate(*experiment(500, seed=seed)) for seed in range(400)]
    assert 0.925 <= np.mean([one.lower < truth < one.upper for one in found]) <= 0.975


def test_the_interval_covers_nothing_where_one_in_a_hundred_responds():
    covered = []
    for seed in range(300):
        rng = np.random.default_rng(1000 + seed)
        outcome, treated = (rng.random(4_000) < 0.01).astype(float), rng.random(4_000) < 0.5
        found = qini_estimate(outcome, treated, rng.normal(size=4_000))
        covered.append(found.lower < 0 < found.upper)
    assert 0.92 <= np.mean(covered) <= 0.98


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"treated": np.zeros(50)}, r"0 of 50 customers are treated.*Hold some out"),
        ({"treated": np.ones(50)}, r"50 of 50 customers are treated"),
        ({"treated": np.full(50, 2.0)}, r"other than 0 and 1"),
        ({"score": np.append(np.nan, np.ones(49))}, r"score is missing or infinite for 1 of 50 customers"),
        ({"outcome": np.full(50, np.inf)}, r"outcome is missing or infinite for 50 of 50"),
        ({"score": np.ones(49)}, r"shapes \(50,\), \(50,\) and \(49,\)"),
        ({"outcome": np.ones((50, 1))}, r"one value per customer"),
    ],
)
def test_what_means_nothing_is_refused(change, message):
    given = dict(zip(("outcome", "treated", "score"), experiment(50, seed=8), strict=True)) | change
    with pytest.raises(ExperimentError, match=message):
        qini_per_customer(**given)


@pytest.mark.slow
def test_ten_million_customers_take_seconds():
    rng = np.random.default_rng(9)
    n = 10_000_000
    given = rng.normal(size=n), rng.random(n) < 0.5, rng.normal(size=n)
    started = time.process_time()
    qini_per_customer(*given)
    assert time.process_time() - started < 10
