"""What a reader of features should know about the money in them: names nobody bears, returns nothing explains."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from difflib import get_close_matches

from cvm.engines import Engine
from cvm.errors import ParamsError
from cvm.features.economics import Economics
from cvm.features.query import Schema, unmatched_returns_query

_RATES = "business.margin_rate_by_category"
_COSTS = "business.unit_costs.per_event"


def money_notes(engine: Engine, schema: Schema, economics: Economics, *, as_of: date, timezone: str) -> tuple[str, ...]:
    """Sentences about margin rates and unit costs without effect, and about unmatched returns.

    Parameters
    ----------
    engine : Engine
        Opened on the warehouse.
    schema : Schema
        Of that warehouse.
    economics : Economics
        Margin rates and unit costs.
    as_of : date
        Returns known then are counted.
    timezone : str
        Zone that cuts days.

    Raises
    ------
    ParamsError
        If rates or costs need a table or a column that the warehouse does not have.
    """
    _check_columns(schema, economics)
    notes: list[str] = []
    if economics.margin_rate_by_category:
        notes += _strangers(engine, economics.margin_rate_by_category, "transactions", "category", setting=_RATES)
    if economics.cost_per_event:
        notes += _strangers(engine, economics.cost_per_event, "events", "event_type", setting=_COSTS)
    if schema.has_returns:
        notes += _unmatched(engine, unmatched_returns_query(schema, as_of, timezone=timezone), economics.currency)
    return tuple(notes)


def _check_columns(schema: Schema, economics: Economics) -> None:
    by_value = sorted(name for name, cost in economics.cost_per_event.items() if cost == "value")
    for needed, setting, table, column in (
        (economics.margin_rate_by_category, _RATES, "transactions", "category"),
        (economics.cost_per_event, _COSTS, "events", "event_type"),
        (by_value, f"{_COSTS}, where {by_value} cost their value,", "events", "value"),
    ):
        if needed and table not in schema.columns:
            raise ParamsError(
                f"{setting} is for the table {table!r}, of which there is none. Add data.{table}, or take the setting out."
            )
        if needed and not schema.has(table, column):
            raise ParamsError(
                f"{setting} needs the column {column!r}, which the table {table!r} does not have. "
                f"Map it under data.{table}.columns and run `cvm ingest`, or take the setting out."
            )


def _strangers(engine: Engine, named: Collection[str], table: str, column: str, *, setting: str) -> Iterator[str]:
    """One sentence for all names of a setting that no row bears."""
    query = f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY 1"
    found: list[str] = engine.table(query).column(0).to_pylist()
    strangers = sorted(set(named) - set(found))
    if strangers:
        yield f"{setting} names what no row of {table} bears: {', '.join(_with_nearest(name, found) for name in strangers)}."


def _with_nearest(name: str, found: Collection[str]) -> str:
    spelled = {other.casefold(): other for other in found}
    near = get_close_matches(name.casefold(), list(spelled), n=1)
    return f"{name!r} (did you mean {spelled[near[0]]!r}?)" if near else repr(name)


def _unmatched(engine: Engine, query: str, currency: str) -> Iterator[str]:
    row = engine.row(query)
    if row["n_returns"]:
        yield (
            f"Returns of orders that the data does not hold: {row['n_returns']:,}, worth {row['amount']:,.0f} {currency}. "
            "They are left out of orders but stay in net spend."
        )
    if row["n_without_sale"]:
        yield (
            f"Returns whose order_id has no sale: {row['n_without_sale']:,}. They were taken from their customers' latest "
            "earlier orders."
        )
