"""Resampling an uplift experiment by sums alone: thousands of replicates of curves of millions of customers in a second.

In a Poisson bootstrap every customer counts 0, 1, 2 ... times, independently. Customers of one bin of the score, one arm and
one outcome are then as many as a Poisson number says, so replicates are drawn from counts and not from customers. That is
exact for outcomes of 0 and 1; of amounts the number above or below 0 is drawn alike, and their sum given the number by its
mean and spread.

Source
------
Chamandy, Muralidharan, Najmi and Naidu (2012), Estimating uncertainty for massive data streams; drawing by bin: own
derivation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvm.evaluation.area_interval import Estimate
from cvm.evaluation.uplift import checked_experiment
from cvm.evaluation.uplift_groups import group_of, score_cuts

Floats = NDArray[np.float64]

_ROWS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class BinnedCurves:
    """Gain curves at the ends of bins of the score, best first: arrays of shape (n_curves, n_bins + 1) from nobody on.

    Attributes
    ----------
    share : array
        Of all customers.
    height : array
        Gain per customer of the base, ``u / n``.
    """

    share: Floats
    height: Floats

    @classmethod
    def of(cls, sums: Floats) -> Self:
        """Of sums by curve, arm (control first), bin, and number or outcome: array of shape (n_curves, 2, n_bins, 2)."""
        down = np.pad(sums.cumsum(axis=2), ((0, 0), (0, 0), (1, 0), (0, 0)))
        number, total = down[..., 0], down[..., 1]
        mean = np.divide(total, number, out=np.zeros_like(total), where=number > 0)
        effect = np.where((number > 0).all(axis=1), mean[:, 1] - mean[:, 0], 0.0)
        n = number.sum(axis=1)
        share = n / np.maximum(n[:, -1:], 1)
        return cls(share, share * effect)

    @property
    def qini(self) -> Floats:
        """Qini per customer of each curve, by trapezoids over the bins: array of shape (n_curves,)."""
        area = (np.diff(self.share) * (self.height[:, 1:] + self.height[:, :-1])).sum(axis=1) / 2
        return area - self.height[:, -1] / 2


def bootstrap_qini(
    outcome: ArrayLike,
    treated: ArrayLike,
    score: ArrayLike,
    *,
    n_replicates: int = 1000,
    n_bins: int = 100,
    level: float = 0.95,
    seed: int = 7,
) -> Estimate:
    """Qini per customer over bins of the score, with the interval between quantiles of its replicates.

    Parameters
    ----------
    outcome, treated, score : arrays of shape (n_customers,)
        See ``uplift_curve``.
    n_replicates : int
    n_bins : int
        Of like size; ties stay together. Within a bin the curve is taken for straight.
    level : float, 0 to 1
        Of the interval.
    seed : int
    """
    found, replicates = replicated_curves(outcome, treated, score, n_replicates=n_replicates, n_bins=n_bins, seed=seed)
    return quantile_estimate(float(found.qini[0]), replicates.qini, level=level)


def bootstrap_qini_difference(
    outcome: ArrayLike,
    treated: ArrayLike,
    score: ArrayLike,
    other: ArrayLike,
    *,
    n_replicates: int = 1000,
    n_bins: int = 30,
    level: float = 0.95,
    seed: int = 7,
) -> Estimate:
    """``bootstrap_qini`` of ``score`` less that of ``other``; in each replicate both judge the same customers.

    ``n_bins`` is of each score; what is drawn are their pairs.
    """
    y, is_treated, one = checked_experiment(outcome, treated, score)
    _, _, two = checked_experiment(outcome, treated, other)
    bins, others = (_bins(values, n_bins) for values in (one, two))
    n, n_others = int(bins.max()) + 1, int(others.max()) + 1
    cells = _Cells.of(y, is_treated, bins * n_others + others, n * n_others)

    def gap(sums: Floats) -> Floats:
        pairs = sums.reshape(len(sums), 2, n, n_others, 2)
        return BinnedCurves.of(pairs.sum(axis=3)).qini - BinnedCurves.of(pairs.sum(axis=2)).qini

    return quantile_estimate(float(gap(cells.found)[0]), _replicated(cells, gap, n_replicates, seed), level=level)


def replicated_curves(
    outcome: ArrayLike, treated: ArrayLike, score: ArrayLike, *, n_replicates: int, n_bins: int, seed: int
) -> tuple[BinnedCurves, BinnedCurves]:
    """The gain curve over bins of the score, and its replicates; parameters as of ``bootstrap_qini``."""
    y, is_treated, s = checked_experiment(outcome, treated, score)
    bins = _bins(s, n_bins)
    cells = _Cells.of(y, is_treated, bins, int(bins.max()) + 1)
    return BinnedCurves.of(cells.found), BinnedCurves.of(cells.replicates(n_replicates, np.random.default_rng(seed)))


def quantile_estimate(value: float, replicates: Floats, *, level: float) -> Estimate:
    """A figure between the outer quantiles of its replicates."""
    lower, upper = np.quantile(replicates, [0.5 - level / 2, 0.5 + level / 2])
    return Estimate(value, float(lower), float(upper))


@dataclass(frozen=True)
class _Cells:
    """Customers by arm (control first) and cell: arrays of shape (2, n_cells).

    ``zero`` counts those with an outcome of 0, ``other`` the rest, whose outcomes have this mean and spread.
    """

    zero: Floats
    other: Floats
    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, y: Floats, treated: NDArray[np.bool_], cell: NDArray[np.intp], n_cells: int) -> Self:
        code = treated * n_cells + cell
        size = 2 * n_cells
        count = np.bincount(code, minlength=size).astype(float)
        nonzero = np.flatnonzero(y)
        own, values = code[nonzero], y[nonzero]
        other, total = np.bincount(own, minlength=size), np.bincount(own, weights=values, minlength=size)
        mean = np.divide(total, other, out=np.zeros(size), where=other > 0)
        squares = np.bincount(own, weights=(values - mean[own]) ** 2, minlength=size)
        spread = np.sqrt(np.divide(squares, other, out=np.zeros(size), where=other > 0))
        columns = (count - other, other.astype(float), mean, spread)
        zero, others, means, spreads = (np.asarray(values, dtype=float).reshape(2, n_cells) for values in columns)
        return cls(zero, others, means, spreads)

    @property
    def found(self) -> Floats:
        """Numbers and sums of outcomes as they are: array of shape (1, 2, n_cells, 2)."""
        return np.stack([self.zero + self.other, self.other * self.mean], axis=-1)[None]

    def replicates(self, n: int, rng: np.random.Generator) -> Floats:
        """Numbers and sums as they might have been: array of shape (n, 2, n_cells, 2)."""
        shape = (n, *self.zero.shape)
        other = rng.poisson(self.other, size=shape).astype(float)
        total = other * self.mean
        if self.spread.any():
            total += np.sqrt(other) * self.spread * rng.standard_normal(shape)
        return np.stack([rng.poisson(self.zero, size=shape) + other, total], axis=-1)


def _replicated(cells: _Cells, figure: Callable[[Floats], Floats], n_replicates: int, seed: int) -> Floats:
    """A figure of every replicate, a part of them at a time."""
    rng = np.random.default_rng(seed)
    at_once = max(1, _ROWS_AT_ONCE // cells.zero.size)
    sizes = [min(at_once, n_replicates - start) for start in range(0, n_replicates, at_once)]
    return np.concatenate([figure(cells.replicates(size, rng)) for size in sizes])


def _bins(score: Floats, n_bins: int) -> NDArray[np.intp]:
    return group_of(score, score_cuts(score, n_groups=n_bins))
