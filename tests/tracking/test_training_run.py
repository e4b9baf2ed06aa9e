from __future__ import annotations

from cvm.models.churn import BtydChurn
from cvm.models.clv import fit_anchored_value
from cvm.tracking.training_run import _model_params
from simulated import sample


def test_a_booster_is_recorded_with_the_settings_it_was_fitted_with() -> None:
    tuned = {"num_leaves": 4, "num_threads": 1}
    model = fit_anchored_value([sample(n_customers=300, seed=1)], columns=["noise"], settings=tuned, seed=1)
    recorded = _model_params(model, tuned)
    assert (recorded["num_leaves"], recorded["learning_rate"]) == (4, 0.05)
    assert recorded["rounds"] == model.boosted.rounds
    assert recorded["floor"] == model.floor


def test_a_baseline_is_recorded_with_nothing_of_the_boosters() -> None:
    assert _model_params(BtydChurn(), {"num_leaves": 4}) == {}
