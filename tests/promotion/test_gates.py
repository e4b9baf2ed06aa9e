from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from cvm.evaluation import PairedFigure
from cvm.features.churn import ChurnDefinition
from cvm.models.bundle import Bundle
from cvm.models.churn_anchor import ChurnAnchor
from cvm.promotion.comparison import Comparison, nothing_compared
from cvm.promotion.gates import (
    calibrated,
    fair_to_groups,
    no_worse_than_baselines,
    no_worse_than_champion,
    same_signature,
    same_thing,
    scores_hold,
)
from cvm.promotion.score_change import ScoreChange
from cvm.promotion.settings import PromotionSettings
from promoted import JUDGEMENT

SETTINGS = PromotionSettings()


@pytest.fixture
def champion(bundles: Callable[[int], Bundle]) -> Bundle:
    return bundles(1)


def judged(champion: Bundle, **changes: Any) -> Bundle:
    return replace(champion, evidence={**champion.evidence, **changes})


def compared(*figures: PairedFigure) -> Comparison:
    return Comparison(date(2024, 3, 3), 90, "recipe refitted", 1_000, figures)


def off_by(gap: float, *, ratio: float = 1.0, noise: float = 0.02) -> dict[str, Any]:
    """Evidence of one group that is off."""
    churn, revenue = ({"value": v, "lower": v - noise, "upper": v + noise, "is_off": True} for v in (gap, ratio))
    group = {"grouping": "segment", "group": "vip", "n_customers": 300, "calibration_error": churn, "revenue_ratio": revenue}
    return {"groups": [{**group, "grouping": "all", "group": "all"}, group]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"horizon_days": 60}, "horizon_days 60 instead of 90"),
        ({"lead_days": 7}, "lead_days 7 instead of 0"),
        ({"clv_days": 730}, "clv_days 730 instead of 365"),
        ({"currency": "USD"}, "currency USD instead of EUR"),
        (
            {"churn_anchor": ChurnAnchor(ChurnDefinition("inactivity", 30))},
            "churn inactivity of 30 days instead of no_order",
        ),
    ],
)
def test_two_that_predict_different_things_are_not_compared(champion: Bundle, change: dict[str, Any], said: str) -> None:
    gate = same_thing(replace(champion, **change), champion)
    assert not gate.passed
    assert said in gate.found
    assert same_thing(champion, champion).passed


def test_a_request_that_the_champion_answers_must_be_answered(champion: Bundle) -> None:
    optional = next(feature for feature in champion.features if not feature.required)
    others = tuple(feature for feature in champion.features if feature is not optional)
    required = same_signature(replace(champion, features=(*others, replace(optional, required=True))), champion)
    retyped = same_signature(replace(champion, features=(*others, replace(optional, kind="category"))), champion)
    assert (required.passed, retyped.passed) == (False, optional.kind == "category")
    assert f"{optional.name} is required now and was not" in required.found
    assert "1 no longer used" in same_signature(replace(champion, features=others), champion).found
    new = same_signature(champion, replace(champion, features=others))
    assert new.passed
    assert "1 new and optional" in new.found


def test_a_new_input_may_not_be_required(champion: Bundle) -> None:
    added = replace(champion.features[0], name="shoe_size", required=True)
    gate = same_signature(replace(champion, features=(*champion.features, added)), champion)
    assert (gate.passed, gate.found) == (False, "shoe_size is required now and was not")


def test_a_winner_below_a_baseline_is_spoiled_and_a_baseline_may_win(champion: Bundle) -> None:
    assert "Brier 0.15, best baseline (BTYD) 0.16" in no_worse_than_baselines(champion, champion).found
    churn = {**JUDGEMENT["churn"], "blended LightGBM": {"brier": 0.2}}
    assert not no_worse_than_baselines(judged(champion, judgement={**JUDGEMENT, "churn": churn}), champion).passed
    won = no_worse_than_baselines(judged(champion, judgement={**JUDGEMENT, "churn_winner": "BTYD"}), champion)
    assert won.passed
    assert "churn: the baseline 'BTYD' won" in won.found


def test_a_model_that_was_never_judged_does_not_replace_one_that_was(champion: Bundle) -> None:
    unjudged = judged(champion, judgement=None)
    assert not no_worse_than_baselines(unjudged, champion).passed
    assert no_worse_than_baselines(unjudged, unjudged).passed
    assert no_worse_than_baselines(unjudged, None).passed


@pytest.mark.parametrize(
    ("lower", "passed"), [(0.0051, False), (0.005, True), (-0.01, True)], ids=["proved", "tolerated", "by chance"]
)
def test_only_proof_of_being_worse_than_tolerated_counts(lower: float, passed: bool) -> None:
    gate = no_worse_than_champion(compared(PairedFigure("auc", 0.80, 0.82, 0.02, lower, 0.03)), SETTINGS)
    assert gate.passed is passed
    if not passed:
        assert gate.found == "AUC 0.8 against 0.82, worse by 0.0200 (0.0051 to 0.0300; tolerated 0.005)"


def test_calibration_is_a_gate_of_its_own_and_no_comparison_closes_no_gate() -> None:
    assert no_worse_than_champion(compared(PairedFigure("calibration_error", 0.3, 0.1, 0.2, 0.1, 0.3)), SETTINGS).passed
    gate = no_worse_than_champion(nothing_compared("history is too short"), SETTINGS)
    assert (gate.passed, gate.found) == (True, "not compared: history is too short")


def test_a_bad_calibration_passes_only_where_the_champion_is_no_better(champion: Bundle) -> None:
    churn = {**JUDGEMENT["churn"], "blended LightGBM": {"calibration_error": 0.08}}
    poor = judged(champion, judgement={**JUDGEMENT, "churn": churn})
    paired = PairedFigure("calibration_error", 0.08, 0.07, 0.01, -0.01, 0.03)
    assert calibrated((), champion, SETTINGS).passed
    assert not calibrated((), poor, SETTINGS).passed
    assert calibrated((paired,), poor, SETTINGS).passed
    assert not calibrated((replace(paired, lower=0.005),), poor, SETTINGS).passed


@pytest.mark.parametrize(
    ("challenger", "before", "said"),
    [
        (off_by(0.15), off_by(0.0), "segment vip (300 customers): churn foretold +15.0% off"),
        (off_by(-0.15), off_by(0.0), "churn foretold -15.0% off"),
        (off_by(0.15), off_by(-0.14), None),
        (off_by(0.11), off_by(0.0), None),
        (off_by(0.0, ratio=1.7), off_by(0.0), "1.70 of its revenue foretold"),
        (off_by(0.0, ratio=0.5), off_by(0.0), "0.50 of its revenue foretold"),
        (off_by(0.0, ratio=0.5), off_by(0.0, ratio=0.52), None),
        (None, off_by(0.0), None),
    ],
)
def test_a_group_may_be_off_only_where_it_was(
    champion: Bundle, challenger: dict[str, Any] | None, before: dict[str, Any], said: str | None
) -> None:
    gate = fair_to_groups(judged(champion, judged=challenger), judged(champion, judged=before), SETTINGS)
    assert gate.passed is (said is None)
    assert (said or "") in gate.found


@pytest.mark.parametrize(
    ("change", "passed"),
    [
        (ScoreChange(0.1, 0.2, 0.1, 500), True),
        (ScoreChange(0.3, 0.2, 0.1, 500), False),
        (ScoreChange(0.1, 0.3, 0.1, 500), False),
        (ScoreChange(0.1, 0.2, 0.31, 500), False),
    ],
)
def test_scores_may_change_so_much(change: ScoreChange, passed: bool) -> None:
    assert scores_hold(change, SETTINGS).passed is passed
