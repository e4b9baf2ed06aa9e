from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cvm.errors import ExperimentError, InsufficientDataError
from cvm.evaluation import arm_values
from cvm.models.uplift import fit_uplift, observational_experiment
from uplifted import FAST, campaign


def picked(n: int, *, seed: int, strength: float = 1.0):
    """Customers of high ``x`` are likelier contacted, and respond more whether contacted or not."""
    features, _ = campaign(n, seed=seed, slope=0.0)
    rng, x = np.random.default_rng(seed + 1), features["x"].to_numpy()
    treated = rng.random(n) < 1 / (1 + np.exp(-strength * x))
    responds = rng.random(n) < 0.3 + 0.1 * np.tanh(x) + 0.1 * treated
    arm = pd.Series(np.where(treated, "offer_0", "control"))
    return {"features": features, "outcome": pd.Series(responds.astype(float)), "arm": arm}


def test_it_has_to_be_allowed():
    with pytest.raises(ExperimentError, match=r"not drawn at random by a known design.*allow_observational=True"):
        observational_experiment(**picked(1_000, seed=1))


def test_what_the_features_explain_is_no_effect():
    given = picked(8_000, seed=2)
    experiment, overlap = observational_experiment(**given, allow_observational=True)
    naive = given["outcome"].groupby(given["arm"]).mean()
    values = arm_values(experiment.outcome, experiment.arm, experiment.drawn_with, n_arms=2, expected=0.3)
    weighted = (values[:, 1] - values[:, 0]).mean()
    assert naive["offer_0"] - naive["control"] > 0.15
    assert weighted == pytest.approx(0.1, abs=0.035)
    assert overlap.difference_after < 0.3 * overlap.difference_before
    assert overlap.n_trimmed + len(experiment) == 8_000
    assert all(one.effective < one.n_customers for one in overlap.arms)
    assert experiment.drawn_with.min() >= 0.05


def test_what_was_learned_says_that_it_may_be_wrong():
    experiment, overlap = observational_experiment(**picked(2_000, seed=3), allow_observational=True)
    (evidence,) = fit_uplift(experiment, settings=FAST).evidence
    assert evidence.sentence.endswith(overlap.sentence)
    assert "true only if everything that decided who was contacted is among the features" in evidence.sentence


def test_arms_that_hardly_overlap_are_refused():
    with pytest.raises(ExperimentError, match=r"customers had next to no chance .* hardly overlap.*Hold some customers out"):
        observational_experiment(**picked(3_000, seed=4, strength=40.0), allow_observational=True)


def test_a_customer_is_there_once_and_there_have_to_be_enough():
    given = picked(1_000, seed=5)
    few = {name: value.head(300) for name, value in given.items()}
    with pytest.raises(InsufficientDataError, match=r"at least 200 and 20"):
        observational_experiment(**few, allow_observational=True)
    twice = given["features"].assign(customer_id="c0")
    with pytest.raises(ExperimentError, match=r"999 rows repeat a customer_id"):
        observational_experiment(**{**given, "features": twice}, allow_observational=True)
