from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from cvm.evaluation import PairedFigure
from cvm.promotion.comparison import Comparison
from cvm.promotion.decision import Decision, decide
from cvm.promotion.gates import Gate

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FIGURE = PairedFigure("auc", 0.8, 0.82, 0.02, 0.01, 0.03)
OPEN, WORSE, DRIFTED = Gate("signature", True, "fine"), Gate("champion", False, "worse"), Gate("scores", False, "drifted")


def decided(*gates: Gate, **options: Any) -> Decision:
    comparison = Comparison(date(2025, 7, 4), 181, "itself", 900, (FIGURE,))
    return decide("new", "old", comparison=comparison, gates=gates, days_newer=31, now=NOW, **options)


@pytest.mark.parametrize(
    ("gates", "options", "verdict", "reason"),
    [
        ((OPEN,), {}, "promoted", "passes every gate and has seen 31 more days"),
        ((OPEN, WORSE), {}, "kept", "champion: worse"),
        ((WORSE, DRIFTED), {}, "kept", "champion: worse; scores: drifted"),
        ((DRIFTED,), {"accept_drift": "new prices"}, "promoted", "change of scores accepted: new prices"),
        ((WORSE, DRIFTED), {"accept_drift": "new prices"}, "kept", "champion: worse; scores: drifted"),
        ((WORSE,), {"force": "the old one is broken"}, "forced", "the old one is broken"),
        ((OPEN,), {"force": "not needed"}, "promoted", "passes every gate and has seen 31 more days"),
    ],
)
def test_every_gate_counts_unless_somebody_says_why_not(
    gates: tuple[Gate, ...], options: dict[str, str], verdict: str, reason: str
) -> None:
    decision = decided(*gates, **options)
    assert (decision.verdict, decision.reason) == (verdict, reason)
    assert decision.champion_after == ("old" if verdict == "kept" else "new")
    assert decision.changes_champion is (verdict != "kept")


def test_a_decision_comes_back_from_its_state() -> None:
    decision = decided(OPEN, WORSE)
    assert Decision.from_state(decision.state()) == decision
    assert decision.failed == (WORSE,)
