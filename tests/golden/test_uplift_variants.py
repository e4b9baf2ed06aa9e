"""Coefficients of other libraries, against what those libraries gave for the same experiments.

`uplift_variants.json` holds their figures and versions; `drawn` draws the experiments again.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cvm.evaluation import uplift_at_share, uplift_at_share_of_each_arm, uplift_coefficient

MEASURED = json.loads(Path(__file__).with_name("uplift_variants.json").read_text(encoding="utf-8"))["experiments"]
AT_SHARE = {"overall": uplift_at_share, "by_group": uplift_at_share_of_each_arm}


def drawn(seed: int, n: int, share: float, *, money: bool):
    rng = np.random.default_rng(seed)
    x, treated = rng.normal(size=n), (rng.random(n) < share).astype(int)
    p = 1 / (1 + np.exp(-(-1 + 0.5 * x + treated * (1.5 + 0.6 * x))))
    outcome = (rng.random(n) < p).astype(float)
    if money:
        outcome = outcome * np.round(rng.lognormal(3, 1, size=n), 2)
    return outcome, treated, np.round(x + rng.normal(size=n), 9)


@pytest.mark.parametrize("measured", MEASURED, ids=lambda one: f"seed{one['seed']}")
def test_variants_are_those_of_the_libraries(measured):
    experiment = drawn(measured["seed"], measured["n"], measured["share"], money=measured["money"])
    assert experiment[0][:20].sum() == pytest.approx(measured["first_outcomes"])
    for variant, figure in measured["peers"].items():
        if variant != "at_k":
            assert uplift_coefficient(*experiment, variant=variant) == pytest.approx(figure, abs=1e-9), variant


@pytest.mark.parametrize(
    "measured", [one for one in MEASURED if "at_k" in one["peers"] and one["n"] > 100], ids=lambda one: f"seed{one['seed']}"
)
def test_uplift_at_k_is_that_of_scikit_uplift(measured):
    outcome, treated, score = drawn(measured["seed"], measured["n"], measured["share"], money=measured["money"])
    for name, figure in measured["peers"]["at_k"].items():
        strategy, k = name.split()
        # That library rounds customers down; ours counts the last one in part.
        arms = [treated == 1, treated == 0] if strategy == "by_group" else [treated >= 0]
        if all(float(k) * own.sum() % 1 == 0 for own in arms):
            found = AT_SHARE[strategy](outcome, treated, score, share=float(k))
            assert found.value == pytest.approx(figure, abs=1e-12), name
