from __future__ import annotations

import numpy as np
import pytest

from cvm.evaluation import bootstrap_qini, bootstrap_qini_difference, qini_difference, qini_estimate


def experiment(n: int, *, seed: int, money: bool):
    rng = np.random.default_rng(seed)
    score, treated = rng.normal(size=n), rng.random(n) < 0.6
    outcome = (rng.random(n) < 0.2 + 0.15 * treated * (score > 0)).astype(float)
    return outcome * rng.lognormal(3, 1, size=n) if money else outcome, treated, score


def width(estimate) -> float:
    return estimate.upper - estimate.lower


@pytest.mark.parametrize("money", [False, True])
def test_the_bootstrap_and_the_influence_of_customers_agree(money):
    given = experiment(4_000, seed=1, money=money)
    resampled, by_influence = bootstrap_qini(*given, n_replicates=2_000), qini_estimate(*given)
    assert resampled.value == pytest.approx(by_influence.value, abs=0.05 * width(by_influence))
    assert width(resampled) == pytest.approx(width(by_influence), rel=0.1)
    assert resampled.lower == pytest.approx(by_influence.lower, abs=0.1 * width(by_influence))


@pytest.mark.parametrize("money", [False, True])
def test_so_they_do_of_differences_between_models(money):
    outcome, treated, score = experiment(4_000, seed=2, money=money)
    like = score + np.random.default_rng(3).normal(size=4_000)
    resampled = bootstrap_qini_difference(outcome, treated, score, like, n_replicates=500)
    by_influence = qini_difference(outcome, treated, score, like)
    assert resampled.value == pytest.approx(by_influence.value, abs=0.1 * width(by_influence))
    assert width(resampled) == pytest.approx(width(by_influence), rel=0.15)
    # Far narrower than if each judged customers of its own.
    assert width(resampled) < 0.8 * np.hypot(width(qini_estimate(outcome, treated, score)), width(by_influence))


def test_a_constant_score_is_worth_exactly_nothing_in_every_replicate():
    outcome, treated, _ = experiment(500, seed=4, money=True)
    found = bootstrap_qini(outcome, treated, np.zeros(500), n_replicates=50)
    assert (found.value, found.lower, found.upper) == (0, 0, 0)


def test_the_same_seed_gives_the_same_interval():
    given = experiment(500, seed=5, money=True)
    assert bootstrap_qini(*given, n_replicates=20) == bootstrap_qini(*given, n_replicates=20)
    assert bootstrap_qini(*given, n_replicates=20) != bootstrap_qini(*given, n_replicates=20, seed=8)


def test_the_order_of_rows_changes_nothing_but_rounding():
    outcome, treated, score = experiment(500, seed=6, money=True)
    order = np.random.default_rng(7).permutation(500)
    one = bootstrap_qini(outcome, treated, score, n_replicates=20)
    other = bootstrap_qini(outcome[order], treated[order], score[order], n_replicates=20)
    assert other.upper == pytest.approx(one.upper, abs=1e-9)
