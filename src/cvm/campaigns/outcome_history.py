"""What customers did in past windows as long as the campaign's: level and spread of its outcome without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from cvm.campaigns.power import Baseline, Outcome
from cvm.engines import DuckDBEngine
from cvm.errors import InsufficientDataError
from cvm.features.economics import Economics, line_margin
from cvm.features.query import Schema, outcome_query
from cvm.features.stage import history_days

MAX_WINDOWS = 6
MIN_CUSTOMERS = 50
_SEGMENT = "coalesce(CAST(named.segment AS VARCHAR), 'unknown')"
_VALUES: dict[Outcome, str] = {
    "conversion": "CAST(coalesce({}.n_orders, 0) > 0 AS INTEGER)",
    "orders": "coalesce({}.n_orders, 0)",
    "revenue": "coalesce({}.revenue, 0)",
}


@dataclass(frozen=True)
class OutcomeHistory:
    """An outcome per customer in past windows.

    Attributes
    ----------
    baseline : Baseline
        Over all windows.
    days : int
        Length of a window.
    starts_on : tuple of date
        First day of each window, latest first.
    means : tuple of float
        The outcome per customer in each.
    n_customers : int
        The base today: who ordered in the last ``active_days``.
    skewness : float
        Of the outcome between customers; the largest of the windows.
    explained_share : float
        Of the variance, by what the same customer did in the window before: what CUPED takes away.
    revenue_per_customer, margin_rate : float
        Revenue of a window, and the share of it that is margin.
    """

    baseline: Baseline
    days: int
    starts_on: tuple[date, ...]
    means: tuple[float, ...]
    n_customers: int
    skewness: float
    explained_share: float
    revenue_per_customer: float
    margin_rate: float


@dataclass(frozen=True)
class SegmentHistory:
    """The same for the customers of one segment.

    Attributes
    ----------
    segment : str
    n_customers : int
        Of the base today.
    history : OutcomeHistory or None
        None where it says too little to plan with.
    gap : str
        What it lacks then.
    """

    segment: str
    n_customers: int
    history: OutcomeHistory | None
    gap: str = ""


def outcome_history(
    engine: DuckDBEngine,
    outcome: Outcome,
    *,
    days: int,
    active_days: int,
    timezone: str,
    economics: Economics,
    progress: Callable[[str], None] = lambda _: None,
) -> OutcomeHistory:
    """Level and spread of an outcome in the latest windows, of customers active before each.

    Windows do not overlap and end with the last day on file. The first is always read, earlier ones only as far as
    history holds all their ``active_days``, ``MAX_WINDOWS`` at most.

    Parameters
    ----------
    engine : DuckDBEngine
        Opened on the warehouse.
    outcome : "conversion", "orders" or "revenue"
    days : int
        Length of a window.
    active_days : int
        Who ordered within so many days before a window belongs to it.
    timezone : str
        Cuts days.
    economics : Economics
        What share of revenue is margin.
    progress : callable

    Raises
    ------
    InsufficientDataError
        If history is no longer than a window, or fewer than ``MIN_CUSTOMERS`` customers or no order lie in it.
    """
    first_day, last_day = history_days(engine, timezone=timezone)
    end, schema = last_day + timedelta(days=1), Schema.of(engine)
    if (end - first_day).days <= days:
        raise InsufficientDataError(
            f"The transactions span {(end - first_day).days:,} days ({first_day} to {last_day}), which must be more than a "
            f"window of {days:,}. Shorten it with --days, or give --mean and --sd."
        )
    starts, rows = [], []
    for number in range(1, MAX_WINDOWS + 1):
        start = end - timedelta(days=days * number)
        if number > 1 and (start - first_day).days < active_days:
            break
        progress(f"{outcome} from {start} on, {days} days")
        starts.append(start)
        query = _window_query(schema, outcome, start, days=days, active_days=active_days, timezone=timezone)
        rows.append(engine.row(query))
    _check_enough(rows, outcome, starts, days=days, active_days=active_days)
    base = f"SELECT count(*) AS n FROM ({_base(schema, end, active_days=active_days, timezone=timezone)})"
    return _history(
        outcome,
        rows,
        days=days,
        starts=starts,
        n_customers=engine.row(base)["n"],
        margin_rate=_margin_rate(engine, schema, economics),
    )


def segment_histories(
    engine: DuckDBEngine,
    whole: OutcomeHistory,
    segments: str,
    *,
    active_days: int,
    timezone: str,
    progress: Callable[[str], None] = lambda _: None,
) -> list[SegmentHistory]:
    """The same windows segment by segment; customers are in the segment of today in all of them.

    Parameters
    ----------
    engine : DuckDBEngine
    whole : OutcomeHistory
        Of all customers, as ``outcome_history`` found it with the same ``active_days`` and ``timezone``.
    segments : str
        A query in parentheses with ``customer_id``, once per customer, and ``segment``; customers without are ``unknown``.
    active_days : int
    timezone : str
    progress : callable

    Returns
    -------
    list of SegmentHistory
        Largest first.
    """
    schema, outcome = Schema.of(engine), whole.baseline.outcome
    by_segment: dict[str, list[dict[str, Any]]] = {}
    for start in whole.starts_on:
        progress(f"{outcome} by segment from {start} on, {whole.days} days")
        query = _window_query(
            schema, outcome, start, days=whole.days, active_days=active_days, timezone=timezone, segments=segments
        )
        for row in engine.table(query).to_pylist():
            by_segment.setdefault(row["segment"], []).append({**row, "start": start})
    end = whole.starts_on[0] + timedelta(days=whole.days)
    base = _base(schema, end, active_days=active_days, timezone=timezone)
    today = engine.table(
        f"SELECT {_SEGMENT} AS segment, count(*) AS n FROM ({base}) LEFT JOIN {segments} AS named USING (customer_id) "
        "GROUP BY 1 ORDER BY n DESC, segment"
    ).to_pylist()
    return [_segment_history(row["segment"], row["n"], by_segment.get(row["segment"], []), whole) for row in today]


def _segment_history(segment: str, n_customers: int, rows: list[dict[str, Any]], whole: OutcomeHistory) -> SegmentHistory:
    outcome, starts = whole.baseline.outcome, [row["start"] for row in rows]
    if sum(row["n"] for row in rows) < MIN_CUSTOMERS:
        return SegmentHistory(segment, n_customers, None, f"fewer than {MIN_CUSTOMERS} customers in past windows")
    if sum(row["n"] * row["mean"] for row in rows) <= 0:
        return SegmentHistory(segment, n_customers, None, f"no {outcome} in past windows")
    try:
        history = _history(
            outcome, rows, days=whole.days, starts=starts, n_customers=n_customers, margin_rate=whole.margin_rate
        )
    except InsufficientDataError:
        return SegmentHistory(segment, n_customers, None, f"all customers brought the same {outcome}")
    return SegmentHistory(segment, n_customers, history)


def _history(
    outcome: Outcome, rows: list[dict[str, Any]], *, days: int, starts: list[date], n_customers: int, margin_rate: float
) -> OutcomeHistory:
    return OutcomeHistory(
        baseline=_pooled(outcome, rows),
        days=days,
        starts_on=tuple(starts),
        means=tuple(row["mean"] for row in rows),
        n_customers=n_customers,
        skewness=max(row["skewness"] for row in rows),
        explained_share=_weighted(rows, "explained"),
        revenue_per_customer=_weighted(rows, "revenue"),
        margin_rate=margin_rate,
    )


def _window_query(
    schema: Schema,
    outcome: Outcome,
    start: date,
    *,
    days: int,
    active_days: int,
    timezone: str,
    segments: str | None = None,
) -> str:
    """SQL for moments of the outcome of the customers active before ``start``, those without an order included.

    One row; with ``segments`` one per ``segment``.
    """
    before = start - timedelta(days=days)
    value, earlier = _VALUES[outcome].format("later"), _VALUES[outcome].format("earlier")
    named = f" LEFT JOIN {segments} AS named USING (customer_id)" if segments else ""
    key, grouped = (f"{_SEGMENT} AS segment, ", " GROUP BY segment") if segments else ("", "")
    return (
        f"WITH base AS ({_base(schema, start, active_days=active_days, timezone=timezone)}), "
        f"later AS ({outcome_query(schema, start, horizon_days=days, lead_days=0, timezone=timezone)}), "
        f"earlier AS ({outcome_query(schema, before, horizon_days=days, lead_days=0, timezone=timezone)}), "
        f"outcome AS (SELECT {key}CAST({value} AS DOUBLE) AS value, CAST({earlier} AS DOUBLE) AS earlier, "
        "coalesce(later.revenue, 0) AS revenue FROM base LEFT JOIN later USING (customer_id) "
        f"LEFT JOIN earlier USING (customer_id){named}) "
        f"SELECT {'segment, ' if segments else ''}count(*) AS n, "
        "coalesce(avg(value), 0) AS mean, coalesce(var_pop(value), 0) AS variance, "
        "avg(CAST(value > 0 AS INTEGER)) AS active, avg(revenue) AS revenue, "
        "CASE WHEN var_pop(value) > 0 AND count(*) > 2 THEN skewness(value) ELSE 0 END AS skewness, "
        "CASE WHEN var_pop(value) > 0 AND var_pop(earlier) > 0 THEN corr(value, earlier) ** 2 ELSE 0 END AS explained "
        f"FROM outcome{grouped}"
    )


def _base(schema: Schema, end: date, *, active_days: int, timezone: str) -> str:
    """SQL for the customers who ordered in the ``active_days`` before a day."""
    start = end - timedelta(days=active_days)
    bought = outcome_query(schema, start, horizon_days=active_days, lead_days=0, timezone=timezone)
    return f"SELECT customer_id FROM ({bought}) WHERE n_orders > 0"


def _check_enough(rows: list[dict[str, Any]], outcome: Outcome, starts: list[date], *, days: int, active_days: int) -> None:
    if rows[0]["n"] < MIN_CUSTOMERS:
        raise InsufficientDataError(
            f"{rows[0]['n']:,} customers ordered in the {active_days:,} days before {starts[0]}, must be at least "
            f"{MIN_CUSTOMERS}. Shorten the window with --days, raise business.active_days, or give --mean and --sd."
        )
    if sum(row["n"] * row["mean"] for row in rows) <= 0:
        raise InsufficientDataError(
            f"The {rows[0]['n']:,} customers active before {starts[0]} brought no {outcome} in windows of {days:,} days. "
            "Lengthen the window with --days, or give --mean and --sd."
        )


def _pooled(outcome: Outcome, rows: list[dict[str, Any]]) -> Baseline:
    mean = _weighted(rows, "mean")
    if outcome == "conversion":
        if mean >= 1:
            raise InsufficientDataError("Every customer ordered in every window; plan for orders or revenue instead.")
        return Baseline.of_conversion(mean)
    variance, active = _weighted(rows, "variance"), _weighted(rows, "active")
    if variance <= 0:
        raise InsufficientDataError(f"All customers brought the same {outcome}; there is no spread to plan with.")
    return Baseline(outcome, mean, variance, active)


def _weighted(rows: list[dict[str, Any]], name: str) -> float:
    return float(np.average([row[name] or 0.0 for row in rows], weights=[row["n"] for row in rows]))


def _margin_rate(engine: DuckDBEngine, schema: Schema, economics: Economics) -> float:
    margin = line_margin(economics, columns=schema.columns["transactions"])
    row = engine.row(
        f"SELECT CAST(sum(margin_of_line) AS DOUBLE) AS margin, CAST(sum(amount) AS DOUBLE) AS revenue "
        f"FROM (SELECT amount, {margin} AS margin_of_line FROM transactions)"
    )
    return float(row["margin"] / row["revenue"]) if row["revenue"] > 0 else economics.margin_rate
