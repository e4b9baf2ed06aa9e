from __future__ import annotations

import numpy as np
import pytest

from cvm.evaluation import cumulative_gains, lift_by_group

HAPPENED = np.array([1.0, 1, 0, 0, 0, 1, 0, 0, 0, 0])
SCORE = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])


def test_lift_is_the_rate_of_a_group_over_that_of_all_likeliest_first():
    lift = lift_by_group(HAPPENED, SCORE, n_groups=5)
    assert lift.n_customers.tolist() == [2] * 5
    assert lift.rate.tolist() == [1, 0, 0.5, 0, 0]
    assert lift.lift == pytest.approx([1 / 0.3, 0, 0.5 / 0.3, 0, 0])
    assert lift.found == pytest.approx([2 / 3, 2 / 3, 1, 1, 1])


def test_a_score_that_says_nothing_has_lift_1():
    assert lift_by_group(HAPPENED, np.full(10, 0.4)).lift == pytest.approx(np.ones(10))


def test_where_it_happened_to_nobody_there_is_no_lift():
    lift = lift_by_group(np.zeros(10), SCORE)
    assert np.isnan(lift.lift).all()
    assert np.isnan(lift.found).all()
    assert lift.rate.tolist() == [0] * 10


def test_lift_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(1)
    happened, score = rng.integers(0, 2, 200).astype(float), rng.integers(0, 5, 200) / 5
    order = rng.permutation(200)
    assert lift_by_group(happened, score).lift == pytest.approx(lift_by_group(happened[order], score[order]).lift)


def test_gains_run_from_nobody_to_everybody_and_a_perfect_ranking_finds_all_first():
    share, found = cumulative_gains(HAPPENED, HAPPENED, n_points=11)
    assert share.tolist() == pytest.approx(np.linspace(0, 1, 11).tolist())
    assert found == pytest.approx([0, 1 / 3, 2 / 3, *[1] * 8])
    assert cumulative_gains(HAPPENED, np.zeros(10), n_points=11)[1] == pytest.approx(share)
