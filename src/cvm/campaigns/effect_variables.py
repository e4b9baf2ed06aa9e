"""What is measured of each customer of a campaign: names, the SQL of one row per customer, and what goes with what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from cvm.campaigns.effect_campaign import DrawnCampaign, bears_campaign
from cvm.campaigns.effect_segments import SegmentColumn, segment_column
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.engines import Engine, identifier, literal
from cvm.engines.sql import local_day
from cvm.errors import ExperimentError
from cvm.features.behaviour import column_name, is_named, types_by_name
from cvm.features.economics import line_margin
from cvm.features.treatments import CONTROL
from cvm.ingest.column_types import is_number

OUTCOMES = ("orders", "revenue", "margin", "active")
# Ratio to its numerator and denominator, each a mean over all customers of the arm.
RATIOS = {
    "order_value": ("revenue", "orders"),
    "retention": ("stayed", "active_before"),
    "discount_share": ("discount", "listed"),
    "return_share": ("returned", "sold"),
}
# Told whether or not they were asked for: what a campaign may do harm to.
GUARDED_EVENTS = ("unsubscribe", "complaint")
REDEMPTION = "coupon_redeemed"
_TIMELINE_POINTS = 8


@dataclass(frozen=True)
class Variables:
    """What is measured.

    Attributes
    ----------
    outcomes : tuple of str
        Means that are compared.
    after : tuple of str
        The same in the window after; empty where it is not over.
    covariates : tuple of str
        What adjusts them.
    timeline : mapping of float to str
        Days since the assignment to the name of the metric up to then.
    events : tuple of str
        Events among the outcomes, as they were asked for.
    event_types : mapping of str to sequence of str
        Types of all events by name, whatever their case and punctuation.
    attributes : tuple of str
        Columns of ``customers`` among the covariates.
    segment_column : SegmentColumn or None
    """

    outcomes: tuple[str, ...]
    after: tuple[str, ...]
    covariates: tuple[str, ...]
    timeline: Mapping[float, str]
    events: tuple[str, ...]
    event_types: Mapping[str, Sequence[str]]
    attributes: tuple[str, ...]
    segment_column: SegmentColumn | None

    @property
    def has_redemptions(self) -> bool:
        """Whether redemptions are on file."""
        return REDEMPTION in self.event_types

    @property
    def names(self) -> tuple[str, ...]:
        """All quantities whose sums are needed."""
        parts = [name for ratio in RATIOS.values() for name in ratio]
        every = (*self.outcomes, *self.after, *self.timeline.values(), *self.covariates, *parts, "redeemed", "cost")
        return tuple(dict.fromkeys(every))

    @property
    def pairs(self) -> set[tuple[str, str]]:
        """Products whose sums are needed; the rest of the square would be most of the time."""
        compared = (*self.outcomes, *self.after, *self.timeline.values())
        pairs = {(name, name) for name in self.names}
        pairs |= {(name, covariate) for name in compared for covariate in self.covariates}
        pairs |= {(covariate, "cost") for covariate in self.covariates}
        pairs |= {(one, other) for one in self.covariates for other in self.covariates if one < other}
        return pairs | set(RATIOS.values()) | {("margin", "cost"), ("revenue", "cost"), ("discount", "redeemed")}


def choose_variables(engine: Engine, campaign: DrawnCampaign, settings: EvaluationSettings) -> Variables:
    """What can and shall be measured.

    Raises
    ------
    ExperimentError
        If a metric, event type, covariate or segment column is unknown or unusable.
    """
    types = _event_types(engine)
    asked = {(called := column_name(name)): called if called in GUARDED_EVENTS else name for name in settings.events}
    if unknown := sorted(name for called, name in asked.items() if called not in types):
        there = sorted(name for spelled in types.values() for name in spelled)
        raise ExperimentError(f"No event is of type {unknown}; the table events has {there}. Correct events.")
    events = (*asked.values(), *(name for name in GUARDED_EVENTS if name in types and name not in asked))
    outcomes = (*OUTCOMES, *(f"did_{name}" for name in events))
    if settings.metric not in outcomes:
        raise ExperimentError(
            f"metric == {settings.metric!r}, must be one of {list(outcomes)}. "
            "An event becomes one when events names its type."
        )
    customers = engine.columns("customers") if "customers" in engine.tables() else {}
    attributes = tuple(dict.fromkeys(settings.covariates))
    fit = sorted(column for column, kind in customers.items() if is_number(kind) or kind == "BOOLEAN")
    for name in attributes:
        if name not in fit:
            why = f"is {customers[name]}, not numeric" if name in customers else "is no column of customers"
            raise ExperimentError(f"Covariate {name!r} {why}; numeric are {fit}. Correct covariates.")
    if settings.cost_per_redemption and REDEMPTION not in types:
        raise ExperimentError(
            f"cost_per_redemption == {settings.cost_per_redemption:g}, but no event is of type {REDEMPTION!r}, so nobody "
            "knows how often it was spent. Add redemptions to data.events, or put what they cost into fixed_cost."
        )
    return Variables(
        outcomes=outcomes,
        after=tuple(f"{name}_after" for name in OUTCOMES) if campaign.has_after else (),
        covariates=(*(f"{name}_before" for name in OUTCOMES), *(f"known_{name}" for name in attributes)),
        timeline={day: f"{_timed(settings)}_by_{day:g}" for day in _days(campaign.window_days)},
        events=events,
        event_types=types,
        attributes=attributes,
        segment_column=segment_column(engine, campaign, settings),
    )


def customer_query(engine: Engine, campaign: DrawnCampaign, variables: Variables, settings: EvaluationSettings) -> str:
    """SQL of one row per customer: ``arm``, ``segment``, ``weight`` and every variable, as a number."""
    groups = variables.segment_column
    means = ", ".join(f"avg({_number(identifier(name))}) AS {identifier(name)}" for name in variables.attributes)
    # Less their mean, so that squares stay small and a missing value counts as the mean.
    known = [
        f"coalesce({_number(f'k.{identifier(name)}')} - (SELECT {identifier(name)} FROM attribute_mean), 0) "
        f"AS {identifier(f'known_{name}')}"
        for name in variables.attributes
    ]
    did = [f"coalesce(d.{identifier(f'did_{name}')}, 0) AS {identifier(f'did_{name}')}" for name in variables.events]
    parts = [f"person AS ({campaign.person})", *_purchases(engine, campaign, variables, settings)]
    reacts = bool(variables.events) or variables.has_redemptions
    parts += [_events(engine, campaign, variables)] if reacts else []
    if variables.attributes:
        parts.append(f"attribute_mean AS (SELECT {means} FROM customers)")
    columns = ", ".join([*_bought_columns(variables), *_cost_columns(variables, settings), *did, *known])
    return (
        f"WITH {', '.join(parts)} SELECT p.arm, {groups.segment if groups else literal('')} AS segment, p.bin, p.weight, "
        f"{columns} FROM person AS p LEFT JOIN bought AS b USING (customer_id) "
        + ("LEFT JOIN did AS d USING (customer_id) " if reacts else "")
        + ("LEFT JOIN customers AS k USING (customer_id) " if variables.attributes else "")
        + (f"LEFT JOIN {groups.relation} AS g USING (customer_id)" if groups else "")
    )


def _number(column: str) -> str:
    """SQL for a finite number, or nothing."""
    return f"CASE WHEN isfinite(CAST({column} AS DOUBLE)) THEN CAST({column} AS DOUBLE) END"


def _purchases(engine: Engine, campaign: DrawnCampaign, variables: Variables, settings: EvaluationSettings) -> list[str]:
    """Lines in reach of the windows, then orders, then customers."""
    columns = engine.columns("transactions")
    order = "order_id" if "order_id" in columns else "CAST(NULL AS VARCHAR)"
    day = local_day("occurred_at", settings.timezone)
    # Sums of doubles are many times quicker than those of decimals; only what decides whether an order stands is exact.
    discount = "coalesce(CAST(discount AS DOUBLE), 0)" if "discount" in columns else "CAST(0 AS DOUBLE)"
    margin = line_margin(settings.economics, columns=columns)
    end = "stop + (stop - start)" if campaign.has_after else "stop"
    line = (
        "line AS (SELECT customer_id, CASE WHEN occurred_at < start THEN '_before' WHEN occurred_at < stop THEN '' "
        f"ELSE '_after' END AS period, {order} AS order_id, CASE WHEN {order} IS NULL THEN {day} END AS day, amount, "
        f"CAST(amount AS DOUBLE) AS money, CAST({margin} AS DOUBLE) AS margin, {discount} AS discount, "
        "(epoch(occurred_at) - epoch(start)) / 86400 AS age_days FROM person JOIN transactions USING (customer_id) "
        f"WHERE occurred_at >= start - INTERVAL {int(settings.pre_days)} DAY AND occurred_at < {end} "
        # The same for all customers at once, so that the engine need not read years of orders.
        f"AND occurred_at >= {literal(campaign.first_at - timedelta(days=settings.pre_days + 1))} "
        f"AND occurred_at < {literal(campaign.last_at + timedelta(days=2 * settings.outcome_days))})"
    )
    placed = (
        "placed AS (SELECT customer_id, period, sum(money) AS revenue, sum(margin) AS margin, "
        "sum(discount) FILTER (WHERE amount >= 0) AS discount, sum(money) FILTER (WHERE amount > 0) AS sold, "
        "-sum(money) FILTER (WHERE amount < 0) AS returned, sum(amount) > 0 OR min(amount) >= 0 AS is_order, "
        "min(age_days) AS age_days FROM line GROUP BY customer_id, period, order_id, day)"
    )
    suffixes = ("_before", "", "_after") if campaign.has_after else ("_before", "")
    sums = []
    for suffix in suffixes:
        within = f"(WHERE period = {literal(suffix)})"
        sums.append(f"count(*) FILTER (WHERE period = {literal(suffix)} AND is_order) AS orders{suffix}")
        sums += [f"sum({name}) FILTER {within} AS {name}{suffix}" for name in ("revenue", "margin")]
    sums += [f"sum({name}) FILTER (WHERE period = '') AS {name}" for name in ("discount", "sold", "returned")]
    # Over time, money counts from the first line of its order in the window on.
    timed = "margin" if _timed(settings) == "margin" else "revenue"
    sums += [
        f"sum({timed}) FILTER (WHERE period = '' AND age_days < {literal(days)}) AS {identifier(name)}"
        for days, name in variables.timeline.items()
    ]
    return [line, placed, f"bought AS (SELECT customer_id, {', '.join(sums)} FROM placed GROUP BY customer_id)"]


def _bought_columns(variables: Variables) -> list[str]:
    suffixes = ("_before", "", "_after") if variables.after else ("_before", "")
    plain = [f"{name}{suffix}" for suffix in suffixes for name in ("orders", "revenue", "margin")]
    plain += [*("discount", "sold", "returned"), *variables.timeline.values()]
    columns = [f"coalesce(CAST(b.{identifier(name)} AS DOUBLE), 0) AS {identifier(name)}" for name in plain]
    active = {suffix: f"CASE WHEN b.orders{suffix} > 0 THEN 1.0::DOUBLE ELSE 0 END" for suffix in suffixes}
    columns += [f"{sql} AS active{suffix}" for suffix, sql in active.items()]
    return [
        *columns,
        "CASE WHEN b.orders > 0 AND b.orders_before > 0 THEN 1.0::DOUBLE ELSE 0 END AS stayed",
        "coalesce(CAST(b.sold + coalesce(b.discount, 0) AS DOUBLE), 0) AS listed",
    ]


def _cost_columns(variables: Variables, settings: EvaluationSettings) -> list[str]:
    """What a customer cost: the contact, and every coupon redeemed."""
    contact = "coalesce(CAST(p.cost AS DOUBLE), 0)"
    if settings.cost_per_customer is not None:
        contact = (
            f"CASE WHEN p.arm = {literal(CONTROL)} THEN {contact} ELSE {literal(float(settings.cost_per_customer))} END"
        )
    redeemed = "coalesce(CAST(d.redeemed AS DOUBLE), 0)" if variables.has_redemptions else "CAST(0 AS DOUBLE)"
    return [
        f"{redeemed} AS redeemed",
        f"{contact} + CAST({literal(float(settings.cost_per_redemption))} AS DOUBLE) * {redeemed} AS cost",
    ]


def _events(engine: Engine, campaign: DrawnCampaign, variables: Variables) -> str:
    """Whether each customer did something, and how many coupons they redeemed: of this campaign, where coupons say so."""
    types = variables.event_types
    found = [
        f"max(CASE WHEN {is_named([column_name(name)], types)} THEN 1.0::DOUBLE ELSE 0 END) AS {identifier(f'did_{name}')}"
        for name in variables.events
    ]
    counted = [column_name(name) for name in variables.events]
    if variables.has_redemptions:
        of_campaign = is_named([REDEMPTION], types)
        if "campaign_id" in engine.columns("events"):
            of_campaign += f" AND (e.campaign_id IS NULL OR {bears_campaign('e.campaign_id', campaign.campaign_id)})"
        found.append(f"count(*) FILTER (WHERE {of_campaign}) AS redeemed")
        counted.append(REDEMPTION)
    return (
        f"did AS (SELECT e.customer_id, {', '.join(found)} FROM person JOIN events AS e USING (customer_id) "
        "WHERE occurred_at >= start AND occurred_at < stop "
        f"AND {is_named(dict.fromkeys(counted), types)} GROUP BY e.customer_id)"
    )


def _event_types(engine: Engine) -> dict[str, list[str]]:
    if "events" not in engine.tables():
        return {}
    return types_by_name(engine.table("SELECT DISTINCT event_type FROM events ORDER BY event_type").column(0).to_pylist())


def _timed(settings: EvaluationSettings) -> str:
    """The money shown over time: the metric's own, else margin."""
    return "revenue" if settings.metric == "revenue" else "margin"


def _days(window_days: float) -> list[float]:
    """Whole days that part the window, and its end."""
    steps = [float(ceil(window_days * step / _TIMELINE_POINTS)) for step in range(1, _TIMELINE_POINTS)]
    return [*dict.fromkeys(day for day in steps if day < window_days), float(window_days)]
