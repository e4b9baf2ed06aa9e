from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from cvm.models.btyd import BTYD_COLUMNS
from cvm.models.churn import BtydChurn, ChurnFactorRule, RecencyRule
from cvm.models.churn_blend import BlendedChurn
from cvm.models.clv import BtydValue, NaiveRate
from cvm.models.clv_blend import BlendedValue
from cvm.models.training import (
    CHURN_METRICS,
    VALUE_METRICS,
    Recipe,
    churn_metrics,
    fit_churn_models,
    fit_value_models,
    fit_winners,
    judge,
    value_metrics,
)
from simulated import sample, silent

ONE_THREAD = {"num_threads": 1}
RECIPE = Recipe(
    columns=("n_orders", "recency_days", "noise", "colour"),
    seed=3,
    horizon_days=90,
    churn_settings=ONE_THREAD,
    value_settings=ONE_THREAD,
)
AHEAD = sample(n_customers=300, seed=9, as_of=date(2024, 9, 1)).ahead


@pytest.fixture(scope="module")
def training():
    return [sample(n_customers=600, seed=seed, as_of=date(2024, seed, 1)) for seed in (1, 2)]


@pytest.fixture(scope="module")
def test():
    return sample(n_customers=600, seed=8, as_of=date(2024, 6, 1))


@pytest.fixture(scope="module")
def judged(training, test):
    return judge(training, test, RECIPE, progress=silent)


def names(models):
    return [model.name for model in models]


def models_of(candidates):
    return [candidate.model for candidate in candidates]


def texts(model):
    return {part: boosted.text for part, boosted in model.boosters.items()}


def rounds(model):
    return {part: boosted.rounds for part, boosted in model.boosters.items()}


def subset(part, mask):
    return replace(
        part, features=part.features[mask].reset_index(drop=True), n_orders=part.n_orders[mask], revenue=part.revenue[mask]
    )


def empty(part):
    return subset(part, np.zeros(len(part.n_orders), dtype=bool))


class TestCandidates:
    def test_baselines_come_first(self, judged):
        assert names(judged.churn_models) == ["recency rule", "churn factor", "BTYD", "blended LightGBM"]
        assert names(judged.value_models) == ["naive rate", "BTYD", "blended LightGBM"]

    def test_without_samples_only_what_needs_no_outcome_remains(self):
        assert names(fit_churn_models([], AHEAD, RECIPE, progress=silent)) == ["BTYD"]
        assert names(models_of(fit_value_models([], AHEAD, RECIPE, progress=silent))) == ["naive rate", "BTYD"]

    @pytest.mark.parametrize("n_of_the_rarer_kind", [0, 49])
    @pytest.mark.parametrize("rarer_is_churn", [True, False])
    def test_too_few_of_one_kind_teach_no_churn_booster(self, training, n_of_the_rarer_kind, rarer_is_churn):
        n_orders = np.full(600, 0.0 if not rarer_is_churn else 1.0)
        n_orders[:n_of_the_rarer_kind] = 1.0 if not rarer_is_churn else 0.0
        models = fit_churn_models([replace(training[0], n_orders=n_orders)], AHEAD, RECIPE, progress=silent)
        assert names(models) == ["recency rule", "churn factor", "BTYD"]
        for model in models:
            p = model.p_churn(training[0].features)
            assert ((p >= 0) & (p <= 1)).all()

    def test_too_little_revenue_teaches_no_value_booster(self, training):
        revenue = np.where(np.arange(600) < 49, 20.0, 0.0)
        models = fit_value_models([replace(training[0], revenue=revenue)], AHEAD, RECIPE, progress=silent)
        assert names(models_of(models)) == ["naive rate", "BTYD"]

    def test_snapshots_without_customers_or_without_revenue_are_passed_over(self, training):
        nothing = empty(training[1])
        no_revenue = replace(training[1], n_orders=np.zeros(600), revenue=np.zeros(600))
        alone = fit_churn_models(training[:1], AHEAD, RECIPE, progress=silent)
        joined = fit_churn_models([training[0], nothing], AHEAD, RECIPE, progress=silent)
        assert [model.state() for model in joined] == [model.state() for model in alone]
        alone = fit_value_models(training[:1], AHEAD, RECIPE, progress=silent)
        joined = fit_value_models([nothing, training[0], no_revenue], AHEAD, RECIPE, progress=silent)
        assert names(models_of(joined)) == names(models_of(alone))
        assert texts(joined[-1].model) == texts(alone[-1].model)

    def test_snapshots_without_any_customer_are_like_none(self, training):
        assert names(fit_churn_models([empty(part) for part in training], AHEAD, RECIPE, progress=silent)) == ["BTYD"]

    def test_trees_are_offered_the_catalogue_and_btyds_quantities(self, judged):
        assert RECIPE.offered == [*RECIPE.columns, *BTYD_COLUMNS]
        assert set(judged.churn_models[-1].free.encoder.columns) == set(RECIPE.offered)

    def test_progress_tells_what_takes_long(self, training):
        said = []
        fit_churn_models(training, AHEAD, RECIPE, progress=said.append)
        fit_value_models(training, AHEAD, RECIPE, progress=said.append)
        assert said == ["churn: blended LightGBM", "CLV: blended LightGBM"]


class TestJudge:
    def test_the_lowest_brier_score_and_the_lowest_deviance_win(self, judged):
        judgement = judged.judgement
        assert judgement.churn_winner == min(judgement.churn, key=lambda name: judgement.churn[name]["brier"])
        assert judgement.value_winner == min(judgement.value, key=lambda name: judgement.value[name]["tweedie_deviance"])

    def test_metrics_are_those_of_the_predictions_on_the_test_snapshot(self, judged, test):
        for model in judged.churn_models:
            np.testing.assert_array_equal(judged.p_churn[model.name], model.p_churn(test.features))
            assert judged.judgement.churn[model.name] == churn_metrics(test.churned, judged.p_churn[model.name])
        for model in judged.value_models:
            np.testing.assert_array_equal(judged.revenue[model.name], model.expected_revenue(test.features))
            assert judged.judgement.value[model.name] == value_metrics(test.revenue, judged.revenue[model.name])

    def test_what_followed_the_test_snapshot_never_influences_a_fit(self, training, test, judged):
        shuffled = np.random.default_rng(1).permutation(600)
        other = replace(test, n_orders=3 * test.n_orders[shuffled], revenue=5 * test.revenue[shuffled])
        again = judge(training, other, RECIPE, progress=silent)
        for before, after in zip(
            [*judged.churn_models, *judged.value_models], [*again.churn_models, *again.value_models], strict=True
        ):
            assert before.state() == after.state()
        assert texts(judged.churn_models[-1]) == texts(again.churn_models[-1])
        assert texts(judged.value_models[-1]) == texts(again.value_models[-1])

    def test_without_training_the_baselines_are_judged(self, test):
        judged = judge([], test, RECIPE, progress=silent)
        assert judged.judgement.churn_winner == "BTYD"
        assert set(judged.judgement.value) == {"naive rate", "BTYD"}

    def test_a_test_window_without_revenue_leaves_btyd(self, training, test):
        quiet = replace(test, n_orders=np.zeros(600), revenue=np.zeros(600))
        judgement = judge(training, quiet, RECIPE, progress=silent).judgement
        assert judgement.value_winner == "BTYD"
        assert all(math.isnan(value) for metrics in judgement.value.values() for value in metrics.values())
        # Churn can be judged all the same: it happened to everybody.
        assert all(math.isfinite(metrics["brier"]) for metrics in judgement.churn.values())

    def test_a_test_snapshot_without_customers_leaves_btyd(self, training, test):
        judgement = judge(training, empty(test), RECIPE, progress=silent).judgement
        assert (judgement.churn_winner, judgement.value_winner) == ("BTYD", "BTYD")


class TestForecasts:
    def test_every_candidate_says_what_it_expected_of_rows_it_had_not_learned_from(self, training, judged):
        actual = np.concatenate([part.revenue for part in training])
        for candidate in judged.value_candidates:
            np.testing.assert_array_equal(candidate.out_of_fold.actual, actual)
            assert candidate.out_of_fold.expected.shape == actual.shape
        rule = judged.value_candidates[1]
        expected = np.concatenate([rule.model.expected_revenue(part.features) for part in training])
        np.testing.assert_array_equal(rule.out_of_fold.expected, expected)

    def test_the_winning_candidate_is_the_winner(self, judged):
        assert judged.winning_candidate.model is judged.winners[1]


class TestMetrics:
    def test_names_are_fixed(self, judged):
        assert tuple(judged.judgement.churn["BTYD"]) == tuple(CHURN_METRICS)
        assert tuple(judged.judgement.value["BTYD"]) == tuple(VALUE_METRICS)
        assert tuple(value_metrics(np.zeros(3), np.ones(3))) == tuple(VALUE_METRICS)

    def test_a_perfect_prediction_has_the_best_of_each(self):
        churned = np.repeat([0.0, 1.0], [60, 40])
        metrics = churn_metrics(churned, churned)
        assert metrics["auc"] == metrics["average_precision"] == 1.0
        assert metrics["brier"] == metrics["calibration_error"] == 0.0
        assert metrics["lift_top_decile"] == pytest.approx(2.5)
        assert metrics["mean_predicted"] == metrics["mean_actual"] == 0.4
        revenue = np.random.default_rng(1).gamma(0.5, 50, 100)
        perfect = value_metrics(revenue, revenue)
        assert [perfect[name] for name in ("ratio", "ngini", "spearman")] == pytest.approx([1.0, 1.0, 1.0])
        assert perfect["mae"] == perfect["rmse"] == perfect["decmape"] == 0.0
        assert perfect["tweedie_deviance"] == pytest.approx(0.0, abs=1e-9)


def whim(part):
    """The same customers; who comes back and what they spend has nothing to do with what BTYD says of them.

    BTYD is sure that all are lost, and expects ten times what the past would let expect.
    """
    rng = np.random.default_rng(part.as_of.month)
    features = part.features.assign(btyd_p_no_order=0.999)
    naive = NaiveRate(90).expected_revenue(features)
    features["btyd_expected_orders"] = rng.permutation(10 * naive) / features["btyd_expected_order_value"]
    return replace(part, features=features, n_orders=(rng.random(600) < 0.6).astype(float), revenue=naive)


class TestWinners:
    def test_a_baseline_that_wins_is_what_gets_promoted(self, training, test):
        samples = [whim(part) for part in training]
        judgement = judge(samples, whim(test), RECIPE, progress=silent).judgement
        assert judgement.churn_winner in {"recency rule", "churn factor"}
        assert judgement.value_winner == "naive rate"
        churn, value = fit_winners(
            samples, AHEAD, RECIPE, churn=RecencyRule.fit(samples), value=NaiveRate(10), progress=silent
        )
        assert isinstance(churn, RecencyRule)
        assert churn.p_churn(test.features).mean() == pytest.approx(0.4, abs=0.05)
        assert value == NaiveRate(90)

    def test_the_winner_is_fitted_again_on_the_samples_at_hand(self, training, test, judged):
        churn, value = fit_winners(
            [*training, test], AHEAD, RECIPE, churn=judged.churn_models[-1], value=judged.value_models[-1], progress=silent
        )
        assert isinstance(churn, BlendedChurn)
        assert isinstance(value, BlendedValue)
        assert texts(churn) != texts(judged.churn_models[-1])
        assert texts(value) != texts(judged.value_models[-1])

    def test_the_judged_models_of_the_winners_names_are_the_winners(self, judged):
        churn, value = judged.winners
        assert churn.name == judged.judgement.churn_winner
        assert value.name == judged.judgement.value_winner
        assert any(churn is model for model in judged.churn_models)
        assert any(value is model for model in judged.value_models)

    def test_a_booster_keeps_the_rounds_and_the_confidence_it_was_judged_with(self, training, test, judged):
        before = judged.churn_models[-1], judged.value_models[-1]
        said = []
        after = fit_winners([*training, test], AHEAD, RECIPE, churn=before[0], value=before[1], progress=said.append)
        assert [rounds(model) for model in after] == [rounds(model) for model in before]
        assert after[0].scales == before[0].scales
        assert after[1].weight == before[1].weight
        assert said == ["churn: final fit", "CLV: final fit"]

    def test_a_churn_factor_is_fitted_again(self, training, test):
        churn, _ = fit_winners(
            [test], AHEAD, RECIPE, churn=ChurnFactorRule.fit(training), value=BtydValue(), progress=silent
        )
        assert churn == ChurnFactorRule.fit([test])

    def test_btyd_needs_no_fit(self, training):
        said = []
        churn, value = fit_winners(training, AHEAD, RECIPE, churn=BtydChurn(), value=BtydValue(), progress=said.append)
        assert (churn, value) == (BtydChurn(), BtydValue())
        assert said == []

    def test_a_naive_rate_counts_the_window_of_the_final_fit(self, training):
        recipe = replace(RECIPE, horizon_days=181)
        _, value = fit_winners(training, AHEAD, recipe, churn=BtydChurn(), value=NaiveRate(10), progress=silent)
        assert value == NaiveRate(181)

    def test_samples_that_cannot_teach_the_winner_leave_btyd(self, training, judged):
        few = [subset(part, np.arange(600) < 20) for part in training]
        for samples in ([], few):
            churn, value = fit_winners(
                samples, AHEAD, RECIPE, churn=judged.churn_models[-1], value=judged.value_models[-1], progress=silent
            )
            assert (churn, value) == (BtydChurn(), BtydValue())
