"""Composes the one query that computes all features of all snapshots.

Point in time: a row enters a snapshot only if its day, and the day it was recorded, lie before ``as_of``. Everything
downstream of the relations ``line``, ``event`` and ``subscription`` sees nothing else, so no feature can look ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain

from cvm.engines import Engine, identifier, literal
from cvm.engines.sql import local_moment
from cvm.features.attributes import attribute_features, attribute_name
from cvm.features.behaviour import EVENT_MIXES, event_features, value_features
from cvm.features.catalogue import Feature
from cvm.features.churn import ChurnDefinition, active_between, subscribed_at
from cvm.features.contacts import contact_features
from cvm.features.economics import Economics, ledger, line_margin, money_features
from cvm.features.netting import active_days, day_orders, netted_orders, placed_orders, unmatched_returns
from cvm.features.own import OwnTable, own_features, own_rows, read_own_table
from cvm.features.subscriptions import known_subscriptions, renewals, subscription_days, subscription_features
from cvm.features.transactions import DAY_FEATURES, LINE_FEATURES, MIXED_COLUMNS, ORDER_FEATURES, mix_features

MAX_EVENT_TYPES = 40
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Schema:
    """What the warehouse holds that the catalogue can use.

    Attributes
    ----------
    columns : dict of str to dict of str to str
        Table to column to type.
    event_types : tuple of str
        Types of event, most frequent first, at most ``MAX_EVENT_TYPES``.
    has_returns : bool
        Whether any amount is negative.
    own : OwnTable or None
        The user's own features.
    """

    columns: dict[str, dict[str, str]]
    event_types: tuple[str, ...] = ()
    has_returns: bool = True
    own: OwnTable | None = None

    @classmethod
    def of(cls, engine: Engine) -> Schema:
        """Read the schema of a warehouse.

        Raises
        ------
        InsufficientDataError
            If it has own features, but no column of them can be used.
        """
        columns = {table: engine.columns(identifier(table)) for table in sorted(engine.tables())}
        event_types: tuple[str, ...] = ()
        if "events" in columns:
            query = f"SELECT event_type FROM events GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {MAX_EVENT_TYPES}"
            event_types = tuple(engine.table(query).column(0).to_pylist())
        returns = engine.row("SELECT count(*) > 0 AS found FROM (SELECT 1 FROM transactions WHERE amount < 0 LIMIT 1)")
        return cls(columns, event_types, returns["found"], read_own_table(engine))

    def has(self, table: str, *names: str) -> bool:
        """Whether the table is there with all of these columns."""
        return table in self.columns and set(names) <= set(self.columns[table])


def catalogue(schema: Schema, economics: Economics | None = None) -> list[Feature]:
    """All features that this warehouse can carry, one per window."""
    money = money_features(economics or Economics(), columns=schema.columns["transactions"])
    entries: list[Iterable[Feature]] = [ORDER_FEATURES, DAY_FEATURES, LINE_FEATURES, money]
    entries += [mix_features(name, relation=f"mix_{name}") for name in MIXED_COLUMNS if schema.has("transactions", name)]
    if schema.has("events"):
        types = schema.event_types
        entries += [event_features(types), contact_features(types), value_features(types)]
        entries += [
            mix_features(name, relation=f"mix_event_{name}", prefix="event_")
            for name in EVENT_MIXES
            if schema.has("events", name)
        ]
    if schema.has("subscriptions"):
        entries.append(subscription_features(schema.columns["subscriptions"]))
    if schema.has("customers"):
        entries.append(attribute_features(schema.columns["customers"]))
    if schema.own:
        entries.append(own_features(schema.own))
    features = [feature for entry in chain.from_iterable(entries) for feature in entry.expanded()]
    return [feature for feature in features if _is_available(feature, schema)]


def _is_available(feature: Feature, schema: Schema) -> bool:
    table = "events" if feature.relation == "event" else "transactions"
    return not feature.needs or schema.has(table, *feature.needs)


def features_query(schema: Schema, as_of: Sequence[date], *, timezone: str, economics: Economics) -> str:
    """SQL for the features of every customer at every ``as_of``.

    Parameters
    ----------
    schema : Schema
        What the warehouse holds.
    as_of : sequence of date
        Snapshots.
    timezone : str
        Zone that cuts days.
    economics : Economics
        Margin rates and unit costs.

    Returns
    -------
    str
        A query with columns ``as_of``, ``customer_id`` and the catalogue's, one row per customer known at each
        ``as_of``, unordered.
    """
    features, keys = catalogue(schema, economics), _keys(as_of)
    of_days = _per_day(schema)
    features = [replace(f, relation=of_days) if f.relation == "active_day" else f for f in features]
    relations = list(dict.fromkeys(feature.relation for feature in features))
    margin = line_margin(economics, columns=schema.columns["transactions"])
    parts = [
        *known_orders(schema, as_of, timezone, margin=margin),
        *(_known_subscriptions(schema, timezone) if schema.has("subscriptions") else ()),
    ]
    if schema.has("events"):
        parts.append(f"event AS ({known_rows(schema, 'events', timezone)})")
    if "ledger" in relations:
        parts.append(f"ledger AS ({ledger(economics, event_columns=schema.columns.get('events', {}))})")
    if "profile" in relations:
        parts.append(f"profile AS ({_profile(schema, timezone)})")
    if schema.own:
        parts.append(f"own AS ({own_rows(schema.own, timezone)})")
    for relation in relations:
        if relation.startswith("mix_"):
            parts.append(f"{relation} AS ({_mix(relation, keys)})")
    parts += [_aggregate(relation, [f for f in features if f.relation == relation], keys) for relation in relations]
    known, others = f"per_{of_days}", [relation for relation in relations if relation != of_days]
    if schema.has("subscriptions") or schema.has("customers"):
        known, others = "known_customer", relations
        parts.append(f"known_customer AS ({_known_customers(schema, timezone, keys)})")
    selected = ",\n  ".join(_selected(feature) for feature in features)
    dated = known if "as_of" in keys else f"{known} CROSS JOIN snapshot"
    joins = "\n".join([dated, *(f"LEFT JOIN per_{relation} USING ({keys})" for relation in others)])
    definitions = ",\n".join(parts)
    return f"WITH {definitions}\nSELECT as_of, customer_id,\n  {selected}\nFROM {joins}"


def calendar_query(schema: Schema, as_of: Sequence[date], *, timezone: str) -> str:
    """SQL for the orders of each day, as known at every ``as_of``.

    Returns
    -------
    str
        A query with columns ``as_of``, ``day`` (number since 1970-01-01), ``n_orders`` and ``n_joined`` (orders that were
        their customer's first), one row per day with an order.
    """
    return (
        f"WITH {', '.join(known_orders(schema, as_of, timezone))} "
        "SELECT as_of, day, count(*) AS n_orders, count(*) FILTER (order_number = 1) AS n_joined "
        "FROM orders GROUP BY as_of, day"
    )


def renewals_query(schema: Schema, as_of: date, *, timezone: str) -> str:
    """SQL for how long subscribers stayed, as known at ``as_of``: the columns of ``renewals`` without ``as_of``."""
    parts = [snapshots([as_of]), *_known_subscriptions(schema, timezone)]
    return f"WITH {', '.join(parts)} SELECT * EXCLUDE (as_of) FROM ({renewals()})"


def subscriptions_query(schema: Schema, as_of: date, *, timezone: str) -> str:
    """SQL for one row on the subscriptions at ``as_of``.

    ``n_rows``, ``n_holders`` (customers), and of rows ``n_ended`` (before), ``n_later`` (begun then or later) and
    ``n_planned`` (running, with an end on file).
    """
    day, rows = _day_number(as_of), subscription_days(**contract_days(schema, timezone))
    holders = subscribed_at(day, subscriptions=rows)
    return (
        f"SELECT count(*) AS n_rows, (SELECT count(*) FROM ({holders})) AS n_holders, "
        f"count(*) FILTER (WHERE started_day < {day} AND ended_day < {day}) AS n_ended, "
        f"count(*) FILTER (WHERE started_day >= {day}) AS n_later, "
        f"count(*) FILTER (WHERE started_day < {day} AND ended_day >= {day}) AS n_planned FROM ({rows})"
    )


def outcome_query(
    schema: Schema,
    as_of: date,
    *,
    horizon_days: int,
    lead_days: int,
    timezone: str,
    churn: ChurnDefinition | None = None,
) -> str:
    """SQL for what customers did in the outcome window of one snapshot.

    Returns
    -------
    str
        A query with columns ``customer_id``, ``n_orders``, ``revenue`` (net, of orders only) and ``stayed`` (by the
        definition of churn; without one, who ordered), one row per customer with at least one order in
        ``[as_of + lead_days, as_of + lead_days + horizon_days)``, net of the returns in it, or who stayed.
        An order lies on the day of its first line; a further line of an order begun before the window is no new order.
        When a row was recorded does not matter here: what was recorded late happened all the same.
    """
    start = _day_number(as_of) + lead_days
    placed = placed_orders(key=order_key(schema), per="customer_id", condition=f"min(day) >= {start}")
    end, churn = start + horizon_days, churn or ChurnDefinition()
    stayed = "SELECT customer_id FROM orders"
    if churn.definition == "inactivity":
        event_day = _day("occurred_at", timezone) if schema.has("events") else None
        stayed = active_between(start, start + min(churn.inactivity_days, horizon_days), event_day=event_day)
    elif churn.is_contractual:
        stayed = subscribed_at(end, subscriptions=subscription_days(**contract_days(schema, timezone)))
    return (
        f"WITH line AS (SELECT *, {_day('occurred_at', timezone)} AS day FROM transactions "
        f"WHERE {_day('occurred_at', timezone)} < {end}), "
        "orders AS (SELECT customer_id, count(*) AS n_orders, CAST(sum(amount) AS DOUBLE) AS revenue, min(day) AS first_day "
        f"FROM ({netted_orders(placed, per='customer_id', has_returns=schema.has_returns)}) GROUP BY customer_id), "
        f"stayed AS (SELECT customer_id, TRUE AS stayed FROM ({stayed})) "
        "SELECT customer_id, coalesce(n_orders, 0) AS n_orders, coalesce(revenue, 0) AS revenue, "
        "coalesce(stayed, FALSE) AS stayed FROM orders FULL JOIN stayed USING (customer_id)"
    )


def unmatched_returns_query(schema: Schema, as_of: date, *, timezone: str) -> str:
    """SQL for the returns known at ``as_of`` that no order known then explains.

    Returns
    -------
    str
        A query of one row. ``n_returns``, ``amount``: returns (one per day, or per order that they name) that took more
        than their customers' earlier orders held, and the money above that. ``n_without_sale``: returns that name an order
        of which there is no sale.
    """
    placed = placed_orders(key=order_key(schema), per="customer_id")
    without_sale = "0"
    if schema.has("transactions", "order_id"):
        named = "SELECT 1 FROM line WHERE order_id IS NOT NULL GROUP BY customer_id, order_id"
        without_sale = f"(SELECT count(*) FROM ({named} HAVING sum(amount) < 0 AND max(amount) <= 0))"
    return (
        f"WITH {snapshots([as_of])}, "
        f"line AS ({known_rows(schema, 'transactions', timezone)}) "
        "SELECT count(*) AS n_returns, CAST(coalesce(sum(amount), 0) AS DOUBLE) AS amount, "
        f"{without_sale} AS n_without_sale FROM ({unmatched_returns(placed, per='customer_id')})"
    )


def known_orders(schema: Schema, as_of: Sequence[date], timezone: str, *, margin: str | None = None) -> list[str]:
    """Definitions of ``snapshot``, ``line``, ``active_day`` and ``orders``, as known at every ``as_of``.

    With SQL for the margin of a line, lines have it as ``line_margin``, days the sum as ``margin``.
    """
    keys, of_line, of_day = _keys(as_of), "", ""
    if margin is not None:
        of_line, of_day = f", {margin} AS line_margin", ", sum(line_margin) AS margin"
    days = active_days(per=keys, has_returns=schema.has_returns, extra=of_day)
    return [
        snapshots(as_of),
        f"line AS ({known_rows(schema, 'transactions', timezone, extra=of_line)})",
        f"active_day AS ({_dated(days, keys)})",
        f"orders AS ({_orders(schema, keys)})",
    ]


def _keys(as_of: Sequence[date]) -> str:
    """Columns that tell customers apart in all that is known: of one date nothing has to carry it along."""
    return "customer_id" if len(as_of) == 1 else "as_of, customer_id"


def _per_day(schema: Schema) -> str:
    """Relation with a row per day of a customer: orders, where all of a day is one; grouped once they cost half."""
    return "active_day" if schema.has("transactions", "order_id") or schema.has_returns else "orders"


def _orders(schema: Schema, keys: str) -> str:
    has_ids, has_returns = schema.has("transactions", "order_id"), schema.has_returns
    if _per_day(schema) == "orders":
        dated = "(SELECT *, day AS order_key FROM active_day)"
    else:
        placed = placed_orders(key=order_key(schema), per=keys) if has_ids else day_orders(per=keys)
        dated = f"({_dated(netted_orders(placed, per=keys, has_returns=has_returns), keys)})"
    return f"""
  SELECT *, quarter(DATE '1970-01-01' + day) AS quarter_of_year,
    day - lag(day) OVER chronological AS gap_days,
    row_number() OVER chronological AS order_number
  FROM {dated} AS orders
  WINDOW chronological AS (PARTITION BY {keys} ORDER BY day{", order_key" if has_ids else ""})"""


def _dated(query: str, keys: str) -> str:
    """SQL for the rows of a query on days with ``as_of`` and ``age_days``."""
    if "as_of" in keys:
        return f"SELECT dated.*, as_of_day - day AS age_days FROM ({query}) AS dated JOIN snapshot USING (as_of)"
    return f"SELECT dated.*, as_of, as_of_day - day AS age_days FROM ({query}) AS dated CROSS JOIN snapshot"


def order_key(schema: Schema) -> str:
    """What makes lines one order: its id, or where there is none the day."""
    return "coalesce('id ' || order_id, CAST(day AS VARCHAR))" if schema.has("transactions", "order_id") else "day"


def known_rows(schema: Schema, table: str, timezone: str, *, extra: str = "") -> str:
    """SQL for the rows of a table that were known at each ``as_of`` of ``snapshot``, with ``day`` and ``age_days``."""
    recorded = f" AND ({_day('recorded_at', timezone)} < as_of_day OR recorded_at IS NULL)"
    return (
        f"SELECT as_of, known.*, as_of_day - day AS age_days{extra} "
        f"FROM (SELECT *, {_day('occurred_at', timezone)} AS day FROM {table}) AS known "
        f"JOIN snapshot ON day < as_of_day{recorded if schema.has(table, 'recorded_at') else ''}"
    )


def _known_subscriptions(schema: Schema, timezone: str) -> list[str]:
    return known_subscriptions(**contract_days(schema, timezone))


def contract_days(schema: Schema, timezone: str) -> dict[str, str]:
    """SQL for the days of a subscription, as ``subscription_days`` wants them."""
    ended = _day("ended_at", timezone) if schema.has("subscriptions", "ended_at") else "CAST(NULL AS INTEGER)"
    return {"started_day": _day("started_at", timezone), "ended_day": ended}


def _known_customers(schema: Schema, timezone: str, keys: str) -> str:
    known = [f"SELECT {keys} FROM per_{_per_day(schema)}"]
    if schema.has("subscriptions"):
        known.append(f"SELECT {keys} FROM dated_subscription")
    if schema.has("customers"):
        named = keys.replace("as_of", "snapshot.as_of")
        known.append(f"SELECT {named} FROM customers JOIN snapshot ON {_signed_up(schema, timezone)}")
    return " UNION ".join(known)


def _profile(schema: Schema, timezone: str) -> str:
    # Attributes carry names of the user's choosing; the prefix keeps them apart from the columns of the query.
    attributes = [
        f"customers.{identifier(name)} AS {identifier(attribute_name(name))}"
        for name in schema.columns["customers"]
        if name != "customer_id"
    ]
    age = f"snapshot.as_of_day - {_day('signed_up_at', timezone)}" if schema.has("customers", "signed_up_at") else "NULL"
    columns = ", ".join(["snapshot.as_of", "customer_id", f"{age} AS age_days", *attributes])
    return f"SELECT {columns} FROM customers JOIN snapshot ON {_signed_up(schema, timezone)}"


def _signed_up(schema: Schema, timezone: str) -> str:
    if not schema.has("customers", "signed_up_at"):
        return "TRUE"
    return f"({_day('signed_up_at', timezone)} < snapshot.as_of_day OR signed_up_at IS NULL)"


def _mix(relation: str, keys: str) -> str:
    is_event = relation.startswith("mix_event_")
    column = relation.removeprefix("mix_event_" if is_event else "mix_")
    source = "event WHERE" if is_event else "line WHERE amount >= 0 AND"
    return f"SELECT {keys}, {column} AS value, count(*) AS n FROM {source} {column} IS NOT NULL GROUP BY {keys}, {column}"


def _aggregate(relation: str, features: Sequence[Feature], keys: str) -> str:
    columns = ", ".join(f"{feature.sql} AS {identifier(feature.name)}" for feature in features)
    return f"per_{relation} AS (SELECT {keys}, {columns} FROM {relation} GROUP BY {keys})"


def _selected(feature: Feature) -> str:
    name = identifier(feature.name)
    if feature.kind == "category":
        return name
    value = f"coalesce({name}, 0)" if feature.empty == "0" else name
    return f"CAST({value} AS DOUBLE) AS {name}"


def snapshots(as_of: Sequence[date]) -> str:
    """Definition of ``snapshot``, which ``known_rows`` asks."""
    rows = ", ".join(f"({literal(day)}, {_day_number(day)})" for day in as_of)
    return f"snapshot(as_of, as_of_day) AS (VALUES {rows})"


def _day_number(day: date) -> int:
    return (day - _EPOCH).days


def _day(column: str, timezone: str) -> str:
    """Day number of a UTC time in the business time zone; an integer division is twice as fast as a cast to date."""
    return f"CAST(epoch_us({local_moment(column, timezone)}) // 86400000000 AS INTEGER)"
