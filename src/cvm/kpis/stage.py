"""All that ``cvm kpis`` computes, from a warehouse and the runs of scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa

from cvm.engines import Engine
from cvm.engines.sql import midnight
from cvm.features.query import Schema
from cvm.kpis.base import base_tables, first_subscribed
from cvm.kpis.campaign_returns import campaign_rows
from cvm.kpis.cohorts import cohort_table
from cvm.kpis.coverage import Coverage
from cvm.kpis.goals import GoalProgress, goal_progress
from cvm.kpis.settings import Goal, KpiSettings, Scores
from cvm.kpis.table import SCHEMA, kpi_rows


@dataclass(frozen=True)
class KpiOutcome:
    """KPIs, cohorts, goals, and what a reader should be told of them."""

    as_of: date
    kpis: pa.Table
    cohorts: pa.Table
    goals: list[GoalProgress]
    notes: tuple[str, ...]


def compute_kpis(
    engine: Engine,
    settings: KpiSettings,
    goals: Sequence[Goal] = (),
    *,
    score_files: Scores,
    effects: Path,
    as_of: date | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> KpiOutcome:
    """Everything at one ``as_of``.

    Parameters
    ----------
    engine : Engine
        Opened on the warehouse; it is not changed.
    settings : KpiSettings
    goals : sequence of Goal
    score_files : Scores
        Later runs than ``as_of`` do not count.
    effects : Path
        Folder of evaluated campaigns.
    as_of : date, optional
        By default the day after the last transaction.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    MissingOutputError
        If the evaluation of a campaign is damaged.
    """
    schema = Schema.of(engine)
    coverage = Coverage.of(engine, schema, settings, score_files, as_of=as_of)
    scores = score_files.until(coverage.as_of)
    progress(f"adding up customers, orders and events before {coverage.as_of}")
    subscribed = first_subscribed(engine, schema, settings, as_of=coverage.as_of)
    first = min(coverage.orders.first, subscribed or coverage.orders.first).replace(month=1, day=1)
    with base_tables(engine, schema, settings, scores, first=first, as_of=coverage.as_of):
        progress(f"KPIs by {', '.join(settings.periods)}")
        rows = kpi_rows(engine, schema, settings, scores, coverage)
        progress("cohorts")
        cohorts = cohort_table(engine, schema, orders_from=coverage.orders.first, as_of=coverage.as_of)
        if goals:
            progress(f"{len(goals)} goals")
        stand = goal_progress(engine, goals, scores, coverage)
    # Without an as_of all on file is known: events, so evaluations too, may go on after the last transaction.
    until = midnight(as_of, settings.timezone) if as_of else None
    returns = campaign_rows(effects, currency=settings.economics.currency, timezone=settings.timezone, until=until)
    rows = pd.concat([rows, returns], ignore_index=True)
    table = pa.Table.from_pandas(rows[SCHEMA.names], schema=SCHEMA, preserve_index=False)
    return KpiOutcome(coverage.as_of, table, cohorts, stand, tuple(_notes(coverage, settings)))


def _notes(coverage: Coverage, settings: KpiSettings) -> list[str]:
    left_out = "; ".join(f"no {lacking}, so none of {', '.join(names)}" for lacking, names in coverage.left_out().items())
    notes = [left_out] if left_out else []
    begins = coverage.orders.first
    known_from = begins + timedelta(days=settings.active_days)
    if known_from >= coverage.as_of:
        notes.append(
            f"orders begin on {begins}: who had been a customer {settings.active_days} days before is not known on any day, "
            "so there are no new customers, no retention and no churn; give more history, or lower business.active_days"
        )
    else:
        notes.append(
            f"orders begin on {begins}: until {known_from} earlier customers cannot be told from new ones, so there are no "
            "new customers, retention or churn before"
        )
    return notes
