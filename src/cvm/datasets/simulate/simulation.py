"""From a recipe to files: the simulated base, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cvm.datasets.simulate import tables
from cvm.datasets.simulate.calendar import Calendar
from cvm.datasets.simulate.chance import stream
from cvm.datasets.simulate.chunk import Chunk, calendar_of, draw_chunks
from cvm.datasets.simulate.dirt import draw_second_accounts, export_events, export_lines
from cvm.datasets.simulate.lines import Lines, draw_lines, draw_returns
from cvm.datasets.simulate.recipe import SimulationRecipe
from cvm.datasets.simulate.truth_table import habits_table, season_table, second_accounts_table, truth_table
from cvm.datasets.simulate.world import World
from cvm.datasets.simulate.write import Files, simulated_folder, write_params
from cvm.errors import ParamsError

Progress = Callable[[str], None]

# Customer numbers have eight digits.
_MOST_CUSTOMERS = 99_999_999
_YEARS = (0.5, 10.0)
# Of as_of: ingest takes earlier years for placeholders, and the truth looks a century ahead.
_AS_OF_YEARS = (1920, 2200)


@dataclass(frozen=True)
class SimulationOutcome:
    """What was written: the folder, and the rows of each file by its path in it (without ``.parquet``)."""

    folder: Path
    as_of: date
    n_customers: int
    n_rows: dict[str, int]

    @property
    def params(self) -> Path:
        """The ``params.yaml`` to run cvm with."""
        return self.folder / "params.yaml"


def silent(_: str) -> None:
    """Progress that nobody reads."""


def simulate(
    folder: Path,
    *,
    n_customers: int = 50_000,
    seed: int = 7,
    as_of: date = date(2026, 1, 1),
    years: float = 3.0,
    world: World | None = None,
    progress: Progress = silent,
) -> SimulationOutcome:
    """Write a customer base whose truth is known.

    ``tables/`` holds the canonical tables as exported at ``as_of``; ``truth/`` what is true of every customer, the season,
    the second accounts, the habits, what happens in the year after ``as_of``, and the recipe; ``params.yaml`` reads the
    tables. The same arguments give the same bytes.

    Parameters
    ----------
    folder : Path
        Created if missing; a simulation in it is replaced, anything else is left alone.
    n_customers : int, 1 to 99,999,999
    seed : int, >= 0
    as_of : date, from 1920 to 2200
        What happens from this day on is not in the tables.
    years : float, 0.5 to 10
        History before ``as_of``.
    world : World, optional
        The frozen defaults if not given.
    progress : callable
        Told after each chunk of customers.

    Raises
    ------
    ParamsError
        If a number is out of range.
    WorkspaceError
        If the folder holds something else under these names, or cannot be written.
    """
    _check(n_customers=n_customers, seed=seed, as_of=as_of, years=years)
    recipe = SimulationRecipe(n_customers, seed, as_of.isoformat(), float(years), world or World())
    calendar = calendar_of(recipe)
    with simulated_folder(folder) as (tables_folder, truth_folder):
        with Files(tables_folder) as exported, Files(truth_folder) as truth:
            truth.append("season", season_table(calendar))
            for chunk in draw_chunks(recipe, calendar):
                _write_chunk(recipe, calendar, chunk, exported, truth)
                progress(f"{chunk.customers.first + len(chunk.customers):,} of {n_customers:,} customers")
        recipe.write(truth_folder / "recipe.json")
    write_params(folder, as_of, currency=tables.CURRENCY, world=recipe.world)
    n_rows = {f"tables/{name}": n for name, n in exported.n_rows.items()}
    n_rows |= {f"truth/{name}": n for name, n in truth.n_rows.items()}
    return SimulationOutcome(folder, as_of, n_customers, n_rows)


def lines_of(recipe: SimulationRecipe, chunk: Chunk) -> Lines:
    """Purchased and returned lines of a chunk, past and future, before dirt."""
    rng = stream(recipe.seed, chunk.number, "lines")
    bought = draw_lines(recipe.world, rng, chunk.customers, chunk.traits, chunk.orders, chunk.renewals, chunk=chunk.number)
    return Lines.joined(bought, draw_returns(recipe.world, stream(recipe.seed, chunk.number, "returns"), bought))


def _check(*, n_customers: int, seed: int, as_of: date, years: float) -> None:
    if not 1 <= n_customers <= _MOST_CUSTOMERS:
        raise ParamsError(f"n_customers == {n_customers}, must be from 1 to {_MOST_CUSTOMERS:,}.")
    if seed < 0:
        raise ParamsError(f"seed == {seed}, must be >= 0.")
    if not _AS_OF_YEARS[0] <= as_of.year <= _AS_OF_YEARS[1]:
        raise ParamsError(f"as_of == {as_of}, must be in the years {_AS_OF_YEARS[0]} to {_AS_OF_YEARS[1]}.")
    if not _YEARS[0] <= years <= _YEARS[1]:
        raise ParamsError(f"years == {years:g}, must be from {_YEARS[0]:g} to {_YEARS[1]:g}.")


def _write_chunk(recipe: SimulationRecipe, calendar: Calendar, chunk: Chunk, exported: Files, truth: Files) -> None:
    world, n = recipe.world, len(chunk.customers)
    rng = stream(recipe.seed, chunk.number, "dirt")
    lines = lines_of(recipe, chunk)
    second = draw_second_accounts(world, rng, chunk)
    past = lines.take(lines.day < 0)
    export = export_lines(world.dirt, rng, past, second, n)
    exported.append(
        "transactions", _known(calendar, tables.transactions_table(world, calendar, chunk, past, export, second))
    )
    export = export_events(world.dirt, rng, chunk.events, second, n)
    exported.append("events", _known(calendar, tables.events_table(world, calendar, chunk, chunk.events, export, second)))
    exported.append("customers", tables.customers_table(world, calendar, rng, chunk, second))
    exported.append("subscriptions", tables.subscriptions_table(world, calendar, chunk))
    exported.append("assignments", tables.assignments_table(world, calendar, rng, chunk, second))
    exported.append("identities", tables.identities_table(chunk, second))
    truth.append("future_transactions", tables.future_table(world, calendar, chunk, lines))
    truth.append("truth", truth_table(world, calendar, chunk))
    truth.append("habits", habits_table(world, chunk))
    truth.append("second_accounts", second_accounts_table(chunk, second))


def _known(calendar: Calendar, table: pa.Table) -> pa.Table:
    """Rows recorded before ``as_of``: an export cannot hold what comes in later."""
    as_of = pa.scalar(np.datetime64(calendar.midnight(0), "us"))
    recorded = pc.less(table["recorded_at"], as_of)
    return table if pc.all(recorded).as_py() else table.filter(recorded)
