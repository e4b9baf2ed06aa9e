"""Arrays to the canonical tables, in Arrow."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from cvm.datasets.simulate import names
from cvm.datasets.simulate.behaviour import DEVICES, EVENT_CHANNELS, EVENT_TYPES, Events
from cvm.datasets.simulate.calendar import Calendar
from cvm.datasets.simulate.chance import Codes, Floats, Ints
from cvm.datasets.simulate.chunk import Chunk
from cvm.datasets.simulate.dirt import Export, SecondAccounts
from cvm.datasets.simulate.lines import N_STORES, ORDERS_PER_CHUNK, PAYMENT_METHODS, SALES_CHANNELS, Lines
from cvm.datasets.simulate.lives import NOT_ASSIGNED
from cvm.datasets.simulate.subscriptions import subscriptions_of
from cvm.datasets.simulate.world import World

CURRENCY = "EUR"
_MOMENT = pa.timestamp("us")
_STORES = tuple(f"S{store + 1:02d}" for store in range(N_STORES))


def transactions_table(
    world: World, calendar: Calendar, chunk: Chunk, lines: Lines, export: Export, second: SecondAccounts
) -> pa.Table:
    """Order lines as exported."""
    rows = lines.take(export.source)
    day, recorded = rows.day, rows.day + export.lag_days
    number = np.where(export.invented >= 0, rows.order - rows.order % ORDERS_PER_CHUNK + export.invented, rows.order)
    distinct, position = np.unique(number, return_inverse=True)
    return pa.table(
        {
            "customer_id": _customer_ids(chunk, rows.customer, export, second),
            "occurred_at": _moments(calendar, day),
            "amount": rows.amount,
            "order_id": names.coded(position, names.order_ids(distinct)),
            "product_id": names.coded(_product_codes(world, rows.category, rows.product), product_ids(world)),
            "category": names.coded(rows.category, [category.name for category in world.categories]),
            "quantity": rows.quantity.astype(np.float64),
            "margin": rows.margin,
            "discount": rows.discount,
            "channel": names.coded(rows.channel, SALES_CHANNELS),
            "payment_method": names.coded(rows.payment, PAYMENT_METHODS),
            "store_id": names.coded(rows.store, _STORES),
            "currency": names.coded(np.zeros(len(rows), dtype=np.int8), [CURRENCY]),
            "recorded_at": _moments(calendar, recorded),
            "is_test": export.is_test,
        }
    )


def future_table(world: World, calendar: Calendar, chunk: Chunk, lines: Lines) -> pa.Table:
    """What happens after ``as_of``, clean: the outcomes by which predictions are judged."""
    rows = lines.take(lines.day >= 0)
    return pa.table(
        {
            "customer_id": _main_ids(chunk, rows.customer),
            "occurred_at": _moments(calendar, rows.day),
            "amount": rows.amount,
            "order_id": names.order_ids(rows.order),
            "category": names.coded(rows.category, [category.name for category in world.categories]),
            "margin": rows.margin,
            "placed_at": _moments(calendar, rows.placed),
        }
    )


def events_table(
    world: World, calendar: Calendar, chunk: Chunk, events: Events, export: Export, second: SecondAccounts
) -> pa.Table:
    """Events as exported."""
    rows = events.take(export.source)
    return pa.table(
        {
            "customer_id": _customer_ids(chunk, rows.customer, export, second),
            "occurred_at": _moments(calendar, rows.day),
            "event_type": names.coded(rows.type, EVENT_TYPES),
            "channel": names.coded(rows.channel, EVENT_CHANNELS),
            "device": names.coded(rows.device, DEVICES),
            "value": pa.array(rows.value, from_pandas=True),
            "product_id": names.coded(rows.product, product_ids(world)),
            "campaign_id": names.coded(rows.campaign, [campaign.campaign_id for campaign in world.campaigns]),
            "recorded_at": _moments(calendar, rows.day + export.lag_days),
        }
    )


def customers_table(
    world: World, calendar: Calendar, rng: np.random.Generator, chunk: Chunk, second: SecondAccounts
) -> pa.Table:
    """One row per account; consent to e-mail as it stands at ``as_of``."""
    customers, n = chunk.customers, len(chunk.customers)
    rows = np.concatenate([np.arange(n), second.customer])
    number = customers.first + np.arange(n)
    twice = np.zeros(n, dtype=bool)
    twice[second.customer] = True
    # A few leave no address, more leave no telephone; who has two accounts can be found by at least one of them.
    has_email, has_phone = twice | (rng.random(n) > 0.03), twice | (rng.random(n) > 0.15)
    placeholder = ~twice & (rng.random(n) < world.dirt.placeholder_email_share)
    email = names.blanked(names.emails(number), has_email & ~placeholder).to_numpy(zero_copy_only=False)
    email[placeholder] = names.PLACEHOLDER_EMAIL
    other = number[second.customer]
    consents = {
        f"consent_{channel}": customers.consent[rows, position] for position, (channel, _) in enumerate(world.consent_shares)
    }
    consents["consent_email"] = consents["consent_email"] & (chunk.lives.unsubscribed_at[rows] >= 0)
    return pa.table(
        {
            "customer_id": pa.concat_arrays([names.customer_ids(number), names.second_ids(other)]),
            "signed_up_at": _moments(calendar, np.concatenate([customers.signed_up, second.since])),
            "email": pa.concat_arrays(
                [pa.array(email, pa.string()), names.blanked(names.emails_spelled_otherwise(other), second.by_email)]
            ),
            "phone": pa.concat_arrays(
                [
                    names.blanked(names.phones(number), has_phone),
                    names.blanked(names.phones_spelled_otherwise(other), ~second.by_email),
                ]
            ),
            "acquisition_channel": names.coded(
                customers.channel[rows], [level.name for level in world.acquisition_channels]
            ),
            # The second account costs nothing to win.
            "acquisition_cost": np.concatenate([customers.acquisition_cost, np.zeros(len(other))]),
            "age_band": names.coded(customers.age[rows], [level.name for level in world.age_bands]),
            "region": names.coded(customers.region[rows], [level.name for level in world.regions]),
            **consents,
        }
    )


def subscriptions_table(world: World, calendar: Calendar, chunk: Chunk) -> pa.Table:
    """Plans and add-ons as they stand at ``as_of``."""
    rows = subscriptions_of(world, chunk.contracts)
    ended = np.isfinite(rows.ended_at)
    return pa.table(
        {
            "customer_id": _main_ids(chunk, rows.customer),
            "started_at": _moments(calendar, rows.started_at),
            "ended_at": names.blanked(_moments(calendar, np.where(ended, rows.ended_at, 0.0)), ended),
            "price_per_month": rows.price_per_month,
            "plan": names.coded(rows.plan_code, rows.plan),
        }
    )


def assignments_table(
    world: World, calendar: Calendar, rng: np.random.Generator, chunk: Chunk, second: SecondAccounts
) -> pa.Table:
    """The ledger of all campaigns; second accounts drew arms of their own and were never reached."""
    number = chunk.customers.first + np.arange(len(chunk.customers))
    ids = [names.customer_ids(number), names.second_ids(number[second.customer])]
    treatments = {treatment.name: treatment for treatment in world.treatments}
    tables = []
    for position, campaign in enumerate(world.campaigns):
        arm = np.concatenate([chunk.lives.arm[:, position], second.arm[:, position]])
        exposed = np.concatenate([chunk.lives.is_exposed[:, position], np.zeros(len(second.customer), dtype=bool)])
        rows = np.flatnonzero(arm != NOT_ASSIGNED)
        arm, exposed = arm[rows], exposed[rows]
        start = np.full(len(rows), -float(campaign.days_before_as_of))
        arms = [treatments[name] for name in campaign.arms]
        columns = {
            "campaign_id": names.coded(np.zeros(len(rows), dtype=np.int8), [campaign.campaign_id]),
            "customer_id": pa.concat_arrays(ids).take(pa.array(rows)),
            "assigned_at": _moments(calendar, start),
            "arm": names.coded(arm, ["control", *campaign.arms]),
            "cost": np.array([0.0, *(treatment.cost for treatment in arms)])[arm],
            "exposed_at": names.blanked(_moments(calendar, start + 0.1 * rng.random(len(rows))), exposed),
            "propensity": np.array(campaign.shares)[arm],
            "channel": names.coded(arm - np.int8(1), [treatment.channel for treatment in arms]),
        }
        tables.append(pa.table({name: names.plain(column) for name, column in columns.items()}))
    return pa.concat_tables(tables)


def identities_table(chunk: Chunk, second: SecondAccounts) -> pa.Table:
    """Every account and its person; of the second accounts those that are listed."""
    number = chunk.customers.first + np.arange(len(chunk.customers))
    other = number[second.customer[second.is_listed]]
    source = np.concatenate([np.zeros(len(number), dtype=np.int8), np.ones(len(other), dtype=np.int8)])
    main = names.customer_ids(number)
    return pa.table(
        {
            "source": names.coded(source, ["shop", "web"]),
            "source_id": pa.concat_arrays([main, names.second_ids(other)]),
            "customer_id": pa.concat_arrays([main, names.customer_ids(other)]),
        }
    )


def product_ids(world: World) -> list[str]:
    """All products in the order of their codes."""
    return [f"{c.name}-{n + 1:02d}" for c in world.categories for n in range(world.products_per_category)]


def _product_codes(world: World, category: Codes, product: Codes) -> Ints:
    return category.astype(np.int64) * world.products_per_category + product


def _main_ids(chunk: Chunk, customer: Ints) -> pa.DictionaryArray:
    number = chunk.customers.first + np.arange(len(chunk.customers))
    return names.coded(customer, names.customer_ids(number))


def _customer_ids(chunk: Chunk, customer: Ints, export: Export, second: SecondAccounts) -> pa.DictionaryArray:
    """The account each row carries; of the rows without one every other is empty text, the rest null."""
    n = len(chunk.customers)
    number = chunk.customers.first + np.arange(n)
    account = np.arange(n)
    account[second.customer] = n + np.arange(len(second.customer))
    code = np.where(export.is_second, account[customer], customer)
    empty = n + len(second.customer)
    code = np.where(export.has_id, code, np.where(np.arange(len(code)) % 2 == 0, empty, -1))
    texts = [names.customer_ids(number), names.second_ids(number[second.customer]), pa.array([""])]
    return names.coded(code, pa.concat_arrays(texts))


def _moments(calendar: Calendar, day: Floats) -> pa.Array:
    return pa.array(calendar.timestamps(day), _MOMENT)
