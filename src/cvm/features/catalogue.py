"""What a feature is. Each catalogue module lists its features; adding one is adding one entry.

An entry's ``sql`` is an aggregate over one of the relations of ``features/query.py``:

================  ==============================================================================================
``line``          transaction lines known at ``as_of``: the canonical columns, ``day``, ``age_days``
``orders``        one row per order with ``amount`` net of the returns known: ``day``, ``age_days``,
                  ``gap_days`` (to the order before), ``order_number`` (1 = first), ``quarter_of_year``
``active_day``    one row per day with a line, whatever was returned later: ``amount`` net of the returns of that day,
                  ``bought`` without them, ``n_lines``, ``n_bought`` (no returns), ``margin``, ``day``, ``age_days``
``event``         behaviour known at ``as_of``: the canonical columns, ``day``, ``age_days``
``subscription``  subscriptions known at ``as_of``: the canonical columns, ``start_age``, ``end_age`` and more, see
                  ``features/subscriptions.py``
``ledger``        ``margin`` of each line, ``cost`` of each return and event that has a unit cost, with ``age_days``
``mix_*``         uses of each value of one column, returns left out: ``value``, ``n``
``profile``       the customer's row of ``customers`` as ``attribute_<column>``, with ``age_days`` since signing up
``own``           the customer's latest known row of ``features`` as ``own_<column>``
================  ==============================================================================================

``age_days`` counts from the row's day to ``as_of``; yesterday is 1. Of a day, ``margin`` is the sum of its lines'. Where all
of a day is one order (no order ids, no returns), ``features_query`` computes entries on ``active_day`` from ``orders``,
which has the columns of both there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Feature:
    """One entry of the catalogue.

    Attributes
    ----------
    name : str
        Column name; ``{window}`` is replaced by each of ``windows``.
    sql : str
        Aggregate expression in DuckDB's dialect, with ``{window}`` likewise.
    relation : str
        Relation it is computed from.
    unit : str
        What the number counts.
    meaning : str
        One line for the documentation and the model card.
    windows : tuple of int
        Days before ``as_of``; empty for features of the whole history.
    needs : tuple of str
        Optional columns of the table without which the feature does not exist.
    empty : str
        Value of customers that have no row in the relation: ``0`` or ``NULL``.
    kind : {"number", "category"}
        Numbers are stored as float64, categories as text.
    """

    name: str
    sql: str
    relation: str
    unit: str
    meaning: str
    windows: tuple[int, ...] = ()
    needs: tuple[str, ...] = ()
    empty: Literal["0", "NULL"] = "NULL"
    kind: Literal["number", "category"] = "number"

    def expanded(self) -> Iterator[Feature]:
        """One feature per window."""
        if not self.windows:
            yield self
        for window in self.windows:
            yield replace(
                self,
                name=self.name.format(window=window),
                sql=self.sql.format(window=window, double=2 * window),
                meaning=self.meaning.format(window=window),
                windows=(),
            )
