"""Whom to contact, and how, under a budget and the capacity of channels: a knapsack with one choice per customer.

Every limit gets a price (the Lagrangian dual, minimised by cutting planes, Kelley 1960). At those prices each customer's
best treatment is obvious; what is worth most beyond its price is taken first, until nothing fits any more. The prices also
bound what any choice could be worth, so the gap to the optimum is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from cvm.campaigns.limits import Limits, Treatment

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NOBODY = -1
# Prices are good enough when no choice could be better than the best one known by more than this share.
_TOLERANCE = 1e-7
_MOST_CUTS = 200


@dataclass(frozen=True)
class Choice:
    """Who is chosen for what.

    Attributes
    ----------
    arm : array of int of shape (n_customers,)
        Position of the treatment; ``NOBODY`` = not chosen.
    value : float
        Sum of the values of those chosen.
    bound : float
        What no choice within the limits could exceed.
    """

    arm: Ints
    value: float
    bound: float

    @property
    def gap(self) -> float:
        """Share of the bound that this choice may be short of the best one."""
        return max(0.0, 1 - self.value / self.bound) if self.bound > 0 else 0.0

    def contacts(self, n_treatments: int, treated_share: float) -> list[int]:
        """The most contacts of each treatment that a draw of exact size may make of those chosen."""
        return _contacts(np.bincount(self.arm[self.arm >= 0], minlength=n_treatments), treated_share)


def choose(
    values: Floats, treatments: Sequence[Treatment], limits: Limits, *, treated_share: float = 1.0, ties: Ints | None = None
) -> Choice:
    """The treatment of each customer so that the sum of values is as large as the limits allow.

    Parameters
    ----------
    values : array of shape (n_customers, n_treatments)
        What treating a customer is worth, its cost taken off; NaN where it may not be. What is not above 0 is never chosen.
    treatments : sequence of Treatment
    limits : Limits
    treated_share : float in (0, 1]
        Of those chosen for a treatment, in a draw of exact size; the others are held out and cost nothing.
    ties : array of int of shape (n_customers,), optional
        Who comes first among equals, the smallest first; by default as they stand.

    Returns
    -------
    Choice
    """
    gains = np.where(values > 0, values, -np.inf)
    uses, bounds = limits.rows(treatments)
    prices, bound = _prices(gains, treated_share * uses, bounds)
    order = np.arange(len(gains)) if ties is None else ties
    arm = _filled(gains, gains - treated_share * prices @ uses, order, treatments, limits, treated_share)
    chosen = np.flatnonzero(arm >= 0)
    return Choice(arm, float(gains[chosen, arm[chosen]].sum()), bound)


def _contacts(counts: Ints, treated_share: float) -> list[int]:
    return [ceil(int(n) * treated_share - 1e-9) for n in counts]


def _prices(gains: Floats, uses: Floats, bounds: Floats) -> tuple[Floats, float]:
    """Prices of the limits, and the bound they prove; the lower of all bounds met on the way."""
    best_gain = gains.max(axis=1, initial=-np.inf)
    top = float(best_gain.max(initial=0.0))
    no_price = np.zeros(len(bounds))
    if not len(bounds) or top <= 0:
        return no_price, float(best_gain[best_gain > 0].sum())
    # At this price of one limit nobody is worth it who uses it.
    ceilings = [1.01 * top / row[row > 0].min() if (row > 0).any() else 0.0 for row in uses]
    prices, best, bound = no_price, no_price, np.inf
    cuts: list[Floats] = []
    offsets: list[float] = []
    for _ in range(_MOST_CUTS):
        value, slope = _dual(gains, uses, bounds, prices)
        if value < bound:
            bound, best = value, prices
        cuts.append(slope)
        offsets.append(value - float(slope @ prices))
        found = linprog(
            np.append(np.zeros(len(bounds)), 1.0),
            A_ub=np.column_stack([np.array(cuts), -np.ones(len(cuts))]),
            b_ub=-np.array(offsets),
            bounds=[*((0, upper) for upper in ceilings), (None, None)],
        )
        if not found.success or bound - found.fun <= _TOLERANCE * max(abs(bound), 1e-300):
            break
        prices = found.x[:-1]
    return best, float(bound)


def _dual(gains: Floats, uses: Floats, bounds: Floats, prices: Floats) -> tuple[float, Floats]:
    """Bound at these prices and its slope: what is left of each limit."""
    reduced = gains - prices @ uses
    arm = reduced.argmax(axis=1)
    best = reduced[np.arange(len(arm)), arm]
    taken = best > 0
    counts = np.bincount(arm[taken], minlength=gains.shape[1])
    return float(best[taken].sum() + prices @ bounds), bounds - uses @ counts


def _filled(
    gains: Floats, reduced: Floats, ties: Ints, treatments: Sequence[Treatment], limits: Limits, treated_share: float
) -> Ints:
    """Take what is worth most beyond its price, whole blocks at a time, until no treatment fits any more."""
    customer, option = np.nonzero(np.isfinite(gains))
    order = np.lexsort((ties[customer], -gains[customer, option], -reduced[customer, option]))
    customer, option = customer[order], option[order]
    arm = np.full(len(gains), NOBODY, dtype=np.int64)
    counts = np.zeros(len(treatments), dtype=np.int64)
    closed = np.zeros(len(treatments), dtype=bool)
    step = len(customer)
    while len(customer):
        block = _first_of_each(customer[:step], len(gains))
        added = counts + np.bincount(option[block], minlength=len(treatments))
        if limits.hold(treatments, _contacts(added, treated_share)):
            arm[customer[block]], counts = option[block], added
            customer, option = customer[step:], option[step:]
        elif step == 1:  # a treatment that does not fit once will not fit later
            closed[option[0]] = True
            customer, option = customer[1:], option[1:]
        else:
            step //= 2
            continue
        free = (arm[customer] == NOBODY) & ~closed[option]
        customer, option = customer[free], option[free]
        step = len(customer) if closed.any() or step == 1 else min(2 * step, len(customer))
    return arm


def _first_of_each(customer: Ints, n_customers: int) -> Ints:
    """Position of each customer's first appearance, in order."""
    first = np.full(n_customers, -1, dtype=np.int64)
    first[customer[::-1]] = np.arange(len(customer))[::-1]
    return np.sort(first[first >= 0])
