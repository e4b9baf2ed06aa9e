"""Whether the model can still be trusted: the latest verdict, what earlier scores came to, and every month before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from cvm.errors import MissingOutputError
from cvm.reports.base import Base
from cvm.reports.html.markup import Child, Markup, tag
from cvm.reports.html.parts import Column, Section, english, figure, interval, note, subtitle, table
from cvm.reports.html.plots import intervals, plot, share_axis
from cvm.reports.words import Words

_MOST_RUNS = 36
_MOST_MOVED = 20

_RUNS = f"""
SELECT as_of, model_version AS model, verdict, value, lower, upper FROM {{file}}
WHERE as_of <= DATE '{{as_of}}' AND what = 'level' AND value IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY as_of ORDER BY name) = 1
ORDER BY as_of DESC LIMIT {_MOST_RUNS}
"""


@dataclass(frozen=True)
class Content:
    """The latest run up to the report's date, None without one; and of every run the change of the purchase rate."""

    latest: Mapping[str, Any] | None
    runs: Sequence[Mapping[str, Any]] = ()


def read(base: Base) -> Content:
    """What ``cvm monitor`` wrote."""
    folder = base.workspace.monitoring
    path = max((path for path in folder.glob("????-??-??.json") if path.stem <= base.as_of.isoformat()), default=None)
    if path is None:
        return Content(None)
    try:
        latest = _latest(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise MissingOutputError.from_damage(path, command="cvm monitor") from error
    query = _RUNS.replace("{as_of}", base.as_of.isoformat())
    return Content(latest, base.rows(query, folder / "history.parquet", command="cvm monitor")[::-1])


def _latest(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of one run what is shown."""
    moved = [column for what in ("scores", "features") for column in found[what] if column["level"] != "none"]
    return {
        "day": date.fromisoformat(found["as_of"]),
        "word": str(found["verdict"]["word"]),
        "model": str(found["model_version"]),
        "reasons": [str(reason["text"]) for reason in found["verdict"]["reasons"]],
        "notes": [str(text) for text in found["notes"]],
        "backtests": [
            {"day": date.fromisoformat(one["as_of"]), "passed": one["days"], "of": one["horizon_days"], **group}
            for one in found["backtests"]
            for group in one["groups"]
        ],
        "moved": [{"name": str(column["name"]), "level": str(column["level"]), **column["drift"]} for column in moved],
    }


def section(content: Content, words: Words) -> Section:
    """Verdict and reasons, then what they rest on."""
    found = content.latest
    if found is None:
        return Section("monitoring", words("monitoring.empty"))
    lead = words(
        "monitoring.lead", word=words.known("monitored", found["word"]), day=words.day(found["day"]), model=found["model"]
    )
    reasons = tag("ul", [tag("li", english(text, words)) for text in found["reasons"]], class_="points")
    body: list[Child] = [
        reasons if found["reasons"] else None,
        [_remark(text, words) for text in found["notes"]],
        _rates(content.runs, words),
        _backtests(found["backtests"], words),
        _moved(found["moved"], words),
    ]
    return Section("monitoring", lead, tuple(body))


def _remark(text: str, words: Words) -> Markup:
    """A remark that there is in English only."""
    return tag("p", english(text, words), class_="remark")


def _rates(runs: Sequence[Mapping[str, Any]], words: Words) -> Child:
    """Purchase rate at every run against what is usual."""
    if not runs:
        return None
    colours = ["@bad" if not run["lower"] <= run["value"] <= run["upper"] else "@accent" for run in runs]
    usual = [
        words(
            "monitoring.hover",
            day=words.day(run["as_of"]),
            change=words.signed(words.percent(run["value"]), run["value"]),
            lower=words.signed(words.percent(run["lower"]), run["lower"]),
            upper=words.signed(words.percent(run["upper"]), run["upper"]),
        )
        for run in runs
    ]
    n_outside = colours.count("@bad")
    days = [words.day(run["as_of"]) for run in runs]
    middle = [(run["lower"] + run["upper"]) / 2 for run in runs]
    traces = [
        intervals(
            days, middle, [run["lower"] for run in runs], [run["upper"] for run in runs],
            label=words("monitoring.usual"), hover=usual, colour="@muted",
        ),
        intervals(
            days, [run["value"] for run in runs], [None] * len(runs), [None] * len(runs),
            label=words("monitoring.found"), hover=usual, colour=colours,
        ),
    ]  # fmt: skip
    traces[0]["marker"] = {"color": "@muted", "size": 1}
    columns = [
        Column(words("monitoring.day"), "date"),
        Column(words("monitoring.verdict")),
        Column(words("columns.model")),
        Column(words("monitoring.change"), "change"),
        Column(words("monitoring.usual_from"), "change"),
        Column(words("monitoring.usual_to"), "change"),
    ]
    rows = [
        [run["as_of"], words.known("monitored", run["verdict"]), run["model"], run["value"], run["lower"], run["upper"]]
        for run in runs[::-1]
    ]
    return figure(
        words,
        "monitoring.rates",
        takeaway=words("monitoring.rates_takeaway", n=words.number(n_outside), runs=words.number(len(runs))),
        plot=plot(traces, yaxis=share_axis(words("monitoring.change")), xaxis={"type": "category"}, height=300),
        columns=columns,
        rows=rows,
        definition=words("monitoring.rates_definition"),
    )


def _backtests(backtests: Sequence[Mapping[str, Any]], words: Words) -> Child:
    """Earlier scores, everybody first, then by segment as scored."""
    if not backtests:
        return None
    columns = [
        Column(words("monitoring.scores_of"), "date"),
        Column(words("columns.segment")),
        Column(words("monitoring.passed")),
        Column(words("columns.customers"), "count"),
        Column(words("monitoring.p_churn"), "percent"),
        Column(words("monitoring.churned"), "percent"),
        Column(words("monitoring.auc"), "decimal"),
        Column(words("monitoring.revenue"), "percent"),
    ]
    rows = [
        [
            one["day"],
            words.known("segments", one["segment"]) if one["segment"] else words("monitoring.everybody"),
            words("monitoring.passed_of", days=words.number(one["passed"]), all=words.number(one["of"])),
            one["n_customers"],
            one["p_churn"],
            interval(words, one["churned"], kind="percent"),
            interval(words, one["auc"], kind="decimal"),
            interval(words, one["revenue"], kind="percent"),
        ]
        for one in sorted(backtests, key=lambda one: (-one["day"].toordinal(), one["segment"] is not None))
    ]
    caption = words("monitoring.backtests")
    return [subtitle(caption), note(words("monitoring.backtests_note")), table(words, caption, columns, rows)]


def _moved(moved: Sequence[Mapping[str, Any]], words: Words) -> Child:
    """Columns that no longer look as in training, the furthest first."""
    caption = words("monitoring.moved")
    if not moved:
        return [subtitle(caption), note(words("monitoring.nothing_moved"))]
    columns = [
        Column(words("monitoring.column")),
        Column(words("monitoring.stability"), "decimal"),
        Column(words("monitoring.mean_then"), "decimal"),
        Column(words("monitoring.mean_now"), "decimal"),
        Column(words("monitoring.missing_then"), "percent"),
        Column(words("monitoring.missing_now"), "percent"),
    ]
    rows = [
        [
            one["name"], one["stability_index"], one["mean_before"], one["mean"], one["missing_before"], one["missing"],
        ]
        for one in sorted(moved, key=lambda one: -one["stability_index"])[:_MOST_MOVED]
    ]  # fmt: skip
    return [subtitle(caption), table(words, caption, columns, rows)]
