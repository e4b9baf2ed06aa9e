"""Whether the warehouse can carry the definition of churn, and what a reader should know about it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from cvm.engines import Engine
from cvm.errors import InsufficientDataError, ParamsError
from cvm.features.churn import ChurnDefinition
from cvm.features.query import Schema, subscriptions_query


def contract_notes(engine: Engine, schema: Schema, churn: ChurnDefinition, *, as_of: date, timezone: str) -> Iterator[str]:
    """Sentences about a definition of churn that the data bears in part.

    Parameters
    ----------
    engine : Engine
        Opened on the warehouse.
    schema : Schema
        Of that warehouse.
    churn : ChurnDefinition
    as_of : date
        Snapshot that is scored.
    timezone : str
        Zone that cuts days.

    Raises
    ------
    ParamsError
        If the definition needs a table or a column that the warehouse does not have.
    InsufficientDataError
        If churn is the end of subscriptions and nobody holds one at ``as_of``.
    """
    if churn.definition == "inactivity" and not schema.has("events"):
        yield (
            f"churn.definition: inactivity knows no activity but orders, because there is no table 'events': churn is no "
            f"order within {churn.inactivity_days} days. Add data.events to count visits and logins."
        )
    if not churn.is_contractual:
        return
    if not schema.has("subscriptions"):
        raise ParamsError(
            "churn.definition: subscription needs the table 'subscriptions', of which there is none. Add "
            "data.subscriptions (customer_id, started_at, ended_at) and run `cvm ingest`, or set churn.definition: no_order."
        )
    if not schema.has("subscriptions", "ended_at"):
        raise ParamsError(
            "churn.definition: subscription needs the column 'ended_at', which the table 'subscriptions' does not have: "
            "nobody would ever leave. Map it under data.subscriptions.columns and run `cvm ingest`."
        )
    row = engine.row(subscriptions_query(schema, as_of, timezone=timezone))
    if row["n_holders"] == 0:
        raise InsufficientDataError(
            f"Nobody holds a subscription at {as_of}: of {row['n_rows']:,} rows of 'subscriptions' {row['n_ended']:,} ended "
            f"before and {row['n_later']:,} begin later. Check started_at and ended_at, which must be blank while a "
            "subscription runs, and that the export is as new as the transactions; or choose an earlier windows.as_of."
        )
    if row["n_planned"]:
        yield (
            f"Ends of subscriptions on file for {as_of} or later: {row['n_planned']:,}. They do not count yet, because the "
            "table does not say since when they are known."
        )
