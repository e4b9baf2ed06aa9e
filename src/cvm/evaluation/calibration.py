"""Whether probabilities mean what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """Mean prediction, mean outcome and size of equal-mass groups of rising prediction: arrays of shape (n_groups,)."""

    predicted: Floats
    happened: Floats
    n_customers: NDArray[np.int64]


def reliability(happened: Floats, probability: Floats, *, n_groups: int = 10) -> Reliability:
    """Groups of equal mass by rising probability.

    Customers with the same probability share the outcome mean of their tie, so groups do not depend on the order of rows.

    Parameters
    ----------
    happened : array of shape (n_customers,)
        1 or 0, or any outcome that ``probability`` predicts the mean of.
    probability : array of shape (n_customers,)
    n_groups : int
        With fewer customers than this, each is a group.
    """
    levels, tie, size = np.unique(probability, return_inverse=True, return_counts=True)
    outcome = np.repeat(np.bincount(tie, weights=happened) / size, size)
    group = np.arange(len(happened)) * min(n_groups, len(happened)) // len(happened)
    n = np.bincount(group)
    return Reliability(np.bincount(group, np.repeat(levels, size)) / n, np.bincount(group, outcome) / n, n)


def calibration_error(happened: Floats, probability: Floats, *, n_groups: int = 10) -> float:
    """Mean gap between predicted and observed rate over the groups of ``reliability``."""
    groups = reliability(happened, probability, n_groups=n_groups)
    return float(np.average(np.abs(groups.predicted - groups.happened), weights=groups.n_customers))


def brier_score(happened: Floats, probability: Floats) -> float:
    """Mean squared error of the probability; proper, lower is better."""
    return float(np.mean((probability - happened) ** 2))
