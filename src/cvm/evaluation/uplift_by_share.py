"""The effect among those whom a score puts first, and group by group; any outcome, any share treated.

All compare means of treated and control customers, so one propensity for everybody is needed; elsewhere take
``uplift_by_group`` of ``effect_signal``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvm.errors import ExperimentError
from cvm.evaluation.effects import Effect, difference, plain_means
from cvm.evaluation.moments import Moments
from cvm.evaluation.uplift import checked_experiment
from cvm.evaluation.uplift_groups import group_of, score_cuts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class UpliftTable:
    """Groups by falling score: arrays of shape (n_groups,).

    Attributes
    ----------
    from_score : array
        Least score of each group; -inf for the last.
    n_treated, n_control : arrays of int
    treated_mean, control_mean : arrays
        Mean outcome; NaN where nobody is.
    effect, lower, upper : arrays
        Difference of the means with its interval; NaN where an arm has fewer than two.
    share : array
        Of all customers, in this group and those before.
    effect_so_far : array
        Difference of the means in this group and those before together.
    """

    from_score: Floats
    n_treated: NDArray[np.intp]
    n_control: NDArray[np.intp]
    treated_mean: Floats
    control_mean: Floats
    effect: Floats
    lower: Floats
    upper: Floats
    share: Floats
    effect_so_far: Floats


def uplift_table(
    outcome: ArrayLike, treated: ArrayLike, score: ArrayLike, *, n_groups: int = 10, level: float = 0.95
) -> UpliftTable:
    """The decile table: what happened with and without treatment, by tenths of the score; ties stay together.

    Parameters
    ----------
    outcome, treated, score : arrays of shape (n_customers,)
        See ``uplift_curve``.
    n_groups : int
        Fewer where ties leave fewer.
    level : float, 0 to 1
        Of the intervals (Welch).
    """
    y, is_treated, s = checked_experiment(outcome, treated, score)
    cuts = score_cuts(s, n_groups=n_groups)
    group = group_of(s, cuts)
    n_t, n_c = (np.bincount(group[arm], minlength=len(cuts)) for arm in (is_treated, ~is_treated))
    sum_t, sum_c = (np.bincount(group[arm], weights=y[arm], minlength=len(cuts)) for arm in (is_treated, ~is_treated))
    effects = [_effect(y[own], is_treated[own], level) for own in (group == k for k in range(len(cuts)))]
    effect, lower, upper = np.array([(one.value, one.lower, one.upper) for one in effects]).T
    so_far = _mean(sum_t.cumsum(), n_t.cumsum()) - _mean(sum_c.cumsum(), n_c.cumsum())
    share = (n_t + n_c).cumsum() / len(y)
    means = _mean(sum_t, n_t), _mean(sum_c, n_c)
    return UpliftTable(cuts, n_t, n_c, *means, effect, lower, upper, share, so_far)


def uplift_at_share(
    outcome: ArrayLike, treated: ArrayLike, score: ArrayLike, *, share: float, level: float = 0.95
) -> Effect:
    """Effect among the first ``share`` of all customers ("uplift at k"; strategy "overall" in scikit-uplift).

    Customers tied where the share ends count in part, so the order of rows changes nothing.

    Parameters
    ----------
    outcome, treated, score : arrays of shape (n_customers,)
        See ``uplift_curve``.
    share : float, above 0 and at most 1
    level : float, 0 to 1
        Of the interval (Welch).

    Raises
    ------
    ExperimentError
        If the share is none, or an arm has fewer than two customers in it.
    """
    y, is_treated, s = checked_experiment(outcome, treated, score)
    return _known(_effect(y, is_treated, level, weight=_first(s, share)), share)


def uplift_at_share_of_each_arm(
    outcome: ArrayLike, treated: ArrayLike, score: ArrayLike, *, share: float, level: float = 0.95
) -> Effect:
    """Effect among the first ``share`` of the treated and of control, each by itself; see ``uplift_at_share``.

    "Uplift at k" with strategy "by_group" in scikit-uplift. Where arms were drawn at random both mean the same.
    """
    y, is_treated, s = checked_experiment(outcome, treated, score)
    weight = np.empty(len(s))
    for arm in (is_treated, ~is_treated):
        weight[arm] = _first(s[arm], share)
    return _known(_effect(y, is_treated, level, weight=weight), share)


def _first(score: Floats, share: float) -> Floats:
    """How much of each customer belongs to the first ``share`` of them."""
    if not 0 < share <= 1:
        raise ExperimentError(f"share is {share}, must be above 0 and at most 1: 0.1 is the first tenth of the customers.")
    # 0.07 * 100 is a little above 7: a customer of whom no part is wanted would count among those of an arm.
    wanted = round(share * len(score), 6)
    last = max(ceil(wanted), 1)
    cut = np.partition(score, -last)[-last]
    above, at = score > cut, score == cut
    return above + at * ((wanted - above.sum()) / at.sum())


def _effect(y: Floats, treated: NDArray[np.bool_], level: float, *, weight: Floats | None = None) -> Effect:
    weights = np.ones(len(y)) if weight is None else weight
    arms = [own & (weights > 0) for own in (treated, ~treated)]
    if min(int(own.sum()) for own in arms) < 2:
        return Effect(np.nan, np.nan, np.nan, np.nan, np.nan)
    of_treated, of_control = (Moments.from_values({"outcome": y[own]}, weights=weights[own]) for own in arms)
    return difference(plain_means(of_treated, of_control, "outcome"), level=level)


def _known(effect: Effect, share: float) -> Effect:
    if np.isnan(effect.value):
        raise ExperimentError(
            f"Among the first {share:.3g} of the customers an arm has fewer than two: no effect is identified. "
            "Ask for a larger share."
        )
    return effect


def _mean(sums: NDArray[Any], n: NDArray[np.intp]) -> Floats:
    return np.divide(sums, n, out=np.full(len(n), np.nan), where=n > 0)
