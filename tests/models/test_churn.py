from __future__ import annotations

import json
from dataclasses import replace
from math import exp, log

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from cvm.evaluation import area_under_roc, brier_score
from cvm.models.churn import (
    AnchoredChurn,
    BtydChurn,
    ChurnFactorRule,
    RecencyRule,
    _anchor,
    _levelled_anchor,
    churn_from_state,
    churn_task,
    fit_anchored_churn,
    fit_churn_factor_rule,
    fit_recency_rule,
)
from simulated import sample

ONE_THREAD = {"num_threads": 1}
# More than there are customers: no tree may split.
NO_SPLIT = {**ONE_THREAD, "min_data_in_leaf": 100_000}
COLUMNS = ["noise", "colour", "recency_days", "btyd_p_no_order"]


@pytest.fixture(scope="module")
def samples():
    return [sample(n_customers=800, seed=seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def anchored(samples):
    return fit_anchored_churn(samples, columns=COLUMNS, settings=ONE_THREAD, seed=1)


def with_outcome(samples, n_orders):
    return [replace(part, n_orders=np.full(len(part.n_orders), float(n_orders))) for part in samples]


class TestBaselines:
    def test_a_rule_is_a_logistic_curve_of_the_logarithm(self):
        rule = RecencyRule("recency_days", intercept=-2.0, slope=0.5, rate_without_score=0.3)
        p = rule.p_churn(pd.DataFrame({"recency_days": [0.0, 99.0]}))
        np.testing.assert_allclose(p, [1 / (1 + exp(2)), 1 / (1 + exp(2 - 0.5 * log(100)))])

    def test_who_has_no_score_gets_the_rate_of_those_without(self):
        rule = ChurnFactorRule("recency_over_mean_gap", intercept=0.0, slope=1.0, rate_without_score=0.3)
        p = rule.p_churn(pd.DataFrame({"recency_over_mean_gap": [np.nan, 0.0]}))
        np.testing.assert_allclose(p, [0.3, 0.5])

    @pytest.mark.parametrize("fit", [fit_recency_rule, fit_churn_factor_rule])
    def test_a_rule_is_right_on_average_and_better_than_chance(self, samples, fit):
        rule = fit(samples)
        churned = np.concatenate([part.churned for part in samples])
        p = np.concatenate([rule.p_churn(part.features) for part in samples])
        assert p.mean() == pytest.approx(churned.mean(), abs=0.01)
        assert rule.slope > 0
        assert area_under_roc(churned, p) > 0.6
        assert brier_score(churned, p) < churned.mean() * (1 - churned.mean())

    def test_the_churn_factor_learns_the_rate_of_one_time_buyers_apart(self, samples):
        rule = fit_churn_factor_rule(samples)
        once = np.concatenate([part.churned[part.features["n_orders"] == 1] for part in samples])
        assert rule.rate_without_score == pytest.approx(once.mean())

    @pytest.mark.parametrize("fit", [fit_recency_rule, fit_churn_factor_rule])
    @pytest.mark.parametrize(("n_orders", "rate"), [(0, 1.0), (1, 0.0)])
    def test_where_everybody_or_nobody_churns_the_rule_says_so(self, samples, fit, n_orders, rate):
        rule = fit(with_outcome(samples, n_orders))
        np.testing.assert_allclose(rule.p_churn(samples[0].features), rate, atol=1e-5)

    def test_a_base_of_one_time_buyers_has_a_churn_factor_rule_of_their_rate(self, samples):
        once = samples[0].features["n_orders"].to_numpy() == 1
        features = samples[0].features[once].reset_index(drop=True)
        part = replace(samples[0], features=features, n_orders=samples[0].n_orders[once], revenue=samples[0].revenue[once])
        p = fit_churn_factor_rule([part]).p_churn(features)
        np.testing.assert_allclose(p, part.churned.mean())

    def test_btyd_is_passed_on_unchanged(self, samples):
        features = samples[0].features
        np.testing.assert_array_equal(BtydChurn().p_churn(features), features["btyd_p_no_order"])


class TestAnchoredChurn:
    @pytest.mark.parametrize("n_active", [1, 200, 799])
    def test_the_anchor_of_a_snapshot_has_its_churn_rate_and_btyds_order(self, samples, n_active):
        n_orders = np.zeros(800)
        n_orders[:n_active] = 1
        part = replace(samples[0], n_orders=n_orders)
        levelled = _levelled_anchor(part)
        assert expit(levelled).mean() == pytest.approx(1 - n_active / 800, abs=1e-9)
        shift = levelled - _anchor(part.features)
        np.testing.assert_allclose(shift, shift[0])

    @pytest.mark.parametrize("n_orders", [0, 1])
    def test_a_snapshot_in_which_all_do_the_same_has_a_finite_anchor(self, samples, n_orders):
        (part,) = with_outcome(samples[:1], n_orders)
        assert np.isfinite(_levelled_anchor(part)).all()

    def test_btyds_certainties_have_a_finite_anchor(self):
        anchor = _anchor(pd.DataFrame({"btyd_p_no_order": [0.0, 0.5, 1.0]}))
        assert np.isfinite(anchor).all()
        assert anchor[1] == 0.0

    def test_with_nothing_to_learn_it_keeps_btyds_level_on_average(self, samples):
        model = fit_anchored_churn(samples, columns=["noise"], settings=NO_SPLIT, seed=1)
        features = samples[0].features
        np.testing.assert_allclose(model.boosted.margin(features), 0.0)
        assert model.slope == pytest.approx(1.0, abs=0.1)
        assert model.p_churn(features).mean() == pytest.approx(features["btyd_p_no_order"].mean(), abs=0.01)

    def test_it_does_not_take_the_season_of_its_training_for_the_level(self, samples):
        # In the training windows almost everybody bought; BTYD expects two thirds to stay away.
        rng = np.random.default_rng(1)
        season = [replace(part, n_orders=np.where(rng.random(800) < 0.7, 1.0, part.n_orders)) for part in samples]
        assert np.mean([part.churned.mean() for part in season]) < 0.3
        model = fit_anchored_churn(season, columns=["noise"], settings=NO_SPLIT, seed=1)
        features = samples[0].features
        # The slope shrinks confidence towards one half, where a season is all there was to see; it adds no shift.
        levelled = expit(model.slope * _anchor(features))
        np.testing.assert_allclose(model.p_churn(features), levelled)
        assert model.p_churn(features).mean() > 0.5

    def test_it_learns_what_btyd_cannot_see(self, samples):
        # Red customers never come back.
        red = [
            replace(part, n_orders=np.where(part.features["colour"] == "red", 0.0, np.maximum(part.n_orders, 1)))
            for part in samples
        ]
        model = fit_anchored_churn(red, columns=COLUMNS, settings={**ONE_THREAD, "learning_rate": 0.3}, seed=1)
        unseen = sample(n_customers=500, seed=3).features
        is_red = (unseen["colour"] == "red").to_numpy()
        p = model.p_churn(unseen)
        assert p[is_red].mean() > p[~is_red].mean() + 0.3

    def test_probabilities_lie_between_0_and_1_and_follow_the_margin(self, anchored, samples):
        features = samples[0].features
        p = anchored.p_churn(features)
        assert ((p > 0) & (p < 1)).all()
        np.testing.assert_allclose(p, expit(anchored.slope * (_anchor(features) + anchored.boosted.margin(features))))

    def test_it_is_deterministic(self, anchored, samples):
        again = fit_anchored_churn(samples, columns=COLUMNS, settings=ONE_THREAD, seed=1)
        assert again.slope == anchored.slope
        assert again.boosted.text == anchored.boosted.text

    def test_trees_start_from_each_snapshots_own_level(self, samples):
        task = churn_task(samples, columns=COLUMNS, settings=ONE_THREAD, seed=1)
        np.testing.assert_array_equal(task.target, np.concatenate([part.churned for part in samples]))
        for part, p in zip(samples, np.split(1 / (1 + np.exp(-task.anchor)), 2), strict=True):
            assert p.mean() == pytest.approx(part.churned.mean())


class TestState:
    def test_every_model_survives_json(self, samples, anchored):
        features = samples[0].features
        for model in (BtydChurn(), fit_recency_rule(samples), fit_churn_factor_rule(samples), anchored):
            state = json.loads(json.dumps(model.state(), allow_nan=False))
            trees = model.boosted.text if isinstance(model, AnchoredChurn) else None
            rebuilt = churn_from_state(model.name, state, trees)
            assert type(rebuilt) is type(model)
            np.testing.assert_array_equal(rebuilt.p_churn(features), model.p_churn(features))

    def test_an_unknown_name_is_refused(self):
        with pytest.raises(KeyError, match="crystal ball"):
            churn_from_state("crystal ball", {}, None)

    def test_a_booster_without_its_trees_is_refused(self, anchored):
        with pytest.raises(KeyError, match="anchored LightGBM"):
            churn_from_state(anchored.name, anchored.state(), None)
