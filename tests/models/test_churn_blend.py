from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from cvm.models.blend import consistent_miss
from cvm.models.boosting import Boosted
from cvm.models.churn import BtydChurn
from cvm.models.churn_blend import (
    BlendedChurn,
    _levelled,
    _levelled_anchor,
    anchor_logit,
    churn_from_state,
    churn_seen_at,
    churn_task,
    fit_blended_churn,
    refit_blended_churn,
)
from cvm.models.samples import Snapshot
from simulated import sample

ONE_THREAD = {"num_threads": 1}
# More than there are customers: no tree may split.
NO_SPLIT = {**ONE_THREAD, "min_data_in_leaf": 100_000}
COLUMNS = ["noise", "colour", "recency_days", "btyd_p_no_order"]
AHEAD = Snapshot(date(2024, 4, 1), sample(n_customers=600, seed=9).features)


@pytest.fixture(scope="module")
def samples():
    days = (date(2024, 1, 1), date(2023, 12, 1))
    return [sample(n_customers=800, seed=seed, as_of=day) for seed, day in enumerate(days, start=1)]


@pytest.fixture(scope="module")
def blended(samples):
    return fit_blended_churn(samples, AHEAD, columns=COLUMNS, settings=ONE_THREAD, seed=1)


def with_outcome(samples, n_orders):
    return [replace(part, n_orders=np.full(len(part.n_orders), float(n_orders))) for part in samples]


class TestAnchor:
    @pytest.mark.parametrize("n_active", [1, 200, 799])
    def test_that_of_a_training_snapshot_has_its_churn_rate_and_btyds_order(self, samples, n_active):
        n_orders = np.zeros(800)
        n_orders[:n_active] = 1
        part = replace(samples[0], n_orders=n_orders)
        levelled = _levelled_anchor(part)
        assert expit(levelled).mean() == pytest.approx(1 - n_active / 800, abs=1e-9)
        shift = levelled - anchor_logit(part.features)
        np.testing.assert_allclose(shift, shift[0])

    @pytest.mark.parametrize("n_orders", [0, 1])
    def test_a_snapshot_in_which_all_do_the_same_has_a_finite_one(self, samples, n_orders):
        (part,) = with_outcome(samples[:1], n_orders)
        assert np.isfinite(_levelled_anchor(part)).all()

    def test_btyds_certainties_have_a_finite_one(self):
        anchor = anchor_logit(pd.DataFrame({"btyd_p_no_order": [0.0, 0.5, 1.0]}))
        assert np.isfinite(anchor).all()
        assert anchor[1] == 0.0

    def test_trees_start_from_each_snapshots_own_level(self, samples):
        task = churn_task(samples, columns=COLUMNS, settings=ONE_THREAD, seed=1)
        np.testing.assert_array_equal(task.target, np.concatenate([part.churned for part in samples]))
        for part, p in zip(samples, np.split(expit(task.anchor), 2), strict=True):
            assert p.mean() == pytest.approx(part.churned.mean())


class TestLevel:
    def test_where_btyd_was_right_its_level_stands(self, samples):
        model = fit_blended_churn(samples, AHEAD, columns=["noise"], settings=NO_SPLIT, seed=1)
        for boosted in model.boosters.values():
            np.testing.assert_allclose(boosted.margin(AHEAD.features), 0.0)
        assert model.p_churn(AHEAD.features).mean() == pytest.approx(AHEAD.features["btyd_p_no_order"].mean(), abs=0.02)

    @pytest.mark.parametrize("of_others", [0.1, 0.9])
    def test_what_btyd_missed_at_every_snapshot_is_made_good(self, samples, of_others):
        rng = np.random.default_rng(1)
        other = [replace(part, n_orders=(rng.random(800) > of_others).astype(float)) for part in samples]
        model = fit_blended_churn(other, AHEAD, columns=["noise"], settings=NO_SPLIT, seed=1)
        found = model.p_churn(AHEAD.features).mean()
        before = AHEAD.features["btyd_p_no_order"].mean()
        assert abs(logit(found) - logit(of_others)) < 0.3 * abs(logit(before) - logit(of_others))

    def test_one_window_unlike_the_other_moves_it_little(self, samples):
        rng = np.random.default_rng(1)
        season = [replace(samples[0], n_orders=(rng.random(800) > 0.2).astype(float)), samples[1]]
        plain, moved = (
            fit_blended_churn(parts, AHEAD, columns=["noise"], settings=NO_SPLIT, seed=1) for parts in (samples, season)
        )
        assert abs(consistent_miss(np.array(moved.misses))) < 0.5
        assert abs(consistent_miss(np.array(plain.misses))) < 0.05

    def test_where_hindsight_has_corrected_the_level_nothing_more_is_added(self, blended):
        wrong = replace(blended, misses=(1.0, 1.0))
        known, unknown = (_levelled(wrong, replace(AHEAD, has_hindsight=seen)) for seen in (True, False))
        assert known.shift == pytest.approx(_levelled(replace(blended, misses=(0.0,)), AHEAD).shift)
        assert unknown.p_churn(AHEAD.features).mean() > known.p_churn(AHEAD.features).mean() + 0.1

    def test_a_test_snapshot_that_was_right_calls_what_was_missed_before_an_accident(self, samples, blended):
        wrong = replace(blended, misses=(1.0,))
        seen = churn_seen_at(wrong, samples[0])
        assert len(seen.misses) == 2
        assert abs(seen.misses[1]) < 0.2
        assert abs(consistent_miss(np.array(seen.misses))) < 0.5 * abs(consistent_miss(np.array(wrong.misses)))
        assert churn_seen_at(wrong, replace(samples[0], has_hindsight=True)) is wrong

    def test_without_anybody_ahead_nothing_is_moved(self, blended):
        nobody = replace(AHEAD, features=AHEAD.features.iloc[:0])
        assert _levelled(blended, nobody) is blended


def test_it_learns_what_btyd_cannot_see(samples):
    # Red customers never come back.
    red = [
        replace(part, n_orders=np.where(part.features["colour"] == "red", 0.0, np.maximum(part.n_orders, 1)))
        for part in samples
    ]
    model = fit_blended_churn(red, AHEAD, columns=COLUMNS, settings={**ONE_THREAD, "learning_rate": 0.3}, seed=1)
    is_red = (AHEAD.features["colour"] == "red").to_numpy()
    p = model.p_churn(AHEAD.features)
    assert p[is_red].mean() > p[~is_red].mean() + 0.3


def test_it_is_the_weighted_mean_of_both_logits(blended):
    features = AHEAD.features
    anchored = blended.anchored_slope * (anchor_logit(features) + blended.anchored.margin(features))
    free = blended.free_slope * blended.free.margin(features)
    expected = expit(blended.weight * anchored + (1 - blended.weight) * free + blended.shift)
    np.testing.assert_allclose(blended.p_churn(features), expected)
    assert ((expected > 0) & (expected < 1)).all()
    assert 0.15 <= blended.weight <= 0.85


def test_it_is_deterministic(blended, samples):
    again = fit_blended_churn(samples, AHEAD, columns=COLUMNS, settings=ONE_THREAD, seed=1)
    assert again.state() == blended.state()
    assert {part: b.text for part, b in again.boosters.items()} == {part: b.text for part, b in blended.boosters.items()}


def test_a_refit_keeps_rounds_slopes_and_weight(blended, samples):
    again = refit_blended_churn(blended, samples[:1], AHEAD, columns=COLUMNS, settings=ONE_THREAD, seed=1)
    assert [b.rounds for b in again.boosters.values()] == [b.rounds for b in blended.boosters.values()]
    kept = ("anchored_slope", "free_slope", "weight", "misses")
    assert [getattr(again, name) for name in kept] == [getattr(blended, name) for name in kept]
    assert again.anchored.text != blended.anchored.text
    assert again.anchored.encoder is again.free.encoder  # rows are made ready once


class TestState:
    def test_it_survives_json(self, blended):
        state = json.loads(json.dumps(blended.state(), allow_nan=False))
        trees = {part: boosted.text for part, boosted in blended.boosters.items()}
        rebuilt = churn_from_state(blended.name, state, trees)
        assert isinstance(rebuilt, BlendedChurn)
        assert all(isinstance(boosted, Boosted) for boosted in rebuilt.boosters.values())
        np.testing.assert_array_equal(rebuilt.p_churn(AHEAD.features), blended.p_churn(AHEAD.features))

    def test_rules_are_known_too(self):
        assert churn_from_state("BTYD", {}, {}) == BtydChurn()

    def test_trees_that_are_missing_are_named(self, blended):
        with pytest.raises(KeyError, match="free"):
            churn_from_state(blended.name, blended.state(), {"anchored": blended.anchored.text})
