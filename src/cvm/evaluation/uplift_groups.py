"""Whether a score knows who gains more from a treatment, how much of what it says is so, and by group.

All take signals of each customer's own effect (``effect_signal``) and scores by models that did not see the customer.

Source
------
The idea of testing, and stretching, a score of any origin: Chernozhukov, Demirer, Duflo and Fernandez-Val (2018), Generic
machine learning inference on heterogeneous treatment effects, best linear predictor (section 3.1) and sorted groups (section
3.2). The test by ranks: Yadlowsky, Fleming, Shah, Brunskill and Wager (2025), JASA 120. A slope by ranks: own derivation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from cvm.errors import ExperimentError
from cvm.evaluation.area_interval import Estimate
from cvm.evaluation.uplift import checked_scores

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Heterogeneity:
    """Effects as a line in the score: ``mean_effect + slope * (score - its mean)``.

    Attributes
    ----------
    mean_effect : Estimate
    slope : Estimate
        1 where the score's differences are true to size, 0 where they mean nothing; 0 with no width for a constant score.
    p_value : float
        Of a slope this high or higher where the score knows nothing; 1 for a constant score.
    """

    mean_effect: Estimate
    slope: Estimate
    p_value: float


def heterogeneity(
    effect: Floats, score: Floats, *, fold: NDArray[np.intp] | None = None, level: float = 0.95
) -> Heterogeneity:
    """Test whether effects rise with the rank of the score, and by how much of what the score promises.

    Parameters
    ----------
    effect : array of shape (n_customers,)
        Signal of each customer's own effect.
    score : array of shape (n_customers,)
        Predicted effect.
    fold : array of int of shape (n_customers,), optional
        By which of several fits each was scored; customers are ranked, and compared, within a fit only.
    level : float, 0 to 1
        Of the intervals.

    Notes
    -----
    The slope is ``sum(rank * effect) / sum(rank * score)`` with centred ranks: what ranking by the score brings over what it
    promises to bring. Least squares would let a handful of heavy buyers, whom scores put far out, decide alone.

    Folds that teach each other are not independent: what two customers have in common by accident counts twice, once when
    either judges what the other taught. Where nothing is to be known this doubles the variance (own derivation, exact for
    linear smoothers), which the p-value takes into account; the interval does not, for then the slope is of no interest.
    """
    effect, score = checked_scores(effect, score)
    n, z = len(effect), float(norm.ppf(0.5 + level / 2))
    mean, error = float(effect.mean()), float(effect.std(ddof=1) / np.sqrt(n))
    found = Estimate(mean, mean - z * error, mean + z * error)
    rank, x = np.empty(n), np.empty(n)
    for rows in [np.arange(n)] if fold is None else [np.flatnonzero(fold == number) for number in np.unique(fold)]:
        rank[rows] = (rankdata(score[rows]) - (len(rows) + 1) / 2) / len(rows)
        x[rows] = score[rows] - score[rows].mean()
    promised = float(rank @ x)
    if not rank.any() or promised <= 0:
        return Heterogeneity(found, Estimate(0.0, 0.0, 0.0), 1.0)
    slope = float(rank @ effect) / promised
    slope_error = float(np.sqrt(rank**2 @ (effect - mean - slope * x) ** 2)) / promised
    by_chance = slope_error if fold is None else np.sqrt(2) * slope_error
    p_value = float(norm.sf(slope / by_chance)) if slope_error > 0 else float(slope <= 0)
    return Heterogeneity(found, Estimate(slope, slope - z * slope_error, slope + z * slope_error), p_value)


@dataclass(frozen=True)
class UpliftGroups:
    """Groups by falling score: arrays of shape (n_groups,).

    Attributes
    ----------
    from_score : array
        Least score of each group; -inf for the last.
    n_customers : array of int
    predicted : array
        Mean score; NaN in an empty group.
    effect, lower, upper : arrays
        Mean effect with its interval; NaN in a group of fewer than two.
    error : array
        Standard error of ``effect``.
    """

    from_score: Floats
    n_customers: NDArray[np.intp]
    predicted: Floats
    effect: Floats
    error: Floats
    lower: Floats
    upper: Floats


def score_cuts(score: Floats, *, n_groups: int = 10) -> Floats:
    """Least scores of ``n_groups`` groups of like size by falling score, the last -inf; tied customers stay together."""
    quantiles = np.quantile(score, np.arange(n_groups - 1, 0, -1) / n_groups, method="higher")
    cuts = np.unique(quantiles)[::-1]
    return np.append(cuts[cuts > score.min()], -np.inf)


def uplift_by_group(
    effect: Floats, score: Floats, *, n_groups: int = 10, cuts: Floats | None = None, level: float = 0.95
) -> UpliftGroups:
    """Calibration of predicted uplift: what was promised and what came, by tenths of the score.

    Parameters
    ----------
    effect, score : arrays of shape (n_customers,)
    n_groups : int
        Fewer where ties leave fewer.
    cuts : array of shape (n_groups,), optional
        Of ``score_cuts`` of another base, to group these customers as those.
    level : float, 0 to 1
        Of the intervals.
    """
    effect, score = checked_scores(effect, score)
    bounds = score_cuts(score, n_groups=n_groups) if cuts is None else cuts
    group = group_of(score, bounds)
    k = len(bounds)
    n = np.bincount(group, minlength=k)
    predicted, mean = (_mean(np.bincount(group, weights=values, minlength=k), n, least=1) for values in (score, effect))
    mean = np.where(n > 1, mean, np.nan)
    squares = np.bincount(group, weights=(effect - mean[group]) ** 2, minlength=k)
    error = np.sqrt(_mean(_mean(squares, n - 1, least=1), n, least=2))
    width = float(norm.ppf(0.5 + level / 2)) * error
    return UpliftGroups(bounds, n, predicted, mean, error, mean - width, mean + width)


def transported_effect(groups: UpliftGroups, score: Floats, *, level: float = 0.95) -> Estimate:
    """Mean effect among other customers than those of the experiment, if groups of like score respond alike.

    Parameters
    ----------
    groups : UpliftGroups
        Of the experiment.
    score : array of shape (n_others,)
        Of the customers asked about, by the same model.
    level : float, 0 to 1
        Of the interval.

    Raises
    ------
    ExperimentError
        If some of them belong to groups from which the experiment had fewer than two.
    """
    n = np.bincount(group_of(score, groups.from_score), minlength=len(groups.from_score))
    unknown = (n > 0) & ~np.isfinite(groups.effect)
    if unknown.any() or not len(score):
        raise ExperimentError(
            f"{int(n[unknown].sum()):,} of {len(score):,} customers have scores that the experiment saw in fewer than two: "
            "use fewer groups, or ask about customers like those of the experiment."
        )
    used, share = n > 0, n / len(score)
    value = float(share[used] @ groups.effect[used])
    width = float(norm.ppf(0.5 + level / 2)) * float(np.sqrt(share[used] ** 2 @ groups.error[used] ** 2))
    return Estimate(value, value - width, value + width)


def group_of(score: Floats, from_score: Floats) -> NDArray[np.intp]:
    """Position of each customer's group, by the least scores of groups: array of shape (n_customers,)."""
    return len(from_score) - np.searchsorted(from_score[::-1], score, side="right")


def _mean(sums: NDArray[Any], n: NDArray[np.intp], *, least: int) -> Floats:
    return np.divide(sums, n, out=np.full(len(n), np.nan), where=n >= least)
