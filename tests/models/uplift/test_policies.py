from __future__ import annotations

import json

import numpy as np
import pytest

from cvm.errors import ExperimentError
from cvm.models.uplift import experiment_of, fit_uplift, policy_evidence
from uplifted import FAST, campaign


@pytest.fixture(scope="module")
def taught():
    features, result = campaign(4_000, seed=1)
    halves = {"control": 0.5, "offer_0": 0.5}
    experiment = experiment_of(features, outcome=result["outcome"], arm=result["arm"], propensity=halves)
    return experiment, fit_uplift(experiment, settings=FAST), result["effect"].to_numpy()


def evidence(taught, **change):
    given = {"costs": [1.5], "outcome_value": 10.0} | change
    return policy_evidence(taught[1], taught[0], **given)


def test_the_learned_policy_beats_those_that_do_not_know_who_gains(taught):
    noise = taught[0].features["noise"]
    found = evidence(taught, rankings={"risk": noise, "value": -noise})
    assert [row.name for row in found.rows] == ["none", "learned", "all", "random", "by risk", "by value"]
    assert all(more.value > 0 for more in found.over_others.values())
    assert found.over_others["all"].lower > 0
    assert found.sentence.startswith("Contacting the ")
    assert "surely more than" in found.sentence


def test_values_are_those_of_the_truth(taught):
    """Half of the customers in half of the cities gain .3, the others .033; all of them respond with .3 anyhow."""
    found = {row.name: row for row in evidence(taught).rows}
    effect = taught[2]
    for name, true in (("none", 3.0), ("all", 3.0 + 10 * effect.mean() - 1.5)):
        assert found[name].value.lower < true < found[name].value.upper
        assert found[name].by_propensity.lower < true < found[name].by_propensity.upper
    learned = (10 * taught[1].out_of_fold[:, 0] > 1.5).astype(float)
    assert found["learned"].gain.lower < (learned * (10 * effect - 1.5)).mean() < found["learned"].gain.upper


def test_all_rules_but_all_and_none_contact_as_many(taught):
    found = {row.name: row for row in evidence(taught, rankings={"risk": np.ones(4_000)}).rows}
    assert found["none"].contacted == 0
    assert found["all"].contacted == 1
    assert found["random"].contacted == pytest.approx(found["learned"].contacted)
    assert found["by risk"].contacted == pytest.approx(found["learned"].contacted)
    assert (found["none"].gain.value, found["none"].gain.upper) == (0, 0)


def test_customers_without_a_score_come_last(taught):
    score = np.where(np.arange(4_000) % 2, np.nan, 1.0)
    found = evidence(taught, rankings={"risk": score, "reverse": np.where(np.isnan(score), 1.0, np.nan)})
    assert found.over_others["by risk"].value != found.over_others["by reverse"].value


def test_contacts_that_cost_more_than_they_bring_are_not_made(taught):
    found = {row.name: row for row in evidence(taught, costs=[50.0]).rows}
    assert found["learned"].contacted == 0
    assert found["all"].gain.upper < 0


def test_it_is_json(taught):
    state = json.loads(json.dumps(evidence(taught).state(), allow_nan=False))
    assert state["rows"][1]["policy"] == "learned"
    assert set(state["learned_over"]) == {"none", "all", "random"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"costs": [1.0, 2.0]}, r"costs are \[1.0, 2.0\]: one number of at least 0 for each of \['offer_0'\]"),
        ({"costs": [-1.0]}, r"costs are \[-1.0\]"),
        ({"rankings": {"risk": [1.0]}}, r"'risk' has shape \(1,\): one score per customer, \(4000,\)"),
    ],
)
def test_what_means_nothing_is_refused(taught, change, message):
    with pytest.raises(ExperimentError, match=message):
        evidence(taught, **change)
