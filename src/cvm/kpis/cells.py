"""Sums of all measures over cells of customers: what KPIs of any group, and their intervals, are then added up from.

Each relation of ``measures.py`` is a query over the tables of ``base.py``; ``kpi_period`` holds the periods to be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa

from cvm.engines import Engine
from cvm.engines.sql import parquet
from cvm.kpis.base import number_of
from cvm.kpis.measures import Measure, measures_of
from cvm.kpis.periods import Period

UNKNOWN, NO_ORDER = "unknown", "no order"
N_BINS = 256
_DIMENSIONS = {
    "segment": f"coalesce(customer.segment, '{UNKNOWN}')",
    "acquisition_channel": f"coalesce(customer.acquisition_channel, '{UNKNOWN}')",
    "cohort": f"coalesce(customer.cohort, '{NO_ORDER}')",
    "first_channel": f"coalesce(customer.first_channel, '{UNKNOWN}')",
    "channel": f"coalesce(held.channel, '{UNKNOWN}')",
    "segment_at_start": f"coalesce(then_segment.segment, '{UNKNOWN}')",
    # A part of a hash that is the same on every machine.
    "bin": f"CAST(('0x' || substr(md5(customer.customer_id), 1, 6)) AS BIGINT) % {N_BINS}",
}


def hold_periods(engine: Engine, periods: Mapping[int, Period]) -> None:
    """Make ``kpi_period`` hold these periods under their numbers, ``kpi_part`` their months, ``kpi_bought`` who bought."""
    columns = {
        "period": list(periods),
        "start_day": [number_of(period.start) for period in periods.values()],
        "end_day": [number_of(period.end) for period in periods.values()],
    }
    engine.register("kpi_given_period", pa.table({name: pa.array(values, pa.int32()) for name, values in columns.items()}))
    engine.execute("CREATE OR REPLACE TEMP TABLE kpi_period AS SELECT * FROM kpi_given_period")
    engine.execute(f"CREATE OR REPLACE TEMP TABLE kpi_part AS {part_rows()}")
    engine.execute(f"CREATE OR REPLACE TEMP TABLE kpi_bought AS {bought_rows('period, who')}")


def hold_start_segments(engine: Engine, files: Mapping[int, Path]) -> None:
    """Make ``kpi_start_segment`` hold each customer's segment in the scores that go before a period, by its number."""
    parts = [f"SELECT {number} AS period, customer_id, segment FROM {parquet([path])}" for number, path in files.items()]
    rows = " UNION ALL ".join(parts) or "SELECT 0 AS period, '' AS customer_id, '' AS segment WHERE FALSE"
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE kpi_start_segment AS "
        f"SELECT period, who, scores.segment FROM ({rows}) AS scores JOIN kpi_customer USING (customer_id)"
    )


def cells(rows: Mapping[str, str], *, by: Mapping[str, str]) -> str:
    """SQL for the sums of the measures of several relations, one relation after the other.

    Parameters
    ----------
    rows : mapping of str to str
        Relation to the query of its rows, with ``period`` and ``who``.
    by : mapping of str to str
        Name of each column to what it tells: one of segment, acquisition_channel, cohort, channel, segment_at_start, bin. By
        ``segment_at_start`` only periods count for which the segments are known; the channel of ``joined`` is that of the
        first order.

    Returns
    -------
    str
        A query with ``period``, the columns of ``by``, and one per measure, null in rows of other relations.
    """
    measures = [measure for relation in rows for measure in measures_of(relation)]
    of_first = {name: "first_channel" if told == "channel" else told for name, told in by.items()}
    return " UNION ALL ".join(
        _cells_of_one(relation, query, by=of_first if relation == "joined" else by, measures=measures)
        for relation, query in rows.items()
    )


def _cells_of_one(relation: str, rows: str, *, by: Mapping[str, str], measures: Sequence[Measure]) -> str:
    """SQL for the sums of a relation's measures, in the order of ``measures``, of which others are null."""
    given = {"segment": f"coalesce(held.segment, '{UNKNOWN}')"} if relation == "scored" else {}
    dimensions = {**_DIMENSIONS, **given}
    named = [f"{dimensions[told]} AS {name}" for name, told in by.items()]
    of_relation = {measure: f"sum(CAST(({measure.sql}) AS DOUBLE))" for measure in measures_of(relation)}
    sums = [f"{of_relation.get(measure, 'CAST(NULL AS DOUBLE)')} AS {measure.name}" for measure in measures]
    then = ""
    if "segment_at_start" in by.values():
        same = "then_segment.period = held.period AND then_segment.who = held.who"
        then = f"LEFT JOIN kpi_start_segment AS then_segment ON {same}"
        rows = f"SELECT * FROM ({rows}) WHERE period IN (SELECT period FROM kpi_start_segment)"
    return (
        f"SELECT held.period, {', '.join([*named, *sums])} FROM ({rows}) AS held "
        f"JOIN kpi_customer AS customer ON customer.who = held.who {then} GROUP BY ALL"
    )


def standing_rows(table: str) -> str:
    """Rows of ``standing`` and ``quiet``, from their table of spells.

    A row is of the first spell that touches the period, the only one that can hold its start. Nearly always it is the last
    one, too; only where another follows within the period that one has to be found which holds the end, if any does.
    """
    first = "first.starts < end_day AND first.ends >= start_day AND coalesce(first.ended_before < start_day, TRUE)"
    another = "first.ends < end_day AND first.starts_again < end_day"
    columns = "SELECT period, first.who, start_day, first.starts < start_day AS at_start"
    return (
        f"{columns}, first.ends >= end_day AS at_end FROM {table} AS first "
        f"JOIN kpi_period ON {first} AND NOT coalesce({another}, FALSE) "
        f"UNION ALL {columns}, last.who IS NOT NULL FROM {table} AS first JOIN kpi_period ON {first} AND {another} "
        f"LEFT JOIN {table} AS last ON last.who = first.who AND last.starts < end_day AND last.ends >= end_day"
    )


def joined_rows() -> str:
    """Rows of ``joined``."""
    return "SELECT period, who FROM kpi_customer JOIN kpi_period ON joined_day >= start_day AND joined_day < end_day"


def purchase_rows(*, by_channel: bool = False) -> str:
    """Rows of ``purchase``; costs have no channel."""
    if by_channel:
        # Sums of floats may miss 0, by what the order of rows leaves.
        is_any = "n_orders > 0 OR round(revenue, 4) <> 0 OR round(margin, 4) <> 0"
        return f"SELECT * FROM ({bought_rows('period, who, channel')}) WHERE {is_any}"
    return "SELECT * FROM kpi_bought"


def part_rows() -> str:
    """Months of each period."""
    return "SELECT DISTINCT month, period FROM kpi_day JOIN kpi_period ON day >= start_day AND day < end_day"


def bought_rows(keys: str) -> str:
    """What was bought in each period, by ``keys``."""
    sums = ", ".join(f"sum({name}) AS {name}" for name in ("n_orders", "revenue", "margin", "cost"))
    return f"SELECT {keys}, {sums} FROM kpi_purchase JOIN kpi_part USING (month) GROUP BY {keys}"


def leader_rows() -> str:
    """Rows of ``leader``: whoever is in the upper quarter of buyers by revenue or margin, which holds the top fifth."""
    cuts = ", ".join(f"quantile_disc({name}, 0.75) AS {name}_cut" for name in ("revenue", "margin"))
    buyers = "SELECT period, who, revenue, margin FROM kpi_bought WHERE n_orders > 0"
    upper = (
        f"SELECT period, who, revenue, margin, n_ranked FROM ({buyers}) "
        f"JOIN (SELECT period, count(*) AS n_ranked, {cuts} FROM ({buyers}) GROUP BY period) USING (period) "
        "WHERE revenue >= revenue_cut OR margin >= margin_cut"
    )
    return f"SELECT period, who, revenue, margin, n_ranked, {leader_ranks()} FROM ({upper}) JOIN kpi_person USING (who)"


def leader_ranks() -> str:
    """Columns with the rank of each buyer of a period by revenue and by margin."""
    # Who is first of equals must not depend on the order of rows: neither in a sum, nor by the number of a customer.
    return ", ".join(
        f"row_number() OVER (PARTITION BY period ORDER BY round({name}, 4) DESC, customer_id) AS {name}_rank"
        for name in ("revenue", "margin")
    )


def behaviour_rows(*, by_channel: bool = False) -> str:
    """Rows of ``behaviour``."""
    sums = ", ".join(f"sum({m.name}) AS {m.name}" for m in measures_of("behaviour") if m.name != "users")
    keys = "period, who, channel" if by_channel else "period, who"
    return f"SELECT {keys}, {sums} FROM kpi_behaviour JOIN kpi_part USING (month) GROUP BY {keys}"


def scored_rows(runs: Mapping[int, tuple[Path, Path | None]]) -> str:
    """Rows of ``scored``: of each customer one, and one more of who was in the run before, in the segment of then.

    Parameters
    ----------
    runs : mapping of int to pair of Path
        Number of the snapshot to its scores and those of the run before; at least one.
    """
    parts = []
    for number, (path, before) in runs.items():
        parts.append(
            f"SELECT {number} AS period, customer_id, segment, TRUE AS is_now, clv, p_churn, "
            "expected_orders * expected_order_value AS expected_revenue, NULL AS previous_clv, NULL AS clv_of_both "
            f"FROM {parquet([path])}"
        )
        if before:
            parts.append(
                f"SELECT {number}, customer_id, earlier.segment, FALSE, NULL, NULL, NULL, earlier.clv, now.clv "
                f"FROM {parquet([path])} AS now JOIN {parquet([before])} AS earlier USING (customer_id) "
                "WHERE earlier.clv IS NOT NULL"
            )
    return f"SELECT who, scores.* FROM ({' UNION ALL '.join(parts)}) AS scores JOIN kpi_customer USING (customer_id)"


def snapshot_of(as_of: date) -> Period:
    """The period of a run of scores."""
    return Period("snapshot", as_of, as_of)
