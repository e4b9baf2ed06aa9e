"""Order lines: what was in the baskets, what it earned, and what was sent back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cvm.datasets.simulate.calendar import FUTURE_DAYS
from cvm.datasets.simulate.chance import Bools, Codes, Floats, Ints, draw_level, positions_within
from cvm.datasets.simulate.columns import Columns
from cvm.datasets.simulate.customers import Customers
from cvm.datasets.simulate.purchases import Orders, Renewals
from cvm.datasets.simulate.traits import Traits
from cvm.datasets.simulate.world import World

SALES_CHANNELS = ("web", "app", "store")
PAYMENT_METHODS = ("card", "wallet", "invoice", "cash")
N_STORES = 12
# Order numbers of a chunk begin at as many times its number.
ORDERS_PER_CHUNK = 10_000_000


@dataclass(frozen=True)
class Lines(Columns):
    """Order lines: arrays of shape (n_lines,).

    Attributes
    ----------
    customer : position in the chunk
    order : number of the order, unique in the whole base
    day : days since ``as_of``
    amount, margin, discount : currency; negative amount and margin is a return
    category, product, quantity, channel, payment, store : codes; ``store`` is -1 outside of stores
    is_free : whether the order follows no replenishment cycle
    placed : day of the order itself; earlier than ``day`` for a return
    """

    order: Ints
    day: Floats
    amount: Floats
    margin: Floats
    discount: Floats
    category: Codes
    product: Codes
    quantity: Codes
    channel: Codes
    payment: Codes
    store: Codes
    is_free: Bools
    placed: Floats


def draw_lines(
    world: World,
    rng: np.random.Generator,
    customers: Customers,
    traits: Traits,
    orders: Orders,
    renewals: Renewals,
    *,
    chunk: int,
) -> Lines:
    """Split orders into lines and add the lines bought out of habit."""
    channel, payment, store = _how_bought(rng, len(customers), orders, customers.habits.customer[renewals.habit])
    n_free = len(orders.customer)
    n_lines = 1 + draw_level(rng, world.lines_per_order_shares, n_free).astype(np.int64)
    row = np.repeat(np.arange(n_free), n_lines)
    own = rng.random(len(row)) < world.favourite_share
    shares = [category.share for category in world.free_categories]
    category = np.where(own, traits.favourite[orders.customer[row]], draw_level(rng, shares, len(row))).astype(np.int8)
    list_amount = _split(rng, orders.value, row, n_lines)
    voucher = np.round(list_amount * orders.discount_share[row], 2)
    on_sale = rng.random(len(row)) < world.sale_line_share
    sale = np.where(on_sale, list_amount * world.sale_discount_share / (1 - world.sale_discount_share), 0.0)
    # Margins differ by a tenth from product to product.
    margin = list_amount * _margin_rate(world, category) * rng.uniform(0.8, 1.2, len(row))
    # A renewal at number 0 is a line of the customer's first order.
    first = np.full(len(customers), -1)
    first[orders.customer[orders.is_first]] = np.flatnonzero(orders.is_first)
    renewed = customers.habits.customer[renewals.habit]
    own_order = n_free + np.arange(len(renewed))
    habit_order = np.where(renewals.number == 0, first[renewed], own_order)
    habit_category = customers.habits.category[renewals.habit]
    price = customers.habits.price[renewals.habit]
    order = np.concatenate([row, habit_order])
    return Lines(
        customer=np.concatenate([orders.customer[row], renewed]),
        order=chunk * ORDERS_PER_CHUNK + order,
        day=np.concatenate([orders.day[row], renewals.day]),
        amount=np.round(np.concatenate([list_amount - voucher, price]), 2),
        margin=np.round(np.concatenate([margin - voucher, price * _margin_rate(world, habit_category)]), 2),
        discount=np.round(np.concatenate([sale + voucher, np.zeros(len(price))]), 2),
        category=np.concatenate([category, habit_category]),
        # Best sellers first: the square of a uniform draw.
        product=np.concatenate(
            [
                (world.products_per_category * rng.random(len(row)) ** 2).astype(np.int8),
                customers.habits.product[renewals.habit].astype(np.int8),
            ]
        ),
        quantity=np.concatenate(
            [draw_level(rng, (0.8, 0.15, 0.05), len(row)) + np.int8(1), customers.habits.quantity[renewals.habit]]
        ),
        channel=channel[order],
        payment=payment[order],
        store=store[order],
        is_free=np.arange(len(order)) < len(row),
        placed=np.concatenate([orders.day[row], renewals.day]),
    )


def draw_returns(world: World, rng: np.random.Generator, lines: Lines) -> Lines:
    """Returned lines of free orders, dated later; what would come back after the simulated future is left out.

    An order comes back wholly if it has a single free line or with chance ``whole_return_share``, else one line of it.
    """
    free = np.flatnonzero(lines.is_free)
    order, start, size = np.unique(lines.order[free], return_index=True, return_counts=True)
    returned = np.flatnonzero(rng.random(len(order)) < world.dirt.returned_order_share)
    whole = (size[returned] == 1) | (rng.random(len(returned)) < world.whole_return_share)
    chosen = np.floor(rng.random(len(returned)) * size[returned]).astype(np.int64)
    n_back = np.where(whole, size[returned], 1)
    offset = positions_within(n_back) + np.repeat(np.where(whole, 0, chosen), n_back)
    rows = free[np.repeat(start[returned], n_back) + offset]
    delay = np.repeat(rng.uniform(*world.return_days, len(returned)), n_back)
    back = lines.take(rows)
    back = replace(
        back,
        day=back.day + delay,
        amount=-back.amount,
        margin=-back.margin,
        discount=np.zeros(len(back)),
        quantity=-back.quantity,
    )
    return back.take(back.day < FUTURE_DAYS)


def _how_bought(rng: np.random.Generator, n_customers: int, orders: Orders, renewed: Ints) -> tuple[Codes, Codes, Codes]:
    """Sales channel, payment and store of each free order and each renewal; four in five times the customer's usual."""
    usual = draw_level(rng, (0.55, 0.25, 0.20), n_customers)
    usual_payment = draw_level(rng, (0.5, 0.25, 0.2, 0.05), n_customers)
    home_store = rng.integers(0, N_STORES, n_customers).astype(np.int8)
    customer = np.concatenate([orders.customer, renewed])
    other = rng.random(len(customer)) < 0.2
    channel = np.where(other, draw_level(rng, (0.55, 0.25, 0.20), len(customer)), usual[customer]).astype(np.int8)
    store = np.where(channel == SALES_CHANNELS.index("store"), home_store[customer], -1).astype(np.int8)
    return channel, usual_payment[customer], store


def _split(rng: np.random.Generator, value: Floats, row: Ints, n_lines: Ints) -> Floats:
    """Amounts of at least a cent per line that add up to the order's value to the cent."""
    weight = rng.gamma(3.0, 1.0, len(row)) + 0.05
    ends = np.cumsum(n_lines)
    starts = ends - n_lines
    total = np.add.reduceat(weight, starts) if len(row) else weight
    cents = np.maximum(np.floor(weight / total[row] * np.round(value * 100)[row]), 1.0)
    rest = np.round(value * 100) - (np.add.reduceat(cents, starts) if len(row) else cents)
    cents[starts] += rest
    return cents / 100


def _margin_rate(world: World, category: Codes) -> Floats:
    return np.array([category.margin_rate for category in world.categories])[category]
