from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import Ridge

from cvm.models.boosting import customer_folds
from cvm.models.uplift import Experiment, Learning, experiment_of
from cvm.models.uplift.learners import ResponseDifference, learner_from_state, learner_state
from cvm.models.uplift.relative import RelativeEffect, fit_relative, weighted_ridge
from cvm.models.uplift.responses import fit_common_response
from uplifted import FAST, campaign

LEARNING = Learning(FAST, 7)


def shares(n: int, *, seed: int, money: bool) -> tuple[Experiment, np.ndarray]:
    """A treatment that adds a known share of what each customer does anyhow, and the true effects.

    ``x`` says what a customer does anyhow, ``z`` and ``vip`` how much of that the treatment adds, the others nothing.
    """
    rng = np.random.default_rng(seed)
    x, z, noise = rng.normal(size=(3, n))
    vip = rng.random(n) < 0.3
    share = 0.2 + 0.2 * z + 0.2 * vip
    arm = rng.integers(2, size=n)
    if money:
        base = 20 * np.exp(0.7 * x)
        effect = share * base
        outcome = rng.gamma(3, np.maximum(base + arm * effect, 1e-9) / 3)
    else:
        p = expit(-1 + 0.7 * x)
        effect = share * p * (1 - p)
        outcome = (rng.random(n) < p + arm * effect).astype(float)
    features = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(n)],
            "x": x,
            "z": z,
            "noise": noise,
            "kind": np.where(vip, "vip", "plain"),
            "same": 1.0,
        }
    )
    names = pd.Series(np.where(arm == 1, "offer", "control"))
    experiment = experiment_of(features, outcome=pd.Series(outcome), arm=names, propensity={"control": 0.5, "offer": 0.5})
    return experiment, effect


def fitted(experiment: Experiment, *, link: str) -> tuple[RelativeEffect, ResponseDifference]:
    response, expected = fit_common_response(experiment, link=link, learning=LEARNING)
    return fit_relative(experiment, response, expected, learning=LEARNING), ResponseDifference((response,))


def correlation(learner: RelativeEffect | ResponseDifference, experiment: Experiment, effect: np.ndarray) -> float:
    return float(np.corrcoef(learner.effect(experiment.features)[:, 0], effect)[0, 1])


@pytest.fixture(scope="module")
def money():
    experiment, _ = shares(4_000, seed=1, money=True)
    return fitted(experiment, link="log")


@pytest.fixture(scope="module")
def binary():
    experiment, _ = shares(12_000, seed=2, money=False)
    return fitted(experiment, link="logit")


class TestWhatItFinds:
    def test_shares_of_money_that_the_proportional_learner_cannot_see(self, money):
        relative, proportional = money
        others, effect = shares(4_000, seed=3, money=True)
        assert correlation(relative, others, effect) > 0.85
        assert correlation(relative, others, effect) > correlation(proportional, others, effect) + 0.2
        found = relative.effect(others.features)[:, 0]
        assert found.mean() == pytest.approx(effect.mean(), rel=0.15)
        # As large as the truth, not only in the right order.
        assert np.polyfit(found, effect, 1)[0] == pytest.approx(1, abs=0.25)

    def test_shares_of_odds_too(self, binary):
        relative, proportional = binary
        others, effect = shares(4_000, seed=4, money=False)
        assert correlation(relative, others, effect) > 0.8
        assert correlation(relative, others, effect) > correlation(proportional, others, effect) + 0.2
        found = relative.effect(others.features)[:, 0]
        assert found.mean() == pytest.approx(effect.mean(), abs=0.015)

    def test_the_line_is_steepest_where_the_share_is(self, money):
        relative, _ = money
        slope = dict(zip([*relative.design.encoder.numbers, "plain", "vip"], relative.slopes[0], strict=True))
        assert slope["z"] == pytest.approx(0.2, abs=0.06)
        # A category stands in two columns that say the same: they share its 0.2 times the spread of 0.46.
        assert slope["vip"] - slope["plain"] == pytest.approx(0.2 * 0.46, abs=0.05)
        assert abs(slope["noise"]) < 0.05
        assert abs(slope["x"]) < 0.05
        assert relative.level[0] == pytest.approx(0.26, abs=0.08)

    def test_columns_that_tell_nobody_apart_are_left_out(self, money):
        assert "same" not in money[0].design.encoder.columns
        assert all("same" not in trees.encoder.columns for trees in money[0].trees)

    def test_several_treatments_each_have_their_own(self):
        features, result = campaign(3_000, seed=5, arms=2)
        better = result["outcome"].where(result["arm"] != "offer_1", 0.5 * result["outcome"])
        propensity = dict.fromkeys(("control", "offer_0", "offer_1"), 1 / 3)
        experiment = experiment_of(features, outcome=better, arm=result["arm"], propensity=propensity)
        relative, _ = fitted(experiment, link="log")
        effect = relative.effect(features)
        assert effect.shape == (3_000, 2)
        assert effect[:, 0].mean() > 0.05 > effect[:, 1].mean()

    def test_money_below_zero_counts_as_it_is(self):
        experiment, _ = shares(3_000, seed=6, money=True)
        losses = np.where(experiment.arm == 1, experiment.outcome - 15, experiment.outcome)
        relative, _ = fitted(replace(experiment, outcome=losses), link="log")
        kept, _ = fitted(replace(experiment, outcome=np.maximum(losses, 0)), link="log")
        assert (losses < 0).mean() > 0.05
        assert relative.effect(experiment.features).mean() < kept.effect(experiment.features).mean() - 0.3


class TestAtTheEdge:
    @pytest.mark.parametrize("link", ["log", "logit"])
    def test_a_control_that_did_nothing_at_all_leaves_finite_effects(self, link):
        experiment, _ = shares(1_000, seed=7, money=link == "log")
        silent = replace(experiment, outcome=np.where(experiment.arm == 0, 0.0, experiment.outcome))
        effect = fitted(silent, link=link)[0].effect(silent.features)
        assert np.isfinite(effect).all()
        assert np.abs(effect).max() <= 3 * silent.outcome.max()

    def test_shares_have_an_end(self, money):
        relative, _ = money
        features = shares(1_000, seed=8, money=True)[0].features
        expected = relative.response.expected(features)[:, 0]
        bold = replace(relative, level=(50.0,))
        np.testing.assert_allclose(bold.effect(features)[:, 0], 3 * np.maximum(expected, relative.floor))
        np.testing.assert_allclose(replace(relative, level=(-50.0,)).effect(features), -bold.effect(features))

    def test_who_is_expected_to_do_nothing_has_the_least_scale(self, money):
        relative, _ = money
        features = shares(1_000, seed=8, money=True)[0].features
        higher = replace(relative, floor=1e6, level=(1.0,), slopes=((0.0,) * len(relative.slopes[0]),))
        trees = relative.trees[0].margin(features) / 2
        np.testing.assert_allclose(higher.effect(features)[:, 0], (1 + trees) * 1e6)

    def test_columns_that_are_missing_when_scored_are_missing_values(self, money):
        features = shares(1_000, seed=8, money=True)[0].features
        assert np.isfinite(money[0].effect(features[["customer_id"]])).all()
        assert np.isfinite(money[0].effect(features.assign(z=np.nan, kind=None))).all()


class TestOneRowAndFiles:
    @pytest.mark.parametrize("which", ["money", "binary"])
    def test_a_customer_alone_has_the_effect_of_the_batch(self, which, request):
        relative, _ = request.getfixturevalue(which)
        features = shares(1_000, seed=10, money=True)[0].features
        together = relative.effect(features)
        for row in (0, 17, 999):
            alone = relative.effect(features.iloc[[row]].reset_index(drop=True))
            np.testing.assert_allclose(alone[0], together[row], rtol=1e-12)

    @pytest.mark.parametrize("which", ["money", "binary"])
    def test_json_and_texts_bring_it_back_to_the_bit(self, which, request):
        relative, _ = request.getfixturevalue(which)
        state = json.loads(json.dumps(learner_state(relative), allow_nan=False))
        again = learner_from_state(state, {part: trees.text for part, trees in relative.boosters.items()})
        features = shares(1_000, seed=10, money=True)[0].features
        np.testing.assert_array_equal(again.effect(features), relative.effect(features))
        assert learner_state(again) == learner_state(relative)

    def test_the_same_experiment_teaches_the_same(self):
        experiment, _ = shares(1_000, seed=11, money=True)
        first, second = (fitted(experiment, link="log")[0] for _ in range(2))
        assert first == second


class TestWeightedRidge:
    def rows(self, seed: int = 1, n: int = 400, k: int = 5):
        rng = np.random.default_rng(seed)
        X, weight = rng.normal(size=(n, k)), rng.gamma(2, size=n)
        y = X @ np.linspace(-1, 1, k) + rng.normal(size=n) * 3
        folds = [test for _, test in customer_folds(np.arange(n), seed=3)]
        return X, y, weight, folds

    @pytest.mark.parametrize("seed", [1, 5, 6])
    def test_it_is_scikit_learns_ridge_shrunk_as_the_folds_say(self, seed):
        X, y, weight, folds = self.rows(seed)
        losses = []
        for shrinkage in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0):
            loss = 0.0
            for test in folds:
                train = np.setdiff1d(np.arange(len(y)), test)
                ridge = Ridge(alpha=shrinkage * weight[train].sum(), fit_intercept=False)
                ridge.fit(X[train], y[train], sample_weight=weight[train])
                loss += float(np.sum(weight[test] * (y[test] - ridge.predict(X[test])) ** 2))
            losses.append((loss, shrinkage))
        best = min(losses)[1]
        expected = Ridge(alpha=best * weight.sum(), fit_intercept=False).fit(X, y, sample_weight=weight)
        np.testing.assert_allclose(weighted_ridge(X, y, weight, folds=folds), expected.coef_, rtol=1e-9)

    def test_rows_without_weight_do_not_count(self):
        X, y, weight, folds = self.rows()
        weight[:100] = 0.0
        other = y.copy()
        other[:100] = 1e6
        np.testing.assert_allclose(
            weighted_ridge(X, other, weight, folds=folds), weighted_ridge(X, y, weight, folds=folds), rtol=1e-9
        )

    def test_noise_is_shrunk_to_nearly_nothing_and_a_line_is_kept(self):
        X, _, weight, folds = self.rows()
        noise = np.random.default_rng(5).normal(size=len(X))
        assert np.abs(weighted_ridge(X, noise, weight, folds=folds)).max() < 0.02
        np.testing.assert_allclose(weighted_ridge(X, X @ np.arange(5.0), weight, folds=folds), np.arange(5.0), atol=0.1)

    def test_a_constant_column_has_no_slope_and_no_columns_have_none(self):
        X, y, weight, folds = self.rows()
        X[:, 2] = 0.0
        assert weighted_ridge(X, y, weight, folds=folds)[2] == 0
        assert weighted_ridge(X[:, :0], y, weight, folds=folds).shape == (0,)
