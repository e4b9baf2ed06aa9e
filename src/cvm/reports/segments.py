"""Segments at the terminal: who is in which, who moved and what value moved with them, room to grow, and clusters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cvm.reports.tables import titled_table
from cvm.reports.terminal import segment_table
from cvm.scoring.migrations import Migrations

_MAX_FLOWS = 8
_BAR = 16
_NOT_BEFORE, _GONE = "joined", "gone"


def segmented_tables(
    scores: pd.DataFrame,
    migrations: Migrations | None,
    growth: pd.DataFrame,
    clusters: Mapping[str, Any] | None,
    *,
    goals: Mapping[str, str],
    currency: str,
) -> list[RenderableType]:
    """Everything worth reading after segmentation.

    Parameters
    ----------
    scores : DataFrame of shape (n_customers, ...)
        ``segment``, ``clv``, ``p_churn``.
    migrations : Migrations or None
        None on the first run.
    growth : DataFrame of shape (n_customers, ...)
        ``kind``, ``cross_sell_room``, ``upsell_room``.
    clusters : mapping or None
        ``clusters.json``.
    goals : mapping of str to str
    currency : str
    """
    parts: list[RenderableType] = [segment_table(scores, currency=currency, goals=goals)]
    if migrations is None:
        parts.append(Text("No earlier scores to compare with: who moved is told from the next as_of on.", style="dim"))
    else:
        order = [str(name) for name in scores.groupby("segment")["clv"].mean().sort_values(ascending=False).index]
        parts += [_matrix_table(migrations, order), _flows_table(migrations, currency), _value_line(migrations, currency)]
    parts.append(_growth_line(growth, currency))
    return parts + ([_clusters_table(clusters, currency), *_cluster_lines(clusters)] if clusters else [])


def _matrix_table(migrations: Migrations, order: Sequence[str]) -> Table:
    """Customers from the segments of rows to those of columns, who stayed on the diagonal."""
    counts = _counts(migrations)
    starts, ends = ({pair[side] for pair in counts} for side in (0, 1))
    there = {name for name in starts | ends if name is not None}
    segments: list[str | None] = [*(name for name in order if name in there), *sorted(there - set(order))]
    rows, columns = [*segments, *([None] if None in starts else [])], [*segments, *([None] if None in ends else [])]
    # In the width of a narrow terminal: numbers are never cut, names of segments fold at their underscores.
    table = titled_table(f"Moves from {migrations.previous_as_of} (rows) to {migrations.as_of} (columns)")
    table.add_column("from \\ to", no_wrap=True)
    for name in columns:
        header = _GONE if name is None else name.replace("_", "_\n")
        total = f"{sum(counts.get((start, name), 0) for start in rows):,}"
        table.add_column(header, justify="right", overflow="fold", min_width=len(total))
    for header in ("all", "stayed"):
        table.add_column(header, justify="right", style="bold", no_wrap=True)
    for start in rows:
        cells = [_cell(counts.get((start, end), 0), stayed=start == end) for end in columns]
        n = sum(counts.get((start, end), 0) for end in columns)
        stayed = f"{counts.get((start, start), 0) / n:.0%}" if start is not None and n else ""
        table.add_row(_NOT_BEFORE if start is None else start, *cells, f"{n:,}", stayed)
    table.add_section()
    totals = [f"{sum(counts.get((start, end), 0) for start in rows):,}" for end in columns]
    n, n_stayed = (int(found["n_customers"].sum()) for found in (migrations.in_both, migrations.stayed))
    table.add_row("all", *totals, f"{sum(counts.values()):,}", f"{n_stayed / n:.0%}" if n else "", style="bold")
    return table


def _counts(migrations: Migrations) -> dict[tuple[str | None, str | None], int]:
    """Customers by segment before and now; None = not scored."""
    matrix = migrations.matrix
    sides = ([None if pd.isna(name) else str(name) for name in matrix[side]] for side in ("from_segment", "to_segment"))
    return dict(zip(zip(*sides, strict=True), matrix["n_customers"].astype(int).tolist(), strict=True))


def _cell(n: int, *, stayed: bool) -> Text:
    if not n:
        return Text("·", style="dim")
    return Text(f"{n:,}", style="dim" if stayed else "")


def _flows_table(migrations: Migrations, currency: str) -> RenderableType:
    """The moves that most value went with."""
    both = migrations.in_both
    moved = both[both["from_segment"] != both["to_segment"]]
    if moved.empty:
        return Text("Nobody moved.", style="dim")
    change = (moved["clv"] - moved["previous_clv"]).to_numpy(float)
    shown = moved.iloc[np.argsort(-np.abs(change), kind="stable")[:_MAX_FLOWS]]
    title = "The moves that changed value most" if len(moved) > len(shown) else "All moves"
    table = titled_table(f"{title}, CLV in {currency}")
    for header in ("from", "to"):
        table.add_column(header)
    for header in ("customers", "CLV then", "CLV now", "change"):
        table.add_column(header, justify="right", overflow="fold")
    table.add_column("")
    largest = max(float(np.abs(change).max()), 1e-9)
    columns = (shown[name].tolist() for name in ("from_segment", "to_segment", "n_customers", "previous_clv", "clv"))
    for start, end, n, then, now in zip(*columns, strict=True):
        style = "green" if now >= then else "red"
        bar = Text("█" * max(round(_BAR * abs(now - then) / largest), 1), style=style)
        moved_value = Text(f"{now - then:+,.0f}", style=style)
        table.add_row(start, end, f"{n:,}", f"{then:,.0f}", f"{now:,.0f}", moved_value, bar)
    return table


def _value_line(migrations: Migrations, currency: str) -> Text:
    """Where the whole change of value comes from."""
    matrix, both = migrations.matrix, migrations.in_both
    moved = both[both["from_segment"] != both["to_segment"]]
    joined, gone = matrix[matrix["from_segment"].isna()], matrix[matrix["to_segment"].isna()]
    groups = {"stayed": migrations.stayed, "moved": moved, "joined": joined, "are gone": gone}
    parts = [
        f"{_change(rows):+,.0f} of {int(rows['n_customers'].sum()):,} who {what}"
        for what, rows in groups.items()
        if len(rows)
    ]
    return Text(f"CLV {_change(matrix):+,.0f} {currency} since {migrations.previous_as_of}: {', '.join(parts)}.")


def _change(rows: pd.DataFrame) -> float:
    return float(rows["clv"].sum() - rows["previous_clv"].sum())


def _growth_line(growth: pd.DataFrame, currency: str) -> Text:
    n = growth["kind"].value_counts()
    rooms = {"cross-sell": ("cross_sell", "cross_sell_room"), "upsell": ("upsell", "upsell_room")}
    found = [
        f"{what} {int(n.get(kind, 0) + n.get('both', 0)):,} customers, {growth[room].sum():,.0f} {currency} a year"
        for what, (kind, room) in rooms.items()
        if growth[room].notna().any()
    ]
    if not found:
        return Text("Room to the best of their peers cannot be told: no categories and no quantities.", style="dim")
    return Text(f"Room to the best of their peers: {'; '.join(found)}.", style="dim")


def _clusters_table(clusters: Mapping[str, Any], currency: str) -> Table:
    table = titled_table(f"Clusters: {clusters['method']}, {clusters['k']}, stability {clusters['stability']:.2f} of 1")
    table.add_column("cluster")
    for header in ("customers", "share", f"CLV each, {currency}", "mean churn"):
        table.add_column(header, justify="right", overflow="fold")
    for cluster in clusters["clusters"]:
        churn = cluster["mean_p_churn"]
        table.add_row(
            cluster["name"],
            f"{cluster['n']:,}",
            f"{cluster['share']:.1%}",
            f"{cluster['mean_clv']:,.2f}",
            "-" if churn is None else f"{churn:.1%}",
        )
    return table


def _cluster_lines(clusters: Mapping[str, Any]) -> Iterator[Text]:
    if clusters["note"]:
        yield Text(clusters["note"], style="yellow")
    else:
        yield Text("Clusters are for looking, of customers with an order; segments are for acting.", style="dim")
