from __future__ import annotations

import json
from dataclasses import replace
from math import exp, log

import numpy as np
import pandas as pd
import pytest

from cvm.evaluation import area_under_roc, brier_score
from cvm.models.churn import (
    CHURN_BASELINES,
    BtydChurn,
    ChurnFactorRule,
    RecencyRule,
    baseline_from_state,
)
from simulated import sample


@pytest.fixture(scope="module")
def samples():
    return [sample(n_customers=800, seed=seed) for seed in (1, 2)]


def with_outcome(samples, n_orders):
    return [replace(part, n_orders=np.full(len(part.n_orders), float(n_orders))) for part in samples]


class TestBaselines:
    @pytest.mark.parametrize("name", CHURN_BASELINES)
    def test_each_comes_back_from_a_bundle_by_its_name(self, samples, name):
        fitted = CHURN_BASELINES[name].fit(samples)
        assert fitted.name == name
        assert baseline_from_state(name, json.loads(json.dumps(fitted.state()))) == fitted

    def test_a_rule_is_a_logistic_curve_of_the_logarithm(self):
        rule = RecencyRule(intercept=-2.0, slope=0.5, rate_without_score=0.3)
        p = rule.p_churn(pd.DataFrame({"recency_days": [0.0, 99.0]}))
        np.testing.assert_allclose(p, [1 / (1 + exp(2)), 1 / (1 + exp(2 - 0.5 * log(100)))])

    @pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
    def test_who_has_no_score_gets_exactly_the_rate_of_those_without(self, rate):
        rule = ChurnFactorRule(intercept=0.0, slope=1.0, rate_without_score=rate)
        p = rule.p_churn(pd.DataFrame({"recency_over_mean_gap": [np.nan, 0.0]}))
        np.testing.assert_array_equal(p, [rate, 0.5])

    @pytest.mark.parametrize("fit", [RecencyRule.fit, ChurnFactorRule.fit])
    def test_a_rule_is_right_on_average_and_better_than_chance(self, samples, fit):
        rule = fit(samples)
        churned = np.concatenate([part.churned for part in samples])
        p = np.concatenate([rule.p_churn(part.features) for part in samples])
        assert p.mean() == pytest.approx(churned.mean(), abs=0.01)
        assert rule.slope > 0
        assert area_under_roc(churned, p) > 0.6
        assert brier_score(churned, p) < churned.mean() * (1 - churned.mean())

    def test_the_churn_factor_learns_the_rate_of_one_time_buyers_apart(self, samples):
        rule = ChurnFactorRule.fit(samples)
        once = np.concatenate([part.churned[part.features["n_orders"] == 1] for part in samples])
        assert rule.rate_without_score == pytest.approx(once.mean())

    @pytest.mark.parametrize("fit", [RecencyRule.fit, ChurnFactorRule.fit])
    @pytest.mark.parametrize(("n_orders", "rate"), [(0, 1.0), (1, 0.0)])
    def test_where_everybody_or_nobody_churns_the_rule_says_so(self, samples, fit, n_orders, rate):
        rule = fit(with_outcome(samples, n_orders))
        np.testing.assert_allclose(rule.p_churn(samples[0].features), rate, atol=1e-5)

    def test_a_base_of_one_time_buyers_has_a_churn_factor_rule_of_their_rate(self, samples):
        once = samples[0].features["n_orders"].to_numpy() == 1
        features = samples[0].features[once].reset_index(drop=True)
        part = replace(samples[0], features=features, n_orders=samples[0].n_orders[once], revenue=samples[0].revenue[once])
        p = ChurnFactorRule.fit([part]).p_churn(features)
        np.testing.assert_allclose(p, part.churned.mean())

    def test_btyd_is_passed_on_unchanged(self, samples):
        features = samples[0].features
        np.testing.assert_array_equal(BtydChurn().p_churn(features), features["btyd_p_no_order"])


class TestState:
    def test_every_rule_survives_json(self, samples):
        features = samples[0].features
        for model in (BtydChurn(), RecencyRule.fit(samples), ChurnFactorRule.fit(samples)):
            state = json.loads(json.dumps(model.state(), allow_nan=False))
            rebuilt = baseline_from_state(model.name, state)
            assert type(rebuilt) is type(model)
            assert not rebuilt.boosters
            np.testing.assert_array_equal(rebuilt.p_churn(features), model.p_churn(features))

    def test_an_unknown_name_is_refused(self):
        with pytest.raises(KeyError, match="crystal ball"):
            baseline_from_state("crystal ball", {})
