"""Cycles of repeated purchases out of a few noisy gaps each: a hierarchical model fitted by EM, on arrays.

Of a pair (a customer and an item) with gaps g_1 ... g_n in days, the logarithm of each gap lies around the pair's own level
theta, and the levels of an item's customers around the item's:

    log g = theta + e,  theta ~ N(mu, tau^2)
    e ~ p_1 N(0, sigma^2) + p_2 N(log 2, sigma^2) + p_3 N(log 3, sigma^2) + p_0 flat

The second and third part are cycles of which one or two purchases were skipped, or made elsewhere: they tell the cycle, too.
The flat part are purchases out of turn: they tell nothing. A pair's level is its posterior mean,

    theta_hat = v (mu / tau^2 + sum_i r_i y_i / sigma^2),  1 / v = 1 / tau^2 + sum_i r_i / sigma^2

with r_i the probability that gap i is no stray one and y_i its logarithm less that of the cycles it spans. So two gaps of a
customer lean on what other customers of the item do, ten speak for themselves. With a coefficient of variation c of gaps and
n of them the own mean alone errs by c / sqrt(n); no method does better than sqrt(v), about (n / c^2 + 1 / tau^2)^(-1/2).

Source: empirical Bayes of normal means (Efron and Morris 1975, "Data analysis using Stein's estimator", JASA 70), with the
contaminated normal of Box and Tiao (1968, Biometrika 55) for outliers; EM of Dempster, Laird and Rubin (1977).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_SPANS = np.log([1.0, 2.0, 3.0])
# A stray gap may be a factor of twelve off in either direction.
_FLAT = 1 / (2 * np.log(12.0))
# A day is the finest that gaps are told in; nobody buys by the hour.
_MIN_SIGMA, _MIN_TAU = 0.03, 0.03
_ITEM_ITERATIONS, _PAIR_ITERATIONS = 15, 5
# What the item's customers do weighs as much as so many of a pair's own gaps when its noise is told.
_OWN_GAPS = 8.0
# More pairs of an item than this do not make its level and spread any better known.
_SAMPLED_PAIRS = 500


@dataclass(frozen=True)
class Gaps:
    """Gaps between purchases.

    Attributes
    ----------
    log_days : array of shape (n_gaps,)
        Of a usual quantity; sorted by pair.
    pair : array of shape (n_gaps,)
        Position of the pair, ascending.
    item : array of shape (n_pairs,)
        Position of its item.
    n_items : int
    """

    log_days: Floats
    pair: Ints
    item: Ints
    n_items: int

    @property
    def n_pairs(self) -> int:
        """Pairs, each with a gap or more."""
        return len(self.item)

    @property
    def n_of_pair(self) -> Ints:
        """Gaps of each pair: array of shape (n_pairs,)."""
        return np.bincount(self.pair, minlength=self.n_pairs)

    def of_pairs(self, kept: Bools) -> Gaps:
        """Those of some pairs: array of shape (n_pairs,)."""
        number, of_kept = np.cumsum(kept) - 1, kept[self.pair]
        return Gaps(self.log_days[of_kept], number[self.pair[of_kept]], self.item[kept], self.n_items)

    def sampled(self) -> Gaps:
        """At most ``_SAMPLED_PAIRS`` pairs of each item, evenly spread over them."""
        order = np.argsort(self.item, kind="stable")
        size = np.bincount(self.item, minlength=self.n_items)
        place = np.empty(self.n_pairs, dtype=np.int64)
        place[order] = np.arange(self.n_pairs) - np.repeat(np.cumsum(size) - size, size)
        of_item = size[self.item]
        # The k-th pair is kept where k times the share passes a whole number.
        share = np.minimum(_SAMPLED_PAIRS / of_item, 1.0)
        kept = np.floor((place + 1) * share + 1e-9) > np.floor(place * share + 1e-9)
        return self.of_pairs(kept)


@dataclass(frozen=True)
class ItemCycles:
    """What the customers of each item do: arrays of shape (n_items,).

    Attributes
    ----------
    level, spread : mean and standard deviation of the pairs' log cycles
    noise : standard deviation of the log of a gap around its pair's
    stray_share : of gaps that follow no cycle
    skip_share : of gaps that span two or three cycles
    """

    level: Floats
    spread: Floats
    noise: Floats
    stray_share: Floats
    skip_share: Floats


@dataclass(frozen=True)
class PairCycles:
    """The cycle of each pair: arrays of shape (n_pairs,).

    Attributes
    ----------
    log_days : posterior mean of the log cycle
    error : its posterior standard deviation
    noise : standard deviation of the log of a gap around it: the item's and the pair's own, by how many gaps there are
    stray_share : of gaps that follow no cycle, in the same way
    """

    log_days: Floats
    error: Floats
    noise: Floats
    stray_share: Floats

    @property
    def days(self) -> Floats:
        """Mean of a cycle."""
        return np.exp(self.log_days + self.noise**2 / 2)


def item_cycles(gaps: Gaps) -> ItemCycles:
    """Fit what holds of each item, all items at once.

    Parameters
    ----------
    gaps : Gaps
        Every item has a pair.
    """
    gaps = gaps.sampled()
    level_of = _pair_medians(gaps)
    level = _item_medians(level_of, gaps.item, gaps.n_items)
    found = ItemCycles(
        level,
        spread=np.full(gaps.n_items, 0.3),
        noise=np.full(gaps.n_items, 0.2),
        stray_share=np.full(gaps.n_items, 0.1),
        skip_share=np.full(gaps.n_items, 0.1),
    )
    theta = (level_of + level[gaps.item]) / 2
    for _ in range(_ITEM_ITERATIONS):
        weights, centred = _expected(gaps, found, theta)
        theta, error = _posterior(gaps, found, weights, centred)
        found = _maximised(gaps, theta, error, weights, centred)
    return found


def pair_cycles(gaps: Gaps, items: ItemCycles) -> PairCycles:
    """The cycle of every pair, given what holds of its item."""
    theta = (_pair_medians(gaps) + items.level[gaps.item]) / 2
    error = np.zeros_like(theta)
    for _ in range(_PAIR_ITERATIONS):
        weights, centred = _expected(gaps, items, theta)
        theta, error = _posterior(gaps, items, weights, centred)
    squares, regular = _squares(gaps, theta, weights, centred), weights.sum(axis=1)
    known = np.bincount(gaps.pair, regular, gaps.n_pairs)
    n = gaps.n_of_pair
    own = np.bincount(gaps.pair, squares * regular, gaps.n_pairs) + known * error**2
    noise = np.sqrt((_OWN_GAPS * items.noise[gaps.item] ** 2 + own) / (_OWN_GAPS + known))
    stray = (_OWN_GAPS * items.stray_share[gaps.item] + n - known) / (_OWN_GAPS + n)
    return PairCycles(theta, error, noise, stray)


def may_be_as_quiet(gaps: Gaps, items: ItemCycles, noise: float) -> Bools:
    """Pairs whose noise could be told to be as low as this, had they none of their own: array of shape (n_pairs,)."""
    return _OWN_GAPS * items.noise[gaps.item] ** 2 <= noise**2 * (_OWN_GAPS + gaps.n_of_pair)


def _expected(gaps: Gaps, items: ItemCycles, theta: Floats) -> tuple[Floats, Floats]:
    """Probability that each gap spans one, two, three cycles: shape (n_gaps, 3), and its log cycle under each."""
    item = gaps.item[gaps.pair]
    centred = gaps.log_days[:, None] - _SPANS
    noise = items.noise[item][:, None]
    density = np.exp(-0.5 * ((centred - theta[gaps.pair][:, None]) / noise) ** 2) / (noise * np.sqrt(2 * np.pi))
    skip, stray = items.skip_share[item], items.stray_share[item]
    # Two skipped in a row are as much rarer than one as one is than none.
    density *= np.column_stack([1 - skip - stray, skip * (1 - skip), skip**2])
    return density / (density.sum(axis=1) + stray * _FLAT)[:, None], centred


def _posterior(gaps: Gaps, items: ItemCycles, weights: Floats, centred: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each pair's level."""
    known = np.bincount(gaps.pair, weights.sum(axis=1), gaps.n_pairs)
    total = np.bincount(gaps.pair, (weights * centred).sum(axis=1), gaps.n_pairs)
    noise, spread = items.noise[gaps.item] ** 2, items.spread[gaps.item] ** 2
    precision = known / noise + 1 / spread
    return (total / noise + items.level[gaps.item] / spread) / precision, 1 / np.sqrt(precision)


def _squares(gaps: Gaps, theta: Floats, weights: Floats, centred: Floats) -> Floats:
    """Squared distance of each gap from its pair's level, over the cycles it may span."""
    distance = (weights * (centred - theta[gaps.pair][:, None]) ** 2).sum(axis=1)
    return distance / np.maximum(weights.sum(axis=1), 1e-9)


def _maximised(gaps: Gaps, theta: Floats, error: Floats, weights: Floats, centred: Floats) -> ItemCycles:
    item, of_gap = gaps.item, gaps.item[gaps.pair]

    def mean(values: Floats, by: Ints, weight: Floats) -> Floats:
        return np.bincount(by, values * weight, gaps.n_items) / np.maximum(np.bincount(by, weight, gaps.n_items), 1e-9)

    one = np.ones(gaps.n_pairs)
    level = mean(theta, item, one)
    spread = np.sqrt(mean((theta - level[item]) ** 2 + error**2, item, one))
    regular = weights.sum(axis=1)
    squares = _squares(gaps, theta, weights, centred) + error[gaps.pair] ** 2
    all_gaps = np.ones(len(of_gap))
    return ItemCycles(
        level,
        np.maximum(spread, _MIN_TAU),
        np.maximum(np.sqrt(mean(squares, of_gap, regular)), _MIN_SIGMA),
        stray_share=np.clip(mean(1 - regular, of_gap, all_gaps), 0.01, 0.6),
        skip_share=np.clip(mean(weights[:, 1:].sum(axis=1), of_gap, all_gaps), 0.01, 0.35),
    )


def _pair_medians(gaps: Gaps) -> Floats:
    """Of the gaps of each pair, the lower one of the two in the middle: a skipped cycle moves it least."""
    order = np.lexsort((gaps.log_days, gaps.pair))
    size = np.bincount(gaps.pair, minlength=gaps.n_pairs)
    middle = np.cumsum(size) - size + (size - 1) // 2
    return gaps.log_days[order][middle]


def _item_medians(values: Floats, item: Ints, n_items: int) -> Floats:
    order = np.lexsort((values, item))
    size = np.bincount(item, minlength=n_items)
    return values[order][np.cumsum(size) - size + size // 2]
