"""Next best actions at the terminal: who gets what and what for, what is due, and which lists there are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cvm.actions.next_best import NextBest
from cvm.actions.result import Actions
from cvm.reports.tables import titled_table

_MAX_PAIRS, _MAX_ITEMS = 5, 5
_WORDS = ("rule", "action", "goal", "offer", "channel")


def actions_tables(found: Actions) -> list[RenderableType]:
    """Everything worth reading but for the notes."""
    shown: list[RenderableType] = []
    if found.decided is not None:
        shown.append(_actions(found, found.decided))
    else:
        shown.append(
            Text("Write rules under playbook in params.yaml to say what to do next with whom (docs/actions.md).", "dim")
        )
    if found.has_items:
        shown.append(_due(found))
        shown.extend(_pairs(found))
    shown.append(_triggers(found))
    shown.extend(Text(line, style="dim") for line in _where(found))
    return shown


def _actions(found: Actions, decided: NextBest) -> Table:
    """A row for each rule; a column that says nothing is left out."""
    rows, nets = [], []
    for rule, counts in decided.rules:
        mask = pc.equal(decided.actions["rule" if rule.goal else "action"], rule.name)
        net = pc.sum(decided.actions["expected_net_value"].filter(mask)).as_py()
        nets += [] if net is None else [net]
        rows.append(
            {
                "rule": rule.name if rule.goal else "best effect",
                "action": "" if rule.action == rule.name and rule.goal else rule.action,
                "goal": rule.goal or "",
                "offer": rule.offer or "",
                "channel": rule.channel or "no contact",
                "customers": f"{counts.n_given:,}",
                "not reached": _count(counts.n_out_of_reach),
                "known harm": _count(counts.n_harmed),
                "over cap": _count(counts.n_over_cap),
                f"cost, {found.currency}": f"{counts.n_given * rule.cost:,.0f}",
                "net value": "" if net is None else f"{net:,.0f}",
            }
        )
    cost = sum(counts.n_given * rule.cost for rule, counts in decided.rules)
    whole = {
        "rule": "all",
        "customers": f"{decided.actions.num_rows:,}",
        f"cost, {found.currency}": f"{cost:,.0f}",
        "net value": f"{sum(nets):,.0f}" if nets else "",
    }
    table = titled_table(f"Next best actions of {len(decided.customer_ids):,} customers, scored {found.as_of}")
    shown = [header for header in rows[0] if any(row[header] for row in rows)]
    for header in shown:
        table.add_column(header, justify="left" if header in _WORDS else "right", style="bold" if header == "rule" else None)
    for row in rows:
        table.add_row(*(row[header] for header in shown))
    table.add_section()
    table.add_row(*(whole.get(header, "") for header in shown), style="bold")
    return table


def _count(n: int) -> str:
    return f"{n:,}" if n else ""


def _due(found: Actions) -> Table:
    due = found.due
    table = titled_table(
        f"Bought by cycles: {due.rows.num_rows:,} purchases of {due.n_customers:,} customers are expected again"
    )
    table.add_column("item", style="bold")
    table.add_column("kind")
    for header in ("customers", "median cycle, days", "overdue"):
        table.add_column(header, justify="right", overflow="fold")
    rows = due.rows.to_pandas()
    rows["overdue"] = rows["expected_at"] < found.as_of
    by = rows.groupby(["item_kind", "item"]).agg(
        n=("overdue", "size"), cycle=("cycle_days", "median"), late=("overdue", "sum")
    )
    largest = by.sort_values("n", ascending=False, kind="stable").head(_MAX_ITEMS)
    for (kind, item), row in largest.iterrows():
        table.add_row(str(item), kind, f"{int(row['n']):,}", f"{row['cycle']:,.0f}", f"{int(row['late']):,}")
    if len(by) > _MAX_ITEMS:
        table.add_row(
            Text(f"and {len(by) - _MAX_ITEMS:,} more", style="dim"),
            "",
            f"{int(by['n'].sum() - largest['n'].sum()):,}",
            "",
            "",
        )
    left = f"Left out: {due.n_irregular:,} repeats without a cycle, {due.n_lapsed:,} silent for more than three."
    table.caption, table.caption_justify, table.caption_style = left, "left", "dim"
    return table


def _pairs(found: Actions) -> Iterator[RenderableType]:
    """The strongest pairs, each once."""
    pairs = found.pairs.filter(pc.less(found.pairs["item"], found.pairs["also_bought"]))
    if not pairs.num_rows:
        return
    table = titled_table(f"Also bought: {pairs.num_rows:,} pairs go together beyond chance")
    for header in ("item", "goes with", "kind"):
        table.add_column(header, style="bold" if header == "item" else None)
    for header in ("customers with both", "lift"):
        table.add_column(header, justify="right", overflow="fold")
    strongest = np.lexsort((-pairs["lift"].to_numpy(), pairs["p_value"].to_numpy()))[:_MAX_PAIRS]
    for row in pairs.take(strongest).to_pylist():
        table.add_row(row["item"], row["also_bought"], row["item_kind"], f"{row['n_both']:,}", f"{row['lift']:.1f}")
    yield table


def _triggers(found: Actions) -> Table:
    table = titled_table(f"Triggers as of {found.as_of}")
    table.add_column("list", style="bold")
    table.add_column("who")
    table.add_column("customers", justify="right", overflow="fold")
    table.add_column("file")
    for one in found.lists:
        if one.rows is None:
            table.add_row(one.name, Text(one.reason or "", style="dim"), "-", "")
        else:
            table.add_row(one.name, one.meaning, f"{one.n_customers:,}", f"{one.name}.csv")
    return table


def _where(found: Actions) -> Iterator[str]:
    yield f"Written to {found.folder} and {found.triggers}."
    if found.decided is not None:
        yield "These are suggestions: nobody is contacted or held out before `cvm plan` draws a campaign."
