from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from cvm.evaluation import wilson_interval


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (450, 1000)])
def test_the_interval_is_wilsons(hits, n):
    low, high = wilson_interval(np.array([hits / n]), np.array([n]))
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low[0] < high[0] <= 1
