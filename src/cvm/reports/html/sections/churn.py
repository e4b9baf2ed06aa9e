"""Churn: whether the probabilities mean what they say, whom they find, and what drives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from cvm.reports.base import Base
from cvm.reports.html.markup import Child
from cvm.reports.html.parts import Column, Section, figure, judged_models
from cvm.reports.html.plots import axis, bars, guide, intervals, line, plot, share_axis
from cvm.reports.words import Words

_MOST_DRIVERS = 12
_METRICS = ("auc", "average_precision", "brier", "calibration_error", "lift_top_decile")


@dataclass(frozen=True)
class Content:
    """The judgement of churn at the test snapshot; tables are None where none was kept."""

    test: date | None
    days: int
    winner: str
    metrics: Mapping[str, Mapping[str, float | None]]
    reliability: Mapping[str, Sequence[float]] | None
    lift: Mapping[str, Sequence[float]] | None
    drivers: Mapping[str, float]
    definition: str


def read(base: Base) -> Content:
    """From the evidence in the bundle."""
    evidence = base.bundle.evidence
    tables, judgement = evidence.get("judged") or {}, evidence.get("judgement")
    return Content(
        date.fromisoformat(evidence["test"]) if evidence.get("test") else None,
        evidence.get("judged_days") or base.bundle.horizon_days,
        base.bundle.churn.name,
        judgement["churn"] if judgement else {},
        tables.get("reliability"),
        tables.get("lift"),
        evidence.get("churn_drivers") or {},
        (evidence.get("churn_definition") or {}).get("definition", "no_order"),
    )


def section(content: Content, words: Words) -> Section:
    """In plain words how far the probabilities can be trusted, then the figures behind it."""
    if content.test is None or not content.lift:
        return Section("churn", words("churn.empty"), (_drivers(content, words),) if content.drivers else ())
    lift = content.lift
    lead = words(
        "churn.lead",
        found=words.percent(_found(lift, 0.2), 0),
        test=words.day(content.test),
        days=words.count(content.days, "days"),
    )
    what = words(f"churn.definition_{content.definition}", days=words.count(content.days, "days"))
    body = (_reliability(content, words, what), _lift(content, words), _drivers(content, words), _table(content, words))
    return Section("churn", lead, body)


def _found(lift: Mapping[str, Sequence[float]], share: float) -> float:
    """Share of those who left among the likeliest ``share`` of customers."""
    n, upto, total = lift["n_customers"], 0.0, sum(lift["n_customers"])
    for size, found in zip(n, lift["found"], strict=True):
        upto += size
        if upto >= share * total - 1:
            return found or 0.0
    return 1.0


def _reliability(content: Content, words: Words, what: str) -> Child:
    found = content.reliability
    if not found:
        return None
    hover = [
        words(
            "churn.reliability_hover",
            predicted=words.percent(p, 0),
            happened=words.percent(h, 0),
            lower=words.percent(low, 0),
            upper=words.percent(high, 0),
            n=words.count(n, "customers"),
        )
        for p, h, low, high, n in _rows(found)
    ]
    gaps = [h - p for p, h, *_ in _rows(found)]
    worst = max(range(len(gaps)), key=lambda i: abs(gaps[i]))
    takeaway = words(
        "churn.reliability_takeaway",
        predicted=words.percent(found["predicted"][worst], 0),
        happened=words.percent(found["happened"][worst], 0),
    )
    points = intervals(found["predicted"], found["happened"], found["lower"], found["upper"], hover=hover)
    layout = {
        "xaxis": share_axis(words("churn.predicted"), range=[0, 1]),
        "yaxis": share_axis(words("churn.observed"), range=[0, 1.02]),
        "shapes": [guide(x0=0, y0=0, x1=1, y1=1)],
        "showlegend": False,
    }
    columns = [
        Column(words("churn.predicted"), "percent"),
        Column(words("churn.observed"), "percent"),
        Column(words("columns.lower"), "percent"),
        Column(words("columns.upper"), "percent"),
        Column(words("columns.customers"), "count"),
    ]
    return figure(
        words,
        "churn.reliability",
        takeaway=takeaway,
        plot=plot([points], **layout),
        columns=columns,
        rows=[list(row) for row in _rows(found)],
        definition=f"{what} {words('churn.reliability_definition')}",
    )


def _rows(found: Mapping[str, Sequence[float]]) -> list[tuple[float, ...]]:
    return list(zip(*(found[name] for name in ("predicted", "happened", "lower", "upper", "n_customers")), strict=True))


def _lift(content: Content, words: Words) -> Child:
    found = content.lift
    if not found or any(value is None for value in found["lift"]):
        return None
    tenths = [words.number(i + 1) for i in range(len(found["lift"]))]
    hover = [
        words("churn.lift_hover", rate=words.percent(rate, 0), lift=words.number(lift, 2), found=words.percent(share, 0))
        for rate, lift, share in zip(found["rate"], found["lift"], found["found"], strict=True)
    ]
    total = sum(found["n_customers"])
    overall = sum(rate * n for rate, n in zip(found["rate"], found["n_customers"], strict=True)) / total
    takeaway = words(
        "churn.lift_takeaway",
        first=words.percent(found["rate"][0], 0),
        all=words.percent(overall, 0),
        last=words.percent(found["rate"][-1], 0),
    )
    traces = [
        bars(tenths, found["rate"], hover=hover, label=words("churn.rate")),
        line(tenths, [overall] * len(tenths), label=words("churn.of_all"), colour="@muted", dash="dot"),
    ]
    layout = {
        "xaxis": axis(words("churn.tenth"), type="category"),
        "yaxis": share_axis(words("churn.observed"), range=[0, 1]),
        "showlegend": False,
    }
    columns = [
        Column(words("churn.tenth"), "count"),
        Column(words("churn.rate"), "percent"),
        Column(words("churn.lift_column"), "decimal"),
        Column(words("churn.found"), "percent"),
        Column(words("columns.customers"), "count"),
    ]
    names = ("rate", "lift", "found", "n_customers")
    rows = [[i + 1, *row] for i, row in enumerate(zip(*(found[name] for name in names), strict=True))]
    return figure(
        words,
        "churn.lift",
        takeaway=takeaway,
        plot=plot(traces, **layout),
        columns=columns,
        rows=rows,
        definition=words("churn.lift_definition"),
    )


def _drivers(content: Content, words: Words) -> Child:
    total = sum(content.drivers.values())
    if total <= 0:
        return None
    shares = sorted(((name, size / total) for name, size in content.drivers.items()), key=lambda pair: -pair[1])
    top = shares[:_MOST_DRIVERS]
    names, values = [name for name, _ in top][::-1], [share for _, share in top][::-1]
    hover = [f"{name}: {words.percent(share, 0)}" for name, share in zip(names, values, strict=True)]
    takeaway = words("churn.drivers_takeaway", first=top[0][0], share=words.percent(top[0][1], 0))
    takeaway = takeaway[:1].upper() + takeaway[1:]  # names of themes are in lower case
    layout = {
        "xaxis": share_axis(words("churn.driver_share")),
        "yaxis": axis(type="category", showgrid=False),
        "showlegend": False,
        "height": 90 + 26 * len(top),
    }
    columns = [Column(words("churn.driver"), "english"), Column(words("churn.driver_share"), "percent")]
    return figure(
        words,
        "churn.drivers",
        takeaway=takeaway,
        plot=plot([bars(names, values, hover=hover, across=True)], **layout),
        columns=columns,
        rows=[list(pair) for pair in shares],
        definition=words("churn.drivers_definition"),
    )


def _table(content: Content, words: Words) -> list[Child]:
    return judged_models(words, "churn", content.metrics, _METRICS, winner=content.winner, by="brier")
