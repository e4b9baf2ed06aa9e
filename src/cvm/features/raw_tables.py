"""What turns raw rows into the features of a training: the tables there were, the zone that cuts days, the economics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from cvm.features.catalogue import Feature
from cvm.features.economics import Economics
from cvm.features.query import Schema, catalogue

# Features come from these; the user's own are computed elsewhere.
_TABLES = ("transactions", "events", "customers", "subscriptions")
_TYPE = re.compile(r"[A-Z][A-Z0-9_]*( WITH TIME ZONE)?|DECIMAL\(\d+,\s?\d+\)")


@dataclass(frozen=True)
class RawTables:
    """The warehouse as the features stage saw it, without its rows.

    Attributes
    ----------
    timezone : str
        Zone that cuts days.
    economics : Economics
        Margin rates and unit costs.
    columns : mapping of str to mapping of str to str
        Table to column to type, of the tables that features come from.
    event_types : tuple of str
        Types of event that have features of their own.
    """

    timezone: str
    economics: Economics
    columns: Mapping[str, Mapping[str, str]]
    event_types: tuple[str, ...]

    @classmethod
    def of(cls, schema: Schema, *, timezone: str, economics: Economics) -> RawTables:
        """What has to be kept of a warehouse to compute the same features from other rows."""
        columns = {table: dict(schema.columns[table]) for table in _TABLES if table in schema.columns}
        return cls(timezone, economics, columns, schema.event_types)

    @cached_property
    def schema(self) -> Schema:
        """For the catalogue. Returns may always come; where none does, netting them changes nothing."""
        return Schema({table: dict(columns) for table, columns in self.columns.items()}, self.event_types, has_returns=True)

    @cached_property
    def features(self) -> list[Feature]:
        """What can be computed from raw rows: the catalogue without the user's own features."""
        return catalogue(self.schema, self.economics)

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "timezone": self.timezone,
            "economics": asdict(self.economics),
            "columns": {table: dict(columns) for table, columns in self.columns.items()},
            "event_types": list(self.event_types),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> RawTables:
        """The tables ``state`` was taken from.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is none: types become part of SQL, so what is no name of a type is refused.
        """
        columns = {str(table): {str(name): str(kind) for name, kind in of.items()} for table, of in state["columns"].items()}
        strange = [kind for of in columns.values() for kind in of.values() if not _TYPE.fullmatch(kind)]
        if strange or not set(columns) <= set(_TABLES):
            raise ValueError(f"the raw tables {sorted(columns)} hold columns of the types {strange}")
        ZoneInfo(state["timezone"])
        return cls(state["timezone"], Economics(**state["economics"]), columns, tuple(map(str, state["event_types"])))
