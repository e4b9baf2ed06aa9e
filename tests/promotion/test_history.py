from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cvm.engines import DuckDBEngine
from cvm.errors import BundleError
from cvm.evaluation import PairedFigure
from cvm.promotion.decision import Decision
from cvm.promotion.gates import Gate
from cvm.promotion.history import add_decision, decision_tags, read_decisions

KEPT = Decision(
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "kept",
    "new",
    "old",
    "old",
    figures=(PairedFigure("auc", 0.8, 0.82, 0.02, 0.01, 0.03),),
    gates=(Gate("champion", False, "worse"), Gate("signature", True, "fine")),
    reason="champion: worse",
)


def test_decisions_are_kept_in_order_and_open_to_sql(tmp_path: Path) -> None:
    path = tmp_path / "decisions.parquet"
    assert read_decisions(path) == []
    first = replace(KEPT, verdict="promoted", champion_before=None, figures=(), gates=())
    for decision in (first, KEPT):
        add_decision(path, decision)
    assert read_decisions(path) == [first, KEPT]
    row = DuckDBEngine().row(f"SELECT reason, figures[1].worse_by AS worse FROM '{path}' WHERE decision = 'kept'")
    assert row == {"reason": "champion: worse", "worse": 0.02}


def test_a_damaged_history_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "decisions.parquet"
    path.write_text("mine")
    with pytest.raises(BundleError, match=r"history of decisions .* is damaged.*move it away"):
        add_decision(path, KEPT)
    assert path.read_text() == "mine"


def test_tags_say_what_a_reader_of_the_registry_asks() -> None:
    tags = decision_tags(KEPT)
    assert tags["decision"] == "kept"
    assert tags["compared_with"] == "old"
    assert tags["decided_at"] == "2026-01-02T03:04:05+00:00"
    assert json.loads(tags["failed_gates"]) == ["champion"]
    assert json.loads(tags["figures"]) == {"auc": 0.02}


@pytest.mark.parametrize(("reason", "said"), [("", "none given"), ("x" * 9_000, "x" * 500)])
def test_a_tag_is_never_empty_and_never_too_long(reason: str, said: str) -> None:
    assert decision_tags(replace(KEPT, reason=reason))["reason"] == said
