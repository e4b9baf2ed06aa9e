"""What is known of purchases and events at ``as_of``: the rows that all actions are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

from cvm.engines import DuckDBEngine, literal
from cvm.engines.sql import local_day

ItemKind = Literal["product", "category"]
_COLUMNS: dict[ItemKind, str] = {"product": "product_id", "category": "category"}


@dataclass(frozen=True)
class History:
    """The warehouse as it stood at one moment.

    Attributes
    ----------
    columns : dict of str to set of str
        Tables of the warehouse and their columns.
    as_of : date
        What happened, or was recorded, from its midnight on is not known.
    timezone : str
        Cuts days.
    """

    columns: dict[str, set[str]]
    as_of: date
    timezone: str

    @classmethod
    def of(cls, engine: DuckDBEngine, *, as_of: date, timezone: str) -> History:
        """Look what there is."""
        return cls({table: set(engine.columns(table)) for table in engine.tables()}, as_of, timezone)

    def has(self, table: str, *columns: str) -> bool:
        """Whether the warehouse has a table with these columns."""
        return table in self.columns and set(columns) <= self.columns[table]

    def midnight(self, day: date) -> datetime:
        """When a day begins, UTC, without zone."""
        return datetime.combine(day, time(), tzinfo=ZoneInfo(self.timezone)).astimezone(UTC).replace(tzinfo=None)

    def day(self, moment: str) -> str:
        """SQL for the day of a moment."""
        return local_day(moment, self.timezone)

    def rows(self, table: str) -> str:
        """Query of the rows of ``transactions`` or ``events`` that are known, with their ``day``."""
        until = literal(self.midnight(self.as_of))
        recorded = f" AND (recorded_at IS NULL OR recorded_at < {until})" if self.has(table, "recorded_at") else ""
        return f"SELECT *, {self.day('occurred_at')} AS day FROM {table} WHERE occurred_at < {until}{recorded}"

    def item_kinds(self) -> tuple[ItemKind, ...]:
        """Kinds of items that transactions name."""
        return tuple(kind for kind, column in _COLUMNS.items() if self.has("transactions", column))

    def bought(self, kind: ItemKind) -> str:
        """Query of ``customer_id``, ``item``, ``day`` and ``quantity``: one row per day on which a customer bought an item.

        Returns are no purchases; a purchase that says no quantity is of one.
        """
        item = _COLUMNS[kind]
        quantity = "greatest(sum(coalesce(quantity, 1)), 1)" if self.has("transactions", "quantity") else "1"
        return (
            f"SELECT customer_id, {item} AS item, day, CAST({quantity} AS DOUBLE) AS quantity "
            f"FROM ({self.rows('transactions')}) WHERE amount > 0 AND trim({item}) <> '' GROUP BY customer_id, {item}, day"
        )
