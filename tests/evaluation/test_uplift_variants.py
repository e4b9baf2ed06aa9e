from __future__ import annotations

import numpy as np
import pytest

from cvm.errors import ExperimentError
from cvm.evaluation import uplift_coefficient

VARIANTS = [
    *("sklift_qini", "sklift_qini_no_harm", "sklift_auuc"),
    *("causalml_auuc", "causalml_qini", "causalml_auuc_raw", "causalml_qini_raw"),
]


def experiment(n: int, *, seed: int):
    rng = np.random.default_rng(seed)
    score, treated = np.round(rng.normal(size=n), 1), rng.integers(2, size=n)
    return (rng.random(n) < 0.3 + 0.3 * treated * (score > 0)).astype(float), treated, score


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_order_of_tied_rows_changes_nothing(variant):
    outcome, treated, score = experiment(500, seed=1)
    order = np.random.default_rng(2).permutation(500)
    shuffled = uplift_coefficient(outcome[order], treated[order], score[order], variant=variant)
    assert shuffled == pytest.approx(uplift_coefficient(outcome, treated, score, variant=variant))


@pytest.mark.parametrize("variant", ["sklift_qini", "sklift_qini_no_harm", "sklift_auuc", "causalml_qini"])
def test_a_constant_score_is_worth_nothing(variant):
    outcome, treated, _ = experiment(300, seed=3)
    assert uplift_coefficient(outcome, treated, np.zeros(300), variant=variant) == pytest.approx(0, abs=1e-12)


def test_a_perfect_score_is_worth_one():
    outcome, treated, _ = experiment(300, seed=4)
    best = np.where(treated == 1, outcome, -outcome)
    assert uplift_coefficient(outcome, treated, best, variant="sklift_qini") == pytest.approx(1)


@pytest.mark.parametrize(
    ("variant", "change", "message"),
    [
        ("gini", {}, r"'gini' is unknown; there are \['causalml_auuc'"),
        ("sklift_qini", {"outcome": np.arange(50.0)}, r"sklift_qini is defined for outcomes of 0 and 1"),
        ("causalml_qini", {"outcome": np.ones(50)}, r"nothing to divide by.*treatment added nothing"),
        ("sklift_qini_no_harm", {"treated": 1 - np.arange(50) % 2, "outcome": np.arange(50.0) % 2}, r"added nothing"),
        ("causalml_auuc", {"score": np.full(50, np.nan)}, r"score is missing or infinite for 50 of 50"),
    ],
)
def test_what_means_nothing_is_refused(variant, change, message):
    given = dict(zip(("outcome", "treated", "score"), experiment(50, seed=5), strict=True)) | change
    with pytest.raises(ExperimentError, match=message):
        uplift_coefficient(**given, variant=variant)
