from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import pytest

from cvm.actions.evidence import evidence_by_arm
from cvm.errors import MissingOutputError


def effect(value: float) -> dict[str, object]:
    return {"value": value, "lower": value - 0.1, "upper": value + 0.1, "p_value": 0.001, "standard_error": 0.05}


def evaluation(campaign: str, on: str, word: str, *, value: float = 1.0, segments=()) -> dict[str, object]:
    """As ``cvm evaluate`` writes it, for one treatment."""
    return {
        "campaign_id": campaign, "currency": "EUR", "level": 0.95, "window_days": 30.0, "is_partial": False,
        "assigned_from": f"{on}T00:00:00", "assigned_to": f"{on}T00:00:00", "observed_until": "2024-06-01T00:00:00",
        "arms": [{"arm": "control", "n": 500}, {"arm": "letter", "n": 500}], "earned": [],
        "verdicts": [{"arm": "letter", "word": word}], "metric": "margin", "segment_by": "segment" if segments else None,
        "effects": [{"arm": "letter", "metric": "margin", "adjusted": effect(value), "plain": effect(value)}],
        "segments": [
            {"segment": name, "arm": "letter", "n_treated": 9, "n_control": 9, "false_discovery_rate": rate,
             "effect": effect(of_segment)}
            for name, of_segment, rate in segments
        ],
    }  # fmt: skip


def write(folder, *evaluations) -> None:
    for one in evaluations:
        (folder / f"{one['campaign_id']}.json").write_text(json.dumps(one))


def test_the_last_campaign_speaks(tmp_path) -> None:
    write(tmp_path, evaluation("a", "2024-03-01", "does harm", value=-1.0), evaluation("b", "2024-01-01", "works"))
    found = evidence_by_arm(tmp_path)["letter"]
    assert found.sentence == "letter: does harm in campaign a, -1.00 margin per customer"
    assert found.harms({}, n=2).tolist() == [True, True]


@pytest.mark.parametrize(("word", "harmed"), [("works", [True, False, False]), ("does harm", [True, False, True])])
def test_sure_segments_overrule_the_verdict(tmp_path, word: str, harmed: list[bool]) -> None:
    segments = [("vip", -2.0, 0.01), ("core", 2.0, 0.01), ("new", -2.0, 0.4)]
    write(tmp_path, evaluation("a", "2024-03-01", word, segments=segments))
    columns = {"segment": np.array(["vip", "core", "new"])}
    assert evidence_by_arm(tmp_path)["letter"].harms(columns, n=3).tolist() == harmed


def test_an_evaluation_that_saw_later_days_is_left_out(tmp_path) -> None:
    write(tmp_path, evaluation("a", "2024-03-01", "does harm"))
    assert set(evidence_by_arm(tmp_path, until=datetime(2024, 6, 1))) == {"letter"}
    assert evidence_by_arm(tmp_path, until=datetime(2024, 5, 31)) == {}


def test_nothing_evaluated_is_no_evidence_and_a_damaged_file_is_refused(tmp_path) -> None:
    assert evidence_by_arm(tmp_path / "nowhere") == {}
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(MissingOutputError, match="is damaged"):
        evidence_by_arm(tmp_path)
