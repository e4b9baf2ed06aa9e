"""Cohorts: of those who came in one month, how many still buy, and what they have brought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from cvm.reports.base import Base
from cvm.reports.html.markup import Child
from cvm.reports.html.parts import Column, Section, figure, months_missing
from cvm.reports.html.plots import axis, grid_layout, heatmap, line, plot
from cvm.reports.words import Words

_MOST_COHORTS = 24
_MOST_MONTHS = 24
_LINES = 6

_COHORTS = f"""
SELECT cohort, months_since, n_customers, n_active, retention, cumulative_margin_per_customer AS margin, is_complete
FROM {{file}}
WHERE channel IS NULL AND months_since <= {_MOST_MONTHS} AND cohort + to_months(months_since + 1) <= DATE '{{as_of}}'
QUALIFY dense_rank() OVER (ORDER BY cohort DESC) <= {_MOST_COHORTS} ORDER BY cohort, months_since
"""
_LATEST = """
SELECT CAST(max(cohort + to_months(months_since)) AS DATE) AS month FROM {file}
WHERE is_complete AND cohort + to_months(months_since + 1) <= DATE '{as_of}'
"""


@dataclass(frozen=True)
class Content:
    """Cohorts of all channels together, the newest of them."""

    currency: str
    cohorts: Sequence[Mapping[str, Any]]
    as_of: date
    latest: date | None


def read(base: Base) -> Content:
    """What ``cvm kpis`` wrote."""
    path = base.workspace.kpis / "cohorts.parquet"

    def rows(query: str) -> list[dict[str, Any]]:
        return base.rows(query.replace("{as_of}", base.as_of.isoformat()), path, command="cvm kpis")

    latest = [row["month"] for row in rows(_LATEST)]
    return Content(base.currency, rows(_COHORTS), base.as_of, latest[0] if latest else None)


def section(content: Content, words: Words) -> Section:
    """Retention as a map, cumulative margin as lines."""
    whole = [row for row in content.cohorts if row["is_complete"] and row["retention"] is not None]
    if not whole:
        return Section("cohorts", words("cohorts.empty"))
    after = max((row["months_since"] for row in whole if row["months_since"] in (1, 3, 6)), default=0)
    at = [row for row in whole if row["months_since"] == after]
    n = sum(row["n_customers"] for row in at)
    lead = words(
        "cohorts.lead",
        share=words.percent(sum(row["n_active"] for row in at) / n if n else 0.0, 0),
        months=words.count(after, "months_later"),
    )
    stale = months_missing(content.latest, content.as_of, words) if content.latest else None
    return Section("cohorts", lead, (stale, _retention(words, whole, at), _margin(content, words, whole)))


def _retention(words: Words, whole: Sequence[Mapping[str, Any]], at: Sequence[Mapping[str, Any]]) -> Child:
    cohorts = sorted({row["cohort"] for row in whole if row["months_since"] > 0})
    months = sorted({row["months_since"] for row in whole if row["months_since"] > 0})
    found = {(row["cohort"], row["months_since"]): row for row in whole}

    def hover(cohort: date, month: int) -> str:
        row = found.get((cohort, month))
        if row is None:
            return words("cohorts.not_yet")
        return words(
            "cohorts.hover",
            cohort=words.month(cohort),
            months=words.count(month, "months_later"),
            share=words.percent(row["retention"]),
            active=words.number(row["n_active"]),
            n=words.number(row["n_customers"]),
        )

    grid = heatmap(
        [[found[c, m]["retention"] if (c, m) in found else None for m in months] for c in cohorts],
        columns=[str(month) for month in months],
        rows=[words.month(cohort) for cohort in cohorts],
        texts=[[words.number(100 * found[c, m]["retention"]) if (c, m) in found else "" for m in months] for c in cohorts],
        hover=[[hover(c, m) for m in months] for c in cohorts],
    )
    best = max(at, key=lambda row: row["retention"])
    worst = min(at, key=lambda row: row["retention"])
    takeaway = words(
        "cohorts.takeaway",
        months=words.count(best["months_since"], "months_later"),
        best=words.month(best["cohort"]),
        most=words.percent(best["retention"], 0),
        worst=words.month(worst["cohort"]),
        least=words.percent(worst["retention"], 0),
    )
    columns = [
        Column(words("cohorts.cohort"), "date"),
        Column(words("cohorts.months"), "count"),
        Column(words("columns.customers"), "count"),
        Column(words("cohorts.active"), "count"),
        Column(words("cohorts.retention"), "percent"),
    ]
    rows = [[row["cohort"], row["months_since"], row["n_customers"], row["n_active"], row["retention"]] for row in whole]
    layout = {**grid_layout(len(cohorts), x=words("cohorts.months"), y=""), "height": 130 + 24 * len(cohorts)}
    return figure(
        words,
        "cohorts.figure",
        takeaway=takeaway,
        plot=plot([grid], **layout),
        columns=columns,
        rows=rows,
        definition=words("cohorts.definition"),
    )


def _margin(content: Content, words: Words, whole: Sequence[Mapping[str, Any]]) -> Child:
    """A few cohorts spread over time; more lines than that cannot be told apart."""
    known = [row for row in whole if row["margin"] is not None]
    if not known:
        return None
    cohorts = sorted({row["cohort"] for row in known})
    step = max(1, -(-len(cohorts) // _LINES))
    shown = cohorts[::step]
    colours = ("@accent", "@series1", "@series2", "@series3", "@series4", "@series5")
    traces = []
    for colour, cohort in zip(colours, shown, strict=False):
        own = [row for row in known if row["cohort"] == cohort]
        hover = [
            f"{words.month(cohort)}, +{row['months_since']}: {words.money(row['margin'], content.currency)}" for row in own
        ]
        traces.append(
            line(
                [row["months_since"] for row in own],
                [row["margin"] for row in own],
                label=words.month(cohort),
                hover=hover,
                colour=colour,
            )
        )
    last = [row for row in known if row["cohort"] == cohorts[0]][-1]
    takeaway = words(
        "cohorts.margin_takeaway",
        cohort=words.month(cohorts[0]),
        margin=words.money(last["margin"], content.currency),
        months=words.count(last["months_since"], "months_later"),
    )
    columns = [
        Column(words("cohorts.cohort"), "date"),
        Column(words("cohorts.months"), "count"),
        Column(words("cohorts.margin"), "money"),
    ]
    rows = [[row["cohort"], row["months_since"], row["margin"]] for row in known if row["cohort"] in shown]
    layout = {"xaxis": axis(words("cohorts.months")), "yaxis": axis(content.currency, rangemode="tozero")}
    return figure(
        words,
        "cohorts.margin_figure",
        takeaway=takeaway,
        plot=plot(traces, **layout),
        columns=columns,
        rows=rows,
        definition=words("cohorts.margin_definition"),
        currency=content.currency,
    )
