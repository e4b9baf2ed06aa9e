import json

import pytest

from cvm.models.search import Search, Trial

DEFAULTS = Trial({"leaves": 15}, (0.30, 0.20, 0.10), pruned=False, seconds=1.0)
BETTER = Trial({"leaves": 4}, (0.28, 0.18, 0.09), pruned=False, seconds=1.0)
LUCKY = Trial({"leaves": 63}, (0.20, 0.24, 0.13), pruned=False, seconds=1.0)
PRUNED = Trial({"leaves": 31}, (0.01, 0.01), pruned=True, seconds=0.5)


def search(*trials, wanted=None):
    return Search("churn", "Brier score", trials, wanted=wanted or len(trials))


def test_settings_that_are_ahead_in_every_fold_are_chosen():
    found = search(DEFAULTS, BETTER)
    assert found.chosen == {"leaves": 4}
    assert found.note == "Tuning of churn: Brier score 0.2 -> 0.1833 out of fold in 2 trials, 0 pruned."


def test_a_lead_that_one_fold_makes_and_others_lose_is_luck():
    found = search(DEFAULTS, LUCKY)
    assert found.lowest is LUCKY
    assert found.chosen == {}
    assert found.note == (
        "Tuning of churn: the defaults stay with a Brier score of 0.2 out of fold; the lowest in 2 trials, 0 pruned, 0.19, "
        "is no further ahead than its standard error."
    )


def test_a_pruned_trial_is_never_chosen():
    found = search(DEFAULTS, PRUNED, BETTER)
    assert found.lowest is BETTER
    assert "in 3 trials, 1 pruned" in found.note


def test_the_defaults_that_stay_are_said_to():
    assert search(DEFAULTS).chosen == {}
    assert search(DEFAULTS).note == (
        "Tuning of churn: the defaults stay with a Brier score of 0.2 out of fold, the lowest in 1 trial."
    )


@pytest.mark.parametrize("trials", [(), (DEFAULTS,), (DEFAULTS, BETTER)])
def test_a_search_that_ran_out_of_time_says_so(trials):
    found = search(*trials, wanted=20)
    assert f"Time was up after {len(trials)} of 20 trials" in found.note
    assert "depends on the speed of this machine" in found.note


def test_the_state_is_json_and_knows_no_time():
    assert json.loads(json.dumps(search(DEFAULTS, BETTER, PRUNED).state())) == {
        "model": "churn",
        "metric": "Brier score",
        "trials": 3,
        "pruned": 1,
        "default_loss": pytest.approx(0.2),
        "lowest_loss": pytest.approx(0.55 / 3),
        "chosen": {"leaves": 4},
    }
    assert search(wanted=3).state()["default_loss"] is None
