from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import shop
from cvm.evaluation import ContactTerms
from cvm.models.churn import BtydChurn
from cvm.models.clv_blend import fit_blended_value
from cvm.models.contact import judged_decision
from cvm.models.search import Search, Trial
from cvm.models.stage import Trained
from cvm.models.training import Recipe, judge
from cvm.stages.train import logged_params
from cvm.tracking.training_run import _curves, _decision_metrics, _flat, _model_params, _trial_runs
from simulated import bundle, sample


def test_a_booster_is_recorded_with_the_settings_it_was_fitted_with() -> None:
    tuned = {"num_leaves": 4, "num_threads": 1}
    part = sample(n_customers=300, seed=1)
    model = fit_blended_value([part], part.ahead, columns=["noise"], settings=tuned, seed=1).model
    recorded = _model_params(model, tuned)
    assert (recorded["num_leaves"], recorded["learning_rate"]) == (4, 0.05)
    assert recorded["spends.rounds"] == model.spends.rounds
    assert recorded["free.columns"] == 1
    assert recorded["weight"] == model.weight
    assert recorded["floor"] == model.floor


def test_a_baseline_is_recorded_with_nothing_of_the_boosters() -> None:
    assert _model_params(BtydChurn(), {"num_leaves": 4}) == {}


def test_the_salt_that_ids_are_hashed_with_is_never_recorded(tmp_path: Path) -> None:
    params = shop.params_for(tmp_path, campaigns={"salt": "my own secret"})
    recorded = dict(_flat(logged_params(params)))
    assert not any("salt" in name or "my own secret" in value for name, value in recorded.items())
    assert recorded["campaigns.outcome_days"] == str(params.campaigns.outcome_days)


def test_every_trial_of_tuning_is_a_run_of_its_own() -> None:
    trials = (Trial({"num_leaves": 15}, (0.2, 0.3), False, 2.5), Trial({"num_leaves": 63}, (0.5,), True, 1.0))
    first, second = _trial_runs([Search("churn", "Brier score", trials, wanted=2)])
    assert (first.name, second.name) == ("tune churn: trial 0", "tune churn: trial 1")
    assert first.params == {"num_leaves": 15}
    assert first.metrics == {"loss": 0.25, "seconds": 2.5, "folds": 2}
    assert first.tags == {"metric": "Brier score", "state": "complete"}
    assert second.tags["state"] == "pruned"


def test_words_of_the_user_are_recorded_as_one_text_where_the_store_could_not_take_them_for_names() -> None:
    business = {
        "margin_rate": 0.3,
        "margin_rate_by_category": {"tea & coffee": 0.2},
        "unit_costs": {"per_event": {"call": 4.0}},
    }
    assert dict(_flat({"business": business})) == {
        "business.margin_rate": "0.3",
        "business.margin_rate_by_category": "{'tea & coffee': 0.2}",
        "business.unit_costs.per_event.call": "4.0",
    }


def judged_once() -> Trained:
    test = sample(n_customers=300, seed=2)
    judged = judge([], test, Recipe(("noise",), seed=1, horizon_days=90), progress=lambda _: None)
    decision = judged_decision(test, judged.p_churn["BTYD"], margin_rate=0.4, terms=ContactTerms(0.5, 0.1))
    return Trained(bundle(), judged, test, [], [], decision)


def test_every_candidate_keeps_its_curves_and_the_winner_what_a_contact_brings() -> None:
    trained = judged_once()
    assert trained.judged is not None
    (model,) = trained.judged.churn_models
    curves = dict(_curves(model, trained.judged, trained))
    assert set(curves) == {"reliability", "lift", "contact_profit"}
    assert sum(curves["reliability"]["n_customers"]) == 300
    assert set(dict(_curves(model, trained.judged, replace(trained, decision=None)))) == {"reliability", "lift"}


def test_ways_to_choose_whom_to_contact_are_metrics() -> None:
    trained = judged_once()
    assert trained.decision is not None
    metrics = dict(_decision_metrics(trained.decision))
    assert metrics["contact.everybody.share"] == 1
    assert metrics["contact.threshold"] == trained.decision.threshold
    assert metrics["contact.by_customer.profit"] == trained.decision.by_customer.profit
    assert "contact.threshold" not in dict(_decision_metrics(replace(trained.decision, threshold=None)))
    assert dict(_decision_metrics(None)) == {}
