"""Who the customers are: all that is observed of them at sign-up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvm.datasets.simulate.calendar import Calendar, join_weights
from cvm.datasets.simulate.chance import Bools, Codes, Floats, Ints, draw_level
from cvm.datasets.simulate.world import World

# One, two or three packs each time.
HABIT_QUANTITY_SHARES = (0.6, 0.3, 0.1)


@dataclass(frozen=True)
class Habits:
    """Replenishment habits, one row each.

    Attributes
    ----------
    customer : array of shape (n_habits,)
        Position of the customer in the chunk, ascending.
    category : array of shape (n_habits,)
        Position in ``World.categories``.
    price : array of shape (n_habits,)
        Paid at every renewal; constant, so the first order tells it.
    quantity : array of shape (n_habits,)
    product : array of shape (n_habits,)
    """

    customer: Ints
    category: Codes
    price: Floats
    quantity: Codes
    product: Ints


@dataclass(frozen=True)
class Customers:
    """Observed attributes of one chunk: arrays of shape (n_customers,) unless said otherwise.

    Attributes
    ----------
    first : int
        Number of the chunk's first customer in the whole base.
    signed_up : days since ``as_of``
    first_order : days since ``as_of``
        Same as ``signed_up`` for all but the late starters; observed only once it is past.
    channel, age, region : positions in the lists of the world
    is_subscriber : holder of a delivery plan from the first order on
    consent : array of shape (n_customers, n_consents)
        As given at sign-up.
    acquisition_cost : currency
    habits : Habits
    """

    first: int
    signed_up: Floats
    first_order: Floats
    channel: Codes
    age: Codes
    region: Codes
    is_subscriber: Bools
    consent: Bools
    acquisition_cost: Floats
    habits: Habits

    def __len__(self) -> int:
        return len(self.signed_up)

    def consents_to(self, world: World, *channels: str) -> Bools:
        """Who agreed at sign-up to all of these channels."""
        names = [name for name, _ in world.consent_shares]
        return np.logical_and.reduce(self.consent[:, [names.index(channel) for channel in channels]], axis=1)


def draw_customers(world: World, calendar: Calendar, rng: np.random.Generator, *, first: int, n: int) -> Customers:
    """Draw one chunk.

    Parameters
    ----------
    world : World
    calendar : Calendar
    rng : Generator
    first, n : int
        Number of the first customer, and how many.
    """
    weights = np.cumsum(join_weights(world, calendar))
    day = np.searchsorted(weights[:-1], rng.random(n) * weights[-1], side="right")
    signed_up = calendar.first_day + day + rng.random(n)
    is_late = rng.random(n) < world.late_starter_share
    channel = draw_level(rng, [level.share for level in world.acquisition_channels], n)
    age = draw_level(rng, [level.share for level in world.age_bands], n)
    region = draw_level(rng, [level.share for level in world.regions], n)
    # Bids differ from click to click: costs spread by half around the channel's mean.
    cost = np.array([level.acquisition_cost for level in world.acquisition_channels])[channel] * rng.gamma(4.0, 0.25, n)
    return Customers(
        first=first,
        signed_up=signed_up,
        first_order=signed_up + np.where(is_late, rng.exponential(world.late_start_mean_days, n), 0.0),
        channel=channel,
        age=age,
        region=region,
        is_subscriber=(rng.random(n) < world.subscriber_share) & ~is_late,
        consent=rng.random((n, len(world.consent_shares))) < np.array([share for _, share in world.consent_shares]),
        acquisition_cost=np.round(cost, 2),
        habits=_draw_habits(world, rng, n),
    )


def _draw_habits(world: World, rng: np.random.Generator, n: int) -> Habits:
    """None, one or two categories per customer, never the same twice."""
    wanted = draw_level(rng, world.habit_shares, n)
    shares = np.array([category.share for category in world.habit_categories])
    # The largest of log share + Gumbel noise are a draw without replacement in proportion to the shares.
    order = np.argsort(-(np.log(shares) + rng.gumbel(size=(n, len(shares)))), axis=1)
    chosen = np.arange(len(shares)) < wanted[:, None]
    customer, rank = np.nonzero(chosen)
    n_free = len(world.free_categories)
    position = order[customer, rank]
    unit_price = np.array([category.unit_price for category in world.habit_categories])[position]
    quantity = draw_level(rng, HABIT_QUANTITY_SHARES, len(customer)) + np.int8(1)
    # Brands differ by a fifth in price.
    price = np.round(unit_price * rng.uniform(0.8, 1.2, len(customer)), 2) * quantity.astype(float)
    return Habits(
        customer=customer,
        category=(n_free + position).astype(np.int8),
        price=np.round(price, 2),
        quantity=quantity,
        product=rng.integers(0, world.products_per_category, len(customer)),
    )
