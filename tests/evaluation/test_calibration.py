from __future__ import annotations

import numpy as np
import pytest

from cvm.evaluation import brier_score, calibration_error, reliability


def array(*values):
    return np.array(values, dtype=float)


class TestReliability:
    def test_groups_hold_the_customers_of_rising_probability(self):
        happened, probability = array(1, 0, 1, 0), array(0.9, 0.1, 0.7, 0.3)
        groups = reliability(happened, probability, n_groups=2)
        np.testing.assert_allclose(groups.predicted, [0.2, 0.8])
        np.testing.assert_allclose(groups.happened, [0.0, 1.0])
        assert groups.n_customers.tolist() == [2, 2]

    def test_group_sizes_differ_by_one_at_most(self):
        rng = np.random.default_rng(1)
        groups = reliability(np.ones(1003), rng.random(1003))
        assert groups.n_customers.sum() == 1003
        assert set(groups.n_customers.tolist()) == {100, 101}

    def test_groups_agree_with_positions_in_sorted_order(self):
        rng = np.random.default_rng(2)
        probability = rng.permutation(1000) / 1000
        happened = (rng.random(1000) < probability).astype(float)
        position = np.empty(1000, dtype=int)
        position[np.argsort(probability)] = np.arange(1000)
        for group in range(10):
            members = position * 10 // 1000 == group
            found = reliability(happened, probability)
            assert found.predicted[group] == pytest.approx(probability[members].mean())
            assert found.happened[group] == pytest.approx(happened[members].mean())

    def test_a_tie_across_groups_is_shared_whatever_the_order_of_rows(self):
        happened, probability = array(1, 1, 0, 0), np.full(4, 0.5)
        for order in ([0, 1, 2, 3], [3, 2, 1, 0], [0, 2, 1, 3]):
            groups = reliability(happened[order], probability[order], n_groups=2)
            assert groups.happened.tolist() == [0.5, 0.5]

    def test_fewer_customers_than_groups_are_a_group_each(self):
        groups = reliability(array(1, 0, 0), array(0.3, 0.1, 0.2))
        assert groups.predicted.tolist() == [0.1, 0.2, 0.3]
        assert groups.happened.tolist() == [0.0, 0.0, 1.0]
        assert groups.n_customers.tolist() == [1, 1, 1]


class TestCalibrationError:
    def test_it_is_the_mean_gap_of_the_groups(self):
        happened, probability = array(1, 0, 1, 0), array(0.9, 0.1, 0.7, 0.3)
        assert calibration_error(happened, probability, n_groups=2) == pytest.approx((0.2 + 0.2) / 2)

    def test_groups_count_by_their_customers(self):
        # Groups of 2 and 1: gaps .5 and .1.
        assert calibration_error(array(0, 0, 1), array(0.5, 0.5, 0.9), n_groups=2) == pytest.approx((2 * 0.5 + 0.1) / 3)

    def test_the_base_rate_for_everybody_is_calibrated(self):
        happened = np.random.default_rng(3).permutation(np.repeat([0.0, 1.0], [73, 27]))
        assert calibration_error(happened, np.full(100, 0.27)) == pytest.approx(0.0, abs=1e-12)

    def test_a_constant_that_misses_the_base_rate_is_off_by_the_difference(self):
        assert calibration_error(array(1, 0, 0, 0), np.full(4, 0.75)) == pytest.approx(0.5)

    def test_a_handful_of_customers_has_one_too(self):
        assert calibration_error(array(1, 0, 0), array(0.9, 0.2, 0.2)) == pytest.approx((0.1 + 0.2 + 0.2) / 3)


class TestBrierScore:
    def test_it_is_the_mean_squared_gap(self):
        assert brier_score(array(1, 0), array(0.8, 0.4)) == pytest.approx((0.04 + 0.16) / 2)

    def test_no_constant_beats_the_base_rate(self):
        happened = array(1, 1, 0, 0, 0)
        scores = [brier_score(happened, np.full(5, p)) for p in (0.3, 0.39, 0.4, 0.41, 0.5)]
        assert min(scores) == scores[2] == pytest.approx(0.24)
