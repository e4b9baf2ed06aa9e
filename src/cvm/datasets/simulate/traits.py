"""What drives customers and is never observed, and what the observables say about it beforehand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvm.datasets.simulate.calendar import DAYS_PER_YEAR
from cvm.datasets.simulate.chance import Codes, Floats, draw_level, draw_row_level
from cvm.datasets.simulate.customers import Customers
from cvm.datasets.simulate.world import World


@dataclass(frozen=True)
class Prior:
    """Expectations given the observed attributes: arrays of shape (n_customers,) unless said otherwise.

    Attributes
    ----------
    orders_per_day : mean of the free purchase rate, before the factor of the kind
    dropouts_per_day : mean of the dropout hazard
    order_value : mean of the own mean order value
    activity_per_day : mean of the rate of browsing
    p_reader : array of shape (n_readers,)
    p_kind : array of shape (n_customers, n_readers, n_kinds)
        Probability of each kind given attributes and reader.
    """

    orders_per_day: Floats
    dropouts_per_day: Floats
    order_value: Floats
    activity_per_day: Floats
    p_reader: Floats
    p_kind: Floats


@dataclass(frozen=True)
class Traits:
    """The latent truth of a chunk: arrays of shape (n_customers,) unless said otherwise.

    Attributes
    ----------
    reader, kind : positions in the lists of the world
    orders_per_day : free purchases while alive, at season 1
    dropouts_per_day : hazard of leaving
    order_value : own mean of free orders
    activity_per_day : browsing while settled
    favourite : position of the favourite free category
    patience : the cumulated hazard at which the customer leaves, Exp(1)
    cycle_days : array of shape (n_habits,)
        Own mean interval of each habit.
    """

    reader: Codes
    kind: Codes
    orders_per_day: Floats
    dropouts_per_day: Floats
    order_value: Floats
    activity_per_day: Floats
    favourite: Codes
    patience: Floats
    cycle_days: Floats


def prior_of(world: World, customers: Customers) -> Prior:
    """Prior of each customer given the observables."""
    is_subscriber = customers.is_subscriber
    rate = np.where(is_subscriber, world.subscriber_rate, 1.0)
    hazard = np.where(is_subscriber, world.subscriber_hazard, 1.0)
    spend, responsiveness = np.ones(len(customers)), np.zeros(len(customers))
    for levels, code in (
        (world.acquisition_channels, customers.channel),
        (world.age_bands, customers.age),
        (world.regions, customers.region),
    ):
        rate *= np.array([level.rate for level in levels])[code]
        hazard *= np.array([level.hazard for level in levels])[code]
        spend *= np.array([level.spend for level in levels])[code]
        responsiveness += np.array([level.responsiveness for level in levels])[code]
    return Prior(
        orders_per_day=world.orders_per_year / DAYS_PER_YEAR * rate,
        dropouts_per_day=world.dropouts_per_year / DAYS_PER_YEAR * hazard,
        order_value=world.order_value * spend,
        activity_per_day=np.full(len(customers), world.activity_per_year / DAYS_PER_YEAR),
        p_reader=np.array([reader.share for reader in world.readers]),
        p_kind=_p_kind(world, responsiveness),
    )


def draw_traits(world: World, rng: np.random.Generator, customers: Customers) -> Traits:
    """Draw what is latent, given what is observed."""
    n, prior = len(customers), prior_of(world, customers)
    reader = draw_level(rng, prior.p_reader.tolist(), n)
    kind = draw_row_level(rng, prior.p_kind[np.arange(n), reader])
    kind_rate = np.array([kind.rate for kind in world.kinds])[kind]
    shape = world.order_value_mean_shape
    return Traits(
        reader=reader,
        kind=kind,
        orders_per_day=prior.orders_per_day * kind_rate * _mean_one(rng, world.orders_shape, n),
        dropouts_per_day=prior.dropouts_per_day * _mean_one(rng, world.dropout_shape, n),
        order_value=prior.order_value * (shape - 1) / rng.gamma(shape, 1.0, n),
        activity_per_day=prior.activity_per_day * _mean_one(rng, world.activity_shape, n),
        favourite=draw_level(rng, [category.share for category in world.free_categories], n),
        patience=rng.exponential(1.0, n),
        cycle_days=_draw_cycles(world, rng, customers.habits.category),
    )


def cycle_rate_scale(world: World, category: Codes) -> Floats:
    """Rate parameter of the gamma prior of ``interval_shape / cycle``, such that the mean cycle is the category's."""
    cycle = np.array([category.cycle_days for category in world.categories])[category]
    return (world.cycle_shape - 1) * cycle / world.interval_shape


def _draw_cycles(world: World, rng: np.random.Generator, category: Codes) -> Floats:
    scale = cycle_rate_scale(world, category)
    return world.interval_shape * scale / rng.gamma(world.cycle_shape, 1.0, len(category))


def _p_kind(world: World, responsiveness: Floats) -> Floats:
    """Multinomial logit in one index: attributes plus reading habit."""
    index = responsiveness[:, None] + np.array([reader.responsiveness for reader in world.readers])
    slope, share = (np.array([getattr(kind, name) for kind in world.kinds]) for name in ("slope", "share"))
    weight = share * np.exp(index[:, :, None] * slope)
    return weight / weight.sum(axis=2, keepdims=True)


def _mean_one(rng: np.random.Generator, shape: float, n: int) -> Floats:
    return rng.gamma(shape, 1 / shape, n)
