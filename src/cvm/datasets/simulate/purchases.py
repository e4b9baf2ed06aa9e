"""When customers order and for how much: free purchases by a season-warped Poisson process, habits by renewal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvm.datasets.simulate.calendar import FUTURE_DAYS, Calendar
from cvm.datasets.simulate.chance import Bools, Codes, Floats, Ints
from cvm.datasets.simulate.customers import Customers
from cvm.datasets.simulate.lives import Lives, factors
from cvm.datasets.simulate.traits import Traits
from cvm.datasets.simulate.world import World

NO_CAMPAIGN = -1


@dataclass(frozen=True)
class Orders:
    """Free orders from the first customer's first to ``FUTURE_DAYS`` after ``as_of``, in no order within a customer.

    Attributes
    ----------
    customer : array of shape (n_orders,)
    day : array of shape (n_orders,)
        Days since ``as_of``.
    value : array of shape (n_orders,)
        Paid before a voucher, in currency.
    is_first : array of shape (n_orders,)
        The order that makes a customer; not part of the Poisson process. The first ones of all stand in front.
    campaign : array of shape (n_orders,)
        Campaign whose delivered contact was at work, else ``NO_CAMPAIGN``.
    discount_share : array of shape (n_orders,)
        Taken off by a voucher.
    """

    customer: Ints
    day: Floats
    value: Floats
    is_first: Bools
    campaign: Codes
    discount_share: Floats


@dataclass(frozen=True)
class Renewals:
    """Purchases out of habit, the first of each (within the first order) included; ascending in time per habit.

    Attributes
    ----------
    habit : array of shape (n_renewals,)
        Position in ``Habits``.
    number : array of shape (n_renewals,)
        0 for the first.
    day : array of shape (n_renewals,)
    """

    habit: Ints
    number: Ints
    day: Floats


def draw_orders(
    world: World, calendar: Calendar, rng: np.random.Generator, customers: Customers, traits: Traits, lives: Lives
) -> Orders:
    """Draw all free orders of a chunk.

    A contact that raises the rate adds an independent process during its window; one that lowers it thins.
    """
    n = len(customers)
    end = np.minimum(lives.gone_at, float(FUTURE_DAYS))
    starts = np.flatnonzero(customers.first_order < FUTURE_DAYS)
    parts = [_free(calendar, rng, np.arange(n), traits.orders_per_day, customers.first_order, end)]
    for position, campaign in enumerate(world.campaigns):
        start = -float(campaign.days_before_as_of)
        rate = factors(world, campaign, lives.arm[:, position], lives.is_exposed[:, position], "rate")
        rate = rate[np.arange(n), traits.kind]
        more = np.flatnonzero((rate > 1) & (end > start))
        stop = np.minimum(end[more], start + world.effect_days)
        extra = traits.orders_per_day[more] * (rate[more] - 1)
        parts.append(_free(calendar, rng, more, extra, np.full(len(more), start), stop))
        customer, day = parts[0]
        works = (day >= start) & (day < start + world.effect_days)
        keep = ~works | (rng.random(len(day)) < np.minimum(rate, 1.0)[customer])
        parts[0] = customer[keep], day[keep]
    customer = np.concatenate([starts, *(customer for customer, _ in parts)])
    day = np.concatenate([customers.first_order[starts], *(day for _, day in parts)])
    shape = world.order_value_shape
    value = traits.order_value[customer] * rng.gamma(shape, 1 / shape, len(customer))
    campaign_at = _campaign_at_work(world, lives, customer, day)
    return Orders(
        customer=customer,
        day=day,
        # Nothing costs less than a euro.
        value=np.maximum(np.round(value, 2), 1.0),
        is_first=np.arange(len(customer)) < len(starts),
        campaign=campaign_at,
        discount_share=_voucher(world, rng, lives, customer, campaign_at),
    )


def draw_renewals(world: World, rng: np.random.Generator, customers: Customers, traits: Traits, lives: Lives) -> Renewals:
    """Draw the purchases of every habit until the customer leaves."""
    habits = customers.habits
    active = np.flatnonzero(customers.first_order[habits.customer] < FUTURE_DAYS)
    end = np.minimum(lives.gone_at, float(FUTURE_DAYS))[habits.customer]
    day = customers.first_order[habits.customer].copy()
    found = [(active, day[active])]
    while len(active):
        interval = rng.gamma(world.interval_shape, 1 / world.interval_shape, len(active)) * traits.cycle_days[active]
        day[active] += interval
        active = active[day[active] < end[active]]
        found.append((active, day[active]))
    habit = np.concatenate([habit for habit, _ in found])
    number = np.repeat(np.arange(len(found)), [len(habit) for habit, _ in found])
    when = np.concatenate([day for _, day in found])
    order = np.argsort(habit, kind="stable")
    return Renewals(habit[order], number[order], when[order])


def _free(
    calendar: Calendar, rng: np.random.Generator, customer: Ints, per_day: Floats, start: Floats, end: Floats
) -> tuple[Ints, Floats]:
    """A Poisson process on the season's clock: customer and day of each order."""
    began = calendar.exposure(start)
    span = np.maximum(calendar.exposure(end) - began, 0.0)
    counts = rng.poisson(per_day * span)
    row = np.repeat(np.arange(len(customer)), counts)
    return customer[row], calendar.moment(began[row] + span[row] * rng.random(len(row)))


def _campaign_at_work(world: World, lives: Lives, customer: Ints, day: Floats) -> Codes:
    at_work = np.full(len(customer), NO_CAMPAIGN, dtype=np.int8)
    for position, campaign in enumerate(world.campaigns):
        since = day + campaign.days_before_as_of
        in_window = np.flatnonzero((since >= 0) & (since < world.effect_days))
        exposed = in_window[lives.is_exposed[customer[in_window], position]]
        at_work[exposed] = position
    return at_work


def _voucher(world: World, rng: np.random.Generator, lives: Lives, customer: Ints, campaign_at: Codes) -> Floats:
    share = np.zeros(len(customer))
    at_work = np.flatnonzero(campaign_at != NO_CAMPAIGN)
    treatments = {treatment.name: treatment for treatment in world.treatments}
    chance = rng.random(len(at_work))
    for position, campaign in enumerate(world.campaigns):
        for row, name in enumerate(campaign.arms, start=1):
            arm = treatments[name]
            concerns = (campaign_at[at_work] == position) & (lives.arm[customer[at_work], position] == row)
            share[at_work[concerns & (chance < arm.p_redeem)]] = arm.discount_share
    return share
