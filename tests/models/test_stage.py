from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cvm.errors import FeatureMismatchError, InsufficientDataError, LeakageError
from cvm.evaluation import ContactTerms
from cvm.features.catalogue import Feature
from cvm.features.files import CATALOGUE_FILE, NOTES_FILE, features_file, outcome_file, read_features, treatments_file
from cvm.features.snapshots import SnapshotPlan
from cvm.models.rejudged import KeptRecipe, foretold_by_recipe
from cvm.models.stage import train
from cvm.scoring.score import predict_money
from simulated import FEATURES, TRAIN_SETTINGS, histories, silent

TODAY, TEST = date(2024, 6, 1), date(2024, 3, 1)
TRAINING = (date(2023, 12, 1), date(2023, 11, 1))
PLAN = SnapshotPlan(
    score=TODAY,
    horizon_days=90,
    lead_days=0,
    judged_days=90,
    test=TEST,
    training=TRAINING,
    labelled=(TEST, *TRAINING),
    first_day=min(TRAINING) - timedelta(days=60),
)
# History too short for boosters: the test snapshot alone is judged, over fewer days.
SHORT = replace(PLAN, judged_days=60, training=(), labelled=())
UNPROVEN = replace(SHORT, judged_days=0, test=None)


def write_snapshots(folder: Path, *, margin_rate=0.4, n_customers=300, nobody_returns=False, leak=False) -> Path:
    catalogue = [Feature(name, "", "orders", "units", "As it says.", kind=kind) for name, kind, _ in FEATURES]
    (folder / CATALOGUE_FILE).write_text(json.dumps([asdict(feature) for feature in catalogue]))
    for number, as_of in enumerate(PLAN.as_of):
        rng = np.random.default_rng(number)
        frame = histories(n_customers=n_customers, seed=number)
        repeat = frame["n_orders"] > 1
        gap = (frame["tenure_days"] - frame["recency_days"]) / (frame["n_orders"] - 1).where(repeat)
        spend = frame["n_orders"] * frame["mean_order_value"]
        features = frame.drop(columns=["orders_in_window", "revenue_in_window"]).assign(
            as_of=str(as_of),
            spend=spend,
            historic_value=margin_rate * spend,
            last_gap_days=gap,
            recency_over_mean_gap=frame["recency_days"] / gap,
            noise=frame["revenue_in_window"] if leak else rng.normal(size=n_customers),
            colour=rng.choice(["red", "green"], n_customers),
        )
        outcome = frame[["customer_id", "orders_in_window", "revenue_in_window"]]
        outcome = outcome.set_axis(["customer_id", "n_orders", "revenue"], axis=1)
        outcome = outcome[outcome["n_orders"] > (np.inf if nobody_returns else 0)]
        features_file(folder, as_of).parent.mkdir()
        features.to_parquet(features_file(folder, as_of), index=False)
        for days in (60, 90):
            outcome.to_parquet(outcome_file(folder, as_of, days), index=False)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_snapshots(tmp_path_factory.mktemp("features"))


def trained(folder, plan=PLAN, *, progress=silent, studies=None, **changes):
    return train(
        folder,
        plan,
        replace(TRAIN_SETTINGS, **changes),
        fingerprint="of a test",
        predictions_of=lambda bundle, features: predict_money(bundle, features, as_of=TODAY),
        progress=progress,
        studies=studies,
    )


@pytest.fixture(scope="module")
def result(folder):
    return trained(folder)


class TestBundle:
    def test_it_carries_the_windows_and_the_business(self, result):
        bundle = result.bundle
        assert (bundle.trained_as_of, bundle.horizon_days, bundle.lead_days, bundle.clv_days) == (TODAY, 90, 0, 365)
        assert (bundle.currency, bundle.discount_rate_per_year, bundle.active_days) == ("EUR", 0.1, 365)

    def test_it_names_its_features_and_which_of_them_it_requires(self, result):
        assert tuple((f.name, f.kind, f.required) for f in result.bundle.features) == FEATURES

    def test_its_margin_rate_is_that_of_the_whole_history(self, result):
        assert result.bundle.margin_rate == pytest.approx(0.4)

    def test_its_tiers_are_cut_at_todays_clv(self, result, folder):
        today = result.bundle
        clv = predict_money(today, read_features(folder, TODAY), as_of=TODAY)["clv"].to_numpy()
        assert np.mean(clv >= today.value_cuts.tiers[0]) == pytest.approx(0.05, abs=0.005)
        assert today.value_cuts.percentiles[-1] == clv.max()

    def test_it_holds_the_interval_of_the_total_and_what_it_rests_on(self, result):
        found = result.bundle.evidence["portfolio"]
        assert found["clv"]["lower"] < 1 < found["clv"]["upper"]
        # Windows of 90 days from 1 November, 1 December and 1 March: 120 days in one stretch and 90 in another.
        assert found["windows_seen"] == pytest.approx((120 + 90) / 90)

    def test_its_evidence_is_json_and_says_what_it_rests_on(self, result):
        evidence = json.loads(json.dumps(result.bundle.evidence, allow_nan=False))
        assert evidence["test"] == "2024-03-01"
        assert evidence["training"] == ["2023-12-01", "2023-11-01"]
        assert evidence["judged_days"] == 90
        assert evidence["data_fingerprint"] == "of a test"
        assert evidence["n_customers"] == 300
        assert set(evidence["versions"]) == {"cvm", "lightgbm", "numpy", "pandas", "scipy"}
        assert evidence["judgement"]["churn"]["BTYD"] == result.judged.judgement.churn["BTYD"]

    def test_its_evidence_says_which_btyd_family_was_chosen_and_why(self, result):
        choice = result.bundle.evidence["btyd_family"]
        assert choice["family"] == min(choice["losses"], key=choice["losses"].get) == result.bundle.btyd.process.family
        assert sum(note.startswith(f"BTYD family: {result.bundle.btyd.process.label}") for note in result.notes) == 1

    @pytest.mark.parametrize("family", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
    def test_a_family_named_in_the_params_is_not_compared(self, folder, family):
        result = trained(folder, UNPROVEN, family=family)
        assert result.bundle.btyd.process.family == family
        assert result.bundle.evidence["btyd_family"]["losses"] == {}
        assert any(note.endswith("by btyd.family in params.yaml.") for note in result.notes)

    def test_training_twice_gives_the_same_bundle(self, result, folder):
        assert trained(folder).bundle.model_version == result.bundle.model_version

    def test_the_winners_of_the_judgement_are_in_it(self, result):
        assert result.bundle.churn.name == result.judged.judgement.churn_winner
        assert result.bundle.value.name == result.judged.judgement.value_winner

    def test_a_baseline_that_wins_is_said_to_have_won(self, result):
        winners = (result.judged.judgement.churn_winner, result.judged.judgement.value_winner)
        for what, winner in zip(("churn", "CLV"), winners, strict=True):
            said = [note for note in result.notes if note.startswith(f"For {what} the baseline {winner!r} beat the booster")]
            assert len(said) == (winner != "blended LightGBM")


class TestShortHistory:
    def test_without_training_snapshots_btyd_is_what_there_is(self, folder):
        result = trained(folder, SHORT)
        assert (result.bundle.churn.name, result.bundle.value.name) == ("BTYD", "BTYD")
        assert result.judged is not None
        assert "History is shorter than two outcome windows (2 x 90 days)" in result.notes[0]
        assert result.notes[1].startswith("Models were judged over 60 days instead of 90")
        assert result.bundle.prospects.n_customers == 0

    def test_without_a_test_snapshot_the_scores_are_unproven(self, folder):
        result = trained(folder, UNPROVEN)
        assert result.judged is None
        assert result.test is None
        assert any("the scores are unproven" in note for note in result.notes)
        assert result.bundle.evidence["judgement"] is None
        assert result.bundle.evidence["test"] is None


class TestOddHistory:
    def test_a_base_that_never_returns_is_left_to_the_baselines_and_its_metrics_are_null(self, tmp_path):
        result = trained(write_snapshots(tmp_path, n_customers=200, nobody_returns=True))
        assert result.bundle.value.name == "BTYD"
        assert any("too few outcomes of one kind" in note for note in result.notes)
        judgement = json.loads(json.dumps(result.bundle.evidence, allow_nan=False))["judgement"]
        assert judgement["value"]["BTYD"]["ratio"] is None
        assert judgement["churn"]["BTYD"]["auc"] is None

    def test_a_base_that_spent_nothing_net_keeps_revenue_for_margin(self, tmp_path):
        folder = write_snapshots(tmp_path, n_customers=200)
        today = read_features(folder, TODAY).assign(spend=0.0, historic_value=0.0)
        today.to_parquet(features_file(folder, TODAY), index=False)
        result = trained(folder, UNPROVEN)
        assert result.bundle.margin_rate == 1.0
        assert "Net spend so far is 0 EUR: no margin can be told from it" in result.notes[-1]

    def test_a_base_that_costs_more_than_it_brings_keeps_its_ranking_and_no_worth(self, tmp_path):
        folder = write_snapshots(tmp_path, n_customers=200, margin_rate=-0.2)
        result, today = trained(folder, UNPROVEN), read_features(folder, TODAY)
        clv = predict_money(result.bundle, today, as_of=TODAY)["clv"].to_numpy()
        assert 0 < result.bundle.margin_rate <= 1e-4
        assert np.isfinite(clv).all()
        assert (clv >= 0).all()
        assert len(np.unique(result.bundle.value_cuts.tiers)) == 3
        assert re.search(r"Customers have cost more than they brought: .* is -[\d,]+ EUR on net spend", result.notes[-1])
        assert result.bundle.evidence["notes"] == result.notes

    def test_what_the_features_stage_warned_of_is_kept_in_the_evidence(self, tmp_path):
        folder = write_snapshots(tmp_path, n_customers=200)
        (folder / NOTES_FILE).write_text('["Returns of orders that the data does not hold: 2."]')
        result = trained(folder, UNPROVEN)
        assert result.bundle.evidence["notes"] == ["Returns of orders that the data does not hold: 2.", *result.notes]

    @pytest.mark.parametrize("eligible_days", [1, 60])
    def test_eligible_days_bound_who_teaches(self, folder, eligible_days):
        result = trained(folder, eligible_days=eligible_days)
        assert (result.test.features["recency_days"] <= eligible_days).all()
        assert result.bundle.eligible_days == eligible_days


class TestTreatedWindows:
    """Campaigns treated every second customer in each outcome window, and held every fifth out."""

    @pytest.fixture
    def folder(self, tmp_path):
        write_snapshots(tmp_path)
        for as_of, days in PLAN.outcomes:
            ids = read_features(tmp_path, as_of)["customer_id"]
            number = np.arange(len(ids))
            drawn = pd.DataFrame({"customer_id": ids, "is_treated": number % 2 == 0})[(number % 2 == 0) | (number % 5 == 0)]
            drawn.to_parquet(treatments_file(tmp_path, as_of, days), index=False)
        return tmp_path

    def test_the_treated_neither_teach_nor_judge_and_the_run_says_so(self, folder):
        found = trained(folder, treated="exclude")
        assert len(found.test.churned) == 150
        assert any("450 of 900 customers (50%) of 3 snapshots neither teach nor judge" in note for note in found.notes)
        assert found.bundle.evidence["notes"] == found.notes
        assert found.bundle.evidence["n_customers"] == 300

    def test_a_holdout_that_is_too_small_is_refused(self, folder):
        with pytest.raises(InsufficientDataError, match=r"control_only leaves 30 customers.*2024-03-01: 30 of 300"):
            trained(folder, treated="control_only")

    def test_including_all_reads_no_ledger(self, folder):
        for as_of, days in PLAN.outcomes:
            treatments_file(folder, as_of, days).unlink()
        assert len(trained(folder).test.churned) == 300


class TestContactDecision:
    def test_without_a_cost_there_is_none(self, result):
        assert result.decision is None
        assert result.bundle.evidence["contact"] is None

    def test_with_a_cost_it_is_judged_on_the_test_snapshot_and_kept_in_the_bundle(self, folder, result):
        found = trained(folder, contact=ContactTerms(cost=0.5, save_rate=0.1))
        kept = found.bundle.evidence["contact"]
        assert kept["n_customers"] == len(found.test.churned)
        assert kept["threshold"] == found.decision.threshold
        assert kept["by_customer"]["profit"] >= 0
        assert found.bundle.churn.state() == result.bundle.churn.state()

    def test_where_nothing_can_be_judged_there_is_none(self, folder):
        assert trained(folder, UNPROVEN, contact=ContactTerms(cost=0.5, save_rate=0.1)).decision is None


class TestProgress:
    def test_what_takes_long_is_told(self, folder):
        said = []
        trained(folder, progress=said.append)
        assert said[:3] == ["BTYD family: BG/NBD", "BTYD family: MBG/NBD", "BTYD family: Pareto/NBD"]
        assert said[3] == "BTYD on today's histories"
        assert "reading 2 training snapshots and the test of 2024-03-01" in said
        assert "CLV: blended LightGBM" in said

    def test_settings_are_tuned_before_the_judgement_if_asked_for(self, folder):
        said = []
        trained(folder, progress=said.append, trials=1)
        assert said.index("churn: trial 1 of 1") < said.index("churn: blended LightGBM")
        assert "CLV: trial 1 of 1" in said


def test_tuning_is_noted_kept_as_evidence_and_resumed_without_a_trace(folder, tmp_path):
    plain, file = trained(folder), tmp_path / "tuning" / "studies.db"
    first = trained(folder, trials=2, studies=file)
    again = trained(folder, trials=2, studies=file)
    assert again.bundle.model_version == first.bundle.model_version
    assert sum(note.startswith("Tuning of ") for note in first.notes) == 2
    assert [found["trials"] for found in first.bundle.evidence["tuning"]] == [2, 2]
    assert (plain.searches, plain.bundle.evidence["tuning"]) == ([], [])


class TestLeakageGate:
    def test_a_feature_that_knows_the_outcome_stops_the_training_before_a_booster_is_fitted(self, tmp_path):
        folder, said = write_snapshots(tmp_path, leak=True), []
        with pytest.raises(LeakageError, match=r"'noise' alone tells who churns: AUC 1\.000 on the training snapshots"):
            trained(folder, progress=said.append)
        assert said[-1] == "leakage gate"
        result = trained(folder, decisions={"noise": "exclude"})
        boosters = [*result.judged.churn_models, *result.judged.value_models]
        used = [name for model in boosters for part in model.boosters.values() for name in part.encoder.columns]
        assert "recency_days" in used
        assert "noise" not in used

    def test_a_plan_whose_windows_overlap_is_refused_at_once(self, folder):
        said = []
        with pytest.raises(LeakageError, match="training snapshot 2023-12-01 ends 2024-03-31, after the test one"):
            trained(folder, replace(PLAN, judged_days=121), progress=said.append)
        assert said == []

    def test_a_decision_about_no_feature_is_refused_at_once(self, folder):
        with pytest.raises(FeatureMismatchError, match=r"train\.features names \['nois'\].*did you mean 'noise'"):
            trained(folder, decisions={"nois": "exclude"})


class TestRecipe:
    """What is kept of how a model was made, so that it can be judged again on a window that it has seen by now."""

    def test_fitted_again_before_the_test_it_foretells_what_the_judged_fit_did(self, folder, result):
        kept = KeptRecipe.from_state(result.bundle.evidence["recipe"], horizon_days=PLAN.judged_days)
        again = foretold_by_recipe(folder, PLAN, TRAIN_SETTINGS, kept, progress=silent)
        pd.testing.assert_frame_equal(again, result.foretold, check_exact=False, rtol=1e-9)
        assert again["customer_id"].is_monotonic_increasing
        assert (again["churned"].mean(), again["revenue"].sum()) == pytest.approx(
            (result.test.churned.mean(), result.test.revenue.sum())
        )

    def test_its_state_is_json_and_comes_back(self, result):
        state = result.bundle.evidence["recipe"]
        again = KeptRecipe.from_state(json.loads(json.dumps(state)), horizon_days=90)
        assert again.state() == state
        assert (again.churn, again.value) == (result.bundle.churn.name, result.bundle.value.name)

    def test_features_that_are_gone_are_left_out_and_an_unknown_winner_is_btyd(self, folder, result):
        state = {**result.bundle.evidence["recipe"], "columns": ["gone"], "churn": "of old", "value": "of old"}
        without = replace(PLAN, training=())
        kept = KeptRecipe.from_state(state, horizon_days=PLAN.judged_days)
        assert foretold_by_recipe(folder, without, TRAIN_SETTINGS, kept, progress=silent)["p_churn"].between(0, 1).all()
        with pytest.raises(InsufficientDataError, match=r"before 2024-06-01 is too short for a test snapshot"):
            foretold_by_recipe(folder, UNPROVEN, TRAIN_SETTINGS, kept, progress=silent)
