"""Many comparisons at once, and counts that should follow known shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Floats = NDArray[np.float64]


def false_discovery_rates(p_values: Floats) -> Floats:
    """For each test the share of false finds to expect when all tests at least as sure are called finds; NaN stays NaN.

    Parameters
    ----------
    p_values : array of shape (n_tests,)

    Source
    ------
    Benjamini and Hochberg (1995), "Controlling the false discovery rate", JRSS B 57(1), section 3.1, as adjusted p-values.
    """
    known = ~np.isnan(p_values)
    p = p_values[known]
    order = np.argsort(-p, kind="stable")
    rank = np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.minimum.accumulate(p[order] * len(p) / rank), 1.0)
    found = np.full(len(p_values), np.nan)
    found[known] = adjusted
    return found


def sample_ratio_test(counts: Floats, shares: Floats) -> tuple[float, float]:
    """Chi-square and p-value of arm sizes against the shares they were drawn with (Fabijan et al. 2019, KDD, "SRM").

    Parameters
    ----------
    counts, shares : array of shape (n_arms,)
        Shares above 0; they need not sum to 1. Draws of fixed size follow them too closely, so that the test is then
        cautious.
    """
    expected = counts.sum() * shares / shares.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return statistic, float(chi2.sf(statistic, len(counts) - 1))
