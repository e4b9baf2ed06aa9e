"""How well a score orders customers by what a treatment does to them, judged on a randomised experiment.

Nobody is seen both treated and untreated, so a ranking is judged by the difference in means among those it puts first. With
Yt, Yc, Nt, Nc the outcomes and numbers of treated and control customers down to a score:

- qini curve ``g = Yt - Yc Nt / Nc``: outcome added to the treated;
- gain curve ``u = (Nt + Nc) (Yt / Nt - Yc / Nc)``: outcome added if all of them were treated; 0 while an arm is empty;
- ``qini_per_customer``: area between ``u / n`` and its chord, over the share of customers; in units of the outcome;
- ``auuc_per_customer``: the whole area below ``u / n``.

Curves have points at distinct scores only, so tied customers come together whatever the order of rows, and a constant
score has a Qini of exactly 0. All need one propensity for everybody; see ``effect_signal`` where it varies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from cvm.errors import ExperimentError
from cvm.evaluation.area_interval import Estimate

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
# Of the curve that an interval rests on; more would cost time and change nothing.
_MAX_LEVELS = 16_384
_BLOCK = 65_536


@dataclass(frozen=True)
class UpliftCurve:
    """Sums down to each distinct score, best first: arrays of shape (n_levels + 1,) that begin with nobody.

    Attributes
    ----------
    level : array of shape (n_levels,)
        Distinct scores, falling.
    n_treated, n_control : arrays
    treated_outcome, control_outcome : arrays
    """

    level: Floats
    n_treated: Floats
    n_control: Floats
    treated_outcome: Floats
    control_outcome: Floats

    @cached_property
    def share(self) -> Floats:
        """Share of all customers, from 0 to 1."""
        n = self.n_treated + self.n_control
        return n / n[-1]

    @property
    def qini(self) -> Floats:
        """Outcome added to the treated (g)."""
        control_each = _over(self.n_treated, self.n_control)
        return np.where(self.n_control > 0, self.treated_outcome - self.control_outcome * control_each, 0.0)

    @property
    def gain(self) -> Floats:
        """Outcome added if all of them were treated (u)."""
        return (self.n_treated + self.n_control) * self.effect

    @cached_property
    def effect(self) -> Floats:
        """Difference in means down to each score; 0 while an arm is empty."""
        return self._effect(slice(None))

    @property
    def mean_effect(self) -> float:
        """Difference in means of all customers."""
        return float(self._effect(slice(-1, None))[0])

    def effect_at(self, share: float) -> float:
        """Difference in means among the first ``share`` of customers, a tie counted in part where the share cuts it."""
        return float(np.interp(share, self.share, self.share * self.effect) / share)

    def area(self) -> float:
        """Area below ``u / n`` over the share of customers, by trapezoids."""
        n, found = self.n_treated[-1] + self.n_control[-1], 0.0
        # Block by block: arrays that stay in the processor's cache are several times quicker than those of millions.
        for begin in range(0, len(self.level), _BLOCK):
            points = slice(begin, begin + _BLOCK + 1)
            share = (self.n_treated[points] + self.n_control[points]) / n
            height = share * self._effect(points)
            found += float(np.diff(share) @ (height[1:] + height[:-1]) / 2)
        return found

    def thinned(self, n_levels: int) -> UpliftCurve:
        """The curve at about so many of its points, evenly spread over its levels."""
        n = len(self.level)
        kept = np.unique(np.linspace(0, n, min(n_levels, n) + 1).round().astype(np.intp))
        parts = (self.n_treated, self.n_control, self.treated_outcome, self.control_outcome)
        return UpliftCurve(self.level[kept[1:] - 1], *(part[kept] for part in parts))

    def _effect(self, points: slice) -> Floats:
        n_treated, n_control = self.n_treated[points], self.n_control[points]
        difference = _over(self.treated_outcome[points], n_treated)
        difference -= _over(self.control_outcome[points], n_control)
        difference[: max(_n_empty(n_treated), _n_empty(n_control))] = 0.0
        return difference


def uplift_curve(outcome: ArrayLike, treated: ArrayLike, score: ArrayLike) -> UpliftCurve:
    """Sums of both arms by falling score, in one sort.

    Parameters
    ----------
    outcome, score : arrays of shape (n_customers,)
        Finite; a higher score promises a higher effect.
    treated : array of shape (n_customers,)
        1 or 0, both of them there.

    Raises
    ------
    ExperimentError
        If an arm is empty, a number is missing, or the arrays differ in length.
    """
    return _ranked(*checked_experiment(outcome, treated, score)).curve


def qini_per_customer(outcome: ArrayLike, treated: ArrayLike, score: ArrayLike) -> float:
    """Area between gain curve and chord, in units of the outcome per customer; see ``uplift_curve`` for the rest."""
    curve = uplift_curve(outcome, treated, score)
    return curve.area() - curve.mean_effect / 2


def auuc_per_customer(outcome: ArrayLike, treated: ArrayLike, score: ArrayLike) -> float:
    """Area below the gain curve, in units of the outcome per customer: ``qini_per_customer`` plus half the mean effect."""
    return uplift_curve(outcome, treated, score).area()


def qini_estimate(outcome: ArrayLike, treated: ArrayLike, score: ArrayLike, *, level: float = 0.95) -> Estimate:
    """``qini_per_customer`` with an interval from the influence of each customer, so without any resampling.

    The influence is that on the curve at 16,384 of its points at most, whose area is the same within their spacing.

    Source
    ------
    Own derivation: the exact derivative of the trapezoids by every count and sum they are made of.
    """
    y, is_treated, s = checked_experiment(outcome, treated, score)
    ranked = _ranked(y, is_treated, s)
    curve, thin = ranked.curve, ranked.curve.thinned(_MAX_LEVELS)
    found = _influence(thin)
    starts = (thin.n_treated + thin.n_control)[:-1].astype(np.intp)
    squares = np.square(ranked.outcome, out=ranked.outcome)
    every = np.add.reduceat(squares, starts)
    squares *= ranked.treated
    of_treated_squares = np.add.reduceat(squares, starts)
    moments = [
        (np.diff(thin.n_treated), np.diff(thin.treated_outcome), of_treated_squares),
        (np.diff(thin.n_control), np.diff(thin.control_outcome), every - of_treated_squares),
    ]
    # Sums over customers of their influence, a + b y, and of its square.
    total = squared = 0.0
    for (n, first, second), (constant, slope) in zip(moments, (found.treated, found.control), strict=True):
        total += float((n * constant + slope * first).sum())
        squared += float((n * constant**2 + 2 * constant * slope * first + slope**2 * second).sum())
    value, n_all = curve.area() - curve.mean_effect / 2, len(y)
    width = float(norm.ppf(0.5 + level / 2)) * sqrt(max(squared - total**2 / n_all, 0.0)) / n_all
    return Estimate(value, value - width, value + width)


def qini_difference(
    outcome: ArrayLike, treated: ArrayLike, score: ArrayLike, other: ArrayLike, *, level: float = 0.95
) -> Estimate:
    """``qini_per_customer`` of ``score`` less that of ``other``, both judged on the same customers."""
    value, influence = _qini_and_influence(outcome, treated, score)
    other_value, other_influence = _qini_and_influence(outcome, treated, other)
    return interval_of(value - other_value, influence - other_influence, level=level)


def interval_of(value: float, influence: Floats, *, level: float) -> Estimate:
    """Normal interval of a figure from what each independent customer, a mean 0 apart, adds to n times it."""
    width = float(norm.ppf(0.5 + level / 2)) * float(np.sqrt(np.mean(influence**2) / len(influence)))
    return Estimate(value, value - width, value + width)


def checked_experiment(outcome: ArrayLike, treated: ArrayLike, score: ArrayLike) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """The three as arrays; what it refuses is listed at ``uplift_curve``."""
    y, t, s = (np.asarray(values) for values in (outcome, treated, score))
    if y.ndim != 1 or not y.shape == t.shape == s.shape:
        raise ExperimentError(
            f"outcome, treated and score have shapes {y.shape}, {t.shape} and {s.shape}: one value per customer each."
        )
    y, s = y.astype(float, copy=False), s.astype(float, copy=False)
    _check_finite(outcome=y, score=s)
    is_treated = t.astype(bool, copy=False)
    if not np.array_equal(is_treated, t):
        raise ExperimentError("treated holds values other than 0 and 1: compare one treatment with the control at a time.")
    n_treated = int(is_treated.sum())
    if not 0 < n_treated < len(y):
        raise ExperimentError(
            f"{n_treated:,} of {len(y):,} customers are treated: without both a treated and a control customer no effect "
            "is identified. Hold some out."
        )
    return y, is_treated, s


def checked_scores(effect: ArrayLike, score: ArrayLike) -> tuple[Floats, Floats]:
    """Signals of effects and the scores that judge them, as arrays.

    Raises
    ------
    ExperimentError
        If a number is missing, there is nobody, or the arrays differ in length.
    """
    signal, s = np.asarray(effect, dtype=float), np.asarray(score, dtype=float)
    if signal.ndim != 1 or signal.shape != s.shape or not len(s):
        raise ExperimentError(f"effect and score have shapes {signal.shape} and {s.shape}: one value per customer each.")
    _check_finite(effect=signal, score=s)
    return signal, s


def _check_finite(**named: Floats) -> None:
    for name, values in named.items():
        n_bad = len(values) - int(np.isfinite(values).sum())
        if n_bad:
            raise ExperimentError(
                f"{name} is missing or infinite for {n_bad:,} of {len(values):,} customers: leave them out, or fill it."
            )


@dataclass(frozen=True)
class _Ranked:
    """Customers by falling score: their rows, outcomes and arms, and the curve they make."""

    order: Rows
    outcome: Floats
    treated: NDArray[np.bool_]
    curve: UpliftCurve


def _ranked(y: Floats, treated: NDArray[np.bool_], score: Floats) -> _Ranked:
    order = np.argsort(score)[::-1]
    ranked = np.sort(score)[::-1]
    is_last = np.append(ranked[1:] != ranked[:-1], True)
    last = np.flatnonzero(is_last)
    t, outcome = treated[order], y[order]
    n_treated, of_treated, of_control = (_sums_down_to(last, values) for values in (t, outcome * t, outcome))
    # In place: with millions of customers each further array costs as much as the arithmetic.
    of_control -= of_treated
    n_control = np.append(-1.0, last)
    n_control += 1
    n_control -= n_treated
    level = ranked if len(last) == len(ranked) else ranked[last]
    return _Ranked(order, outcome, t, UpliftCurve(level, n_treated, n_control, of_treated, of_control))


@dataclass(frozen=True)
class _Influence:
    """By how much a customer of each level moves n times the Qini: a constant plus a slope times the outcome, by arm."""

    treated: tuple[Floats, Floats]
    control: tuple[Floats, Floats]


def _influence(curve: UpliftCurve) -> _Influence:
    """Of each level of a curve: arrays of shape (n_levels,)."""
    share, height = curve.share, curve.share * curve.effect
    n = curve.n_treated[-1] + curve.n_control[-1]
    # Derivatives of the area by each height and each share (the last share is 1 whatever happens), less that of the chord.
    by_height = np.append(share[2:] - share[:-2], share[-1] - share[-2]) / 2
    by_height[-1] -= 0.5
    by_share = np.append(height[:-2] - height[2:], 0.0) / 2
    both = (curve.n_treated > 0) & (curve.n_control > 0)
    weight = np.where(both, np.append(0.0, by_height), 0.0)[1:]
    # A customer of a level counts there and at all that follow.
    onward = _onward(weight * curve.effect[1:] + by_share)
    arms = []
    for sums, counts, sign in (
        (curve.treated_outcome, curve.n_treated, 1.0),
        (curve.control_outcome, curve.n_control, -1.0),
    ):
        by_mean = sign * weight * n * _over(share, counts)[1:]
        arms.append((onward - _onward(by_mean * _over(sums, counts)[1:]), _onward(by_mean)))
    return _Influence(*arms)


def _qini_and_influence(outcome: ArrayLike, treated: ArrayLike, score: ArrayLike) -> tuple[float, Floats]:
    """The Qini, and by how much each customer moves n times it: array of shape (n_customers,), of mean 0."""
    y, is_treated, s = checked_experiment(outcome, treated, score)
    ranked = _ranked(y, is_treated, s)
    curve, by_level = ranked.curve, _influence(ranked.curve)
    level = np.repeat(np.arange(len(curve.level)), np.diff(curve.n_treated + curve.n_control).astype(np.intp))
    of_treated, of_control = (
        constant[level] + slope[level] * ranked.outcome for constant, slope in (by_level.treated, by_level.control)
    )
    found = np.empty(len(y))
    found[ranked.order] = np.where(ranked.treated, of_treated, of_control)
    return curve.area() - curve.mean_effect / 2, found - found.mean()


def _sums_down_to(last: Rows, values: NDArray[Any]) -> Floats:
    sums = np.zeros(len(last) + 1)
    if len(last) == len(values):
        np.cumsum(values, dtype=float, out=sums[1:])
    else:
        sums[1:] = np.cumsum(values, dtype=float)[last]
    return sums


def _onward(values: Floats) -> Floats:
    return np.cumsum(values[::-1])[::-1]


def _over(sums: Floats, counts: Floats) -> Floats:
    """Means down to each level; 0 while there is nobody."""
    begin, found = _n_empty(counts), np.zeros(len(counts))
    np.divide(sums[begin:], counts[begin:], out=found[begin:])
    return found


def _n_empty(counts: Floats) -> int:
    """How many points have counted nobody so far."""
    return int(np.searchsorted(counts, 0, side="right"))
