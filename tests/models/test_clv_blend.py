from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from cvm.evaluation import tweedie_deviance
from cvm.models.blend import consistent_miss
from cvm.models.btyd import btyd_revenue
from cvm.models.clv import BtydValue
from cvm.models.clv_blend import (
    BlendedValue,
    _levelled,
    _levelled_spend,
    _levelled_spends,
    fit_blended_value,
    refit_blended_value,
    value_from_state,
    value_seen_at,
    value_task,
)
from cvm.models.samples import Snapshot
from simulated import sample

ONE_THREAD = {"num_threads": 1}
# More than there are customers: no tree may split.
NO_SPLIT = {**ONE_THREAD, "min_data_in_leaf": 100_000}
COLUMNS = ["noise", "colour", "recency_days", "n_orders"]
AHEAD = Snapshot(date(2024, 4, 1), sample(n_customers=1500, seed=9).features)


@pytest.fixture(scope="module")
def samples():
    days = (date(2024, 1, 1), date(2023, 12, 1))
    return [sample(n_customers=800, seed=seed, as_of=day) for seed, day in enumerate(days, start=1)]


@pytest.fixture(scope="module")
def fit(samples):
    return fit_blended_value(samples, AHEAD, columns=COLUMNS, settings=ONE_THREAD, seed=1)


@pytest.fixture(scope="module")
def blended(fit):
    return fit.model


def scaled(samples, *factors):
    return [replace(part, revenue=factor * part.revenue) for part, factor in zip(samples, factors, strict=True)]


class TestAnchors:
    def test_those_of_a_training_snapshot_have_its_share_of_spenders_and_their_revenue(self, samples):
        for part in samples:
            spent = part.revenue > 0
            spends = 1 / (1 + np.exp(-_levelled_spends(part)))
            assert spends.mean() == pytest.approx(spent.mean(), abs=1e-9)
            spend = np.exp(_levelled_spend(part, floor=0.01))
            assert spend[spent].sum() == pytest.approx(part.revenue.sum())

    def test_customers_btyd_expects_nothing_of_have_finite_ones(self, samples):
        part = replace(samples[0], features=samples[0].features.copy())
        part.features.loc[:9, ["btyd_expected_orders", "btyd_p_no_order"]] = 0.0, 1.0
        assert np.isfinite(_levelled_spends(part)).all()
        assert np.isfinite(_levelled_spend(part, floor=0.01)).all()

    def test_free_trees_start_from_each_snapshots_own_mean(self, samples):
        task = value_task(samples, columns=COLUMNS, settings=ONE_THREAD, seed=1)
        np.testing.assert_array_equal(task.target, np.concatenate([part.revenue for part in samples]))
        for part, expected in zip(samples, np.split(np.exp(task.anchor), 2), strict=True):
            assert expected.sum() == pytest.approx(part.revenue.sum())


class TestLevel:
    def test_both_opinions_have_one_total(self, blended):
        hurdle, trees = blended.hurdle(AHEAD.features), blended.trees(AHEAD.features)
        assert np.exp(blended.log_scale) * trees.sum() == pytest.approx(hurdle.sum())

    def test_where_btyd_is_the_truth_its_level_stands(self, blended):
        total, btyd = (model.expected_revenue(AHEAD.features).sum() for model in (blended, BtydValue()))
        assert total == pytest.approx(btyd, rel=0.07)

    def test_a_window_three_times_as_good_moves_it_little(self, samples, blended):
        season = fit_blended_value(scaled(samples, 3, 1), AHEAD, columns=COLUMNS, settings=ONE_THREAD, seed=1).model
        total, before = (model.expected_revenue(AHEAD.features).sum() for model in (season, blended))
        assert total == pytest.approx(before, rel=0.35)
        assert season.log_level < 0.5 * np.log(3) / 2

    def test_windows_that_were_all_twice_what_btyd_said_move_it(self, samples, blended):
        doubled = fit_blended_value(scaled(samples, 2, 2), AHEAD, columns=COLUMNS, settings=ONE_THREAD, seed=1).model
        total, before = (model.expected_revenue(AHEAD.features).sum() for model in (doubled, blended))
        assert 1.7 < total / before < 2.1

    def test_where_hindsight_has_corrected_the_level_nothing_more_is_added(self, blended):
        wrong = replace(blended, misses=(0.5, 0.5))
        known, unknown = (_levelled(wrong, replace(AHEAD, has_hindsight=seen)) for seen in (True, False))
        ratio = unknown.expected_revenue(AHEAD.features) / known.expected_revenue(AHEAD.features)
        np.testing.assert_allclose(ratio, np.exp(consistent_miss(np.full(2, 0.5))))
        assert known.log_level == 0

    def test_a_test_snapshot_that_was_right_calls_what_was_missed_before_an_accident(self, samples, blended):
        wrong = replace(blended, misses=(1.0,))
        seen = value_seen_at(wrong, samples[0])
        assert abs(seen.misses[1]) < 0.15
        assert abs(consistent_miss(np.array(seen.misses))) < 0.5 * abs(consistent_miss(np.array(wrong.misses)))
        assert value_seen_at(wrong, replace(samples[0], has_hindsight=True)) is wrong

    def test_without_anybody_ahead_nothing_is_moved(self, blended):
        nobody = replace(AHEAD, features=AHEAD.features.iloc[:0])
        assert _levelled(blended, nobody) is blended


def test_with_nothing_to_learn_it_ranks_by_btyd(samples):
    model = fit_blended_value(samples, AHEAD, columns=["noise"], settings=NO_SPLIT, seed=1).model
    np.testing.assert_allclose(model.hurdle(AHEAD.features), btyd_revenue(AHEAD.features), rtol=0.02, atol=0.05)
    np.testing.assert_allclose(model.trees(AHEAD.features), 1.0)


def test_it_learns_what_btyd_cannot_see(samples):
    # Red customers spend five times as much.
    red = [
        replace(part, revenue=np.where(part.features["colour"] == "red", 5 * part.revenue, part.revenue)) for part in samples
    ]
    model = fit_blended_value(red, AHEAD, columns=COLUMNS, settings={**ONE_THREAD, "learning_rate": 0.3}, seed=1).model
    factor = model.expected_revenue(AHEAD.features) / np.maximum(btyd_revenue(AHEAD.features), model.floor)
    is_red = (AHEAD.features["colour"] == "red").to_numpy()
    assert np.median(factor[is_red]) > 1.4 * np.median(factor[~is_red])


def test_trees_never_add_or_take_more_than_a_factor_of_twenty(blended):
    class Wild:
        def margin(self, features):
            return np.linspace(-1000, 1000, len(features))

    wild = replace(blended, spend=Wild(), free=Wild())
    assert np.isfinite(wild.expected_revenue(AHEAD.features)).all()
    assert np.ptp(np.log(wild.trees(AHEAD.features))) == pytest.approx(6)


def test_mixing_is_at_least_as_good_as_its_better_half_out_of_fold(fit, samples):
    revenue = np.concatenate([part.revenue for part in samples])
    assert fit.out_of_fold.shape == revenue.shape
    naive = np.full(len(revenue), revenue.mean())
    assert tweedie_deviance(revenue, fit.out_of_fold) < tweedie_deviance(revenue, naive)
    assert 0.15 <= fit.model.weight <= 0.85


def test_it_is_deterministic(blended, samples):
    again = fit_blended_value(samples, AHEAD, columns=COLUMNS, settings=ONE_THREAD, seed=1).model
    assert again.state() == blended.state()
    assert {part: b.text for part, b in again.boosters.items()} == {part: b.text for part, b in blended.boosters.items()}


def test_a_refit_keeps_rounds_and_weight(blended, samples):
    again = refit_blended_value(blended, samples[:1], AHEAD, columns=COLUMNS, settings=ONE_THREAD, seed=1)
    assert [b.rounds for b in again.boosters.values()] == [b.rounds for b in blended.boosters.values()]
    assert (again.weight, again.misses) == (blended.weight, blended.misses)
    assert again.free.text != blended.free.text
    assert again.spends.encoder is again.spend.encoder is again.free.encoder  # rows are made ready once


class TestState:
    def test_it_survives_json(self, blended):
        state = json.loads(json.dumps(blended.state(), allow_nan=False))
        trees = {part: boosted.text for part, boosted in blended.boosters.items()}
        rebuilt = value_from_state(blended.name, state, trees)
        assert isinstance(rebuilt, BlendedValue)
        np.testing.assert_array_equal(rebuilt.expected_revenue(AHEAD.features), blended.expected_revenue(AHEAD.features))

    def test_rules_are_known_too(self):
        assert value_from_state("BTYD", {}, {}) == BtydValue()

    def test_trees_that_are_missing_are_named(self, blended):
        with pytest.raises(KeyError, match="spend"):
            value_from_state(blended.name, blended.state(), {"free": blended.free.text})
