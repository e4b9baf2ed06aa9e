from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cvm.errors import MissingOutputError
from cvm.features.snapshots import SnapshotPlan
from cvm.models.btyd import Btyd
from cvm.models.bundle import Bundle
from cvm.models.settings import TrainSettings
from cvm.promotion import comparison
from cvm.promotion.comparison import compare, write_judged
from cvm.scoring.score import predict_money
from cvm.workspace import Workspace
from promoted import RECIPE, made
from simulated import TRAIN_SETTINGS, histories, silent

TEST = date(2024, 3, 3)
PLAN = SnapshotPlan(
    score=date(2024, 6, 1),
    horizon_days=90,
    lead_days=0,
    judged_days=90,
    test=TEST,
    training=(),
    labelled=(),
    first_day=date(2022, 1, 1),
)
OTHER = {"recipe": {**RECIPE, "seed": 8}}


def foretold(*, noise: float = 0.0, n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    logit = rng.normal(size=n)
    churned = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    seen = logit + noise * np.random.default_rng(4).normal(size=n)
    return pd.DataFrame(
        {
            "customer_id": [f"c{number:03d}" for number in range(n)],
            "p_churn": 1 / (1 + np.exp(-seen)),
            "churned": churned,
            "expected_revenue": 10 * np.exp(-seen),
            "revenue": (1 - churned) * rng.gamma(2, 10, n),
        }
    )


@pytest.fixture(scope="module")
def challenger() -> Bundle:
    return made(11)


@pytest.fixture(scope="module")
def champion() -> Bundle:
    return made(12)


def compared(challenger: Bundle, champion: Bundle, workspace: Workspace, plan: SnapshotPlan = PLAN) -> comparison.Comparison:
    return compare(challenger, champion, workspace, plan, TRAIN_SETTINGS, seed=7, progress=silent)


def test_equal_recipes_say_the_same(challenger: Bundle, champion: Bundle, workspace: Workspace) -> None:
    write_judged(foretold(), workspace, as_of=TEST, model_version=challenger.model_version)
    found = compared(challenger, champion, workspace)
    assert (found.spoke, found.as_of, found.days, found.n_customers) == ("same recipe", TEST, 90, 400)
    assert {figure.worse_by for figure in found.figures} == {0.0}
    assert [figure.name for figure in found.figures] == ["auc", "brier", "calibration_error", "ngini", "decmape", "ratio"]


def test_a_champion_judged_on_the_same_window_speaks_through_that_fit(challenger: Bundle, workspace: Workspace) -> None:
    champion = made(13, evidence=OTHER)
    write_judged(foretold(noise=1.5), workspace, as_of=TEST, model_version=challenger.model_version)
    kept = foretold().iloc[:-10]
    write_judged(kept, workspace, as_of=TEST, model_version=champion.model_version)
    found = compared(challenger, champion, workspace)
    assert (found.spoke, found.n_customers) == ("judged fit", 390)
    area = found.figures[0]
    assert area.lower > 0
    assert area.champion > area.challenger


def test_a_champion_older_than_the_window_speaks_for_itself(
    challenger: Bundle, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = made(14, evidence=OTHER, trained_as_of=TEST)
    features = histories(n_customers=400, seed=5)
    features["customer_id"] = [f"c{number:03d}" for number in range(400)]
    features[["spend", "historic_value", "last_gap_days"]] = 1.0
    monkeypatch.setattr(comparison, "read_features", lambda *_, **__: features)
    write_judged(foretold(), workspace, as_of=TEST, model_version=challenger.model_version)
    found = compared(challenger, champion, workspace)
    assert (found.spoke, found.n_customers) == ("itself", 400)
    money = predict_money(champion, features, as_of=TEST)
    ratio = float((money["expected_orders"] * money["expected_order_value"]).sum()) / foretold()["revenue"].sum()
    assert found.figures[-1].champion == pytest.approx(ratio)


def test_a_champion_that_has_seen_the_window_speaks_through_its_recipe(
    challenger: Bundle, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = replace(made(15, evidence=OTHER), horizon_days=90)
    asked = {}

    def refitted(folder: Path, plan: SnapshotPlan, settings: TrainSettings, kept: Btyd, **_: object) -> pd.DataFrame:
        asked.update(plan=plan, kept=kept)
        return foretold(noise=0.1)

    monkeypatch.setattr(comparison, "foretold_by_recipe", refitted)
    monkeypatch.setattr(comparison.KeptRecipe, "from_state", lambda state, horizon_days: (state["seed"], horizon_days))
    write_judged(foretold(), workspace, as_of=TEST, model_version=challenger.model_version)
    found = compared(challenger, champion, workspace)
    assert found.spoke == "recipe refitted"
    assert asked == {"plan": PLAN, "kept": (8, 90)}


def test_nothing_is_compared_where_the_champion_kept_no_recipe_or_nothing_was_judged(
    challenger: Bundle, workspace: Workspace
) -> None:
    write_judged(foretold(), workspace, as_of=TEST, model_version=challenger.model_version)
    without = compared(challenger, made(16, evidence={"recipe": None}), workspace)
    assert (without.figures, "kept no recipe" in without.why_not) == ((), True)
    unjudged = compared(made(17, evidence={"test": None}), challenger, workspace)
    assert (unjudged.figures, "history is too short" in unjudged.why_not) == ((), True)


def test_features_made_anew_matter_only_where_the_champion_is_heard_by_them(
    challenger: Bundle, champion: Bundle, workspace: Workspace
) -> None:
    later = replace(PLAN, test=date(2024, 4, 3))
    with pytest.raises(MissingOutputError, match=r"judged.*does not exist yet. Run `cvm train`"):
        compared(challenger, champion, workspace)
    workspace.judged_of(TEST, challenger.model_version).parent.mkdir(parents=True)
    workspace.judged_of(TEST, challenger.model_version).write_text("mine")
    with pytest.raises(MissingOutputError, match=r"is damaged. Run `cvm train`"):
        compared(challenger, champion, workspace)
    write_judged(foretold(), workspace, as_of=TEST, model_version=challenger.model_version)
    assert compared(challenger, champion, workspace, later).spoke == "same recipe"
    other = made(18, evidence=OTHER)
    for heard in (other, replace(champion, trained_as_of=TEST)):
        with pytest.raises(MissingOutputError, match=r"judged at 2024-03-03 over 90 days.*made anew since.*cvm train"):
            compared(challenger, heard, workspace, later)
    write_judged(foretold(), workspace, as_of=TEST, model_version=other.model_version)
    assert compared(challenger, other, workspace, later).spoke == "judged fit"
