"""One chunk of customers with everything that happens to them, before any dirt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from cvm.datasets.simulate.behaviour import Events, draw_events
from cvm.datasets.simulate.calendar import Calendar
from cvm.datasets.simulate.chance import CHUNK_CUSTOMERS, stream
from cvm.datasets.simulate.customers import Customers, draw_customers
from cvm.datasets.simulate.lives import Lives, live
from cvm.datasets.simulate.purchases import Orders, Renewals, draw_orders, draw_renewals
from cvm.datasets.simulate.recipe import SimulationRecipe
from cvm.datasets.simulate.subscriptions import Contracts, draw_contracts
from cvm.datasets.simulate.traits import Traits, draw_traits


@dataclass(frozen=True)
class Chunk:
    """Observed and latent, past and future, of some customers; ``number`` counts chunks."""

    number: int
    customers: Customers
    traits: Traits
    lives: Lives
    orders: Orders
    renewals: Renewals
    events: Events
    contracts: Contracts


def calendar_of(recipe: SimulationRecipe) -> Calendar:
    """The time axis of a simulated base."""
    return Calendar.of(recipe.world, as_of=date.fromisoformat(recipe.as_of), years=recipe.years)


def draw_chunks(recipe: SimulationRecipe, calendar: Calendar) -> Iterator[Chunk]:
    """All chunks in order; each depends on the seed and its own number alone."""
    for number, first in enumerate(range(0, recipe.n_customers, CHUNK_CUSTOMERS)):
        yield draw_chunk(recipe, calendar, number=number, first=first, n=min(CHUNK_CUSTOMERS, recipe.n_customers - first))


def draw_chunk(recipe: SimulationRecipe, calendar: Calendar, *, number: int, first: int, n: int) -> Chunk:
    """Draw ``n`` customers and their lives.

    Parameters
    ----------
    recipe : SimulationRecipe
    calendar : Calendar
        As ``calendar_of(recipe)`` gives it.
    number : int
        Number of the chunk.
    first, n : int
        Number of its first customer in the whole base, and how many.
    """
    world, seed = recipe.world, recipe.seed
    customers = draw_customers(world, calendar, stream(seed, number, "customers"), first=first, n=n)
    traits = draw_traits(world, stream(seed, number, "traits"), customers)
    lives = live(world, stream(seed, number, "lives"), customers, traits)
    shopping = stream(seed, number, "purchases")
    orders = draw_orders(world, calendar, shopping, customers, traits, lives)
    renewals = draw_renewals(world, shopping, customers, traits, lives)
    events = draw_events(world, stream(seed, number, "behaviour"), customers, traits, lives, orders)
    contracts = draw_contracts(world, stream(seed, number, "subscriptions"), customers, lives)
    return Chunk(number, customers, traits, lives, orders, renewals, events, contracts)
