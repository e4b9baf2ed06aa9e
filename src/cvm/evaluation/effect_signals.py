"""What each customer says about what every arm does, though seen in one arm only.

A customer's own outcome says nothing of other arms; but weighted by the inverse of the propensity with which the design drew
that arm, it has the right expectation for it. A prediction of the outcomes takes most of the noise away and, whatever it is
worth, adds no bias as long as it did not see the customer's own outcome and the propensities are those of the design:

    value of arm a = expected_a + 1{drawn for a} / propensity_a * (outcome - expected_a)

Means of such values estimate effects, policies (``policy_value``), rankings (``effect_qini``) and heterogeneity
(``heterogeneity``). Without a prediction this is inverse-propensity weighting (IPS), with one it is doubly robust (DR).

Source
------
Horvitz and Thompson (1952), JASA 47; Robins, Rotnitzky and Zhao (1994), JASA 89; for policies Dudik, Langford and Li (2011).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvm.errors import ExperimentError
from cvm.evaluation.area_interval import Estimate
from cvm.evaluation.uplift import checked_scores, interval_of

Floats = NDArray[np.float64]


def arm_values(
    outcome: ArrayLike, arm: ArrayLike, drawn_with: ArrayLike, *, n_arms: int, expected: ArrayLike = 0.0
) -> Floats:
    """Unbiased signal of the outcome of every customer in every arm: array of shape (n_customers, n_arms).

    Parameters
    ----------
    outcome : array of shape (n_customers,)
    arm : array of int of shape (n_customers,)
        Position of the arm each customer was drawn for; 0 is control.
    drawn_with : array that broadcasts to (n_customers,), above 0 and at most 1
        Propensity: with what probability the design drew the customer for that arm.
    n_arms : int
        With control.
    expected : array that broadcasts to (n_customers, n_arms)
        Outcome expected in each arm by who did not see the customer's own. 0 makes this IPS; even the mean is far better.

    Raises
    ------
    ExperimentError
        If shapes disagree, a number is missing, an arm is unknown, or a propensity is not a probability.
    """
    y, codes = np.asarray(outcome, dtype=float), np.asarray(arm)
    if y.ndim != 1 or codes.shape != y.shape:
        raise ExperimentError(f"outcome and arm have shapes {y.shape} and {codes.shape}: one value per customer each.")
    if not np.issubdtype(codes.dtype, np.integer) or (len(codes) and not 0 <= codes.min() <= codes.max() < n_arms):
        raise ExperimentError(f"arm holds values outside of 0 to {n_arms - 1}, the positions of the arms.")
    n_bad = len(y) - int(np.isfinite(y).sum())
    if n_bad:
        raise ExperimentError(f"outcome is missing or infinite for {n_bad:,} of {len(y):,} customers.")
    p = np.broadcast_to(np.asarray(drawn_with, dtype=float), y.shape)
    n_bad = len(p) - int(((p > 0) & (p <= 1)).sum())
    if n_bad:
        raise ExperimentError(
            f"The propensity of {n_bad:,} of {len(y):,} customers is missing, or not above 0 and at most 1: it is the "
            "probability with which each was drawn for the arm they are in."
        )
    values = np.broadcast_to(np.asarray(expected, dtype=float), (len(y), n_arms)).copy()
    rows = np.arange(len(y))
    values[rows, codes] += (y - values[rows, codes]) / p
    return values


def effect_signal(outcome: ArrayLike, treated: ArrayLike, propensity: ArrayLike, *, expected: ArrayLike = 0.0) -> Floats:
    """Unbiased signal of each customer's own effect in an experiment with one treatment: array of shape (n_customers,).

    Parameters
    ----------
    outcome, treated : arrays of shape (n_customers,)
    propensity : float or array of shape (n_customers,), between 0 and 1
        Of being treated.
    expected : array that broadcasts to (n_customers, 2)
        See ``arm_values``.
    """
    code, p = np.asarray(treated).astype(int), np.asarray(propensity, dtype=float)
    values = arm_values(outcome, code, np.where(code == 1, p, 1 - p), n_arms=2, expected=expected)
    return values[:, 1] - values[:, 0]


def effect_qini(effect: Floats, score: Floats, *, level: float = 0.95) -> Estimate:
    """Qini per customer of a ranking in its inverse-propensity form, with an interval.

    Area between the effect cumulated by falling score and its chord. Unlike the ratio form (``qini_per_customer``) it allows
    for any propensities, and reversing the score reverses its sign exactly.

    Parameters
    ----------
    effect : array of shape (n_customers,)
        Signal of each customer's own effect.
    score : array of shape (n_customers,)
    level : float, 0 to 1
        Of the interval, by the influence of each customer.
    """
    effect, score = checked_scores(effect, score)
    n = len(effect)
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    first = np.append(0, np.flatnonzero(ranked[1:] != ranked[:-1]) + 1)
    size = np.diff(np.append(first, n))
    sums = np.add.reduceat(effect[order], first)
    # Customers below less customers above: whole numbers, so that reversal changes nothing but the sign.
    lead = first - (n - first - size)
    value = _symmetric_sum(sums * lead) / (2 * n**2)
    # Those who score below a customer, less those above, gain or lose their own effect when the customer joins in.
    above = sums.sum() - np.cumsum(sums)
    standing = np.repeat(sums.sum() - 2 * above - sums, size) / (2 * n)
    influence = np.empty(n)
    influence[order] = effect[order] * np.repeat(lead, size) / (2 * n) - standing
    return interval_of(value, influence - influence.mean(), level=level)


def _symmetric_sum(values: Floats) -> float:
    """Sum that rounds alike from both ends."""
    return float((values + values[::-1]).sum() / 2)
