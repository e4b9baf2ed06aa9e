"""A decision on which model is in use, for the terminal: gates first, then the figures it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cvm.evaluation import PairedFigure
from cvm.promotion.decision import Decision
from cvm.reports.tables import titled_table

_LABELS = {
    "auc": "churn AUC",
    "brier": "churn Brier score",
    "calibration_error": "churn calibration error",
    "ngini": "revenue normalised Gini",
    "decmape": "revenue decMAPE",
    "ratio": "revenue foretold / seen",
}
_SPOKE = {
    "same recipe": "the same recipe",
    "itself": "itself",
    "judged fit": "its judged fit",
    "recipe refitted": "its recipe, fitted again before",
    "nobody": "nobody",
}
_VERDICTS = {"promoted": "bold green", "forced": "bold yellow", "kept": "bold red", "rolled back": "bold yellow"}
_MOST_DECISIONS = 20


def decision_tables(decision: Decision) -> Iterator[RenderableType]:
    """Gates with what each found, then both models on the window that neither has seen."""
    if decision.gates:
        yield _gates(decision)
    if decision.figures:
        yield _figures(decision)


def history_table(decisions: Sequence[Decision]) -> Table:
    """The latest decisions, newest first."""
    table = titled_table("Decisions")
    for header in ("decided at (UTC)", "decision", "champion before", "champion after", "reason"):
        table.add_column(header, overflow="fold")
    for decision in reversed(decisions[-_MOST_DECISIONS:]):
        table.add_row(
            f"{decision.decided_at:%Y-%m-%d %H:%M}",
            Text(decision.verdict, style=_VERDICTS[decision.verdict]),
            decision.champion_before or "-",
            decision.champion_after or "-",
            decision.reason,
        )
    return table


def _gates(decision: Decision) -> Table:
    table = titled_table("Gates")
    table.add_column("gate")
    table.add_column("passed")
    table.add_column("what was found", overflow="fold")
    for gate in decision.gates:
        word = Text("yes", style="green") if gate.passed else Text("no", style="bold red")
        table.add_row(gate.name, word, gate.found)
    return table


def _figures(decision: Decision) -> Table:
    table = titled_table(
        f"{decision.n_customers:,} customers from {decision.as_of} on, {decision.days} days; "
        f"the champion by {_SPOKE[decision.spoke]}"
    )
    table.add_column("figure")
    for header in ("challenger", "champion", "worse by", "95% interval"):
        table.add_column(header, justify="right")
    for figure in decision.figures:
        table.add_row(
            _LABELS[figure.name],
            f"{figure.challenger:.4f}",
            f"{figure.champion:.4f}",
            _signed(figure.worse_by),
            _interval(figure),
        )
    return table


def _interval(figure: PairedFigure) -> str:
    return f"{_signed(figure.lower)} … {_signed(figure.upper)}"


def _signed(value: float) -> str:
    return "0.0000" if round(value, 4) == 0 else f"{value:+.4f}"
