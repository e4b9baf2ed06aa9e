from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cvm.models.clv import (
    AnchoredValue,
    BtydValue,
    NaiveRate,
    _btyd_revenue,
    _levelled_anchor,
    fit_anchored_value,
    value_from_state,
    value_task,
)
from simulated import sample

ONE_THREAD = {"num_threads": 1}
# More than there are customers: no tree may split.
NO_SPLIT = {**ONE_THREAD, "min_data_in_leaf": 100_000}
COLUMNS = ["noise", "colour", "recency_days", "n_orders"]


@pytest.fixture(scope="module")
def samples():
    return [sample(n_customers=800, seed=seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def anchored(samples):
    return fit_anchored_value(samples, columns=COLUMNS, settings=ONE_THREAD, seed=1)


class TestBaselines:
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


class TestAnchoredValue:
    def test_the_anchor_of_a_snapshot_has_its_revenue_and_btyds_order(self, samples):
        for part in samples:
            levelled = _levelled_anchor(part, floor=0.01)
            assert np.exp(levelled).sum() == pytest.approx(part.revenue.sum(), rel=1e-5)
            expected = _btyd_revenue(part.features)
            # Apart from those of whom BTYD expects next to nothing.
            shift = (levelled - np.log(expected))[expected > 0.01]
            np.testing.assert_allclose(shift, shift[0], atol=1e-9)

    def test_customers_btyd_expects_nothing_of_have_a_finite_anchor(self, samples):
        part = replace(samples[0], features=samples[0].features.copy())
        part.features.loc[:9, "btyd_expected_orders"] = 0.0
        assert np.isfinite(_levelled_anchor(part, floor=0.01)).all()

    def test_with_nothing_to_learn_it_is_btyd(self, samples):
        model = fit_anchored_value(samples, columns=["noise"], settings=NO_SPLIT, seed=1)
        features = samples[0].features
        floored = np.maximum(BtydValue().expected_revenue(features), model.floor)
        np.testing.assert_allclose(model.expected_revenue(features), floored)
        assert 0 < model.floor < 0.01 * floored.mean()

    def test_where_btyd_is_the_truth_it_keeps_btyds_level_on_average(self, anchored):
        features = sample(n_customers=2000, seed=9).features
        total, btyd = (model.expected_revenue(features).sum() for model in (anchored, BtydValue()))
        assert total == pytest.approx(btyd, rel=0.05)

    def test_it_does_not_take_the_season_of_its_training_for_the_level(self, samples, anchored):
        # A window with three times the revenue, as before Christmas, among the training windows.
        season = [replace(samples[0], revenue=3 * samples[0].revenue), samples[1]]
        features = sample(n_customers=2000, seed=9).features
        model = fit_anchored_value(season, columns=COLUMNS, settings=ONE_THREAD, seed=1)
        assert model.expected_revenue(features).sum() == pytest.approx(anchored.expected_revenue(features).sum(), rel=0.05)

    def test_it_learns_what_btyd_cannot_see(self, samples):
        # Red customers spend five times as much.
        red = [
            replace(part, revenue=np.where(part.features["colour"] == "red", 5 * part.revenue, part.revenue))
            for part in samples
        ]
        model = fit_anchored_value(red, columns=COLUMNS, settings={**ONE_THREAD, "learning_rate": 0.3}, seed=1)
        features = sample(n_customers=1000, seed=9).features
        factor = model.expected_revenue(features) / np.maximum(BtydValue().expected_revenue(features), model.floor)
        is_red = (features["colour"] == "red").to_numpy()
        assert factor[is_red].mean() > 1.5 * factor[~is_red].mean()

    def test_trees_never_add_or_take_more_than_a_factor_of_twenty(self, samples, anchored):
        class Wild:
            def margin(self, features):
                return np.linspace(-1000, 1000, len(features))

        features = samples[0].features
        floored = np.maximum(BtydValue().expected_revenue(features), anchored.floor)
        factor = replace(anchored, boosted=Wild()).expected_revenue(features) / floored
        assert np.isfinite(factor).all()
        assert factor.min() == pytest.approx(np.exp(-3))
        assert factor.max() == pytest.approx(np.exp(3))

    def test_it_is_deterministic(self, samples, anchored):
        again = fit_anchored_value(samples, columns=COLUMNS, settings=ONE_THREAD, seed=1)
        assert again.boosted.text == anchored.boosted.text

    def test_trees_start_from_each_snapshots_own_level(self, samples):
        task = value_task(samples, columns=COLUMNS, settings=ONE_THREAD, seed=1)
        np.testing.assert_array_equal(task.target, np.concatenate([part.revenue for part in samples]))
        for part, expected in zip(samples, np.split(np.exp(task.anchor), 2), strict=True):
            assert expected.sum() == pytest.approx(part.revenue.sum())


class TestState:
    def test_every_model_survives_json(self, samples, anchored):
        features = samples[0].features
        for model in (BtydValue(), NaiveRate(181), anchored):
            state = json.loads(json.dumps(model.state(), allow_nan=False))
            trees = model.boosted.text if isinstance(model, AnchoredValue) else None
            rebuilt = value_from_state(model.name, state, trees)
            assert type(rebuilt) is type(model)
            np.testing.assert_array_equal(rebuilt.expected_revenue(features), model.expected_revenue(features))

    def test_an_unknown_name_is_refused(self):
        with pytest.raises(KeyError, match="crystal ball"):
            value_from_state("crystal ball", {}, None)

    def test_a_booster_without_its_trees_is_refused(self, anchored):
        with pytest.raises(KeyError, match="anchored LightGBM"):
            value_from_state(anchored.name, anchored.state(), None)
