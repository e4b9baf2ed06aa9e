"""Probabilities and their logits, kept finite."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

Floats = NDArray[np.float64]

_LEAST = 1e-6


def within(p: Floats) -> Floats:
    """Probabilities, neither 0 nor 1."""
    return np.clip(p, _LEAST, 1 - _LEAST)


def finite_logit(p: Floats) -> Floats:
    """Logits of probabilities; certainty is a large number, not an infinite one."""
    return logit(within(p))


def shift_to(margin: Floats, rate: float) -> float:
    """What has to be added to logits to make their mean probability ``rate``, which must lie between 0 and 1."""
    return float(brentq(lambda shift: expit(margin + shift).mean() - rate, -50, 50))
