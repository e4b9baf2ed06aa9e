from __future__ import annotations

import numpy as np
import pytest

from cvm.evaluation import (
    area_difference,
    area_under_roc,
    brier_score,
    calibration_error,
    compare_probabilities,
    compare_values,
    decile_error,
    normalised_gini,
    ratio,
)


def customers(n: int, *, seed: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Who left, what they spent, and a score: the true logit with noise on it."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(size=n)
    left = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    spent = np.where(left == 1, 0.0, rng.gamma(2, np.exp(-logit)))
    return left, spent, logit, logit + noise * rng.normal(size=n)


def probability(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


@pytest.mark.parametrize("n", [300, 5_000])
def test_figures_are_those_of_the_plain_metrics(n: int) -> None:
    left, spent, true, noisy = customers(n, seed=1, noise=0.5)
    new, old = probability(noisy), probability(true)
    found = {figure.name: figure for figure in compare_probabilities(left, new, old, seed=1)}
    money = {figure.name: figure for figure in compare_values(spent, np.exp(-noisy), np.exp(-true), seed=1)}
    for name, metric in (("auc", area_under_roc), ("brier", brier_score), ("calibration_error", calibration_error)):
        assert (found[name].challenger, found[name].champion) == (metric(left, new), metric(left, old))
    for name, metric in (("ngini", normalised_gini), ("decmape", decile_error), ("ratio", ratio)):
        assert money[name].challenger == metric(spent, np.exp(-noisy))
    assert all(figure.lower <= figure.worse_by <= figure.upper for figure in (found["auc"], found["brier"], money["ngini"]))
    assert money["ratio"].worse_by == pytest.approx(abs(money["ratio"].challenger - 1) - abs(money["ratio"].champion - 1))


def test_the_interval_of_an_area_is_that_of_delong() -> None:
    left, _, true, noisy = customers(4_000, seed=2, noise=0.5)
    (area, *_) = compare_probabilities(left, probability(noisy), probability(true), seed=2)
    known = area_difference(left, true[None, :], noisy[None, :], customer=np.arange(len(left)))
    assert area.worse_by == pytest.approx(known.value, abs=1e-6)
    assert (area.lower, area.upper) == pytest.approx((known.lower, known.upper), abs=0.002)


def test_a_noisy_prediction_is_proved_worse_and_the_other_way_round_better() -> None:
    left, spent, true, noisy = customers(5_000, seed=3, noise=1.0)
    for figure in compare_probabilities(left, probability(noisy), probability(true), seed=3):
        assert figure.lower > 0
    for figure in compare_probabilities(left, probability(true), probability(noisy), seed=3):
        assert figure.upper < 0
    ranking = compare_values(spent, np.exp(-noisy), np.exp(-true), seed=3)[0]
    assert ranking.name == "ngini"
    assert ranking.lower > 0


def test_equal_predictions_differ_by_nothing_and_the_same_seed_gives_the_same() -> None:
    left, spent, true, noisy = customers(500, seed=4, noise=0.3)
    same = [
        *compare_probabilities(left, true, true, seed=4),
        *compare_values(spent, true - true.min(), true - true.min(), seed=4),
    ]
    assert {(figure.worse_by, figure.lower, figure.upper) for figure in same} == {(0.0, 0.0, 0.0)}
    first, second = (compare_probabilities(left, probability(noisy), probability(true), seed=5) for _ in range(2))
    assert first == second


def test_nothing_is_compared_where_nothing_can_be() -> None:
    left, spent, true, _ = customers(200, seed=6, noise=0.3)
    assert compare_probabilities(np.ones(200), true, true, seed=6) == []
    assert compare_values(np.zeros(200), spent, spent, seed=6) == []
    assert compare_probabilities(left[:40], true[:40], true[:40], seed=6) == []
