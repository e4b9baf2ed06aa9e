"""What to do next: actions by count and expected value, a list to start with, triggers, what is due, what goes together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from cvm.actions.files import TRIGGERS
from cvm.errors import MissingOutputError
from cvm.reports.base import Base
from cvm.reports.html.markup import Child
from cvm.reports.html.parts import MOST_ROWS, Column, Section, figure, note, subtitle, table
from cvm.reports.html.plots import axis, bars, plot
from cvm.reports.words import NOTHING, Words

_COMMAND = "cvm actions"
_PAIRS = 50
_DUE_DAYS = 30

_BY_ACTION = """
SELECT action, rule, goal, channel, offer, count(*) AS n, sum(cost) AS cost, sum(expected_net_value) AS net
FROM {file} WHERE action IS NOT NULL GROUP BY ALL ORDER BY net DESC NULLS LAST, n DESC, action
"""
_LIST = f"""
SELECT customer_id, action, goal, channel, cost, expected_net_value, reason FROM {{file}} WHERE action IS NOT NULL
ORDER BY expected_net_value DESC NULLS LAST, customer_id LIMIT {MOST_ROWS}
"""
_DUE = f"""
SELECT item, item_kind, count(*) AS n, count(DISTINCT customer_id) AS n_customers, median(cycle_days) AS cycle_days
FROM {{file}} WHERE expected_at >= DATE '{{as_of}}' AND expected_at < DATE '{{as_of}}' + {_DUE_DAYS}
GROUP BY ALL ORDER BY n DESC, item LIMIT {_PAIRS}
"""
# Each pair once, told from the item that says more of the other; the surest first, as on the screen.
_BOUGHT = f"""
SELECT * FROM {{file}}
QUALIFY row_number() OVER (
  PARTITION BY item_kind, least(item, also_bought), greatest(item, also_bought) ORDER BY confidence DESC, item
) = 1
ORDER BY p_value, lift DESC, item, also_bought LIMIT {_PAIRS}
"""


@dataclass(frozen=True)
class Content:
    """What the files of actions hold, added up or cut off."""

    currency: str
    actions: Sequence[Mapping[str, Any]]
    customers: Sequence[Mapping[str, Any]]
    actions_file: str
    as_of: date
    triggers_as_of: date | None
    triggers: Sequence[Mapping[str, Any]]
    due: Sequence[Mapping[str, Any]]
    pairs: Sequence[Mapping[str, Any]]


def read(base: Base) -> Content:
    """What ``cvm actions`` wrote."""
    folder = base.workspace.actions_of(base.as_of)
    path = folder / "actions.parquet"
    return Content(
        base.currency,
        base.rows(_BY_ACTION, path, command=_COMMAND),
        base.with_ids(base.rows(_LIST, path, command=_COMMAND)),
        base.shown(path),
        base.as_of,
        *_triggers(base),
        base.rows(
            _DUE.replace("{as_of}", base.as_of.isoformat()),
            folder / "replenishment.parquet",
            command=_COMMAND,
        ),
        base.rows(_BOUGHT, folder / "also_bought.parquet", command=_COMMAND),
    )


def _triggers(base: Base) -> tuple[date | None, Sequence[Mapping[str, Any]]]:
    """Their date, and each of them."""
    path = base.workspace.triggers / TRIGGERS
    if not path.is_file():
        return None, ()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return date.fromisoformat(found["as_of"]), [
            {**{key: one.get(key) for key in ("meaning", "n_customers", "file", "reason")}, "name": str(one["name"])}
            for one in found["triggers"]
        ]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise MissingOutputError.from_damage(path, command=_COMMAND) from error


def section(content: Content, words: Words) -> Section:
    """Who should get what, and what it should bring."""
    if not content.actions:
        lists = (_triggered(content, words), _replenishment(content, words), _pairs(content, words))
        return Section("actions", words("actions.empty"), lists if any(lists) else ())
    n, net = sum(row["n"] for row in content.actions), sum(row["net"] or 0.0 for row in content.actions)
    lead = words(
        "actions.lead",
        n=words.count(n, "customers"),
        net=words.money(net, content.currency),
        actions=words.count(len({row["action"] for row in content.actions}), "actions"),
    )
    body = (
        _figure(content, words),
        _by_action(content, words),
        _customers(content, words),
        _triggered(content, words),
        _replenishment(content, words),
        _pairs(content, words),
    )
    return Section("actions", lead, body)


def _figure(content: Content, words: Words) -> Child:
    by_action: dict[str, tuple[int, float | None]] = {}
    for row in content.actions:
        n, net = by_action.get(row["action"], (0, None))
        by_action[row["action"]] = n + row["n"], net if row["net"] is None else (net or 0.0) + row["net"]
    worth = any(net is not None for _, net in by_action.values())
    # Beside effects that are known, one that is not has no place.
    drawn = {name: (n, net or 0.0) for name, (n, net) in by_action.items() if net is not None or not worth}
    ranked = sorted(drawn.items(), key=lambda item: item[1][1] if worth else item[1][0])
    names = [name for name, _ in ranked]

    def expected(net: float) -> str:
        return words.money(net, content.currency) if worth else NOTHING

    hover = [
        words("actions.hover", action=name, n=words.count(n, "customers"), net=expected(net)) for name, (n, net) in ranked
    ]
    values = [net if worth else n for _, (n, net) in ranked]
    colours = ["@series1" if value < 0 else "@accent" for value in values]
    top, (n, net) = ranked[-1]
    key = "actions.takeaway" if worth else "actions.takeaway_unknown"
    takeaway = words(key, action=top, n=words.count(n, "customers"), net=expected(net))
    layout = {
        "xaxis": axis(words("columns.expected_net") + f", {content.currency}" if worth else words("columns.customers")),
        "yaxis": axis(type="category", showgrid=False),
        "showlegend": False,
        "height": 110 + 34 * len(names),
    }
    columns = [
        Column(words("actions.action")),
        Column(words("columns.customers"), "count"),
        Column(words("columns.expected_net"), "money"),
    ]
    rows = [[name, *by_action[name]] for name in [*reversed(names), *(name for name in by_action if name not in drawn)]]
    return figure(
        words,
        "actions.figure",
        takeaway=takeaway,
        plot=plot([bars(names, values, hover=hover, across=True, colour=colours)], **layout),
        columns=columns,
        rows=rows,
        definition=words("actions.definition"),
        currency=content.currency,
    )


def _by_action(content: Content, words: Words) -> list[Child]:
    caption = words("actions.table")
    columns = [
        Column(words("actions.action")),
        Column(words("actions.rule")),
        Column(words("columns.goal")),
        Column(words("actions.offer")),
        Column(words("actions.channel")),
        Column(words("columns.customers"), "count"),
        Column(words("actions.cost"), "money"),
        Column(words("columns.expected_net"), "money"),
    ]
    rows = [
        [row["action"], row["rule"], row["goal"], row["offer"], row["channel"], row["n"], row["cost"], row["net"]]
        for row in content.actions
    ]
    return [subtitle(caption), table(words, caption, columns, rows, currency=content.currency)]


def _customers(content: Content, words: Words) -> list[Child]:
    caption = words("actions.customers")
    columns = [
        Column(words("columns.customer")),
        Column(words("actions.action")),
        Column(words("columns.goal")),
        Column(words("actions.channel")),
        Column(words("actions.cost"), "money"),
        Column(words("columns.expected_net"), "money"),
        Column(words("columns.reason"), "english"),
    ]
    rows = [
        [
            row["customer_id"],
            row["action"],
            row["goal"],
            row["channel"],
            row["cost"],
            row["expected_net_value"],
            row["reason"],
        ]
        for row in content.customers
    ]
    more = words("page.first_rows", n=words.number(MOST_ROWS), file=content.actions_file)
    return [subtitle(caption), table(words, caption, columns, rows, currency=content.currency, more=more)]


def _triggered(content: Content, words: Words) -> list[Child]:
    if not content.triggers:
        return []
    caption = words("actions.triggers")
    columns = [
        Column(words("actions.trigger")),
        Column(words("actions.meaning"), "english"),
        Column(words("columns.customers"), "count"),
        Column(words("actions.file")),
        Column(words("columns.reason"), "english", only_explains=True),
    ]
    rows = [
        [words.known("triggers", row["name"]), row["meaning"], row["n_customers"], row["file"], row["reason"]]
        for row in content.triggers
    ]
    stale = None
    if content.triggers_as_of and content.triggers_as_of != content.as_of:
        stale = note(words("page.other_day", day=words.day(content.triggers_as_of), command=_COMMAND))
    return [subtitle(caption), note(words("actions.triggers_note")), stale, table(words, caption, columns, rows)]


def _replenishment(content: Content, words: Words) -> list[Child]:
    if not content.due:
        return []
    caption = words("actions.due", days=words.count(_DUE_DAYS, "days"))
    columns = [
        Column(words("actions.item")),
        Column(words("columns.customers"), "count"),
        Column(words("actions.cycle"), "count"),
    ]
    rows = [[row["item"], row["n_customers"], row["cycle_days"]] for row in content.due]
    return [subtitle(caption), table(words, caption, columns, rows)]


def _pairs(content: Content, words: Words) -> list[Child]:
    if not content.pairs:
        return []
    caption = words("actions.pairs")
    columns = [
        Column(words("actions.item")),
        Column(words("actions.also")),
        Column(words("actions.lift"), "decimal"),
        Column(words("actions.confidence"), "percent"),
        Column(words("actions.support"), "percent"),
        Column(words("actions.n_both"), "count"),
    ]
    rows = [
        [row["item"], row["also_bought"], row["lift"], row["confidence"], row["support"], row["n_both"]]
        for row in content.pairs
    ]
    return [subtitle(caption), note(words("actions.pairs_note")), table(words, caption, columns, rows)]
