"""Lists of customers to whom something happened: one query each, of what is known at ``as_of``.

Each list holds ``customer_id``, ``since`` (a day) and ``detail`` in words. What happened counts if it did so in the last
``window_days``, so that lists made as often as that tell everybody once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import binom

from cvm.actions.purchase_history import PurchaseHistory
from cvm.actions.replenishment import Replenishment, due_between
from cvm.actions.settings import TriggerSettings
from cvm.engines import DuckDBEngine, literal
from cvm.engines.sql import local_moment
from cvm.features.churn import EVENT_NAME, OWN_ACCORD

SCHEMA = pa.schema([("customer_id", pa.string()), ("since", pa.date32()), ("detail", pa.string())])
# Share of steady customers who may be called less active by chance.
FALSE_ALARMS = 0.05


@dataclass(frozen=True)
class TriggerList:
    """One list.

    Attributes
    ----------
    name, meaning : str
    rows : Table or None
        ``SCHEMA``, by customer; None where it cannot be made.
    reason : str or None
        Why not.
    """

    name: str
    meaning: str
    rows: pa.Table | None
    reason: str | None = None

    @property
    def n_customers(self) -> int:
        """Customers in it; one may stand in several rows."""
        return 0 if self.rows is None else len(pc.unique(self.rows["customer_id"]))


@dataclass(frozen=True)
class _Shop:
    """What the queries are made from."""

    engine: DuckDBEngine
    history: PurchaseHistory
    settings: TriggerSettings
    due: Replenishment

    @property
    def since(self) -> str:
        """SQL for the first day of the window."""
        return literal(self.history.as_of - timedelta(days=self.settings.window_days))

    @property
    def today(self) -> str:
        """SQL for ``as_of``."""
        return literal(self.history.as_of)

    def events(self, condition: str) -> str:
        """Query of known events for which a condition holds."""
        return f"SELECT * FROM ({self.history.rows('events')}) WHERE {condition}"

    @property
    def activity(self) -> str:
        """Query of ``customer_id`` and ``day`` of orders, and of events of the customer's own doing."""
        bought = self.history.orders
        if not self.history.has("events"):
            return bought
        return f"({bought}) UNION ALL SELECT customer_id, day FROM ({self.events(OWN_ACCORD)})"


@dataclass(frozen=True)
class _Trigger:
    """How a list is made, and the tables and columns (``table.column``) without which it cannot be."""

    meaning: str
    needs: tuple[str, ...]
    rows: Callable[[_Shop], pa.Table]


def trigger_lists(
    engine: DuckDBEngine, history: PurchaseHistory, settings: TriggerSettings, due: Replenishment
) -> list[TriggerList]:
    """Every list, made or not.

    Parameters
    ----------
    engine : DuckDBEngine
        Opened on the warehouse.
    history : PurchaseHistory
    settings : TriggerSettings
    due : Replenishment
        What customers are expected to buy again.
    """
    shop, found = _Shop(engine, history, settings, due), []
    for name, trigger in _TRIGGERS.items():
        meaning = trigger.meaning.format(**vars(settings))
        missing = next((place for place in trigger.needs if not history.has(*place.split("."))), None)
        if name in settings.without:
            found.append(TriggerList(name, meaning, None, "left out by triggers.without"))
        elif missing:
            found.append(TriggerList(name, meaning, None, f"the data has no {missing}"))
        else:
            rows = trigger.rows(shop).cast(SCHEMA)
            found.append(TriggerList(name, meaning, rows.sort_by([("customer_id", "ascending"), ("since", "ascending")])))
    return found


def _cart_left(shop: _Shop) -> pa.Table:
    """The last cart of those who have not ordered since."""
    hours = f"INTERVAL {shop.settings.cart_hours} HOUR"
    until = literal(shop.history.midnight(shop.history.as_of))
    since = literal(shop.history.midnight(shop.history.as_of - timedelta(days=shop.settings.window_days)))
    carts = (
        "SELECT customer_id, max(occurred_at) AS left_at, arg_max(day, occurred_at) AS since "
        f"FROM ({shop.events(_is('cart_add'))}) GROUP BY customer_id"
    )
    # Where only the day of an order is told, which is its midnight, it may have followed any cart of that day.
    clocks = local_moment("occurred_at", shop.history.timezone)
    ordered = f"occurred_at + CASE WHEN {clocks} = CAST({clocks} AS DATE) THEN INTERVAL 1 DAY ELSE INTERVAL 0 DAY END"
    last = f"SELECT customer_id, max({ordered}) AS ordered_at FROM ({shop.history.lines_kept}) GROUP BY customer_id"
    return shop.engine.table(
        f"SELECT customer_id, since, 'cart without an order since' AS detail FROM ({carts}) LEFT JOIN ({last}) "
        f"USING (customer_id) WHERE coalesce(ordered_at < left_at, TRUE) AND left_at + {hours} >= {since} "
        f"AND left_at + {hours} < {until}"
    )


def _inactive(shop: _Shop) -> pa.Table:
    """Those whose silence has become so long within the window; who never bought is no customer to be missed."""
    days = shop.settings.inactive_days
    last = f"SELECT customer_id, max(day) AS since FROM ({shop.activity}) GROUP BY customer_id"
    return shop.engine.table(
        f"SELECT customer_id, since, 'nothing for ' || ({shop.today} - since) || ' days' AS detail FROM ({last}) "
        f"SEMI JOIN ({shop.history.orders}) USING (customer_id) "
        f"WHERE since + {days} >= {shop.since} AND since + {days} < {shop.today}"
    )


def _falling_activity(shop: _Shop) -> pa.Table:
    """Those whose days of activity have become fewer than their own past explains.

    If the rate had not changed, of the n active days of both spans a binomial share would lie in the later one (the
    conditional test of two Poisson rates, Przyborowski and Wilenski 1940, Biometrika 31). So at most ``FALSE_ALARMS`` of
    those who are as active as ever are listed.
    """
    now, before = shop.settings.falling_days, shop.settings.falling_against_days
    first = literal(shop.history.as_of - timedelta(days=now))
    earliest = literal(shop.history.as_of - timedelta(days=now + before))
    counts = shop.engine.table(
        f"SELECT customer_id, count(DISTINCT day) FILTER (WHERE day >= {first}) AS n_now, "
        f"count(DISTINCT day) FILTER (WHERE day < {first}) AS n_before FROM ({shop.activity}) "
        f"WHERE day >= {earliest} GROUP BY customer_id HAVING min(day) < {first} ORDER BY customer_id"
    )
    n_now, n_before = counts["n_now"].to_numpy(), counts["n_before"].to_numpy()
    p_value = binom.cdf(n_now, n_now + n_before, now / (now + before))
    found = counts.filter(pa.array(p_value <= FALSE_ALARMS))
    texts = [pc.cast(found[name], pa.string()) for name in ("n_now", "n_before")]
    detail = pc.binary_join_element_wise(
        "active on ", texts[0], f" of the last {now} days, on ", texts[1], f" of the {before} before", ""
    )
    since = pa.array([shop.history.as_of - timedelta(days=now)] * found.num_rows, pa.date32())
    return pa.table({"customer_id": found["customer_id"], "since": since, "detail": detail})


def _add_on_dropped(shop: _Shop) -> pa.Table:
    """A subscription that ended while an older or equal one runs on, and none took its place within a day."""
    name = "coalesce(plan, 'a subscription')" if shop.history.has("subscriptions", "plan") else "'a subscription'"
    begun, ended = shop.history.day("started_at"), shop.history.day("ended_at")
    held = f"SELECT *, {begun} AS begun, {ended} AS ended, {name} AS what FROM subscriptions"
    return shop.engine.table(
        f"WITH held AS ({held} WHERE {begun} < {shop.today}) "
        f"SELECT DISTINCT customer_id, ended AS since, 'ended ' || what AS detail FROM held "
        f"WHERE ended >= {shop.since} AND ended < {shop.today} "
        "AND EXISTS (SELECT 1 FROM held AS other WHERE other.customer_id = held.customer_id "
        f"AND other.begun < held.ended AND (other.ended IS NULL OR other.ended >= {shop.today})) "
        "AND NOT EXISTS (SELECT 1 FROM held AS next WHERE next.customer_id = held.customer_id "
        "AND next.begun BETWEEN held.ended - 1 AND held.ended + 1)"
    )


def _complaint(shop: _Shop) -> pa.Table:
    return shop.engine.table(
        "SELECT customer_id, max(day) AS since, count(*) || CASE count(*) WHEN 1 THEN ' complaint' ELSE ' complaints' END "
        f"AS detail FROM ({shop.events(_is('complaint'))}) WHERE day >= {shop.since} GROUP BY customer_id"
    )


def _anniversary(shop: _Shop) -> pa.Table:
    """Those whose first order was a whole number of years before a day of the window that begins at ``as_of``."""
    first = f"SELECT customer_id, min(day) AS since FROM ({shop.history.orders}) GROUP BY customer_id"
    last_day = literal(shop.history.as_of + timedelta(days=shop.settings.window_days - 1))
    # The whole years that will have passed on the last day of the window; the 29th of February is kept on the 28th.
    years = f"CAST(date_sub('year', since, {last_day}) AS INTEGER)"
    at = "CAST(since + to_years(years) AS DATE)"
    return shop.engine.table(
        f"SELECT customer_id, since, years || CASE years WHEN 1 THEN ' year' ELSE ' years' END || ' on ' || {at} AS detail "
        f"FROM (SELECT *, {years} AS years FROM ({first})) WHERE years > 0 AND {at} >= {shop.today}"
    )


def _replenishment(shop: _Shop) -> pa.Table:
    """What is expected within the window that begins at ``as_of``, or was within the one before it and has not come."""
    window = timedelta(days=shop.settings.window_days)
    due = due_between(shop.due.rows, shop.history.as_of - window, shop.history.as_of + window)
    expected = pc.strftime(due["expected_at"], "%Y-%m-%d")
    detail = pc.binary_join_element_wise(due["item"], " expected on ", expected, "")
    return pa.table({"customer_id": due["customer_id"], "since": due["last_bought_at"], "detail": detail})


def _is(event_type: str) -> str:
    return f"{EVENT_NAME} = {literal(event_type)}"


_TRIGGERS = {
    "cart_left": _Trigger(
        "put something into a cart and did not order within {cart_hours} hours, nor since", ("events",), _cart_left
    ),
    "inactive": _Trigger("neither ordered nor did anything else for {inactive_days} days", (), _inactive),
    "falling_activity": _Trigger(
        "active on fewer of the last {falling_days} days than the {falling_against_days} before explain",
        (),
        _falling_activity,
    ),
    "add_on_dropped": _Trigger(
        "ended a subscription and kept another", ("subscriptions", "subscriptions.ended_at"), _add_on_dropped
    ),
    "complaint": _Trigger("complained", ("events",), _complaint),
    "anniversary": _Trigger("first order a whole number of years ago within the next {window_days} days", (), _anniversary),
    "replenishment": _Trigger("expected to buy again within {window_days} days of today", (), _replenishment),
}
