"""Of those who may be contacted: who is, who is drawn to learn from, and who has to stand back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from cvm.campaigns.limits import Limits, Treatment
from cvm.campaigns.plan_choice import NOBODY, Choice, Floats, Ints, choose
from cvm.campaigns.plan_settings import PlanError, PlanSettings

Bools = NDArray[np.bool_]

CHOSEN, EXPLORED, INCLUDED = "chosen", "explored", "put in by hand"
UNKNOWN, NOT_WORTH, BEYOND = "value unknown", "not worth the contact", "beyond budget or capacity"
_NOBODY_EXPLORED = "nobody is drawn to learn from: all are chosen, or exploration_share does not pay for one of each arm"
# Growth potential counts as high in this part of those who may be contacted.
_HIGH_GROWTH = 0.8


@dataclass(frozen=True)
class Pool:
    """Everybody who may be contacted.

    Attributes
    ----------
    values : array of shape (n_customers, n_treatments)
        What a contact is worth; NaN where that is unknown.
    is_open : array of bool of shape (n_customers, n_treatments)
        Whether a treatment may be given.
    is_included : array of bool of shape (n_customers,)
        Put in by hand.
    is_low : array of bool of shape (n_customers,)
        Of low value.
    growth_potential : array of shape (n_customers,)
        NaN where unknown.
    tie, lottery : array of int of shape (n_customers,)
        Draws: who comes first among equals, and who is explored.
    """

    values: Floats
    is_open: Bools
    is_included: Bools
    is_low: Bools
    growth_potential: Floats
    tie: Ints
    lottery: Ints

    @property
    def in_floor(self) -> Bools:
        """Who would be starved by value alone: of low value, or of high growth potential."""
        known = self.growth_potential[np.isfinite(self.growth_potential)]
        if not known.size:
            return self.is_low
        with np.errstate(invalid="ignore"):
            grows = (self.growth_potential > 0) & (self.growth_potential >= np.quantile(known, _HIGH_GROWTH))
        return self.is_low | grows


@dataclass(frozen=True)
class Selection:
    """What becomes of the pool.

    Attributes
    ----------
    role : array of str of shape (n_customers,)
        ``CHOSEN``, ``EXPLORED``, ``INCLUDED``, or why not.
    arm : array of int of shape (n_customers,)
        Position of the treatment of those chosen or put in by hand, else ``NOBODY``.
    gap : float
        Share of the best possible value that the choice may be short of, the floor aside.
    floor_cost : float or None
        Value given up for the floor; None where it has none to claim.
    n_floor : int
        Chosen customers of low value or high growth potential.
    notes : tuple of str
    """

    role: NDArray[np.object_]
    arm: Ints
    gap: float
    floor_cost: float | None
    n_floor: int
    notes: tuple[str, ...]


def select(pool: Pool, settings: PlanSettings) -> Selection:
    """Customers put in by hand first, then the share to learn from is set aside, then the best of the others.

    Raises
    ------
    PlanError
        If those put in by hand alone are beyond budget or capacity.
    """
    treatments, n = settings.treatments, len(pool.tie)
    values = np.where(pool.is_open, pool.values, np.nan)
    arm = np.full(n, NOBODY, dtype=np.int64)
    arm[pool.is_included] = _favourite(values, pool.is_open)[pool.is_included]
    limits = _less_included(settings, np.bincount(arm[pool.is_included], minlength=len(treatments)).tolist())
    free = ~pool.is_included
    n_explored = _to_explore(pool, free, limits, settings)
    limits = limits.less(treatments, _explored_contacts(n_explored, settings))
    values[~free] = np.nan
    chosen, floor_cost = _with_floor(pool, values, limits, settings)
    arm[free] = chosen.arm[free]
    is_chosen = free & (chosen.arm >= 0)
    explored = _explored(pool, free & ~is_chosen, n_explored, settings)
    best = np.where(np.isnan(values), -np.inf, values).max(axis=1, initial=-np.inf)
    role = np.select(
        [pool.is_included, is_chosen, explored, np.isneginf(best), best <= 0],
        [INCLUDED, CHOSEN, EXPLORED, UNKNOWN, NOT_WORTH],
        BEYOND,
    ).astype(object)
    notes = () if explored.any() or not settings.exploration_share else (_NOBODY_EXPLORED,)
    return Selection(role, arm, chosen.gap, floor_cost, int((is_chosen & pool.in_floor).sum()), notes)


def _favourite(values: Floats, is_open: Bools) -> Ints:
    """The most valuable treatment of each customer, else the first that is open."""
    known = np.where(np.isnan(values), -np.inf, values)
    return np.where(np.isfinite(known).any(axis=1), known.argmax(axis=1), is_open.argmax(axis=1))


def _less_included(settings: PlanSettings, contacts: Sequence[int]) -> Limits:
    left = settings.limits.less(settings.treatments, contacts)
    if not settings.limits.hold(settings.treatments, contacts):
        over = [channel for channel, n in left.capacity.items() if n < 0]
        what = f"the capacity of {', '.join(over)}" if over else f"the budget of {settings.limits.budget:g}"
        raise PlanError(
            f"The {sum(contacts):,} customers put in by hand alone are beyond {what}. Shorten the list of --include, or "
            f"raise it under plans.{settings.name} in params.yaml."
        )
    return left


def _with_floor(pool: Pool, values: Floats, limits: Limits, settings: PlanSettings) -> tuple[Choice, float | None]:
    """The best choice; with a floor, the best that gives its share of the limits to those in it first."""
    treatments, share = settings.treatments, 1 - settings.control_share
    best = choose(values, treatments, limits, treated_share=share, ties=pool.tie)
    if not settings.floor_share or not limits.are_any:
        return best, None
    in_floor = pool.in_floor
    first = choose(
        np.where(in_floor[:, None], values, np.nan),
        treatments,
        limits.share(settings.floor_share),
        treated_share=share,
        ties=pool.tie,
    )
    if int((in_floor & (best.arm >= 0)).sum()) >= int((first.arm >= 0).sum()):
        return best, 0.0
    left = limits.less(treatments, first.contacts(len(treatments), share))
    others = choose(
        np.where((first.arm >= 0)[:, None], np.nan, values), treatments, left, treated_share=share, ties=pool.tie
    )
    arm, value = np.maximum(first.arm, others.arm), first.value + others.value
    return Choice(arm, value, value + (best.bound - best.value)), best.value - value


def _to_explore(pool: Pool, free: Bools, limits: Limits, settings: PlanSettings) -> int:
    """How many may be drawn to learn from: the share of the customers, as far as the share of the limits pays for them."""
    most = ceil(settings.exploration_share * int((free & pool.is_open.all(axis=1)).sum()))
    part, fewest = limits.share(settings.exploration_share), 0
    while fewest < most:
        middle = (fewest + most + 1) // 2
        if part.hold(settings.treatments, _explored_contacts(middle, settings)):
            fewest = middle
        else:
            most = middle - 1
    return _if_one_for_each_arm(fewest, settings)


def _if_one_for_each_arm(n: int, settings: PlanSettings) -> int:
    """So many customers to learn from, if that is one for control and each treatment at least, else none."""
    return n if n > len(settings.treatments) else 0


def _explored_contacts(n: int, settings: PlanSettings) -> list[int]:
    """The most contacts of each treatment among so many customers, drawn for arms of equal share."""
    return [ceil(n / (len(settings.treatments) + 1))] * len(settings.treatments)


def _explored(pool: Pool, left_over: Bools, n: int, settings: PlanSettings) -> Bools:
    """Drawn among those not chosen whom every treatment may reach, the share of them and ``n`` at most."""
    explored = np.zeros(len(pool.tie), dtype=bool)
    candidates = np.flatnonzero(left_over & pool.is_open.all(axis=1))
    n = _if_one_for_each_arm(min(n, ceil(settings.exploration_share * len(candidates))), settings)
    explored[candidates[np.argsort(pool.lottery[candidates], kind="stable")[:n]]] = True
    return explored


def treated_value(treatments: Sequence[Treatment], values: Floats, *, by_uplift: bool) -> Floats:
    """What a contact is worth at most; where effects are unknown, nothing to whom less is at risk than it costs."""
    if by_uplift:
        return values
    costs = np.array([treatment.cost for treatment in treatments])
    with np.errstate(invalid="ignore"):
        return np.where(values <= costs, 0.0, values)
