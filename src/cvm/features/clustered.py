"""The warehouse's tables held anew for many queries: customers as numbers, the rows of each customer side by side.

Every feature is a group by customer. Where the rows of a customer lie together, a group is complete before the next begins
and stays in the cache of the processor, and a number is grouped, sorted and joined at a fraction of the cost of a text. One
scan and one sort so serve all snapshots.

What is known of a customer follows from the customer's own rows. So a base of any size is gone through in parts, a range of
numbers each, and memory does not grow with it.

The queries do not know: temporary views bear the names of the warehouse's tables, stand before them, and show one part.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from cvm.engines import Engine
from cvm.engines.sql import parquet
from cvm.features.query import Schema

_TABLES = ("transactions", "events", "customers", "subscriptions", "features")
_NUMBERS = "customer_number"
# What one part may hold: groups of so many customers, or of so many rows, stay in memory.
CUSTOMERS_AT_ONCE = 2_000_000
ROWS_AT_ONCE = 30_000_000


@dataclass(frozen=True)
class Clustered:
    """Tables of customers by number, for queries that tell of each customer by the customer's rows alone.

    Attributes
    ----------
    engine : Engine
    tables : tuple of str
        Those that are held; all others, and all of a distributed engine, are the warehouse's own.
    parts : tuple of (int, int)
        First and last customer number of each part, in their order; one part where nothing is held.
    """

    engine: Engine
    tables: tuple[str, ...]
    parts: tuple[tuple[int, int], ...]

    def queries(self, query: str) -> Iterator[str]:
        """SQL for the rows of a query in each part, with the ids of its customers, in their order if tables are held.

        Each is to be run before the next is asked for. Between two queries the tables show all customers.
        """
        if not self.tables:
            yield query
            return
        try:
            for first, last in self.parts:
                self.show(first, last)
                yield _with_ids(query, first, last)
        finally:
            self.show(self.parts[0][0], self.parts[-1][1])

    def write(self, query: str, path: Path) -> None:
        """Write the rows of a query, with the ids of its customers, to a Parquet file."""
        if len(self.parts) == 1:
            for one in self.queries(query):
                self.engine.write_parquet(one, path)
            return
        with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
            pieces = []
            for number, one in enumerate(self.queries(query)):
                pieces.append(Path(folder) / f"{number}.parquet")
                self.engine.write_parquet(one, pieces[-1])
            self.engine.write_parquet(f"SELECT * FROM {parquet(pieces)}", path)

    def show(self, first: int, last: int) -> None:
        """Have the tables hold the customers of these numbers alone."""
        for table in self.tables:
            rows = f"SELECT * FROM {_held(table)} WHERE customer_id BETWEEN {first} AND {last}"
            self.engine.execute(f"CREATE OR REPLACE TEMP VIEW {table} AS {rows}")


@contextmanager
def clustered_tables(engine: Engine, schema: Schema) -> Iterator[Clustered]:
    """Hold all tables of customers by number while the block runs.

    Many machines sort and number nothing well that one could; there the tables stay as they are.

    Parameters
    ----------
    engine : Engine
        Opened on the warehouse; it is not changed. The tables go to files beside it when memory does not suffice.
    schema : Schema
    """
    if engine.is_distributed:
        yield Clustered(engine, (), ((0, 0),))
        return
    tables = tuple(table for table in _TABLES if schema.has(table, "customer_id"))
    ids = " UNION ".join(f"SELECT DISTINCT customer_id FROM {table}" for table in tables)
    # Numbered in the order of the ids, so that what is sorted by number is sorted by id.
    numbered = f"SELECT customer_id, CAST(row_number() OVER (ORDER BY customer_id) AS INTEGER) AS number FROM ({ids})"
    try:
        engine.execute(f"CREATE OR REPLACE TEMP TABLE {_NUMBERS} AS {numbered}")
        for table in tables:
            in_time = ", held.occurred_at" if schema.has(table, "occurred_at") else ""
            engine.execute(
                f"CREATE OR REPLACE TEMP TABLE {_held(table)} AS SELECT held.* REPLACE (number AS customer_id) "
                f"FROM {table} AS held JOIN {_NUMBERS} USING (customer_id) ORDER BY number{in_time}"
            )
        clustered = Clustered(engine, tables, _parts(engine, tables))
        clustered.show(clustered.parts[0][0], clustered.parts[-1][1])
        yield clustered
    finally:
        engine.execute("; ".join(f"DROP VIEW IF EXISTS temp.{table}" for table in tables))
        engine.execute("; ".join(f"DROP TABLE IF EXISTS temp.{name}" for name in (*map(_held, tables), _NUMBERS)))


def _held(table: str) -> str:
    return f"{table}_by_customer"


def _parts(engine: Engine, tables: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Ranges of like many numbers: as few as hold neither too many customers nor, on average, too many rows."""
    counts = ", ".join(f"(SELECT count(*) FROM {name})" for name in (_NUMBERS, *map(_held, tables)))
    n_customers, *n_rows = engine.table(f"SELECT unnest([{counts}])").column(0).to_pylist()
    n_parts = max(ceil(n_customers / CUSTOMERS_AT_ONCE), ceil(sum(n_rows) / ROWS_AT_ONCE), 1)
    size = max(ceil(n_customers / n_parts), 1)
    return tuple((first, first + size - 1) for first in range(1, max(n_customers, 1) + 1, size))


def _with_ids(query: str, first: int, last: int) -> str:
    # A left join, though everybody has an id: so the engine keeps the ids at hand and not the wide rows.
    ids = f"SELECT * FROM {_NUMBERS} WHERE number BETWEEN {first} AND {last}"
    return (
        f"SELECT found.* REPLACE (numbered.customer_id AS customer_id) FROM ({query}) AS found "
        f"LEFT JOIN ({ids}) AS numbered ON numbered.number = found.customer_id ORDER BY found.customer_id"
    )
