"""The truth beside the tables, in Arrow: never part of what the product reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from cvm.datasets.simulate import names
from cvm.datasets.simulate.calendar import DAYS_PER_YEAR, Calendar
from cvm.datasets.simulate.chance import Floats
from cvm.datasets.simulate.chunk import Chunk
from cvm.datasets.simulate.dirt import SecondAccounts
from cvm.datasets.simulate.expectation import HORIZONS
from cvm.datasets.simulate.traits import prior_of
from cvm.datasets.simulate.truth import (
    is_alive,
    is_eligible_next,
    margin_rates,
    per_customer,
    true_effects,
    true_expectation,
)
from cvm.datasets.simulate.world import World

# Sums differ in their last bits from processor to processor; bytes must not.
_DIGITS = 6


def truth_table(world: World, calendar: Calendar, chunk: Chunk) -> pa.Table:
    """One row per person.

    Columns: ``customer_id``; state at ``as_of`` (``has_ordered``, ``is_alive``, ``left_at``, which may lie ahead); ``kind``
    and ``reader``; own parameters (per year, free orders at season 1); ``prior_*``, what attributes and reading habit alone
    say of them; ``expected_{orders,revenue,margin}_{horizon}d``; ``effect_*`` in margin per assigned customer.
    """
    customers, traits, n = chunk.customers, chunk.traits, len(chunk.customers)
    habits, alive = customers.habits, is_alive(chunk)
    prior, rows = prior_of(world, customers), np.arange(n)
    p_kind = prior.p_kind[rows, traits.reader]
    columns: dict[str, object] = {
        "customer_id": names.customer_ids(customers.first + rows),
        "has_ordered": customers.first_order < 0,
        "is_alive": alive,
        "left_at": _within_calendar(calendar, chunk.lives.gone_at),
        "kind": names.plain(names.coded(traits.kind, [kind.name for kind in world.kinds])),
        "reader": names.plain(names.coded(traits.reader, [reader.name for reader in world.readers])),
        "orders_per_year": traits.orders_per_day * DAYS_PER_YEAR,
        "dropouts_per_year": traits.dropouts_per_day * DAYS_PER_YEAR,
        "mean_order_value": traits.order_value,
        "activity_per_year": traits.activity_per_day * DAYS_PER_YEAR,
        "margin_rate": margin_rates(world, traits),
        "habit_orders_per_year": per_customer(customers, DAYS_PER_YEAR / traits.cycle_days),
        "habit_revenue_per_year": per_customer(customers, habits.price * DAYS_PER_YEAR / traits.cycle_days),
        "prior_orders_per_year": prior.orders_per_day * DAYS_PER_YEAR * _mean(p_kind, [kind.rate for kind in world.kinds]),
        "prior_dropouts_per_year": prior.dropouts_per_day * DAYS_PER_YEAR,
        "prior_mean_order_value": prior.order_value,
        "is_eligible_next": is_eligible_next(world, chunk),
    }
    for treatment in world.treatments:
        rate = [getattr(kind, treatment.name).rate for kind in world.kinds]
        columns[f"rate_factor_{treatment.name}"] = np.array(rate)[traits.kind]
        columns[f"prior_rate_factor_{treatment.name}"] = _mean(p_kind, rate)
    for horizon_days in HORIZONS:
        expectation = true_expectation(world, calendar, chunk, horizon_days=horizon_days)
        for quantity, values in vars(expectation).items():
            columns[f"expected_{quantity}_{horizon_days}d"] = np.round(values, _DIGITS)
    for name, values in true_effects(world, calendar, chunk).items():
        columns[name] = pa.array(np.round(values, _DIGITS), from_pandas=True)
    return pa.table(columns)


def habits_table(world: World, chunk: Chunk) -> pa.Table:
    """One row per replenishment habit and its true cycle."""
    habits = chunk.customers.habits
    return pa.table(
        {
            "customer_id": names.customer_ids(chunk.customers.first + habits.customer),
            "category": names.plain(names.coded(habits.category, [category.name for category in world.categories])),
            "cycle_days": chunk.traits.cycle_days,
            "price": habits.price,
        }
    )


def second_accounts_table(chunk: Chunk, second: SecondAccounts) -> pa.Table:
    """Which account is whose: one row per second account."""
    number = chunk.customers.first + second.customer
    return pa.table(
        {
            "source_id": names.second_ids(number),
            "customer_id": names.customer_ids(number),
            "is_listed": second.is_listed,
            "by_email": second.by_email,
        }
    )


def season_table(calendar: Calendar) -> pa.Table:
    """Factor on free purchases by day, past and future."""
    days = range(calendar.first_day, calendar.first_day + len(calendar.season))
    return pa.table({"day": [calendar.date_of(day) for day in days], "factor": calendar.season})


def _mean(p_kind: Floats, values: Sequence[float]) -> Floats:
    return np.round(np.einsum("nk,k->n", p_kind, np.asarray(values)), _DIGITS)


def _within_calendar(calendar: Calendar, day: Floats) -> pa.Array:
    """Moments, null beyond a century ahead, which no timestamp need hold."""
    known = day < 36_525
    return names.blanked(pa.array(calendar.timestamps(np.where(known, day, 0.0)), pa.timestamp("us")), known)
