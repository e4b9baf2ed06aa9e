"""The small tables that all KPIs are made of, each from one pass over what was known at ``as_of``.

====================  ==========================================================================================
temporary table       one row per
====================  ==========================================================================================
``kpi_day``           day, with its month
``kpi_person``        customer, and the number that stands for them (``who``)
``kpi_order``         order, net of the returns known: day, channel of its sales
``kpi_subscription``  subscription: held at every midnight in ``(starts, ends]``
``kpi_customer``      customer: day and channel of the first order, attributes, segment in the latest scores
``kpi_standing``      spell of being a customer: at every midnight in ``(starts, ends]``; the spell before it ended
                      ``ended_before``, the next ``starts_again``
``kpi_quiet``         the same by ``inactivity_days``
``kpi_purchase``      customer, month and channel: orders, revenue, margin, cost
``kpi_behaviour``     customer, month and channel: events by what they mean
====================  ==========================================================================================

Days are numbers since 1970-01-01 in the business time zone, months numbers since year 0. What only helps
to make them (``line``, ``kpi_placed``, ``kpi_spell``, ``kpi_message``) is dropped at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from cvm.engines import Engine, literal
from cvm.engines.sql import parquet
from cvm.features.economics import ledger, line_margin
from cvm.features.netting import netted_orders, placed_orders
from cvm.features.query import Schema, contract_days, known_rows, order_key
from cvm.features.subscriptions import subscription_days
from cvm.kpis.event_kinds import BEHAVIOUR, EVENT_KINDS, event_kinds
from cvm.kpis.messages import ANSWERED, message_rows
from cvm.kpis.settings import KpiSettings, Scores

# No subscription lasts longer.
_FOR_EVER = 10_000_000
_MONEY = ("n_orders", "revenue", "margin", "cost")


@contextmanager
def base_tables(
    engine: Engine, schema: Schema, settings: KpiSettings, scores: Scores, *, first: date, as_of: date
) -> Iterator[None]:
    """Hold the tables above while the block runs.

    Parameters
    ----------
    engine : Engine
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
    held = base_queries(schema, settings, scores, first=first, as_of=as_of)
    if schema.has("events"):
        known = known_rows(schema, "events", settings.timezone)
        snapshot = _snapshot(as_of)
        types = engine.table(f"{snapshot} SELECT DISTINCT event_type FROM ({known})").column(0).to_pylist()
        engine.register(EVENT_KINDS, event_kinds(types, active=settings.active_events))
    try:
        for name, query in held.items():
            engine.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
        for name in ("line", "kpi_placed", "kpi_spell", "kpi_message"):
            engine.execute(f"DROP TABLE IF EXISTS temp.{name}")
        yield
    finally:
        engine.execute("; ".join(f"DROP TABLE IF EXISTS temp.{name}" for name in held))


def base_queries(schema: Schema, settings: KpiSettings, scores: Scores, *, first: date, as_of: date) -> dict[str, str]:
    """The queries of these tables, each after those it reads; those of events also read ``EVENT_KINDS``.

    Parameters
    ----------
    schema, settings, scores, first, as_of
        As in ``base_tables``.
    """
    end, snapshot = number_of(as_of), _snapshot(as_of)
    queries = {
        "kpi_day": _days(number_of(first), end),
        "kpi_person": f"{snapshot} {_people(schema, settings, end)}",
        "line": f"{snapshot} {_lines(schema, settings)}",
        "kpi_placed": _placed(schema),
        "kpi_order": _orders(schema),
        "kpi_subscription": (
            f"SELECT who, starts, ends FROM ({_subscriptions(schema, settings, end)}) JOIN kpi_person USING (customer_id)"
        ),
        "kpi_customer": _customers(schema, scores),
        "kpi_spell": _spell_starts(settings),
        "kpi_standing": _spells("long"),
        "kpi_quiet": _spells("short"),
        "kpi_purchase": f"{snapshot} {_purchases(schema, settings, end)}",
    }
    if schema.has("events"):
        queries["kpi_message"] = f"{snapshot} {_messages(schema, settings)}"
        queries["kpi_behaviour"] = f"{snapshot} {_behaviour(schema, settings)}"
    return queries


def first_subscribed(engine: Engine, schema: Schema, settings: KpiSettings, *, as_of: date) -> date | None:
    """Day on which the first subscription known at ``as_of`` began; ``None`` where there is none."""
    known = _subscriptions(schema, settings, number_of(as_of))
    found: date | None = engine.row(f"SELECT DATE '1970-01-01' + CAST(min(starts) AS INTEGER) AS first FROM ({known})")[
        "first"
    ]
    return found


def _snapshot(as_of: date) -> str:
    return f"WITH snapshot(as_of, as_of_day) AS (VALUES ({literal(as_of)}, {number_of(as_of)}))"


def number_of(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - date(1970, 1, 1)).days


def _days(first: int, end: int) -> str:
    return (
        "SELECT day, extract(year FROM that_day) * 12 + extract(month FROM that_day) - 1 AS month FROM ("
        "SELECT CAST(range AS INTEGER) AS day, DATE '1970-01-01' + CAST(range AS INTEGER) AS that_day "
        f"FROM range({first}, {end}))"
    )


def _people(schema: Schema, settings: KpiSettings, end: int) -> str:
    """Everybody who did anything or is on file; numbers are a third of the cost of names in all that follows."""
    ids = [f"SELECT DISTINCT customer_id FROM ({known_rows(schema, 'transactions', settings.timezone)})"]
    if schema.has("events"):
        ids.append(f"SELECT DISTINCT customer_id FROM ({known_rows(schema, 'events', settings.timezone)})")
    if schema.has("customers"):
        ids.append("SELECT customer_id FROM customers")
    if schema.has("subscriptions"):
        ids.append(f"SELECT customer_id FROM ({_subscriptions(schema, settings, end)})")
    return f"SELECT customer_id, CAST(row_number() OVER () AS INTEGER) AS who FROM ({' UNION '.join(ids)})"


def _lines(schema: Schema, settings: KpiSettings) -> str:
    margin = line_margin(settings.economics, columns=schema.columns["transactions"])
    known = known_rows(schema, "transactions", settings.timezone, extra=f", {margin} AS line_margin")
    order_id = "order_id, " if schema.has("transactions", "order_id") else ""
    channel = "channel" if schema.has("transactions", "channel") else "CAST(NULL AS VARCHAR) AS channel"
    return (
        f"SELECT as_of, who, day, age_days, amount, line_margin, {order_id}{channel} "
        f"FROM ({known}) JOIN kpi_person USING (customer_id)"
    )


def _placed(schema: Schema) -> str:
    key = order_key(schema)
    channel = ", coalesce(min(channel) FILTER (WHERE amount >= 0), min(channel)) AS channel"
    return placed_orders(key=key, per="who", extra=channel)


def _orders(schema: Schema) -> str:
    """Returns are netted as for features; who brought nothing back has nothing to be sorted for it."""
    returned = "SELECT who FROM kpi_placed WHERE amount < 0"
    own = netted_orders(f"SELECT * FROM kpi_placed WHERE who IN ({returned})", per="who", has_returns=schema.has_returns)
    return (
        f"SELECT who, order_key, day, channel FROM kpi_placed WHERE who NOT IN ({returned}) "
        f"UNION ALL SELECT netted.who, order_key, netted.day, placed.channel FROM ({own}) AS netted "
        f"JOIN kpi_placed AS placed USING (who, order_key)"
    )


def _subscriptions(schema: Schema, settings: KpiSettings, end: int) -> str:
    """Subscriptions known; an end planned for later is not known to come."""
    if not schema.has("subscriptions"):
        return "SELECT '' AS customer_id, 0 AS starts, 0 AS ends WHERE FALSE"
    rows = subscription_days(**contract_days(schema, settings.timezone))
    ends = f"CASE WHEN ended_day < {end} THEN ended_day ELSE {_FOR_EVER} END"
    return f"SELECT customer_id, started_day AS starts, {ends} AS ends FROM ({rows}) WHERE started_day < {end}"


def _customers(schema: Schema, scores: Scores) -> str:
    profile = {"acquisition_channel": "VARCHAR", "acquisition_cost": "DOUBLE"}
    there = [name for name in profile if schema.has("customers", name)]
    columns = [
        f"CAST({f'profile.{name}' if name in there else 'NULL'} AS {kind}) AS {name}" for name, kind in profile.items()
    ]
    nobody = "CAST(NULL AS VARCHAR) AS customer_id, CAST(NULL AS VARCHAR) AS segment, CAST(NULL AS DOUBLE) AS lifetime_value"
    scored = f"SELECT {nobody} WHERE FALSE"
    if scores.latest:
        value = "historic_value + clv AS lifetime_value"
        scored = f"SELECT customer_id, segment, {value} FROM {parquet([scores.latest])}"
    return f"""
  WITH joined AS (
    SELECT who, min(day) AS joined_day, any_value(channel) AS first_channel FROM (
      SELECT who, min(day) AS day, arg_min_null(channel, struct_pack(day := day, key := order_key)) AS channel
      FROM kpi_order GROUP BY who
      UNION ALL SELECT who, min(starts), NULL FROM kpi_subscription GROUP BY who
    ) GROUP BY who
  )
  SELECT who, customer_id, joined_day, first_channel, {", ".join(columns)},
    CAST(scored.segment AS VARCHAR) AS segment, CAST(scored.lifetime_value AS DOUBLE) AS lifetime_value,
    CAST(extract(year FROM DATE '1970-01-01' + joined_day) AS VARCHAR) AS cohort
  FROM kpi_person LEFT JOIN joined USING (who) LEFT JOIN ({scored}) AS scored USING (customer_id)
  {"LEFT JOIN customers AS profile USING (customer_id)" if there else ""}"""


def _spell_starts(settings: KpiSettings) -> str:
    """Rows that begin a spell of either length, with the latest end of the rows before and of all of the customer's."""
    lengths = {"long": settings.active_days, "short": settings.inactivity_days}
    of_order = ", ".join(f"day + {days} AS {name}_end" for name, days in lengths.items())
    so_far = "PARTITION BY who ORDER BY starts ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
    latest = ", ".join(f"max({name}_end) OVER ({so_far}) AS {name}_before" for name in lengths)
    begins = " OR ".join(f"{name}_before IS NULL OR starts > {name}_before" for name in lengths)
    presence = (
        f"SELECT who, day AS starts, {of_order} FROM kpi_order "
        "UNION ALL SELECT who, starts, ends, ends FROM kpi_subscription"
    )
    return f"""
  WITH presence AS ({presence}),
  whole AS (SELECT who, max(long_end) AS long_last, max(short_end) AS short_last FROM presence GROUP BY who)
  SELECT who, starts, long_before, short_before, long_last, short_last
  FROM (SELECT who, starts, {latest} FROM presence) JOIN whole USING (who) WHERE {begins}"""


def _spells(length: str) -> str:
    """Spells without a gap: so many days after each order, and while a subscription is held."""
    following = "OVER (PARTITION BY who ORDER BY starts)"
    return (
        f"SELECT who, starts, coalesce(lead({length}_before) {following}, {length}_last) AS ends, "
        f"{length}_before AS ended_before, lead(starts) {following} AS starts_again "
        f"FROM kpi_spell WHERE {length}_before IS NULL OR starts > {length}_before"
    )


def _purchases(schema: Schema, settings: KpiSettings, end: int) -> str:
    parts = [
        "SELECT who, day, channel, 0 AS n_orders, CAST(amount AS DOUBLE) AS revenue, CAST(line_margin AS DOUBLE) AS margin, "
        "0.0 AS cost FROM line",
        "SELECT who, day, channel, 1, 0.0, 0.0, 0.0 FROM kpi_order",
    ]
    if settings.economics.has_costs:
        columns = schema.columns.get("events", {})
        named = "line AS (SELECT held.*, customer_id FROM temp.line AS held JOIN kpi_person USING (who))"
        event = f", event AS ({known_rows(schema, 'events', settings.timezone)})" if columns else ""
        costs = f"WITH {named}{event} {ledger(settings.economics, event_columns=columns)}"
        parts.append(
            f"SELECT who, {end} - age_days, NULL, 0, 0.0, 0.0, CAST(cost AS DOUBLE) "
            f"FROM ({costs}) JOIN kpi_person USING (customer_id) WHERE cost IS NOT NULL"
        )
    sums = ", ".join(f"sum({name}) AS {name}" for name in _MONEY)
    return (
        f"SELECT who, month, channel, {sums} FROM ({' UNION ALL '.join(parts)}) "
        "JOIN kpi_day USING (day) GROUP BY who, month, channel"
    )


def _events(schema: Schema, settings: KpiSettings) -> str:
    own = "events.channel" if schema.has("events", "channel") else "NULL"
    value = "TRY_CAST(events.value AS DOUBLE)" if schema.has("events", "value") else "CAST(NULL AS DOUBLE)"
    campaign = "coalesce(events.campaign_id, '')" if schema.has("events", "campaign_id") else "''"
    known = known_rows(schema, "events", settings.timezone)
    return (
        f"SELECT who, month, day, coalesce({own}, kind.message_channel) AS channel, {value} AS value, "
        f"{campaign} AS campaign, kind.* EXCLUDE (event_type) FROM ({known}) AS events "
        f"JOIN {EVENT_KINDS} AS kind USING (event_type) JOIN kpi_day USING (day) JOIN kpi_person USING (customer_id)"
    )


def _messages(schema: Schema, settings: KpiSettings) -> str:
    flags = ("is_openable", "is_open", "is_clickable", "is_click")
    return (
        f"SELECT who, month, day, channel, message_channel, campaign, {', '.join(flags)} "
        f"FROM ({_events(schema, settings)}) WHERE 1 IN ({', '.join(flags)})"
    )


def _behaviour(schema: Schema, settings: KpiSettings) -> str:
    sums = [f"sum({sql.format(value='value')}) AS {name}" for name, sql in BEHAVIOUR.items()]
    sums += [f"CAST(NULL AS BIGINT) AS {name}" for name in ANSWERED]
    nothing = ", ".join("NULL" for _ in BEHAVIOUR)
    return (
        f"SELECT who, month, channel, {', '.join(sums)} FROM ({_events(schema, settings)}) GROUP BY who, month, channel "
        f"UNION ALL SELECT who, month, channel, {nothing}, {', '.join(ANSWERED)} FROM ({message_rows('kpi_message')})"
    )
