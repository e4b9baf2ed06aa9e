"""A chunk of simulated customers in memory, for the tests of `datasets/simulate`."""

from __future__ import annotations

from dataclasses import dataclass

from cvm.datasets.simulate import World
from cvm.datasets.simulate.calendar import Calendar
from cvm.datasets.simulate.chunk import Chunk, calendar_of, draw_chunk
from cvm.datasets.simulate.lines import Lines
from cvm.datasets.simulate.recipe import SimulationRecipe
from cvm.datasets.simulate.simulation import lines_of

# Enough for standard errors of one to three per cent, drawn in half a second.
N_CUSTOMERS = 20_000


@dataclass(frozen=True)
class Base:
    """A chunk with its world, calendar and order lines."""

    recipe: SimulationRecipe
    calendar: Calendar
    chunk: Chunk
    lines: Lines

    @property
    def world(self) -> World:
        return self.recipe.world


def draw_base(*, seed: int, n_customers: int = N_CUSTOMERS, world: World | None = None) -> Base:
    recipe = SimulationRecipe(n_customers, seed, "2026-01-01", 3.0, world or World())
    calendar = calendar_of(recipe)
    chunk = draw_chunk(recipe, calendar, number=0, first=0, n=n_customers)
    return Base(recipe, calendar, chunk, lines_of(recipe, chunk))
