"""Retention and value of customers by the month of their first order, month after month."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from cvm.engines import Engine, literal
from cvm.features.query import Schema
from cvm.kpis.base import number_of
from cvm.kpis.cells import UNKNOWN

COLUMNS = (
    "cohort", "months_since", "channel", "n_customers", "n_active", "retention", "revenue", "margin",
    "cumulative_revenue_per_customer", "cumulative_margin_per_customer", "is_complete",
)  # fmt: skip


def cohort_table(engine: Engine, schema: Schema, *, orders_from: date, as_of: date) -> pa.Table:
    """One row per cohort, channel and month since the first order, up to the month that ``as_of`` cuts or ends.

    Parameters
    ----------
    engine : Engine
        Within ``base_tables``.
    schema : Schema
    orders_from : date
        Day of the first order: what earlier cohorts paid before it is not known, so they have no cumulative values.
    as_of : date

    Returns
    -------
    Table
        ``cohort`` is the first of the month of the first order, or of the first subscription where that came earlier;
        ``channel`` that of acquisition, else of the first order, null for all. ``n_active`` ordered in the month, or held a
        subscription at its end. Months that are not over are not ``is_complete``: their money is what came in so far, and
        ``retention`` and the cumulative values are null, or they would be read as a fall.
    """
    split = "acquisition_channel" if schema.has("customers", "acquisition_channel") else "first_channel"
    has_split = split == "acquisition_channel" or schema.has("transactions", "channel")
    return engine.table(_query(split if has_split else None, orders_from=orders_from, end=number_of(as_of))).select(COLUMNS)


def _query(split: str | None, *, orders_from: date, end: int) -> str:
    channel = f"coalesce({split}, {literal(UNKNOWN)})" if split else "CAST(NULL AS VARCHAR)"
    told_from = orders_from.year * 12 + orders_from.month - 1
    is_told = f"is_complete AND cohort_month >= {told_from}"
    so_far = "OVER (PARTITION BY cohort_month, channel ORDER BY months_since)"
    cumulative = ", ".join(
        f"CASE WHEN {is_told} THEN sum({what}) {so_far} / n_customers END AS cumulative_{what}_per_customer"
        for what in ("revenue", "margin")
    )
    # Of everybody, and once more by channel where there is one.
    ways = ["NULL", *(["channel"] if split else [])]
    sizes = " UNION ALL ".join(
        f"SELECT cohort_month, CAST({way} AS VARCHAR) AS channel, count(*) AS n_customers FROM member GROUP BY ALL"
        for way in ways
    )
    sums = " UNION ALL ".join(
        f"SELECT cohort_month, months_since, CAST({way} AS VARCHAR) AS channel, count(*) FILTER (is_active) AS n_active, "
        "sum(revenue) AS revenue, sum(margin) AS margin FROM acted GROUP BY ALL"
        for way in ways
    )
    return f"""
WITH month_end AS (SELECT month, max(day) + 1 AS end_day FROM kpi_day GROUP BY month),
member AS (
  SELECT who, month AS cohort_month, {channel} AS channel
  FROM kpi_customer JOIN kpi_day ON joined_day = day
),
presence AS (
  SELECT who, month, sum(n_orders) > 0 AS is_active, sum(revenue) AS revenue, sum(margin) AS margin
  FROM kpi_purchase GROUP BY who, month
  UNION ALL
  SELECT DISTINCT who, month, TRUE, 0, 0 FROM kpi_subscription JOIN month_end ON starts < end_day AND ends >= end_day
),
acted AS (
  -- What was bought before the first order that lasted came back: it counts with that order, and adds up to nothing.
  SELECT who, cohort_month, channel, greatest(month - cohort_month, 0) AS months_since, bool_or(is_active) AS is_active,
    sum(revenue) AS revenue, sum(margin) AS margin
  FROM presence JOIN member USING (who) GROUP BY ALL
),
size AS ({sizes}),
summed AS ({sums}),
grid AS (
  SELECT cohort_month, channel, n_customers, month - cohort_month AS months_since,
    CAST(make_date(month // 12, month % 12 + 1, 1) + INTERVAL 1 MONTH AS DATE) <= DATE '1970-01-01' + {end} AS is_complete
  FROM size JOIN month_end ON month >= cohort_month
),
filled AS (
  SELECT grid.*, coalesce(n_active, 0) AS n_active, coalesce(revenue, 0.0) AS revenue, coalesce(margin, 0.0) AS margin
  FROM grid LEFT JOIN summed ON summed.cohort_month = grid.cohort_month AND summed.months_since = grid.months_since
    AND summed.channel IS NOT DISTINCT FROM grid.channel
)
SELECT make_date(cohort_month // 12, cohort_month % 12 + 1, 1) AS cohort, CAST(months_since AS INTEGER) AS months_since,
  channel, n_customers, n_active, CASE WHEN is_complete THEN n_active / n_customers END AS retention, revenue, margin,
  {cumulative}, is_complete
FROM filled ORDER BY channel NULLS FIRST, cohort, months_since"""
