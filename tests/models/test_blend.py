from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from cvm.models.blend import learn_weight, shift_to, trust_in_windows


@pytest.mark.parametrize(("best", "expected"), [(0.4, 0.4), (0.0, 0.15), (1.0, 0.85)])
def test_the_weight_with_the_lowest_loss_is_found_but_neither_is_silenced(best, expected):
    assert learn_weight(lambda weight: (weight - best) ** 2) == pytest.approx(expected, abs=0.002)


class TestTrust:
    DAYS = np.array([90.0, 120.0, 150.0])

    def test_without_evidence_each_counts_half(self):
        assert trust_in_windows(np.zeros(3), np.zeros(3), self.DAYS) == pytest.approx(0.5)

    def test_what_btyd_missed_moves_trust_to_the_windows(self):
        assert trust_in_windows(np.full(3, -0.3), np.full(3, 2.0), self.DAYS) == pytest.approx(0.1 / 0.11)

    def test_a_moving_level_moves_trust_to_btyd(self):
        # .05 in 30 days make .2 in the 120 to the middle of the windows.
        levels = np.array([0.10, 0.05, 0.0])
        assert trust_in_windows(np.zeros(3), levels, self.DAYS) == pytest.approx(0.01 / 0.06)

    def test_a_single_window_tells_of_no_movement(self):
        assert trust_in_windows(np.array([0.1]), np.array([5.0]), np.array([90.0])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("rate", [1e-6, 0.3, 0.999])
def test_a_shift_gives_the_rate_asked_for(rate):
    margin = np.random.default_rng(1).normal(0, 3, 500)
    assert expit(margin + shift_to(margin, rate)).mean() == pytest.approx(rate, abs=1e-9)
