from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cvm.models.uplift import Experiment, Learning, experiment_of
from cvm.models.uplift.responses import Response, fit_common_response, link_of
from uplifted import FAST, campaign

LEARNING = Learning(FAST, 7)


def wide(n: int, *, seed: int, extra: int = 45) -> Experiment:
    """Money that half of the customers, those with ``x > 0``, spend four times as much of, and noise beside it."""
    rng = np.random.default_rng(seed)
    features, result = campaign(n, seed=seed, money=True, slope=0.0)
    outcome = result["outcome"] * np.where(features["x"] > 0, 4.0, 1.0)
    noise = pd.DataFrame(rng.normal(size=(n, extra)), columns=[f"noise_{number}" for number in range(extra)])
    features = pd.concat([features[["customer_id"]], noise, features[["x", "city"]]], axis=1)
    return experiment_of(features, outcome=outcome, arm=result["arm"], propensity={"control": 0.5, "offer_0": 0.5})


@pytest.fixture(scope="module")
def many() -> Experiment:
    return wide(2_000, seed=1)


@pytest.fixture(scope="module")
def common(many) -> tuple[Response, np.ndarray]:
    return fit_common_response(many, link="log", learning=LEARNING)


class TestCommonResponse:
    def test_of_many_columns_it_looks_at_those_that_tell(self, common):
        columns = common[0].boosted.encoder.columns
        assert len(columns) <= 40
        assert "x" in columns
        assert next(iter(common[0].boosted.importance())) == "x"

    def test_few_columns_are_all_looked_at(self):
        few = wide(1_000, seed=2, extra=10)
        response, _ = fit_common_response(few, link="log", learning=LEARNING)
        assert response.boosted.encoder.columns == list(few.columns)

    def test_which_treatment_a_customer_got_plays_no_part_in_what_tells(self, many):
        # The same outcomes, dealt to other arms of the same size and mean.
        rng = np.random.default_rng(4)
        other = replace(many, arm=rng.permutation(many.arm))
        scaled = [fit_common_response(one, link="log", learning=LEARNING)[0] for one in (many, other)]
        first, second = (next(iter(response.boosted.importance())) for response in scaled)
        assert first == second == "x"

    def test_what_is_expected_of_a_customer_is_the_word_of_others(self, many, common):
        response, expected = common
        assert expected.shape == (2_000, 2)
        # A treatment changes everybody's money by the same factor.
        ratio = expected[:, 1] / expected[:, 0]
        np.testing.assert_allclose(ratio, np.exp(response.anchors[1] - response.anchors[0]))
        own = response.expected(many.features)
        assert not np.allclose(own, expected)
        assert expected[:, 0].mean() == pytest.approx(many.outcome[many.arm == 0].mean(), rel=0.1)
        spends = (many.features["x"] > 0).to_numpy()
        assert expected[spends, 0].mean() > 1.5 * expected[~spends, 0].mean()

    def test_it_does_not_see_the_arm(self, common):
        assert common[0].sees_arm is False


def test_the_link_is_that_of_the_outcome():
    assert link_of(np.array([0.0, 1.0])) == "logit"
    assert link_of(np.array([0.0, 2.5])) == "log"
    assert link_of(np.array([-1.0, 1.0])) == "identity"
