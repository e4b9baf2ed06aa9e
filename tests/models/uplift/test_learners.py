from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cvm.models.uplift import HURDLE, MEAN, PROPORTIONAL, Learning, experiment_of, fit_learners
from cvm.models.uplift.forest import fit_forest
from cvm.models.uplift.hurdle import fit_hurdle
from cvm.models.uplift.learners import learner_from_state, learner_state
from cvm.models.uplift.responses import ARM, fit_arm_responses, link_of
from uplifted import FAST, campaign

LEARNING = Learning(FAST, 7)


@pytest.fixture(scope="module")
def fitted():
    features, result = campaign(4_000, seed=1, arms=2)
    shares = dict.fromkeys(("control", "offer_0", "offer_1"), 1 / 3)
    experiment = experiment_of(features, outcome=result["outcome"], arm=result["arm"], propensity=shares)
    return experiment, fit_learners(experiment, learning=LEARNING)


@pytest.fixture(scope="module")
def others():
    features, result = campaign(3_000, seed=2)
    return features, result["effect"].to_numpy()


@pytest.mark.parametrize("name", ["S", "T", "X", "DR", "ridge", MEAN])
def test_every_learner_finds_who_gains_from_each_treatment(fitted, others, name):
    features, effect = others
    found = fitted[1].learners[name].effect(features)
    assert found.shape == (3_000, 2)
    for column in found.T:
        assert np.corrcoef(column, effect)[0, 1] > 0.5
        assert column.mean() == pytest.approx(effect.mean(), abs=0.06)


def test_a_proportional_effect_is_the_same_factor_of_everybodys_odds(fitted, others):
    learner = fitted[1].learners[PROPORTIONAL]
    expected = learner.responses[0].expected(others[0])
    odds = expected / (1 - expected)
    factor = odds[:, 1:] / odds[:, :1]
    np.testing.assert_allclose(factor, np.broadcast_to(factor[0], factor.shape))
    assert (factor[0] > 1).all()


def test_the_response_baseline_is_the_outcome_without_treatment(fitted, others):
    found = fitted[1].learners["response"].effect(others[0])
    np.testing.assert_array_equal(found[:, 0], found[:, 1])
    assert found.mean() == pytest.approx(0.3, abs=0.04)


def test_what_is_expected_of_a_customer_does_not_depend_on_the_arm_drawn(fitted):
    """Where nothing can be known, trees that saw a customer's arm mates only would still tell arms apart."""
    experiment, _ = fitted
    expected = fit_arm_responses(experiment, link="logit", learning=LEARNING).out_of_sample
    for position in range(3):
        own = experiment.arm == position
        assert expected[own, position].std() == pytest.approx(expected[~own, position].std(), rel=0.1)


@pytest.mark.parametrize("name", ["S", "T", "X", "DR", "ridge", "response", PROPORTIONAL, MEAN])
def test_json_and_texts_bring_it_back(fitted, others, name):
    learner = fitted[1].learners[name]
    state = json.loads(json.dumps(learner_state(learner), allow_nan=False))
    again = learner_from_state(state, {part: trees.text for part, trees in learner.boosters.items()})
    np.testing.assert_array_equal(again.effect(others[0]), learner.effect(others[0]))


def test_the_same_experiment_gives_the_same_learners(fitted, others):
    experiment, found = fitted
    again = fit_learners(experiment, learning=LEARNING)
    np.testing.assert_array_equal(again.learners[MEAN].effect(others[0]), found.learners[MEAN].effect(others[0]))


def test_money_may_be_negative():
    features, result = campaign(3_000, seed=3, money=True)
    outcome = result["outcome"] - 0.5 * (np.arange(3_000) % 10 == 0)
    assert (link_of(result["outcome"].to_numpy()), link_of(outcome.to_numpy())) == ("log", "identity")
    shares = {"control": 0.5, "offer_0": 0.5}
    experiment = experiment_of(features, outcome=outcome, arm=result["arm"], propensity=shares)
    learners = fit_learners(experiment, learning=LEARNING).learners
    assert np.corrcoef(learners[MEAN].effect(features)[:, 0], result["effect"])[0, 1] > 0.4
    assert (learners[PROPORTIONAL].effect(features) > 0).all()


def test_who_spends_times_how_much_is_a_way_to_learn_money():
    features, result = campaign(4_000, seed=4, money=True)
    shares = {"control": 0.5, "offer_0": 0.5}
    experiment = experiment_of(features, outcome=result["outcome"], arm=result["arm"], propensity=shares)
    hurdle = fit_learners(experiment, learning=LEARNING).learners[HURDLE]
    found = hurdle.effect(features)[:, 0]
    assert np.corrcoef(found, result["effect"])[0, 1] > 0.5
    assert found.mean() == pytest.approx(result["effect"].mean(), abs=1.0)
    state = json.loads(json.dumps(learner_state(hurdle), allow_nan=False))
    again = learner_from_state(state, {part: trees.text for part, trees in hurdle.boosters.items()})
    np.testing.assert_array_equal(again.effect(features)[:, 0], found)


def test_there_is_no_hurdle_where_everybody_or_nobody_takes_it():
    features, result = campaign(3_000, seed=5)
    shares = {"control": 0.5, "offer_0": 0.5}
    for outcome in (result["outcome"], result["outcome"] + 1.5, result["outcome"] - 0.5):
        experiment = experiment_of(features, outcome=outcome, arm=result["arm"], propensity=shares)
        assert fit_hurdle(experiment, learning=LEARNING) is None


def test_a_forest_is_not_led_astray_by_a_few_far_out():
    rng = np.random.default_rng(6)
    X = pd.DataFrame({"customer_id": [f"c{i}" for i in range(8_000)], "x": rng.normal(size=8_000)})
    signal = 3 + (X["x"] > 0) + 20 * rng.standard_t(2.5, size=8_000)
    level, trees = fit_forest(X, signal.to_numpy(), columns=["x"], learning=LEARNING)
    found = trees.margin(X) / trees.rounds
    assert level == pytest.approx(signal.mean())
    assert found.mean() == pytest.approx(0, abs=0.5)
    assert found.std() < 2
    assert np.corrcoef(found, X["x"] > 0)[0, 1] > 0


def test_no_column_of_a_user_is_taken_for_the_arm():
    assert not ARM.isidentifier()
