"""What monitoring found, for the terminal: the verdict first, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cvm.evaluation import Estimate
from cvm.monitoring.backtest import Backtest
from cvm.monitoring.level import Signal
from cvm.monitoring.movement import Moved
from cvm.monitoring.verdict import Monitored
from cvm.reports.tables import titled_table

_STYLES = {"ok": "bold green", "watch": "bold yellow", "retrain": "bold red"}
_MEANINGS = {
    "ok": "nothing asks for action.",
    "watch": "look at this before the next campaign; no need to train.",
    "retrain": "find the cause, then train again.",
}
_N_COLUMNS = 8


def monitoring_tables(found: Monitored) -> Iterator[RenderableType]:
    """Verdict and reasons, then purchase rate, earlier scores, and what moved."""
    word = found.verdict.word
    yield Text.assemble((word, _STYLES[word]), f": {_MEANINGS[word]}")
    for reason in found.verdict.reasons:
        yield Text.assemble("  ", (f"{reason.word:8s}", _STYLES[reason.word]), reason.text)
    if found.signals:
        yield _rates(found.signals)
    if found.backtests:
        yield _backtests(found.backtests)
    moved = [column for column in (*found.scores, *found.features) if column.level != "none"]
    if moved:
        yield _moved(moved)


def _rates(signals: tuple[Signal, ...]) -> Table:
    table = titled_table("Orders of known customers against those expected, less the usual lean of the model")
    table.add_column("months")
    for header in ("change", "usual", "p"):
        table.add_column(header, justify="right", overflow="fold")
    for signal in signals:
        table.add_row(
            f"{signal.months[0].start} to {signal.months[-1].end}",
            f"{signal.change:+.1%}",
            f"{signal.lower:+.1%}…{signal.upper:+.1%}",
            f"{signal.p_value:.3f}" if signal.p_value >= 0.001 else "<0.001",
        )
    return table


def _backtests(backtests: tuple[Backtest, ...]) -> Table:
    table = titled_table("Earlier scores against what followed, 95% intervals")
    table.add_column("scores of")
    for header in ("days passed", "customers", "no order expected", "no order", "AUC", "revenue / expected"):
        table.add_column(header, justify="right", overflow="fold")
    for tested in backtests:
        whole = tested.whole
        table.add_row(
            str(tested.as_of),
            f"{tested.days} of {tested.horizon_days}",
            f"{whole.n_customers:,}",
            "-" if whole.p_churn is None else f"{whole.p_churn:.1%}",
            _figure(whole.churned, ".1%"),
            _figure(whole.auc, ".3f"),
            _figure(whole.revenue, ".1%"),
        )
    return table


def _figure(figure: Estimate | None, spec: str) -> str:
    if figure is None:
        return "too few"
    return f"{figure.value:{spec}}\n({figure.lower:{spec}}…{figure.upper:{spec}})"


def _moved(columns: list[Moved]) -> Table:
    shown = columns[:_N_COLUMNS]
    more = f" (the {len(shown)} furthest of {len(columns)})" if len(columns) > len(shown) else ""
    table = titled_table(f"What moved since training{more}")
    table.add_column("column")
    for header in ("stability index", "mean then", "mean now", "missing then", "missing now"):
        table.add_column(header, justify="right", overflow="fold")
    for column in shown:
        drift = column.drift
        table.add_row(
            column.name,
            Text(f"{drift.stability_index:.2f}", style="bold red" if column.level == "much" else ""),
            "-" if drift.mean_before is None else f"{drift.mean_before:,.4g}",
            "-" if drift.mean is None else f"{drift.mean:,.4g}",
            f"{drift.missing_before:.0%}",
            f"{drift.missing:.0%}",
        )
    return table
