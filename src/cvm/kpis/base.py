"""The small tables that all KPIs are made of, each from one pass over what was known at ``as_of``.

=====================  =========================================================================================
temporary table        one row per
=====================  =========================================================================================
``line``               transaction line: day, amount, margin, channel
``kpi_order``          order, net of the returns known: day, channel of its first sale
``kpi_customer``       customer: number (``who``), day and channel of the first order, attributes, latest segment
``kpi_standing``       spell of being a customer: at every midnight in ``(starts, ends]``
``kpi_quiet``          the same by ``inactivity_days``
``kpi_purchase``       customer, month and channel: orders, revenue, margin, cost
``kpi_behaviour``      customer, month and channel: events by what they mean
=====================  =========================================================================================

Days are numbers since 1970-01-01 in the business time zone, months numbers since year 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from cvm.engines import DuckDBEngine
from cvm.engines.sql import parquet
from cvm.features.economics import ledger, line_margin
from cvm.features.query import Schema, contract_days, known_orders, known_rows, order_key
from cvm.features.subscriptions import subscription_days
from cvm.kpis.event_kinds import BEHAVIOUR, EVENT_KINDS, event_kinds
from cvm.kpis.settings import KpiSettings, Scores

# No subscription lasts longer.
_FOR_EVER = 10_000_000
_TABLES = ("line", "kpi_day", "kpi_order", "kpi_customer", "kpi_standing", "kpi_quiet", "kpi_purchase", "kpi_behaviour")


@contextmanager
def base_tables(
    engine: DuckDBEngine, schema: Schema, settings: KpiSettings, scores: Scores, *, first: date, as_of: date
) -> Iterator[None]:
    """Hold the tables above while the block runs.

    Parameters
    ----------
    engine : DuckDBEngine
        Opened on the warehouse; it is not changed.
    schema : Schema
    settings : KpiSettings
    scores : Scores
        Whose latest tells the segments of today.
    first : date
        From which day on purchases and events are added up.
    as_of : date
        Before which all must be known.
    """
    snapshot, line, orders = known_orders(
        schema,
        [as_of],
        settings.timezone,
        extra=f", {line_margin(settings.economics, columns=schema.columns['transactions'])} AS line_margin",
    )
    end = number_of(as_of)
    held = {
        "kpi_day": (
            "SELECT day, extract(year FROM that_day) * 12 + extract(month FROM that_day) - 1 AS month "
            "FROM (SELECT CAST(range AS INTEGER) AS day, DATE '1970-01-01' + CAST(range AS INTEGER) AS that_day "
            f"FROM range({number_of(first)}, {end}))"
        ),
        "line": f"WITH {snapshot}, {line} SELECT {', '.join(_line_columns(schema))} FROM line",
        "kpi_order": f"WITH {snapshot}, {orders} {_orders(schema)}",
        "kpi_customer": f"WITH {snapshot} {_customers(schema, settings, scores, end)}",
        "kpi_standing": _spells(schema, settings, days=settings.active_days, end=end),
        "kpi_quiet": _spells(schema, settings, days=settings.inactivity_days, end=end),
        "kpi_purchase": f"WITH {snapshot} {_purchases(schema, settings, end)}",
    }
    if schema.has("events"):
        types = engine.table("SELECT DISTINCT event_type FROM events").column(0).to_pylist()
        engine.register(EVENT_KINDS, event_kinds(types, active=settings.active_events))
        held["kpi_behaviour"] = f"WITH {snapshot} {_behaviour(schema, settings)}"
    try:
        for name, query in held.items():
            engine.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
        yield
    finally:
        engine.execute("; ".join(f"DROP TABLE IF EXISTS temp.{name}" for name in _TABLES))


def number_of(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - date(1970, 1, 1)).days


def _line_columns(schema: Schema) -> list[str]:
    columns = ["as_of", "customer_id", "occurred_at", "day", "age_days", "amount", "line_margin"]
    columns += [name for name in ("order_id",) if schema.has("transactions", name)]
    return [*columns, "channel" if schema.has("transactions", "channel") else "CAST(NULL AS VARCHAR) AS channel"]


def _orders(schema: Schema) -> str:
    if not schema.has("transactions", "channel"):
        return "SELECT customer_id, day, order_number, CAST(NULL AS VARCHAR) AS channel FROM orders"
    # Of two channels at one moment the first by name, so that every run says the same.
    first = "arg_min(channel, struct_pack(back := amount < 0, at := occurred_at, channel := channel))"
    return (
        "SELECT customer_id, day, order_number, channel FROM orders LEFT JOIN ("
        f"SELECT customer_id, {order_key(schema)} AS order_key, {first} AS channel FROM line WHERE channel IS NOT NULL "
        "GROUP BY customer_id, order_key) USING (customer_id, order_key)"
    )


def _subscriptions(schema: Schema, settings: KpiSettings, end: int) -> str:
    """Spells of subscriptions known; an end planned for later is not known to come."""
    rows = subscription_days(**contract_days(schema, settings.timezone))
    ends = f"CASE WHEN ended_day < {end} THEN ended_day ELSE {_FOR_EVER} END"
    return f"SELECT customer_id, started_day AS starts, {ends} AS ends FROM ({rows}) WHERE started_day < {end}"


def _customers(schema: Schema, settings: KpiSettings, scores: Scores, end: int) -> str:
    ids = ["SELECT DISTINCT customer_id FROM line"]
    joined = ["SELECT customer_id, min(day) AS day, arg_min(channel, order_number) AS channel FROM kpi_order GROUP BY 1"]
    if schema.has("subscriptions"):
        spells = _subscriptions(schema, settings, end)
        ids.append(f"SELECT customer_id FROM ({spells})")
        joined.append(f"SELECT customer_id, min(starts), NULL FROM ({spells}) GROUP BY 1")
    if schema.has("events"):
        ids.append(f"SELECT DISTINCT customer_id FROM ({known_rows(schema, 'events', settings.timezone)})")
    if schema.has("customers"):
        ids.append("SELECT customer_id FROM customers")
    profile = {"acquisition_channel": "VARCHAR", "acquisition_cost": "DOUBLE"}
    there = {name: kind for name, kind in profile.items() if schema.has("customers", name)}
    columns = [
        f"CAST({f'customers.{name}' if name in there else 'NULL'} AS {kind}) AS {name}" for name, kind in profile.items()
    ]
    scored = "SELECT NULL AS customer_id, NULL AS segment, NULL AS lifetime_value WHERE FALSE"
    if scores.latest:
        value = "historic_value + clv AS lifetime_value"
        scored = f"SELECT customer_id, segment, {value} FROM {parquet([scores.latest])}"
    return f"""
  , known AS ({" UNION ".join(ids)}),
  joined AS (
    SELECT customer_id, min(day) AS joined_day, any_value(channel) AS first_channel
    FROM ({" UNION ALL ".join(joined)}) GROUP BY customer_id
  ),
  scored AS ({scored})
  SELECT CAST(row_number() OVER () AS INTEGER) AS who, known.customer_id, joined_day, first_channel, {", ".join(columns)},
    CAST(scored.segment AS VARCHAR) AS segment, CAST(scored.lifetime_value AS DOUBLE) AS lifetime_value,
    CAST(extract(year FROM DATE '1970-01-01' + joined_day) AS VARCHAR) AS cohort
  FROM known LEFT JOIN joined USING (customer_id) LEFT JOIN scored USING (customer_id)
  {"LEFT JOIN customers USING (customer_id)" if there else ""}"""


def _spells(schema: Schema, settings: KpiSettings, *, days: int, end: int) -> str:
    presence = [f"SELECT customer_id, day AS starts, day + {days} AS ends FROM kpi_order"]
    if schema.has("subscriptions"):
        presence.append(_subscriptions(schema, settings, end))
    in_time = "PARTITION BY who ORDER BY starts, ends ROWS"
    latest_end = f"max(ends) OVER ({in_time} BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    return f"""
  SELECT who, min(starts) AS starts, max(ends) AS ends FROM (
    SELECT who, starts, ends, sum(begins) OVER ({in_time} UNBOUNDED PRECEDING) AS spell FROM (
      SELECT who, starts, ends, CASE WHEN starts <= {latest_end} THEN 0 ELSE 1 END AS begins
      FROM ({" UNION ALL ".join(presence)}) JOIN kpi_customer USING (customer_id)
    )
  ) GROUP BY who, spell"""


def _purchases(schema: Schema, settings: KpiSettings, end: int) -> str:
    parts = [
        "SELECT customer_id, day, channel, 0 AS n_orders, CAST(amount AS DOUBLE) AS revenue, "
        "CAST(line_margin AS DOUBLE) AS margin, 0.0 AS cost FROM line",
        "SELECT customer_id, day, channel, 1, 0.0, 0.0, 0.0 FROM kpi_order",
    ]
    event = ""
    if settings.economics.has_costs:
        columns = schema.columns.get("events", {})
        if columns:
            event = f", event AS ({known_rows(schema, 'events', settings.timezone)})"
        costs = ledger(settings.economics, event_columns=columns)
        parts.append(
            f"SELECT customer_id, {end} - age_days, NULL, 0, 0.0, 0.0, CAST(cost AS DOUBLE) "
            f"FROM ({costs}) WHERE cost IS NOT NULL"
        )
    sums = ", ".join(f"sum({name}) AS {name}" for name in ("n_orders", "revenue", "margin", "cost"))
    return (
        f"{event} SELECT who, month, channel, {sums} FROM ({' UNION ALL '.join(parts)}) "
        "JOIN kpi_day USING (day) JOIN kpi_customer USING (customer_id) GROUP BY who, month, channel"
    )


def _behaviour(schema: Schema, settings: KpiSettings) -> str:
    own = "events.channel" if schema.has("events", "channel") else "NULL"
    value = "TRY_CAST(events.value AS DOUBLE)" if schema.has("events", "value") else "CAST(NULL AS DOUBLE)"
    sums = ", ".join(f"sum({sql.format(value=value)}) AS {name}" for name, sql in BEHAVIOUR.items())
    return (
        f"SELECT who, month, coalesce({own}, kind.message_channel) AS channel, {sums} "
        f"FROM ({known_rows(schema, 'events', settings.timezone)}) AS events "
        f"JOIN {EVENT_KINDS} AS kind USING (event_type) JOIN kpi_day USING (day) JOIN kpi_customer USING (customer_id) "
        "GROUP BY ALL"
    )
