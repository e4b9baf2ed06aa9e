from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cvm.models.clv import VALUE_BASELINES, BtydValue, NaiveRate, value_baseline_from_state
from simulated import sample


@pytest.fixture(scope="module")
def samples():
    return [sample(n_customers=800, seed=seed) for seed in (1, 2)]


class TestBaselines:
    @pytest.mark.parametrize("name", VALUE_BASELINES)
    def test_each_comes_back_from_a_bundle_by_its_name(self, name):
        rule = VALUE_BASELINES[name].over(90)
        assert rule.name == name
        assert value_baseline_from_state(name, json.loads(json.dumps(rule.state()))) == rule

    def test_the_naive_rate_goes_on_as_before(self):
        # 10 orders in 200 days are 4.5 in 90, at 30 each.
        features = pd.DataFrame({"n_orders": [10.0], "tenure_days": [200.0], "mean_order_value": [30.0]})
        assert NaiveRate(90).expected_revenue(features).tolist() == [10 / 200 * 90 * 30]

    def test_the_naive_rate_counts_the_window_it_is_given(self, samples):
        features = samples[0].features
        np.testing.assert_allclose(
            NaiveRate(180).expected_revenue(features), 2 * NaiveRate(90).expected_revenue(features), rtol=1e-12
        )

    def test_btyd_is_orders_times_their_value(self):
        features = pd.DataFrame({"btyd_expected_orders": [0.5, 2.0], "btyd_expected_order_value": [40.0, 10.0]})
        assert BtydValue().expected_revenue(features).tolist() == [20.0, 20.0]


class TestState:
    def test_every_rule_survives_json(self, samples):
        features = samples[0].features
        for model in (BtydValue(), NaiveRate(181)):
            state = json.loads(json.dumps(model.state(), allow_nan=False))
            rebuilt = value_baseline_from_state(model.name, state)
            assert type(rebuilt) is type(model)
            assert not rebuilt.boosters
            np.testing.assert_array_equal(rebuilt.expected_revenue(features), model.expected_revenue(features))

    def test_an_unknown_name_is_refused(self):
        with pytest.raises(KeyError, match="crystal ball"):
            value_baseline_from_state("crystal ball", {})
