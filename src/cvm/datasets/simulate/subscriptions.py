"""Delivery plans and their add-ons: contracts that end with the customer, and shrink before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvm.datasets.simulate.calendar import DAYS_PER_YEAR
from cvm.datasets.simulate.chance import Bools, Codes, Floats, Ints, draw_level
from cvm.datasets.simulate.customers import Customers
from cvm.datasets.simulate.lives import Lives
from cvm.datasets.simulate.phases import first_event
from cvm.datasets.simulate.world import Curve, World


@dataclass(frozen=True)
class Contracts:
    """Dated ends within the subscriptions of a chunk: arrays of shape (n_holders,) unless said otherwise.

    Attributes
    ----------
    customer : position in the chunk, ascending
    started_at : the first order
    plan : position in ``World.plans``
    ended_at : end of the plan
    downgraded_at : change of the last plan to the first; infinite where never or not possible
    has_add_on, add_on_ended_at : arrays of shape (n_holders, n_add_ons)
        An add-on ends at the latest with its plan.
    """

    customer: Ints
    started_at: Floats
    plan: Codes
    ended_at: Floats
    downgraded_at: Floats
    has_add_on: Bools
    add_on_ended_at: Floats


@dataclass(frozen=True)
class Subscriptions:
    """The table as it stands at ``as_of``: arrays of shape (n_subscriptions,); an end after ``as_of`` is infinite."""

    customer: Ints
    plan: tuple[str, ...]
    plan_code: Codes
    price_per_month: Floats
    started_at: Floats
    ended_at: Floats


def draw_contracts(world: World, rng: np.random.Generator, customers: Customers, lives: Lives) -> Contracts:
    """Draw the contracts of all subscribers who have bought by ``as_of``."""
    customer = np.flatnonzero(customers.is_subscriber & (customers.first_order < 0))
    n = len(customer)
    start, gone_at = customers.first_order[customer], lives.gone_at[customer]

    def ends(per_year: float, curve: Curve) -> Floats:
        return first_event(world, rng.exponential(1.0, n), start, gone_at, per_day=per_year / DAYS_PER_YEAR, curve=curve)

    plan = draw_level(rng, [share for _, _, share in world.plans], n)
    ended_at = ends(world.plan_ends_per_year, world.plan_end_curve)
    downgraded_at = ends(world.downgrades_per_year, world.downgrade_curve)
    possible = (plan == len(world.plans) - 1) & (plan > 0) & (downgraded_at < ended_at)
    has_add_on = rng.random((n, len(world.add_ons))) < np.array([share for _, _, share in world.add_ons])
    dropped_at = np.stack([ends(world.add_on_ends_per_year, world.add_on_end_curve) for _ in world.add_ons], axis=1)
    return Contracts(
        customer=customer,
        started_at=start,
        plan=plan,
        ended_at=ended_at,
        downgraded_at=np.where(possible, downgraded_at, np.inf),
        has_add_on=has_add_on,
        add_on_ended_at=np.minimum(dropped_at, ended_at[:, None]),
    )


def subscriptions_of(world: World, contracts: Contracts) -> Subscriptions:
    """One row per contract and version of it; a downgraded plan is two rows."""
    names = [name for name, _, _ in (*world.plans, *world.add_ons)]
    prices = np.array([price for _, price, _ in (*world.plans, *world.add_ons)])
    downgraded = contracts.downgraded_at < 0
    first_end = np.where(downgraded, contracts.downgraded_at, contracts.ended_at)
    holder, add_on = np.nonzero(contracts.has_add_on)
    lower = np.flatnonzero(downgraded)
    customer = np.concatenate([contracts.customer, contracts.customer[lower], contracts.customer[holder]])
    code = np.concatenate([contracts.plan, np.zeros(len(lower), dtype=np.int8), len(world.plans) + add_on])
    started = np.concatenate([contracts.started_at, contracts.downgraded_at[lower], contracts.started_at[holder]])
    ended = np.concatenate([first_end, contracts.ended_at[lower], contracts.add_on_ended_at[holder, add_on]])
    return Subscriptions(
        customer=customer,
        plan=tuple(names),
        plan_code=code.astype(np.int8),
        price_per_month=prices[code],
        started_at=started,
        ended_at=np.where(ended < 0, ended, np.inf),
    )
