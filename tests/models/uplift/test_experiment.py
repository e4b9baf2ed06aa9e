from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cvm.errors import ExperimentError, InsufficientDataError
from cvm.models.uplift import experiment_of
from uplifted import campaign

HALVES = {"control": 0.5, "offer_0": 0.5}


@pytest.fixture
def drawn():
    features, result = campaign(1_000, seed=1)
    return {"features": features, "outcome": result["outcome"], "arm": result["arm"], "propensity": HALVES}


def test_shares_and_the_propensities_of_the_ledger_say_the_same(drawn):
    by_share = experiment_of(**drawn)
    by_row = experiment_of(**{**drawn, "propensity": pd.Series(np.full(1_000, 0.5))})
    np.testing.assert_array_equal(by_share.drawn_with, by_row.drawn_with)
    assert by_share.arms == ("control", "offer_0")
    assert by_share.columns == ("x", "noise", "city")
    np.testing.assert_array_equal(by_share.arm == 1, drawn["arm"] == "offer_0")


def test_arms_are_sorted_with_control_first():
    features, result = campaign(1_500, seed=2, arms=2)
    arm = result["arm"].replace({"offer_0": "a_letter"})
    shares = dict.fromkeys(("control", "a_letter", "offer_1"), 1 / 3)
    experiment = experiment_of(features, outcome=result["outcome"], arm=arm, propensity=shares)
    assert experiment.arms == ("control", "a_letter", "offer_1")
    assert experiment.shares.sum() == pytest.approx(1)
    assert len(experiment.take(np.arange(10))) == 10


def test_a_campaign_that_picked_its_customers_teaches_nothing(drawn):
    picked = drawn["features"]["x"].to_numpy() + np.random.default_rng(3).normal(size=1_000) > 0
    arm = pd.Series(np.where(picked, "offer_0", "control"))
    with pytest.raises(ExperimentError, match=r"not drawn at random with the propensities given.*picked its customers"):
        experiment_of(**{**drawn, "arm": arm})


def test_shares_other_than_those_of_the_design_are_noticed(drawn):
    with pytest.raises(ExperimentError, match=r"Arm 'control' was not drawn at random.*stand for .* of 1,000"):
        experiment_of(**{**drawn, "propensity": {"control": 0.2, "offer_0": 0.8}})


def test_propensities_that_follow_a_feature_are_a_design_as_well(drawn):
    rng, x = np.random.default_rng(4), drawn["features"]["x"].to_numpy()
    p = np.where(x > 0, 0.7, 0.3)
    treated = rng.random(1_000) < p
    arm, propensity = pd.Series(np.where(treated, "offer_0", "control")), pd.Series(np.where(treated, p, 1 - p))
    assert experiment_of(**{**drawn, "arm": arm, "propensity": propensity}).drawn_with.min() == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arm": pd.Series(["offer_0"] * 1_000)}, r"arms are \['offer_0'\].*Hold some out"),
        ({"arm": pd.Series(["control"] * 1_000)}, r"arms are \['control'\]"),
        ({"arm": pd.Series([None] + ["control"] * 999)}, r"arm is missing for 1 of 1,000"),
        ({"outcome": pd.Series([np.nan] * 7 + [1.0] * 993)}, r"outcome is missing or infinite for 7 of 1,000"),
        ({"outcome": pd.Series([1.0])}, r"1,000, 1 and 1,000 rows"),
        ({"propensity": {"control": 0.5}}, r"not \['offer_0'\]: every arm needs its share"),
        ({"propensity": pd.Series([0.0] + [0.5] * 999)}, r"not between 0 and 1, for 1 of 1,000"),
        ({"propensity": pd.Series([0.5])}, r"for 1,000 of 1,000"),
    ],
)
def test_what_is_no_experiment_is_refused(drawn, change, message):
    with pytest.raises(ExperimentError, match=message):
        experiment_of(**{**drawn, **change})


def test_a_customer_is_drawn_once(drawn):
    twice = drawn["features"].assign(customer_id=["c0", "c0", *drawn["features"]["customer_id"][2:]])
    with pytest.raises(ExperimentError, match=r"1 rows repeat a customer_id"):
        experiment_of(**{**drawn, "features": twice})


def test_features_that_do_not_tell_whose_they_are_are_refused(drawn):
    with pytest.raises(ExperimentError, match="features have no column customer_id"):
        experiment_of(**{**drawn, "features": drawn["features"].rename(columns={"customer_id": "client"})})


def test_too_few_customers_or_responses_are_refused(drawn):
    few = {name: value.head(300) if hasattr(value, "head") else value for name, value in drawn.items()}
    with pytest.raises(InsufficientDataError, match=r"Arm 'control' has 1\d\d customers, .* at least 200 and 20"):
        experiment_of(**few)
    with pytest.raises(InsufficientDataError, match=r"0 of them with an outcome above 0"):
        experiment_of(**{**drawn, "outcome": pd.Series(np.zeros(1_000))})


@pytest.mark.parametrize("columns", [["customer_id"], ["customer_id", "same"]])
def test_features_that_tell_nobody_apart_are_refused(drawn, columns):
    features = drawn["features"].assign(same=1.0)[columns]
    with pytest.raises(InsufficientDataError, match=r"All 1,000 customers are alike in all [01] features"):
        experiment_of(**{**drawn, "features": features})


def test_who_was_drawn_on_several_days_teaches_on_each_and_the_day_is_no_feature(drawn):
    days = np.where(np.arange(1_000) < 500, "2024-03-01", "2024-05-01")
    again = drawn["features"].assign(as_of=days, customer_id=[f"c{number % 500}" for number in range(1_000)])
    experiment = experiment_of(**{**drawn, "features": again})
    assert len(experiment) == 1_000
    assert experiment.columns == ("x", "noise", "city")


def test_the_same_day_twice_is_refused(drawn):
    again = drawn["features"].assign(as_of="2024-03-01", customer_id=[f"c{number % 500}" for number in range(1_000)])
    with pytest.raises(ExperimentError, match=r"500 rows repeat a customer_id: hand over one row each"):
        experiment_of(**{**drawn, "features": again})


def test_without_a_day_one_row_each(drawn):
    again = drawn["features"].assign(customer_id=[f"c{number % 999}" for number in range(1_000)])
    with pytest.raises(ExperimentError, match=r"1 rows repeat a customer_id"):
        experiment_of(**{**drawn, "features": again})
