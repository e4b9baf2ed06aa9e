"""Headline figures, their change since the run before, goals, and the metrics of the latest month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from cvm.kpis.files import latest_complete
from cvm.reports.base import Base
from cvm.reports.html.markup import Child, Markup, tag
from cvm.reports.html.parts import (
    Column,
    Section,
    card,
    cards,
    interval_of_total,
    months_missing,
    note,
    subtitle,
    table,
)
from cvm.reports.words import NOTHING, Words

_COMMAND = "cvm kpis"
_TOTALS = """
SELECT count(*) AS n, sum(clv) AS clv, sum(expected_orders * expected_order_value) AS revenue, sum(p_churn) AS leavers,
       count(p_churn) AS n_judged, sum(clv * p_churn) AS at_risk, count(next_best_action) AS n_actions,
       sum(expected_net_value) FILTER (WHERE next_best_action IS NOT NULL) AS net
FROM {file}
"""
_MONTHS = """
SELECT kpi, group_by, period, period_start, value, unit, currency, reason FROM {file}
WHERE group_by = 'all' AND period = 'month' AND period_end <= DATE '{as_of}' ORDER BY kpi, period_start
"""
# Units that are written in percent.
_SHARES = ("share", "change")
_SCORE = "score"
_STATUS_TONES = {"reached": "good", "on_track": "good", "behind": "warn", "missed": "bad"}


@dataclass(frozen=True)
class Content:
    """Totals of this run and the one before, goals, and the last two months of every metric."""

    as_of: date
    previous_as_of: date | None
    currency: str
    horizon_days: int
    clv_days: int
    now: Mapping[str, Any]
    before: Mapping[str, Any] | None
    portfolio: Mapping[str, Any] | None
    goals: Sequence[Mapping[str, Any]]
    kpis: Sequence[Mapping[str, Any]]
    kpi_file: str
    other_models: Sequence[str]
    model_version: str
    knows_season: bool


def read(base: Base) -> Content:
    """Totals of the scores; goals and metrics where they are on file."""
    outputs, previous = base.workspace.kpis, base.previous
    before = base.rows(_TOTALS, base.workspace.scores_of(previous), command="cvm score") if previous else []
    return Content(
        base.as_of,
        previous if before else None,
        base.currency,
        base.bundle.horizon_days,
        base.bundle.clv_days,
        base.of_scores(_TOTALS)[0],
        before[0] if before else None,
        base.bundle.evidence.get("portfolio"),
        base.rows("SELECT * FROM {file} ORDER BY goal", outputs / "goals.parquet", command=_COMMAND),
        _last_two(base.rows(_MONTHS.replace("{as_of}", base.as_of.isoformat()), outputs / "kpis.parquet", command=_COMMAND)),
        base.shown(outputs / "kpis.csv"),
        base.other_models(),
        base.bundle.model_version,
        bool(base.bundle.btyd.clock.levels),
    )


def _last_two(months: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows of the latest month that is told of as a whole, and of the month before it."""
    latest = latest_complete(pd.DataFrame(list(months)), "month") if months else None
    starts = sorted({row["period_start"] for row in months if latest and row["period_start"] <= latest})[-2:]
    return [row for row in months if row["period_start"] in starts]


def section(content: Content, words: Words) -> Section:
    """What a reader in a hurry takes away."""
    now = content.now
    lead = words(
        "summary.lead",
        day=words.day(content.as_of),
        customers=words.count(now["n"], "customers"),
        clv=words.money(now["clv"] or 0.0, content.currency),
        days=words.count(content.clv_days, "days"),
        risk=words.money(now["at_risk"] or 0.0, content.currency),
    )
    body: list[Child] = [cards(*_cards(content, words))]
    if not content.knows_season:
        body.append(note(words("summary.no_season")))
    if content.other_models:
        others = ", ".join(content.other_models)
        body.append(note(words("summary.other_models", others=others, model=content.model_version)))
    if content.before is None:
        body.append(note(words("summary.first_run")))
    body += [_goals(content, words), _kpis(content, words)]
    return Section("summary", lead, tuple(body))


def _cards(content: Content, words: Words) -> list[Markup]:
    now, currency = content.now, content.currency
    n_judged = now["n_judged"] or 0

    def money(key: str, label: str, *notes: Child) -> Markup:
        value = now[key] or 0.0
        return card(label, words.money(value, currency), *notes, _change(content, words, key), title=words.number(value, 2))

    def between(key: str) -> str | None:
        return interval_of_total(words, now[key], content.portfolio, key)

    days = words.count(content.horizon_days, "days")
    found = [
        card(words("summary.customers"), words.number(now["n"]), _change(content, words, "n")),
        money("clv", words("summary.clv", days=words.count(content.clv_days, "days")), between("clv")),
        money("revenue", words("summary.revenue", days=days), between("revenue")),
        money("at_risk", words("summary.at_risk"), words("summary.at_risk_note")),
    ]
    if n_judged:
        share = words.percent((now["leavers"] or 0.0) / n_judged, 0)
        expected = words("summary.leavers_note", n=words.count(round(now["leavers"] or 0.0), "customers"), days=days)
        found.append(card(words("summary.leavers"), share, expected, _rate_change(content, words)))
    if now["n_actions"]:
        worth = None if now["net"] is None else words("summary.actions_note", net=words.money(now["net"], currency))
        found.append(card(words("summary.actions"), words.number(now["n_actions"]), worth))
    return found


def _change(content: Content, words: Words, key: str) -> Markup | None:
    if content.before is None or content.previous_as_of is None or not content.before[key]:
        return None
    change = (content.now[key] or 0.0) / content.before[key] - 1
    text = words("summary.change", change=words.signed(words.percent(change), change), day=words.day(content.previous_as_of))
    return tag("span", text, class_="change")


def _rate_change(content: Content, words: Words) -> Markup | None:
    before = content.before
    if before is None or content.previous_as_of is None or not before["n_judged"]:
        return None
    change = (content.now["leavers"] or 0.0) / content.now["n_judged"] - (before["leavers"] or 0.0) / before["n_judged"]
    points = words("summary.points", points=words.signed(words.number(100 * change, 1), round(100 * change, 1)))
    return tag("span", words("summary.change", change=points, day=words.day(content.previous_as_of)), class_="change")


def _goals(content: Content, words: Words) -> list[Child]:
    if not content.goals:
        return [subtitle(words("summary.goals")), note(words("summary.no_goals"))]
    days = {goal["as_of"] for goal in content.goals} - {content.as_of}
    stale = [note(words("page.other_day", day=words.day(day), command=_COMMAND)) for day in sorted(days)]
    return [
        subtitle(words("summary.goals")),
        stale,
        tag("ul", [_goal(goal, words) for goal in content.goals], class_="goals"),
    ]


def _goal(goal: Mapping[str, Any], words: Words) -> Markup:
    status, progress = goal["status"], goal["progress"]
    share = None if progress is None else min(max(progress, 0.0), 1.0)
    what = words(
        "summary.goal_what",
        metric=words.known("kpis", goal["metric"]),
        segment=words.known("segments", goal["segment"] or "all"),
    )
    figures = words(
        "summary.goal_figures",
        baseline=_written(words, goal["baseline"], goal["unit"]),
        value=_written(words, goal["value"], goal["unit"]),
        lower=_written(words, goal["lower"], goal["unit"]),
        upper=_written(words, goal["upper"], goal["unit"]),
        target=_written(words, goal["target"], goal["unit"]),
        deadline=words.day(goal["deadline"]) if goal["deadline"] else NOTHING,
    )
    bar = (
        tag("progress", value=f"{share:.3f}", max="1", aria_label=f"{goal['goal']}: {words.percent(share, 0)}")
        if share is not None
        else None
    )
    return tag(
        "li",
        tag(
            "p",
            tag("strong", goal["goal"]),
            " ",
            tag("span", words.known("status", status), class_=f"badge {_STATUS_TONES.get(status, 'plain')}"),
        ),
        tag("p", what, class_="note"),
        bar,
        tag("p", figures, class_="note"),
        tag("p", goal["reason"], class_="note", lang=None if words.language == "en" else "en") if goal["reason"] else None,
        class_="goal",
    )


def _written(words: Words, value: float | None, unit: str | None) -> str:
    """A value in its unit, short."""
    if value is None:
        return NOTHING
    return words.percent(value) if unit in _SHARES else words.short(value)


def _kpis(content: Content, words: Words) -> list[Child]:
    if not content.kpis:
        return [subtitle(words("summary.kpis")), note(words("summary.no_kpis", day=words.day(content.as_of)))]
    months = sorted({row["period_start"] for row in content.kpis})
    latest, by_kpi = months[-1], dict[str, dict[date, Mapping[str, Any]]]()
    for row in content.kpis:
        by_kpi.setdefault(row["kpi"], {})[row["period_start"]] = row
    rows = []
    order = {key: place for place, key in enumerate(words.texts)}
    for kpi, found in sorted(by_kpi.items(), key=lambda item: order.get(f"kpis.{item[0]}", len(order))):
        value = found[latest]["value"] if latest in found else None
        earlier = found[months[0]]["value"] if len(months) > 1 and months[0] in found else None
        row = next(iter(found.values()))
        change = _kpi_change(words, value, earlier, row["unit"])
        rows.append(
            [words.known("kpis", kpi), _kpi(words, value, row), _kpi(words, earlier, row), change, _why(found, latest)]
        )
    columns = [
        Column(words("summary.kpi")),
        Column(words.month(latest), "decimal"),
        Column(words.month(months[0]) if len(months) > 1 else words("summary.month_before"), "decimal"),
        Column(words("summary.kpi_change"), "change"),
        Column(words("summary.kpi_reason"), "english", only_explains=True),
    ]
    caption = words("summary.kpis")
    more = words("page.all_rows", file=content.kpi_file)
    return [subtitle(caption), months_missing(latest, content.as_of, words), table(words, caption, columns, rows, more=more)]


def _kpi(words: Words, value: float | None, row: Mapping[str, Any]) -> Markup | None:
    """A value in its unit."""
    if value is None:
        return None
    suffix = f" {row['currency']}" if row["currency"] else ""
    written = _written(words, value, row["unit"]) + suffix
    return tag("span", written, data_v=f"{value:.10g}", title=words.number(value, 6))


def _kpi_change(words: Words, value: float | None, earlier: float | None, unit: str | None) -> Markup | None:
    """Points of a share or a score, whose zero means nothing; of anything else the relative change."""
    if value is None or earlier is None or (unit not in (*_SHARES, _SCORE) and not earlier):
        return None
    if unit in _SHARES:
        change = 100 * (value - earlier)
        written = words("summary.points", points=words.signed(words.number(change, 1), round(change, 1)))
    elif unit == _SCORE:
        change = value - earlier
        written = words.signed(words.number(change, 1), round(change, 1))
    else:
        change = 100 * (value / earlier - 1)
        written = words.signed(words.percent(change / 100), change)
    return tag("span", written, data_v=f"{change:.10g}")


def _why(found: Mapping[date, Mapping[str, Any]], latest: date) -> str | None:
    return found[latest]["reason"] if latest in found else None
