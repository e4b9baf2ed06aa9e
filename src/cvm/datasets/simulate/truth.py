"""What is true of every customer at ``as_of``: state, parameters, expected value, own effect of contact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvm.datasets.simulate.calendar import Calendar
from cvm.datasets.simulate.chance import Bools, Floats, sums
from cvm.datasets.simulate.chunk import Chunk
from cvm.datasets.simulate.customers import Customers
from cvm.datasets.simulate.expectation import (
    EDGES,
    Weights,
    contact_effect,
    expected_renewals,
    hazard_days,
    late_renewals,
    late_weights_of,
    weighted,
    weights_of,
)
from cvm.datasets.simulate.traits import Traits
from cvm.datasets.simulate.world import Treatment, World


@dataclass(frozen=True)
class Expectation:
    """Expectation over one horizon: arrays of shape (n_customers,); money net of what comes back within it."""

    orders: Floats
    revenue: Floats
    margin: Floats


def margin_rates(world: World, traits: Traits) -> Floats:
    """Expected margin per unit of free revenue, by favourite category."""
    free = world.free_categories
    rates, shares = (np.array([getattr(category, name) for category in free]) for name in ("margin_rate", "share"))
    everyone = float(rates @ shares / shares.sum())
    return world.favourite_share * rates[traits.favourite] + (1 - world.favourite_share) * everyone


def habit_margin_rates(world: World, customers: Customers) -> Floats:
    """Margin per unit of revenue of each habit: array of shape (n_habits,)."""
    return np.array([category.margin_rate for category in world.categories])[customers.habits.category]


def per_customer(customers: Customers, habit_values: Floats) -> Floats:
    """Sum of a value per habit over each customer's habits."""
    return sums(customers.habits.customer, habit_values, n=len(customers))


def last_renewal(chunk: Chunk) -> Floats:
    """Day of each habit's last renewal before ``as_of``; -inf where it has not begun: array of shape (n_habits,)."""
    renewals = chunk.renewals
    last = np.full(len(chunk.customers.habits.customer), -np.inf)
    past = renewals.day < 0
    np.maximum.at(last, renewals.habit[past], renewals.day[past])
    return last


def true_expectation(world: World, calendar: Calendar, chunk: Chunk, *, horizon_days: int) -> Expectation:
    """Expectation given the true parameters and whether the customer is still there, but not when that will end."""
    customers, traits = chunk.customers, chunk.traits
    is_active = is_alive(chunk) & (customers.first_order < 0)
    is_late = customers.first_order >= 0
    survival = np.exp(-traits.dropouts_per_day[:, None] * EDGES)
    weights = weights_of(world, calendar, start=0, days=horizon_days)
    late = late_weights_of(world, calendar, days=horizon_days)
    orders = traits.orders_per_day * np.where(
        is_active, weighted(survival, weights.orders), np.where(is_late, weighted(survival, late.later.orders), 0.0)
    )
    money = traits.orders_per_day * np.where(
        is_active, weighted(survival, weights.money), np.where(is_late, weighted(survival, late.later.money), 0.0)
    )
    free = (money + np.where(is_late, late.first_money, 0.0)) * traits.order_value
    renewals, first_purchases = _true_renewals(world, chunk, is_active, horizon_days=horizon_days)
    bought = (renewals + first_purchases) * customers.habits.price
    return Expectation(
        orders=orders + np.where(is_late, late.first_orders, 0.0) + per_customer(customers, renewals),
        revenue=free + per_customer(customers, bought),
        margin=free * margin_rates(world, traits) + per_customer(customers, bought * habit_margin_rates(world, customers)),
    )


def true_effects(world: World, calendar: Calendar, chunk: Chunk) -> dict[str, Floats]:
    """Own effect per past campaign and arm, and of a next campaign at ``as_of``; NaN where not eligible.

    Margin expected in addition per customer assigned to the arm, over ``World.effect_days``, and for the next campaign
    also over the year, which counts what is lost for good. Given the true parameters and whether the customer was there at
    the start; the cost of the contact is not deducted.
    """
    treatments = {treatment.name: treatment for treatment in world.treatments}
    columns = {}
    for position, campaign in enumerate(world.campaigns):
        start = -campaign.days_before_as_of
        alive = chunk.lives.gone_at > start
        weights = weights_of(world, calendar, start=start, days=world.effect_days)
        eligible = chunk.lives.arm[:, position] >= 0
        for arm in campaign.arms:
            effect = np.where(alive, _effect(world, chunk, weights, treatments[arm]), 0.0)
            columns[f"effect_{campaign.campaign_id}_{arm}"] = np.where(eligible, effect, np.nan)
    eligible, alive = is_eligible_next(world, chunk), is_alive(chunk)
    for name, days in (("next", world.effect_days), ("next_year", 365)):
        weights = weights_of(world, calendar, start=0, days=days)
        for arm, treatment in treatments.items():
            effect = np.where(alive, _effect(world, chunk, weights, treatment), 0.0)
            columns[f"effect_{name}_{arm}"] = np.where(eligible, effect, np.nan)
    return columns


def is_alive(chunk: Chunk) -> Bools:
    """Who has not left by ``as_of``; those who only registered have not."""
    return chunk.lives.gone_at > 0


def is_eligible_next(world: World, chunk: Chunk) -> Bools:
    """Who a campaign at ``as_of`` may contact: agreed to e-mail and post, has bought, has not unsubscribed."""
    willing = chunk.customers.consents_to(world, "email", "post")
    return willing & (chunk.customers.first_order < 0) & (chunk.lives.unsubscribed_at > 0)


def _effect(world: World, chunk: Chunk, weights: Weights, treatment: Treatment) -> Floats:
    customers, traits = chunk.customers, chunk.traits
    value_per_day = traits.orders_per_day * traits.order_value
    habits = customers.habits
    habit_margin = habits.price * habit_margin_rates(world, customers) / traits.cycle_days
    habit_margin_per_day = per_customer(customers, habit_margin)
    margin_per_day = value_per_day * margin_rates(world, traits)
    effect = np.empty(len(customers))
    for position, kind in enumerate(world.kinds):
        rows = np.flatnonzero(traits.kind == position)
        answer = getattr(kind, treatment.name)
        hazard = traits.dropouts_per_day[rows, None]
        effect[rows] = contact_effect(
            weights,
            treatment=treatment,
            effect_days=world.effect_days,
            rate=answer.rate,
            survival=np.exp(-hazard * EDGES),
            treated_survival=np.exp(-hazard * hazard_days(answer.hazard, effect_days=world.effect_days)),
            margin_per_day=margin_per_day[rows],
            value_per_day=value_per_day[rows],
            habit_margin_per_day=habit_margin_per_day[rows],
        )
    return world.p_delivered * effect


def _true_renewals(world: World, chunk: Chunk, is_active: Bools, *, horizon_days: int) -> tuple[Floats, Floats]:
    """Expected renewals per habit, and first purchases of habits that start with a first order still to come."""
    customers, traits = chunk.customers, chunk.traits
    owner = customers.habits.customer
    renewals, first_purchases = np.zeros(len(owner)), np.zeros(len(owner))
    rows = np.flatnonzero(is_active[owner])
    renewals[rows] = expected_renewals(
        world,
        cycle_days=traits.cycle_days[rows],
        cycle_precision=np.inf,
        age_days=-last_renewal(chunk)[rows],
        horizon_days=horizon_days,
        survival=np.exp(-traits.dropouts_per_day[owner[rows], None] * EDGES),
    )
    late = np.flatnonzero(customers.first_order[owner] >= 0)
    first_purchases[late], renewals[late] = late_renewals(
        world,
        horizon_days=horizon_days,
        cycle_days=traits.cycle_days[late],
        dropouts_per_day=traits.dropouts_per_day[owner[late]],
    )
    return renewals, first_purchases
