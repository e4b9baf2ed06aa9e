from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cvm.evaluation import area_difference, area_estimate


def scored(n: int, *, seed: int, signal: float = 1.0, decimals: int = 9):
    rng = np.random.default_rng(seed)
    happened = (rng.random(n) < 0.3).astype(float)
    return happened, np.round(signal * happened + rng.normal(size=n), decimals)


@pytest.mark.parametrize("decimals", [9, 1, 0])
def test_the_area_is_that_of_the_curve_ties_and_all(decimals):
    happened, score = scored(500, seed=1, decimals=decimals)
    found = area_estimate(happened, score[None], customer=np.arange(500))
    assert found.value == pytest.approx(roc_auc_score(happened, score), abs=1e-12)
    assert found.lower < found.value < found.upper


def test_several_scores_count_by_the_mean_of_their_areas():
    happened, score = scored(400, seed=2)
    other = score + np.random.default_rng(3).normal(size=400)
    both = area_estimate(happened, np.array([score, other]), customer=np.arange(400))
    assert both.value == pytest.approx((roc_auc_score(happened, score) + roc_auc_score(happened, other)) / 2)


def test_the_interval_is_as_wide_as_resampling_says():
    happened, score = scored(600, seed=4)
    found = area_estimate(happened, score[None], customer=np.arange(600))
    rng = np.random.default_rng(5)
    draws = [roc_auc_score(happened[rows], score[rows]) for rows in (rng.integers(600, size=600) for _ in range(400))]
    assert found.upper - found.lower == pytest.approx(2 * 1.96 * np.std(draws), rel=0.1)


def test_the_interval_covers_the_true_area_as_often_as_it_says():
    truth = 0.7602499389  # of normal scores a standard deviation apart: Phi(1 / sqrt(2))
    found = [area_estimate(*_pair(seed), customer=np.arange(300)) for seed in range(300)]
    assert 0.92 <= np.mean([one.lower <= truth <= one.upper for one in found]) <= 0.98


def _pair(seed: int):
    happened, score = scored(300, seed=seed)
    return happened, score[None]


def test_the_same_rows_twice_tell_no_more_than_once():
    happened, score = scored(300, seed=6)
    once = area_estimate(happened, score[None], customer=np.arange(300))
    twice = area_estimate(np.tile(happened, 2), np.tile(score, 2)[None], customer=np.tile(np.arange(300), 2))
    assert (twice.value, twice.lower, twice.upper) == pytest.approx((once.value, once.lower, once.upper))


def test_a_difference_of_alike_scores_is_known_better_than_either_area():
    happened, score = scored(400, seed=7)
    other = score + 0.2 * np.random.default_rng(8).normal(size=400)
    gain = area_difference(happened, score[None], other[None], customer=np.arange(400))
    alone = area_estimate(happened, score[None], customer=np.arange(400))
    assert gain.upper - gain.lower < (alone.upper - alone.lower) / 2
    assert gain.value == pytest.approx(roc_auc_score(happened, score) - roc_auc_score(happened, other))
    assert area_difference(happened, score[None], score[None], customer=np.arange(400)).value == 0


def test_an_interval_stays_within_what_an_area_can_be():
    happened = np.repeat([0.0, 1.0], 50)
    score = np.where(np.arange(100) == 0, 2.0, happened)
    found = area_estimate(happened, score[None], customer=np.arange(100))
    assert found.upper <= 1.0
