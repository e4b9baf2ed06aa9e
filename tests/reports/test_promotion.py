from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from rich.console import Console, RenderableType

from cvm.evaluation import PairedFigure
from cvm.promotion.decision import Decision
from cvm.promotion.gates import Gate
from cvm.reports.promotion import decision_tables, history_table

FIGURES = tuple(
    PairedFigure(name, 0.81, 0.82, 0.01, -0.00001, 0.03)
    for name in ("auc", "brier", "calibration_error", "ngini", "decmape", "ratio")
)
KEPT = Decision(
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "kept",
    "new",
    "old",
    "old",
    as_of=date(2025, 7, 4),
    days=181,
    spoke="recipe refitted",
    n_customers=12_345,
    figures=FIGURES,
    gates=(Gate("champion", False, "AUC 0.81 against 0.82"), Gate("signature", True, "10 inputs, none changed")),
    reason="champion: AUC 0.81 against 0.82",
)


def shown(*tables: RenderableType, width: int = 120) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(*tables, sep="\n")
    return captured.get()


@pytest.mark.parametrize("width", [80, 120])
def test_a_decision_shows_gates_and_the_figures_it_rests_on(width: int) -> None:
    page = shown(*decision_tables(KEPT), width=width)
    assert "12,345 customers from 2025-07-04 on, 181 days" in page
    assert "its recipe, fitted again before" in " ".join(page.split())
    for words in ("champion", "no", "AUC 0.81 against 0.82", "churn AUC", "0.8100", "0.8200", "+0.0100", "0.0000 … +0.0300"):
        assert words in page


def test_a_decision_without_comparison_shows_its_gates_alone() -> None:
    assert len(list(decision_tables(replace(KEPT, figures=())))) == 1
    assert list(decision_tables(replace(KEPT, figures=(), gates=()))) == []


def test_the_history_begins_with_the_latest() -> None:
    first = replace(KEPT, verdict="promoted", champion_before=None, champion_after="old", reason="there was no champion")
    page = shown(history_table([first, KEPT]))
    assert page.index("kept") < page.index("promoted")
    assert "2026-01-02 03:04" in page
