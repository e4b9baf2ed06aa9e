"""Segments: how many customers, what they are worth, what is wanted of them, and who moved between them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvm.errors import MissingOutputError
from cvm.reports.base import Base
from cvm.reports.html.markup import Child
from cvm.reports.html.parts import MOST_ROWS, Column, Section, figure, note, subtitle, table
from cvm.reports.html.plots import axis, bars, grid_layout, heatmap, plot, share_axis
from cvm.reports.words import Words
from cvm.segments import DEFAULT_RULES

_COMMAND = "cvm segment"
_SEGMENTS = """
SELECT segment, count(*) AS n, sum(clv) AS clv, avg(p_churn) AS p_churn, sum(clv * p_churn) AS at_risk
FROM {file} WHERE segment IS NOT NULL GROUP BY segment ORDER BY clv DESC, segment
"""
_MIGRATIONS = "SELECT * FROM {file} ORDER BY from_segment, to_segment"
_MOVES = f"SELECT * FROM {{file}} LIMIT {MOST_ROWS}"
_FEATURES_SHOWN = 4


@dataclass(frozen=True)
class Content:
    """Segments of the scores, migrations since the run before, and clusters, each where there are any."""

    currency: str
    goals: Mapping[str, str]
    segments: Sequence[Mapping[str, Any]]
    migrations: Sequence[Mapping[str, Any]]
    moves: Sequence[Mapping[str, Any]]
    moves_file: str
    clusters: Mapping[str, Any] | None


def read(base: Base) -> Content:
    """From the scores and what ``cvm segment`` wrote."""
    folder = base.workspace.segments_of(base.as_of)
    moves = folder / "moves.parquet"
    return Content(
        base.currency,
        base.segment_goals,
        base.of_scores(_SEGMENTS),
        base.rows(_MIGRATIONS, folder / "migrations.parquet", command=_COMMAND),
        base.with_ids(base.rows(_MOVES, moves, command=_COMMAND)),
        base.shown(moves),
        _clusters(base),
    )


def _clusters(base: Base) -> Mapping[str, Any] | None:
    path = base.workspace.segments_of(base.as_of) / "clusters.json"
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = found["clusters"], found["k"], found["method"], found["stability"]
    except (ValueError, KeyError, TypeError) as error:
        raise MissingOutputError.from_damage(path, command=_COMMAND) from error
    return found


def section(content: Content, words: Words) -> Section:
    """Sizes and values, migrations, clusters."""
    if not content.segments:
        return Section("segments", words("segments_of.empty"))
    n, clv = (sum(row[name] or 0 for row in content.segments) for name in ("n", "clv"))
    best = max(content.segments, key=lambda row: row["clv"] or 0.0)
    lead = words(
        "segments_of.lead",
        segment=words.known("segments", best["segment"]),
        customers=words.percent(best["n"] / n, 0),
        value=words.percent((best["clv"] or 0.0) / clv if clv else 0.0, 0),
    )
    body = (
        _sizes(content, words, n=n, clv=clv),
        _table(content, words, n=n, clv=clv),
        _migrations(content, words),
        _explored(content, words),
    )
    return Section("segments", lead, body)


def _goal(content: Content, words: Words, segment: str) -> str:
    """As written in params, unless it is the one that ships, which has a translation."""
    given = content.goals.get(segment)
    if given is None or given == DEFAULT_RULES.goals.get(segment):
        return words.texts.get(f"segment_goals.{segment}", "")
    return given


def _sizes(content: Content, words: Words, *, n: float, clv: float) -> Child:
    rows = list(reversed(content.segments))
    names = [words.known("segments", row["segment"]) for row in rows]
    of_customers = [row["n"] / n for row in rows]
    of_value = [(row["clv"] or 0.0) / clv if clv else 0.0 for row in rows]
    traces = [
        bars(
            names,
            of_value,
            label=words("columns.share_of_clv"),
            colour="@accent",
            across=True,
            hover=[f"{name}: {words.percent(share)} CLV" for name, share in zip(names, of_value, strict=True)],
        ),
        bars(
            names,
            of_customers,
            label=words("columns.share_of_customers"),
            colour="@series5",
            across=True,
            hover=[f"{name}: {words.percent(share)}" for name, share in zip(names, of_customers, strict=True)],
        ),
    ]
    worth = {row["segment"]: (row["clv"] or 0.0) / row["n"] for row in rows}
    top, low = max(worth, key=lambda key: worth[key]), min(worth, key=lambda key: worth[key])
    takeaway = words(
        "segments_of.takeaway",
        top=words.known("segments", top),
        low=words.known("segments", low),
        top_clv=words.money(worth[top], content.currency),
        low_clv=words.money(worth[low], content.currency),
    )
    layout = {
        "xaxis": share_axis(""),
        "yaxis": axis(type="category", showgrid=False),
        "barmode": "group",
        "height": 110 + 48 * len(rows),
        "legend": {"traceorder": "reversed"},
    }
    columns = [
        Column(words("columns.segment")),
        Column(words("columns.share_of_customers"), "percent"),
        Column(words("columns.share_of_clv"), "percent"),
    ]
    data = [[name, c, v] for name, c, v in zip(names, of_customers, of_value, strict=True)][::-1]
    return figure(words, "segments_of.figure", takeaway=takeaway, plot=plot(traces, **layout), columns=columns, rows=data)


def _table(content: Content, words: Words, *, n: float, clv: float) -> Child:
    columns = [
        Column(words("columns.segment")),
        Column(words("columns.goal")),
        Column(words("columns.customers"), "count"),
        Column(words("columns.share_of_customers"), "percent"),
        Column(words("columns.clv"), "money"),
        Column(words("columns.share_of_clv"), "percent"),
        Column(words("columns.clv_each"), "money"),
        Column(words("columns.mean_churn"), "percent"),
        Column(words("columns.at_risk"), "money"),
    ]
    rows = [
        [
            words.known("segments", row["segment"]),
            _goal(content, words, row["segment"]),
            row["n"],
            row["n"] / n,
            row["clv"],
            (row["clv"] or 0.0) / clv if clv else None,
            (row["clv"] or 0.0) / row["n"],
            row["p_churn"],
            row["at_risk"],
        ]
        for row in content.segments
    ]
    return table(words, words("segments_of.table"), columns, rows, currency=content.currency)


def _migrations(content: Content, words: Words) -> list[Child]:
    moved = [row for row in content.migrations if row["from_segment"] and row["to_segment"]]
    if not moved:
        return [subtitle(words("segments_of.migrations")), note(words("segments_of.no_migrations"))]
    order = [row["segment"] for row in content.segments]
    order += sorted({row[end] for row in moved for end in ("from_segment", "to_segment")} - set(order))
    found = {(row["from_segment"], row["to_segment"]): row for row in moved}
    names = [words.known("segments", name) for name in order]
    totals = {name: sum(row["n_customers"] for row in moved if row["from_segment"] == name) for name in order}

    def share(start: str, end: str) -> float | None:
        return found[start, end]["n_customers"] / totals[start] if (start, end) in found else None

    def hover(start: str, end: str) -> str:
        row = found.get((start, end))
        if row is None:
            return ""
        change = (row["clv"] or 0.0) - (row["previous_clv"] or 0.0)
        return words(
            "segments_of.migration_hover",
            start=words.known("segments", start),
            end=words.known("segments", end),
            n=words.count(row["n_customers"], "customers"),
            change=words.signed(words.money(change, content.currency), change),
        )

    grid = heatmap(
        [[share(start, end) for end in order] for start in order],
        columns=names,
        rows=names,
        texts=[
            [words.short(found[start, end]["n_customers"]) if (start, end) in found else "" for end in order]
            for start in order
        ],
        hover=[[hover(start, end) for end in order] for start in order],
    )
    n_moved = sum(row["n_customers"] for row in moved if row["from_segment"] != row["to_segment"])
    n_all = sum(row["n_customers"] for row in moved)
    change = sum((row["clv"] or 0.0) - (row["previous_clv"] or 0.0) for row in moved)
    takeaway = words(
        "segments_of.migration_takeaway",
        n=words.count(n_moved, "customers"),
        share=words.percent(n_moved / n_all if n_all else 0.0, 0),
        day=words.day(moved[0]["previous_as_of"]),
        change=words.signed(words.money(change, content.currency), change),
    )
    columns = [
        Column(words("segments_of.from")),
        Column(words("segments_of.to")),
        Column(words("columns.customers"), "count"),
        Column(words("segments_of.clv_before"), "money"),
        Column(words("columns.clv"), "money"),
    ]
    rows = [
        [
            _end(words, row["from_segment"], "segments_of.newcomer"),
            _end(words, row["to_segment"], "segments_of.gone"),
            row["n_customers"],
            row["previous_clv"],
            row["clv"],
        ]
        for row in content.migrations
    ]
    layout = grid_layout(len(order), x=words("segments_of.to"), y=words("segments_of.from"))
    return [
        figure(
            words,
            "segments_of.migrations",
            takeaway=takeaway,
            plot=plot([grid], **layout),
            columns=columns,
            rows=rows,
            definition=words("segments_of.migration_definition"),
            currency=content.currency,
        ),
        _moves(content, words),
    ]


def _end(words: Words, segment: str | None, absent: str) -> str:
    return words.known("segments", segment) if segment else words(absent)


def _moves(content: Content, words: Words) -> list[Child]:
    if not content.moves:
        return []
    columns = [
        Column(words("columns.customer")),
        Column(words("segments_of.from")),
        Column(words("segments_of.to")),
        Column(words("segments_of.clv_before"), "money"),
        Column(words("columns.clv"), "money"),
        Column(words("segments_of.churn_before"), "percent"),
        Column(words("columns.p_churn"), "percent"),
    ]
    rows = [
        [
            row["customer_id"],
            words.known("segments", row["from_segment"]),
            words.known("segments", row["to_segment"]),
            row["previous_clv"],
            row["clv"],
            row["previous_p_churn"],
            row["p_churn"],
        ]
        for row in content.moves
    ]
    more = words("page.first_rows", n=words.number(MOST_ROWS), file=content.moves_file)
    caption = words("segments_of.moves")
    return [subtitle(caption), table(words, caption, columns, rows, currency=content.currency, more=more)]


def _explored(content: Content, words: Words) -> list[Child]:
    found = content.clusters
    if not found or not found["clusters"]:
        return []
    columns = [
        Column(words("segments_of.cluster")),
        Column(words("columns.customers"), "count"),
        Column(words("columns.share_of_customers"), "percent"),
        Column(words("columns.clv_each"), "money"),
        Column(words("columns.mean_churn"), "percent"),
        Column(words("segments_of.features"), "english"),
    ]
    rows = [
        [
            one["name"],
            one["n"],
            one["share"],
            one["mean_clv"],
            one["mean_p_churn"],
            ", ".join(f"{each['name']} {each['z']:+.1f}" for each in one["features"][:_FEATURES_SHOWN]),
        ]
        for one in found["clusters"]
    ]
    caption = words("segments_of.clusters")
    how = words(
        "segments_of.clusters_how",
        method=str(found["method"]),
        k=words.number(found["k"]),
        stability=words.number(found["stability"] or 0.0, 2),
    )
    return [subtitle(caption), note(how), table(words, caption, columns, rows, currency=content.currency)]
