"""All KPIs. Adding one is adding one entry.

``numerator`` and ``denominator`` are SQL in which ``{name}`` is the sum of a measure (``measures.py``) over a group and
period. The catalogue writes the queries, the reference (``make docs``) and the names that ``goals:`` may use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cvm.kpis.definition import ATTRIBUTES, UNBIASED, Kpi, Unit
from cvm.kpis.measures import TOP_SHARES

_BY_CHANNEL = ("channel", *ATTRIBUTES)
_OF_SCORES = ("segment", "acquisition_channel", "cohort")


def _count(name: str, meaning: str, measure: str, unit: Unit, **options: object) -> Kpi:
    """A sum as it is; it adds up over all customer groups unless said otherwise."""
    given: dict[str, Any] = {"adds_up": ATTRIBUTES, **options}
    return Kpi(name, meaning, f"{{{measure}}}", None, unit, **given)


_BASE = (
    _count("customers_at_start", "customers when the period begins", "at_start", "customers"),
    _count("customers_at_end", "customers when the period ends", "at_end", "customers"),
    _count(
        "new_customers",
        "first order in the period",
        "came_new",
        "customers",
        groups=_BY_CHANNEL,
        adds_up=_BY_CHANNEL,
    ),
    _count("reactivated_customers", "no customer at the start, ordered before, came back in it", "reactivated", "customers"),
    _count("new_at_end", "new customers still there at the end", "new_at_end", "customers"),
    _count("reactivated_at_end", "reactivated customers still there at the end", "reactivated_at_end", "customers"),
    _count(
        "lost_customers",
        "customer at the start and none at the end",
        "lost",
        "customers",
        groups=UNBIASED,
        adds_up=UNBIASED,
    ),
    Kpi(
        "retention_rate",
        "(customers at end - new at end - reactivated at end) / customers at start",
        "{at_end} - {new_at_end} - {reactivated_at_end}",
        "{at_start}",
        "share",
        UNBIASED,
        without="nobody was a customer at the start",
        is_share=True,
    ),
    Kpi(
        "churn_rate",
        "lost customers / customers at start",
        "{lost}",
        "{at_start}",
        "share",
        UNBIASED,
        without="nobody was a customer at the start",
        is_share=True,
    ),
    Kpi(
        "churn_rate_by_inactivity",
        "the same, a customer being who ordered within kpis.inactivity_days",
        "{quiet_lost}",
        "{quiet_at_start}",
        "share",
        UNBIASED,
        without="nobody was active at the start",
        is_share=True,
    ),
)

_PURCHASES = (
    _count(
        "orders",
        "orders placed in the period",
        "n_orders",
        "orders",
        groups=_BY_CHANNEL,
        adds_up=_BY_CHANNEL,
    ),
    _count("buyers", "customers with an order in the period", "buyers", "customers", groups=_BY_CHANNEL),
    _count(
        "revenue",
        "amounts dated in the period, returns taken off",
        "revenue",
        "currency",
        groups=_BY_CHANNEL,
        adds_up=_BY_CHANNEL,
    ),
    _count(
        "margin",
        "margin dated in the period, returns taken off",
        "margin",
        "currency",
        groups=_BY_CHANNEL,
        adds_up=_BY_CHANNEL,
    ),
    _count("cost_to_serve", "unit costs of returns and events in the period", "cost", "currency"),
    Kpi(
        "average_order_value",
        "revenue / orders (AOV, the APV of formula CLV)",
        "{revenue}",
        "{n_orders}",
        "currency",
        _BY_CHANNEL,
        without="no orders",
    ),
    Kpi(
        "orders_per_customer",
        "orders / customers of the period (the APF of formula CLV)",
        "{n_orders}",
        "{customers}",
        "ratio",
        without="no customers",
    ),
    Kpi(
        "average_lifetime",
        "1 / churn rate, in periods (the ACL of formula CLV)",
        "{at_start}",
        "{lost}",
        "periods",
        UNBIASED,
        without="nobody was lost, so no end of a lifetime is in sight",
    ),
    Kpi(
        "revenue_per_customer",
        "revenue / customers of the period (ARPU)",
        "{revenue}",
        "{customers}",
        "currency",
        without="no customers",
    ),
    Kpi(
        "formula_clv_revenue",
        "APV x APF x ACL on revenue",
        "{revenue} * {at_start}",
        "{customers} * {lost}",
        "currency",
        UNBIASED,
        without="nobody was lost, so no end of a lifetime is in sight",
    ),
    Kpi(
        "formula_clv_margin",
        "APV x APF x ACL on margin",
        "{margin} * {at_start}",
        "{customers} * {lost}",
        "currency",
        UNBIASED,
        without="nobody was lost, so no end of a lifetime is in sight",
    ),
    Kpi(
        "repeat_rate",
        "buyers with two orders or more in the period / buyers",
        "{repeat_buyers}",
        "{buyers}",
        "share",
        _BY_CHANNEL,
        without="no buyers",
        is_share=True,
    ),
    Kpi(
        "loss_making_share",
        "customers whose margin less cost to serve is below 0 / customers who bought, returned or cost anything",
        "{loss_making}",
        "{dealt}",
        "share",
        without="nobody bought, returned or cost anything",
        is_share=True,
    ),
)


def _concentrations() -> Iterator[Kpi]:
    for what in ("revenue", "margin"):
        for share in TOP_SHARES:
            yield Kpi(
                f"{what}_share_top_{share}",
                f"{what} of the {share} % of buyers who brought most / {what} of all buyers",
                f"{{top_{share}_{what}}}",
                f"{{ranked_{what}}}",
                "share",
                (),
                without=f"no {what} of buyers above 0",
            )


_ACQUISITION = (
    Kpi(
        "acquisition_cost_per_customer",
        "acquisition cost of new customers / new customers whose cost is known (CAC)",
        "{acquisition_cost}",
        "{costed}",
        "currency",
        without="no new customer whose cost is known",
        needs=("customers.acquisition_cost",),
    ),
    Kpi(
        "clv_to_cac",
        "margin so far and predicted CLV of the period's new customers / their acquisition cost",
        "{costed_lifetime_value}",
        "{valued_acquisition_cost}",
        "ratio",
        without="no new customer with a cost and a score",
        needs=("customers.acquisition_cost", "scores"),
    ),
)

_EVENTS = (
    _count("users", "customers with any event in the period", "users", "customers", groups=_BY_CHANNEL, needs=("events",)),
    Kpi(
        "engagement_rate",
        "active interactions (kpis.active_events) / users",
        "{interactions}",
        "{users}",
        "ratio",
        _BY_CHANNEL,
        without="no users",
        needs=("events",),
    ),
    Kpi(
        "engagement_rate_change",
        "engagement rate against that of the period before",
        "{interactions}",
        "{users}",
        "change",
        _BY_CHANNEL,
        needs=("events",),
        change_of="engagement_rate",
    ),
    Kpi(
        "open_rate",
        "messages sent in the period and opened since / messages sent, of channels that record opens",
        "{messages_opened}",
        "{messages_openable}",
        "share",
        _BY_CHANNEL,
        without="no message sent whose opens are recorded",
        needs=("events",),
    ),
    Kpi(
        "click_rate",
        "messages sent in the period and clicked since / messages sent, of channels that record clicks (CTR)",
        "{messages_clicked}",
        "{messages_clickable}",
        "share",
        _BY_CHANNEL,
        without="no message sent whose clicks are recorded",
        needs=("events",),
    ),
    _count(
        "sessions",
        "visits and openings of the app",
        "sessions",
        "events",
        groups=_BY_CHANNEL,
        adds_up=_BY_CHANNEL,
        needs=("events",),
    ),
    _count("logins", "logins", "logins", "events", groups=_BY_CHANNEL, adds_up=_BY_CHANNEL, needs=("events",)),
    Kpi(
        "minutes_per_session",
        "minutes / sessions that tell their length (time on site)",
        "{minutes}",
        "{timed_sessions}",
        "minutes",
        _BY_CHANNEL,
        without="no session that tells its length",
        needs=("events", "events.value"),
    ),
    Kpi(
        "nps",
        "100 x (answers of 9 and 10 - answers of 0 to 6) / answers",
        "100.0 * ({nps_promoters} - {nps_detractors})",
        "{nps_answers}",
        "score",
        _BY_CHANNEL,
        without="no answers",
        needs=("events", "events.value"),
    ),
)

_SCORES = (
    _count(
        "customers_scored",
        "customers in the run",
        "scored",
        "customers",
        groups=_OF_SCORES,
        adds_up=_OF_SCORES,
        needs=("scores",),
    ),
    _count(
        "clv_total", "predicted CLV, summed", "clv", "currency", groups=_OF_SCORES, adds_up=_OF_SCORES, needs=("scores",)
    ),
    Kpi(
        "clv",
        "predicted CLV / customers scored",
        "{clv}",
        "{scored}",
        "currency",
        _OF_SCORES,
        without="nobody was scored",
        needs=("scores",),
    ),
    Kpi(
        "clv_change",
        "change of predicted CLV since the run before / CLV then, of customers in both, by their segment then",
        "{clv_of_both} - {previous_clv}",
        "{previous_clv}",
        "change",
        _OF_SCORES,
        without="no run before it with the same customers",
        needs=("scores",),
    ),
    Kpi(
        "p_churn",
        "mean predicted probability of churn",
        "{p_churn}",
        "{p_churn_known}",
        "share",
        _OF_SCORES,
        without="nobody has a probability of churn",
        needs=("scores",),
    ),
    _count(
        "expected_revenue",
        "revenue expected over horizon_days",
        "expected_revenue",
        "currency",
        groups=_OF_SCORES,
        adds_up=_OF_SCORES,
        needs=("scores",),
    ),
)

KPIS: dict[str, Kpi] = {
    kpi.name: kpi for kpi in (*_BASE, *_PURCHASES, *_concentrations(), *_ACQUISITION, *_EVENTS, *_SCORES)
}
# A change between periods is no level that could be brought to a target.
GOAL_METRICS: tuple[str, ...] = tuple(name for name, kpi in KPIS.items() if kpi.unit != "change")

# Of the engagement rate, unless kpis.active_events says otherwise: what customers do of their own accord.
ACTIVE_EVENTS = (
    "visit",
    "login",
    "app_open",
    "ad_click",
    "cart_add",
    "email_open",
    "email_click",
    "push_open",
    "push_click",
    "sms_click",
    "message_click",
    "coupon_redeemed",
    "points_redeemed",
)
