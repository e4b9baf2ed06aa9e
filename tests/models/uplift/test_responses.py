from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cvm.models.uplift import Experiment, Learning, experiment_of
from cvm.models.uplift.responses import Response, fit_common_response, link_of, with_telling_columns
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


class TestTellingColumns:
    def test_of_many_columns_those_stay_that_tell_in_their_order(self, many):
        found = with_telling_columns(many, link="log", learning=LEARNING)
        assert len(found.columns) <= 40
        assert "x" in found.columns
        assert list(found.columns) == [name for name in many.columns if name in found.columns]
        assert found.features is many.features
        np.testing.assert_array_equal(found.outcome, many.outcome)

    def test_few_columns_all_stay(self):
        few = wide(1_000, seed=2, extra=10)
        assert with_telling_columns(few, link="log", learning=LEARNING) is few

    def test_the_same_look_finds_the_same(self, many):
        first, second = (with_telling_columns(many, link="log", learning=LEARNING).columns for _ in range(2))
        assert first == second

    def test_which_treatment_a_customer_got_plays_no_part(self, many):
        # Every arm has the same mean, so that nothing at all is left to know it by.
        even = replace(many, outcome=np.where(many.arm == 0, many.outcome, many.outcome[many.arm == 0].mean()))
        turned = replace(even, arm=1 - even.arm, arms=many.arms)
        columns = {with_telling_columns(one, link="log", learning=LEARNING).columns for one in (even, turned)}
        assert len(columns) == 1

    def test_where_none_of_many_tells_anything_as_many_as_ever_stay(self, many):
        # Too few customers have each for a leaf of their own.
        rare = pd.DataFrame({f"rare_{k}": (np.arange(2_000) // 40 == k).astype(float) for k in range(45)})
        features = pd.concat([many.features[["customer_id"]], rare], axis=1)
        dull = replace(many, features=features, columns=tuple(rare.columns))
        found = with_telling_columns(dull, link="log", learning=LEARNING)
        assert len(found.columns) == 40
        response, _ = fit_common_response(found, link="log", learning=LEARNING)
        assert np.isfinite(response.expected(features)).all()


class TestCommonResponse:
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
