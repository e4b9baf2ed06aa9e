from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from cvm.models.logits import finite_logit, shift_to, within


def test_certainty_has_a_finite_logit_and_the_rest_its_own():
    found = finite_logit(np.array([0.0, 0.3, 1.0]))
    assert np.isfinite(found).all()
    assert found[1] == logit(0.3)
    assert found[0] == pytest.approx(-found[2])
    assert found[0] < -13


def test_probabilities_stay_as_they_are_but_for_certainty():
    assert within(np.array([0.0, 0.2, 1.0])).tolist() == [1e-6, 0.2, 1 - 1e-6]


@pytest.mark.parametrize("rate", [1e-6, 0.3, 0.999])
def test_a_shift_gives_the_rate_asked_for(rate):
    margin = np.random.default_rng(1).normal(0, 3, 500)
    assert expit(margin + shift_to(margin, rate)).mean() == pytest.approx(rate, abs=1e-9)
