"""What ``cvm kpis`` prints: the headline figures of the latest periods that are over, and where the goals stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cvm.kpis.files import COHORTS, GOALS, KPIS, latest_complete, read_kpi_file
from cvm.kpis.periods import MONTHS, Period, later
from cvm.reports.tables import titled_table

# What is better when it grows, when it shrinks, and what is neither.
_HEADLINES: dict[str, tuple[str, int]] = {
    "customers_at_end": ("customers", 1),
    "new_customers": ("new", 1),
    "reactivated_customers": ("reactivated", 1),
    "lost_customers": ("lost", -1),
    "retention_rate": ("retention rate", 1),
    "churn_rate": ("churn rate", -1),
    "orders": ("orders", 1),
    "revenue": ("revenue", 1),
    "margin": ("margin", 1),
    "average_order_value": ("average order value", 1),
    "revenue_per_customer": ("revenue per customer", 1),
    "repeat_rate": ("repeat rate", 1),
    "formula_clv_margin": ("formula CLV, margin", 1),
    "revenue_share_top_10": ("revenue of the top 10 %", 0),
    "acquisition_cost_per_customer": ("cost of a new customer", -1),
    "engagement_rate": ("engagement rate", 1),
    "open_rate": ("open rate", 1),
    "nps": ("NPS", 1),
}
_STATUS_STYLES = {"reached": "bold green", "on_track": "green", "behind": "yellow", "missed": "bold red"}


def kpi_tables(folder: Path) -> list[RenderableType]:
    """Headlines and goals out of ``outputs/kpis``.

    Raises
    ------
    MissingOutputError
        If a file is not there or damaged.
    """
    kpis, goals = read_kpi_file(folder, KPIS).to_pandas(), read_kpi_file(folder, GOALS).to_pylist()
    shown: list[RenderableType] = [_headlines(kpis)]
    if goals:
        shown += [_goals(goals), *_reasons(goals)]
    names = ", ".join(f"{name}.csv" for name in (KPIS, COHORTS, GOALS))
    return [*shown, Text(f"All of them by period and group: {folder}, Parquet and CSV ({names})", style="dim")]


def _headlines(kpis: pd.DataFrame) -> RenderableType:
    everybody = kpis[(kpis["group_by"] == "all") & kpis["kpi"].isin(_HEADLINES)]
    latest = {kind: start for kind in MONTHS if (start := latest_complete(everybody, kind)) is not None}
    if not latest:
        return Text("No period is over and told from its beginning, so there are no KPIs to show.", style="yellow")
    table = titled_table("KPIs of the latest periods that are over")
    table.add_column("")
    for kind, start in latest.items():
        table.add_column(Period(kind, start, start).label, justify="right", style="bold", overflow="fold")
        for before in _compared(kind):
            table.add_column(before, justify="right", overflow="fold")
    values = everybody.set_index(["kpi", "period", "period_start"])["value"].to_dict()
    shapes = {str(row.kpi): (str(row.unit), row.currency) for row in everybody.drop_duplicates("kpi").itertuples()}
    for name, (label, good) in _HEADLINES.items():
        if any(pd.notna(values.get((name, kind, start))) for kind, start in latest.items()):
            unit, currency = shapes[name]
            cells = [cell for kind, start in latest.items() for cell in _cells(values, unit, name, kind, start, good)]
            table.add_row(f"{label}, {currency}" if unit == "currency" else label, *cells)
    return table


def _compared(kind: str) -> dict[str, int]:
    """What a period is set against, and how many months earlier that began."""
    return {"before": MONTHS[kind]} | ({} if kind == "year" else {"year ago": 12})


def _cells(values: Mapping[Any, float], unit: str, name: str, kind: str, start: date, good: int) -> list[Text]:
    now = values.get((name, kind, start))
    found = [Text(figure(now, unit))]
    for months in _compared(kind).values():
        then = values.get((name, kind, later(start, months=-months)))
        found.append(_change(now, then, unit=unit, good=good))
    return found


def figure(value: float | None, unit: str) -> str:
    """A value as its unit is read: 12.3%, 1,234, 45.67; a dash for none."""
    if value is None or pd.isna(value):
        return "-"
    if unit in ("share", "change"):
        return f"{value:.1%}"
    if unit in ("customers", "orders", "events"):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.2f}"


def _change(now: float | None, then: float | None, *, unit: str, good: int) -> Text:
    """Shares and scores in points, all else in per cent."""
    if now is None or then is None or pd.isna(now) or pd.isna(then):
        return Text("-", style="dim")
    difference = now - then
    if unit == "share":
        text = f"{difference * 100:+.1f} pp"
    elif unit == "score":
        text = f"{difference:+.1f}"
    elif then > 0:
        text = f"{now / then - 1:+.1%}"
    else:
        return Text("-", style="dim")
    tone = good * (difference > 0) - good * (difference < 0)
    return Text(text, style={1: "green", -1: "red", 0: ""}[tone])


def _goals(goals: Sequence[Mapping[str, Any]]) -> Table:
    table = titled_table("Goals")
    for header in ("goal", "metric", "segment"):
        table.add_column(header)
    for header in ("baseline", "now", "95 % interval", "target", "by", "way gone"):
        table.add_column(header, justify="right", overflow="fold")
    table.add_column("status", overflow="fold")
    for goal in goals:
        unit = goal["unit"]
        interval = "-"
        if goal["lower"] is not None:
            interval = f"{figure(goal['lower'], unit)} to {figure(goal['upper'], unit)}"
        table.add_row(
            goal["goal"],
            goal["metric"],
            goal["segment"] or "all",
            figure(goal["baseline"], unit),
            Text(figure(goal["value"], unit), style="bold"),
            interval,
            figure(goal["target"], unit),
            str(goal["deadline"]),
            "-" if goal["progress"] is None else f"{goal['progress']:.0%}",
            Text(goal["status"].replace("_", " "), style=_STATUS_STYLES.get(goal["status"], "dim")),
        )
    return table


def _reasons(goals: Sequence[Mapping[str, Any]]) -> list[Text]:
    return [Text(f"{goal['goal']}: {goal['reason']}", style="yellow") for goal in goals if goal["reason"]]
