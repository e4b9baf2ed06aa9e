"""The map of value and risk: where the money is, and how likely it is to leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvm.reports.base import Base
from cvm.reports.html.markup import tag
from cvm.reports.html.parts import MOST_ROWS, Column, Section, figure, interval, subtitle, table
from cvm.reports.html.plots import grid_layout, heatmap, plot
from cvm.reports.words import Words
from cvm.segments import VALUE_TIERS

_BANDS = 5

_CELLS = f"""
SELECT value_tier, CAST(least(floor(p_churn * {_BANDS}), {_BANDS - 1}) AS INTEGER) AS band, count(*) AS n,
       sum(clv) AS clv, sum(clv * p_churn) AS at_risk, count(*) FILTER (WHERE p_churn > 0.5) AS n_leaving,
       coalesce(sum(clv) FILTER (WHERE p_churn > 0.5), 0) AS clv_leaving
FROM {{file}} WHERE p_churn IS NOT NULL AND value_tier IS NOT NULL GROUP BY ALL
"""
_TOP = f"""
SELECT customer_id, segment, clv, clv_lower, clv_upper, p_churn, clv * p_churn AS at_risk,
       expected_next_order_date, reasons IS NOT NULL AS is_told,
       [reason.sentence FOR reason IN reasons IF reason.direction = 'raises'][1] AS reason
FROM {{file}} WHERE p_churn IS NOT NULL AND clv > 0 ORDER BY at_risk DESC, customer_id LIMIT {MOST_ROWS}
"""


@dataclass(frozen=True)
class Content:
    """Customers and value by tier and band of risk, and who has most to lose."""

    currency: str
    cells: Sequence[Mapping[str, Any]]
    customers: Sequence[Mapping[str, Any]]
    file: str


def read(base: Base) -> Content:
    """From the scores."""
    return Content(base.currency, base.of_scores(_CELLS), base.with_ids(base.of_scores(_TOP)), base.shown(base.scores))


def section(content: Content, words: Words) -> Section:
    """The map, and a list of customers to look at first."""
    if not content.cells:
        return Section("value_map", words("value_map.empty"))
    valued = [cell for cell in content.cells if cell["value_tier"] in VALUE_TIERS[:2]]
    n, clv = sum(cell["n_leaving"] for cell in valued), sum(cell["clv_leaving"] for cell in valued)
    total = sum(cell["clv"] for cell in content.cells)
    lead = words(
        "value_map.lead" if n else "value_map.lead_nobody",
        n=words.count(n, "customers"),
        clv=words.money(clv, content.currency),
        share=words.percent(clv / total if total else 0.0, 0),
    )
    return Section("value_map", lead, (_map(content, words), _customers(content, words)))


def _map(content: Content, words: Words) -> Any:
    found = {(cell["value_tier"], cell["band"]): cell for cell in content.cells}
    tiers = [tier for tier in VALUE_TIERS if any(key[0] == tier for key in found)]
    bands = [f"{words.number(100 * i / _BANDS)}\N{EN DASH}{words.percent((i + 1) / _BANDS, 0)}" for i in range(_BANDS)]
    cells = [[found.get((tier, band)) for band in range(_BANDS)] for tier in tiers]
    names = [words.known("value_tiers", tier) for tier in tiers]

    def text(cell: Mapping[str, Any] | None) -> str:
        return "" if cell is None else f"{words.short(cell['n'])}\n{words.money(cell['clv'], content.currency)}"

    def hover(cell: Mapping[str, Any] | None, tier: str, band: str) -> str:
        if cell is None:
            return words("value_map.nobody")
        return words(
            "value_map.hover",
            tier=tier,
            band=band,
            n=words.count(cell["n"], "customers"),
            clv=words.money(cell["clv"], content.currency),
            risk=words.money(cell["at_risk"], content.currency),
        )

    worst = max(content.cells, key=lambda cell: cell["at_risk"] or 0.0)
    takeaway = words(
        "value_map.takeaway",
        tier=words.known("value_tiers", worst["value_tier"]),
        band=bands[worst["band"]],
        n=words.count(worst["n"], "customers"),
        risk=words.money(worst["at_risk"] or 0.0, content.currency),
    )
    grid = heatmap(
        [[cell["at_risk"] if cell else None for cell in row] for row in cells],
        columns=bands,
        rows=names,
        texts=[[text(cell) for cell in row] for row in cells],
        hover=[
            [hover(cell, name, band) for cell, band in zip(row, bands, strict=True)]
            for row, name in zip(cells, names, strict=True)
        ],
    )
    layout = grid_layout(2 * len(tiers), x=words("value_map.p_churn"), y="")
    columns = [
        Column(words("value_map.tier")),
        Column(words("value_map.p_churn")),
        Column(words("columns.customers"), "count"),
        Column(words("columns.clv"), "money"),
        Column(words("columns.at_risk"), "money"),
    ]
    rows = [
        [name, band, cell["n"], cell["clv"], cell["at_risk"]]
        for row, name in zip(cells, names, strict=True)
        for cell, band in zip(row, bands, strict=True)
        if cell
    ]
    return figure(
        words,
        "value_map.figure",
        takeaway=takeaway,
        plot=plot([grid], **layout),
        columns=columns,
        rows=rows,
        definition=words("value_map.definition"),
        currency=content.currency,
    )


def _why(row: Mapping[str, Any], words: Words) -> Any:
    """What speaks most for leaving; a dash where no reasons were told."""
    if row["reason"] or not row["is_told"]:
        return row["reason"]
    return tag("span", words("value_map.no_reason"))


def _customers(content: Content, words: Words) -> list[Any]:
    caption = words("value_map.customers")
    columns = [
        Column(words("columns.customer")),
        Column(words("columns.segment")),
        Column(words("columns.clv"), "money"),
        Column(words("columns.p_churn"), "percent"),
        Column(words("columns.at_risk"), "money"),
        Column(words("columns.next_order"), "date"),
        Column(words("columns.reason"), "english"),
    ]
    rows = [
        [
            row["customer_id"],
            words.known("segments", row["segment"]),
            interval(words, {"value": row["clv"], "lower": row["clv_lower"], "upper": row["clv_upper"]}),
            row["p_churn"],
            row["at_risk"],
            row["expected_next_order_date"],
            _why(row, words),
        ]
        for row in content.customers
    ]
    more = words("page.first_rows", n=words.number(MOST_ROWS), file=content.file)
    return [subtitle(caption), table(words, caption, columns, rows, currency=content.currency, more=more)]
