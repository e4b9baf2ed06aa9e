"""What is known of purchases and events at ``as_of``: the rows that all actions are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from cvm.engines import DuckDBEngine
from cvm.engines.sql import local_day, midnight
from cvm.features.query import Schema, known_orders, known_rows, order_key, snapshots

ItemKind = Literal["product", "category"]
_COLUMNS: dict[ItemKind, str] = {"product": "product_id", "category": "category"}

# Features number their days from here.
_DATE = "DATE '1970-01-01' + day"


@dataclass(frozen=True)
class PurchaseHistory:
    """The warehouse as it stood at one moment.

    Attributes
    ----------
    schema : Schema
        Tables of the warehouse and their columns.
    as_of : date
        What happened, or was recorded, from its midnight on is not known.
    timezone : str
        Cuts days.
    """

    schema: Schema
    as_of: date
    timezone: str

    @classmethod
    def of(cls, engine: DuckDBEngine, *, as_of: date, timezone: str) -> PurchaseHistory:
        """Look what there is."""
        return cls(Schema.of(engine), as_of, timezone)

    def has(self, table: str, *columns: str) -> bool:
        """Whether the warehouse has a table with these columns."""
        return self.schema.has(table, *columns)

    def midnight(self, day: date) -> datetime:
        """When a day begins, UTC, without zone."""
        return midnight(day, self.timezone)

    def day(self, moment: str) -> str:
        """SQL for the day of a moment."""
        return local_day(moment, self.timezone)

    def rows(self, table: str) -> str:
        """Query of the rows of ``transactions`` or ``events`` that are known, with their ``day``."""
        known = known_rows(self.schema, table, self.timezone)
        return f"WITH {snapshots([self.as_of])} SELECT * REPLACE ({_DATE} AS day) FROM ({known})"

    @property
    def orders(self) -> str:
        """Query of ``customer_id`` and ``day`` of each order, net of the returns known; those wholly refunded are gone."""
        return f"WITH {self._known_orders} SELECT customer_id, {_DATE} AS day FROM orders"

    @property
    def lines_kept(self) -> str:
        """Query of the lines bought in ``orders``, with their ``day``."""
        return (
            f"WITH {self._known_orders} SELECT * REPLACE ({_DATE} AS day) "
            f"FROM (SELECT *, {order_key(self.schema)} AS order_key FROM line) "
            "SEMI JOIN orders USING (customer_id, order_key) WHERE amount >= 0"
        )

    @property
    def _known_orders(self) -> str:
        return ", ".join(known_orders(self.schema, [self.as_of], self.timezone))

    def item_kinds(self) -> tuple[ItemKind, ...]:
        """Kinds of items that transactions name."""
        return tuple(kind for kind, column in _COLUMNS.items() if self.has("transactions", column))

    def bought(self, kind: ItemKind) -> str:
        """Query of ``customer_id``, ``item``, ``day`` and ``quantity``: one row per day on which a customer bought an item.

        Neither returns nor orders that were wholly refunded are purchases; a purchase that says no quantity is of one.
        """
        item = _COLUMNS[kind]
        quantity = "greatest(sum(coalesce(quantity, 1)), 1)" if self.has("transactions", "quantity") else "1"
        return (
            f"SELECT customer_id, {item} AS item, day, CAST({quantity} AS DOUBLE) AS quantity "
            f"FROM ({self.lines_kept}) WHERE amount > 0 AND trim({item}) <> '' GROUP BY customer_id, {item}, day"
        )
