"""Features of customers whose raw rows come with a request: the catalogue's own query on a database in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import cached_property

import pandas as pd

from cvm.engines import DuckDBEngine, literal
from cvm.engines.sql import midnight
from cvm.errors import HistoryError
from cvm.features.query import features_query
from cvm.features.raw_rows import RawTable
from cvm.features.raw_tables import RawTables

# What one request may take before the engine refuses it.
_MEMORY_GIB = 1.0
# When a row of a table happened.
_MOMENT = {
    "transactions": "occurred_at",
    "events": "occurred_at",
    "subscriptions": "started_at",
    "customers": "signed_up_at",
}


class RawFeatures:
    """Computes features out of raw rows; may be asked from several threads at once.

    Planning the query of some two hundred features takes far longer than running it on a few rows. So every database keeps
    the plan of the date it was last asked for, and waits, empty, for the next request.
    """

    def __init__(self, raw: RawTables) -> None:
        self.raw = raw
        self._idle: list[_Database] = []

    @cached_property
    def tables(self) -> dict[str, RawTable]:
        """How each table of a request is read."""
        currency = self.raw.economics.currency
        return {name: RawTable(name, types, currency) for name, types in self.raw.columns.items()}

    def at(self, as_of: date, cells: Mapping[str, Mapping[int, object]], rows: list[int]) -> pd.DataFrame:
        """Features of some customers.

        Parameters
        ----------
        as_of : date
            What happened from its midnight on, in the zone of the model, is not known.
        cells : mapping of str to mapping of int to object
            Table to row of the request to what it holds for the table.
        rows : list of int
            The rows asked for, one customer each.

        Returns
        -------
        DataFrame of shape (n_rows, n_features)
            In the order of ``rows``, indexed by them. Who is not known at ``as_of`` is a prospect without a past.

        Raises
        ------
        HistoryError
            If a value cannot be read, or the whole history of a customer lies at or after ``as_of``.
        """
        with self._database() as database:
            found = database.features(as_of, cells)
        found.index = found.pop("customer_id").astype(int)
        found = found.drop(columns="as_of").reindex(rows)
        counted = [feature.name for feature in self.raw.features if feature.empty == "0"]
        return found.fillna(dict.fromkeys(counted, 0.0))

    @contextmanager
    def _database(self) -> Iterator[_Database]:
        """One that nobody uses. Taking from a list and adding to it need no lock."""
        try:
            database = self._idle.pop()
        except IndexError:
            database = _Database(self.raw, self.tables)
        try:
            yield database
        except HistoryError:
            self._idle.append(database)  # which is well; after any other error it may not be
            raise
        self._idle.append(database)


class _Database:
    def __init__(self, raw: RawTables, tables: Mapping[str, RawTable]) -> None:
        self._raw, self._tables = raw, tables
        self._as_of: date | None = None
        self._engine = DuckDBEngine(memory_gib=_MEMORY_GIB)
        # Few rows: threads wait for each other, and a better plan costs more than it saves.
        self._engine.execute("SET threads = 1; PRAGMA disable_optimizer")
        self._engine.execute("SET temp_directory = ''")  # what is sent never reaches a disk
        for table in tables.values():
            self._engine.execute(table.definition())

    def features(self, as_of: date, cells: Mapping[str, Mapping[int, object]]) -> pd.DataFrame:
        if self._as_of != as_of:
            query = features_query(self._raw.schema, [as_of], timezone=self._raw.timezone, economics=self._raw.economics)
            self._engine.execute(f"PREPARE features AS {query}")
            self._engine.execute(f"PREPARE later AS {self._later(as_of)}")
            self._as_of = as_of
        # Rows are never committed: with the end of the request nothing is left of them.
        self._engine.execute("BEGIN TRANSACTION")
        try:
            for name, table in self._tables.items():
                table.load(self._engine, cells.get(name, {}))
            self._refuse_later(as_of)
            return self._engine.table("EXECUTE features").to_pandas()
        finally:
            self._engine.execute("ROLLBACK")

    def _later(self, as_of: date) -> str:
        """Query for how many customers have a history of which nothing is known at ``as_of`` yet, and the first of them."""
        rows = " UNION ALL ".join(
            f"SELECT customer_id, {_MOMENT[name]} AS moment FROM {name}"
            for name, table in self._tables.items()
            if _MOMENT.get(name) in table.types
        )
        since = literal(midnight(as_of, self._raw.timezone))
        customers = f"SELECT customer_id FROM ({rows}) GROUP BY 1 HAVING min(moment) >= {since}"
        return f"SELECT count(*) AS n, min(CAST(customer_id AS BIGINT)) AS place FROM ({customers})"

    def _refuse_later(self, as_of: date) -> None:
        """A date mistyped would else make a prospect of every customer."""
        found = self._engine.row("EXECUTE later")
        if found["n"]:
            raise HistoryError(
                f"Row {found['place']}: the whole history lies at or after as_of ({as_of}), when nothing of it was known; "
                f"{found['n']:,} such rows. Check as_of; of who was no customer then, send no history."
            )
