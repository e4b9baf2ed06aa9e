from __future__ import annotations

import numpy as np
import pytest

from cvm.models.blend import consistent_miss, learn_weight


@pytest.mark.parametrize(("best", "expected"), [(0.4, 0.4), (0.0, 0.15), (1.0, 0.85)])
def test_the_weight_with_the_lowest_loss_is_found_but_neither_is_silenced(best, expected):
    assert learn_weight(lambda weight: (weight - best) ** 2) == pytest.approx(expected, abs=0.002)


class TestMiss:
    def test_what_is_always_missed_counts_nearly_whole(self):
        assert consistent_miss(np.full(4, 0.5)) == pytest.approx(0.5 * 0.25 / 0.26)

    def test_what_varies_more_than_it_misses_hardly_counts(self):
        assert abs(consistent_miss(np.array([0.4, -0.3]))) < 0.001

    def test_the_sign_stays(self):
        assert consistent_miss(np.array([-0.3, -0.35])) == pytest.approx(-consistent_miss(np.array([0.3, 0.35])))

    def test_a_usual_miss_at_a_single_snapshot_counts_half(self):
        assert consistent_miss(np.array([0.1])) == pytest.approx(0.05)

    def test_nothing_missed_is_nothing(self):
        assert consistent_miss(np.zeros(3)) == 0
