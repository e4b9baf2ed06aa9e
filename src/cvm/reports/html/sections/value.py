"""Customer lifetime value: is its level right, what is the whole base worth, and how much hangs on how few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from cvm.reports.base import Base
from cvm.reports.html.markup import Child
from cvm.reports.html.parts import Column, Section, card, cards, figure, interval_of_total, judged_models
from cvm.reports.html.plots import axis, bars, guide, intervals, line, plot, share_axis
from cvm.reports.words import Words

_METRICS = ("tweedie_deviance", "ratio", "mae", "spearman", "ngini", "decmape", "value_share_top_10", "value_share_top_20")
_CONCENTRATION = """
WITH ranked AS (SELECT clv, ntile(100) OVER (ORDER BY clv DESC) AS percentile FROM {file} WHERE clv > 0)
SELECT percentile, count(*) AS n, sum(clv) AS clv FROM ranked GROUP BY percentile ORDER BY percentile
"""
_TOTALS = "SELECT sum(clv) AS clv, sum(expected_orders * expected_order_value) AS revenue, count(clv) AS n FROM {file}"


@dataclass(frozen=True)
class Content:
    """The judgement of value, totals of the scores with their intervals, and their concentration."""

    currency: str
    clv_days: int
    horizon_days: int
    test: date | None
    days: int
    winner: str
    metrics: Mapping[str, Mapping[str, float | None]]
    deciles: Mapping[str, Sequence[float]] | None
    portfolio: Mapping[str, Any] | None
    totals: Mapping[str, Any]
    percentiles: Sequence[Mapping[str, Any]]


def read(base: Base) -> Content:
    """From the evidence in the bundle and the scores."""
    evidence = base.bundle.evidence
    tables, judgement = evidence.get("judged") or {}, evidence.get("judgement")
    return Content(
        base.currency,
        base.bundle.clv_days,
        base.bundle.horizon_days,
        date.fromisoformat(evidence["test"]) if evidence.get("test") else None,
        evidence.get("judged_days") or base.bundle.horizon_days,
        base.bundle.value.name,
        judgement["value"] if judgement else {},
        tables.get("value_deciles"),
        evidence.get("portfolio"),
        base.of_scores(_TOTALS)[0],
        base.of_scores(_CONCENTRATION),
    )


def section(content: Content, words: Words) -> Section:
    """What all customers are worth, how sure that is, and who holds it."""
    if not content.percentiles:
        return Section("value", words("value.empty"))
    top = _held(content.percentiles, 10)
    lead = words(
        "value.lead",
        clv=words.money(content.totals["clv"], content.currency),
        days=words.count(content.clv_days, "days"),
        share=words.percent(top, 0),
    )
    body = (_totals(content, words), _calibration(content, words), _concentration(content, words), _table(content, words))
    return Section("value", lead, body)


def _held(percentiles: Sequence[Mapping[str, Any]], top: int) -> float:
    total = sum(row["clv"] for row in percentiles)
    n = sum(row["n"] for row in percentiles)
    held, count = 0.0, 0
    for row in percentiles:
        count += row["n"]
        held += row["clv"]
        if count >= n * top / 100:
            break
    return held / total if total else 0.0


def _totals(content: Content, words: Words) -> Child:
    found = []
    for name, days in (("clv", content.clv_days), ("revenue", content.horizon_days)):
        total = content.totals[name] or 0.0
        interval = interval_of_total(words, total, content.portfolio, name)
        label = words(f"value.total_{name}", days=words.count(days, "days"))
        found.append(card(label, words.money(total, content.currency), interval, title=words.number(total, 2)))
    n = content.totals["n"] or 0
    each = (content.totals["clv"] or 0.0) / n if n else 0.0
    found.append(card(words("value.mean"), words.money(each, content.currency), title=words.number(each, 2)))
    return cards(*found)


def _calibration(content: Content, words: Words) -> Child:
    found = content.deciles
    if not found or content.test is None or not sum(found["happened"]):
        return None
    tenths = [words.number(i + 1) for i in range(len(found["predicted"]))]
    names = ("predicted", "happened", "lower", "upper", "n_customers")
    rows = list(zip(*(found[name] for name in names), strict=True))
    hover = [
        words(
            "value.calibration_hover",
            predicted=words.money(p, content.currency),
            happened=words.money(h, content.currency),
            lower=words.short(low),
            upper=words.short(high),
            n=words.count(n, "customers"),
        )
        for p, h, low, high, n in rows
    ]
    traces = [
        bars(tenths, found["predicted"], label=words("value.predicted"), hover=hover, colour="@series5"),
        intervals(tenths, found["happened"], found["lower"], found["upper"], label=words("value.happened"), hover=hover),
    ]
    predicted, happened = (sum(row[i] * row[4] for row in rows) for i in (0, 1))
    ratio = predicted / happened
    takeaway = words(
        "value.calibration_takeaway",
        ratio=words.percent(ratio, 0),
        test=words.day(content.test),
        days=words.count(content.days, "days"),
    )
    layout = {"xaxis": axis(words("value.tenth"), type="category"), "yaxis": axis(content.currency, rangemode="tozero")}
    columns = [
        Column(words("value.tenth"), "count"),
        Column(words("value.predicted"), "money"),
        Column(words("value.happened"), "money"),
        Column(words("columns.lower"), "money"),
        Column(words("columns.upper"), "money"),
        Column(words("columns.customers"), "count"),
    ]
    return figure(
        words,
        "value.calibration",
        takeaway=takeaway,
        plot=plot(traces, **layout),
        columns=columns,
        rows=[[i + 1, *row] for i, row in enumerate(rows)],
        definition=words("value.calibration_definition"),
        currency=content.currency,
    )


def _concentration(content: Content, words: Words) -> Child:
    total = sum(row["clv"] for row in content.percentiles)
    n = sum(row["n"] for row in content.percentiles)
    shares, held, count, value = [0.0], [0.0], 0, 0.0
    for row in content.percentiles:
        count, value = count + row["n"], value + row["clv"]
        shares.append(count / n)
        held.append(value / total)
    hover = [
        words("value.concentration_hover", top=words.percent(s, 0), held=words.percent(h, 0))
        for s, h in zip(shares, held, strict=True)
    ]
    tops = (1, 10, 20)
    takeaway = words(
        "value.concentration_takeaway", **{f"top{top}": words.percent(_held(content.percentiles, top), 0) for top in tops}
    )
    layout = {
        "xaxis": share_axis(words("value.customers"), range=[0, 1]),
        "yaxis": share_axis(words("value.clv_share"), range=[0, 1.02]),
        "shapes": [guide(x0=0, y0=0, x1=1, y1=1)],
        "showlegend": False,
    }
    columns = [Column(words("value.customers"), "percent"), Column(words("value.clv_share"), "percent")]
    rows = [[top / 100, _held(content.percentiles, top)] for top in (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)]
    return figure(
        words,
        "value.concentration",
        takeaway=takeaway,
        plot=plot([line(shares, held, hover=hover)], **layout),
        columns=columns,
        rows=rows,
        definition=words("value.concentration_definition"),
    )


def _table(content: Content, words: Words) -> list[Child]:
    if not content.metrics:
        return []
    return judged_models(words, "value", content.metrics, _METRICS, winner=content.winner, by="tweedie_deviance")
