from __future__ import annotations

import numpy as np
import pytest

from cvm.errors import ExperimentError
from cvm.evaluation import effect_qini, heterogeneity, score_cuts, transported_effect, uplift_by_group


def scored(n: int, *, seed: int, slope: float):
    rng = np.random.default_rng(seed)
    score = rng.lognormal(size=n)
    return 1 + slope * (score - np.exp(0.5)) + 3 * rng.normal(size=n), score


class TestHeterogeneity:
    @pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
    def test_the_slope_says_how_much_of_the_promise_is_kept(self, slope):
        found = heterogeneity(*scored(20_000, seed=1, slope=slope))
        assert found.slope.lower < slope < found.slope.upper
        assert found.mean_effect.lower < 1 < found.mean_effect.upper
        assert found.p_value < 1e-6

    def test_without_differences_as_many_are_claimed_as_promised(self):
        p_values = [heterogeneity(*scored(300, seed=seed, slope=0.0)).p_value for seed in range(1000)]
        assert 0.035 <= np.mean(np.array(p_values) < 0.05) <= 0.065

    def test_noise_that_grows_with_the_score_claims_nothing_either(self):
        rng = np.random.default_rng(2)
        p_values = []
        for _ in range(600):
            score = rng.lognormal(0, 1.5, size=1_000)
            p_values.append(heterogeneity(score * rng.normal(size=1_000), score).p_value)
        assert 0.03 <= np.mean(np.array(p_values) < 0.05) <= 0.075

    @pytest.mark.parametrize("n_columns", [1, 5])
    def test_folds_that_teach_each_other_claim_no_more_than_promised(self, n_columns):
        claimed = []
        for seed in range(400):
            rng = np.random.default_rng(seed)
            X, effect, fold = rng.normal(size=(400, n_columns)), rng.normal(size=400), np.arange(400) % 4
            score = np.empty(400)
            for number in range(4):
                taught = fold != number
                score[~taught] = X[~taught] @ np.linalg.lstsq(X[taught], effect[taught], rcond=None)[0]
            claimed.append(heterogeneity(effect, score, fold=fold).p_value < 0.05)
        assert np.mean(claimed) <= 0.07

    def test_a_score_that_is_wrong_has_a_slope_below_zero_and_claims_nothing(self):
        found = heterogeneity(*scored(5_000, seed=3, slope=-1.0))
        assert found.slope.upper < 0
        assert found.p_value > 0.99

    @pytest.mark.parametrize("fold", [None, np.arange(100) % 2])
    def test_a_constant_score_knows_nothing(self, fold):
        score = np.full(100, 0.1) if fold is None else 0.1 + fold
        found = heterogeneity(np.arange(100.0), score, fold=fold)
        assert (found.slope.value, found.slope.lower, found.slope.upper, found.p_value) == (0, 0, 0, 1)

    def test_levels_of_folds_are_no_differences_between_customers(self):
        effect, score = scored(4_000, seed=4, slope=1.0)
        fold = np.arange(4_000) % 4
        shifted = heterogeneity(effect, score + 10 * fold, fold=fold)
        assert shifted.slope.value == pytest.approx(heterogeneity(effect, score, fold=fold).slope.value)


class TestGroups:
    def test_groups_by_hand(self):
        effect, score = np.array([4.0, 2.0, 1.0, 1.0, 0.0, -2.0]), np.array([9.0, 8.0, 5.0, 5.0, 2.0, 1.0])
        groups = uplift_by_group(effect, score, n_groups=3)
        np.testing.assert_array_equal(groups.from_score, [8, 5, -np.inf])
        np.testing.assert_array_equal(groups.n_customers, [2, 2, 2])
        np.testing.assert_allclose(groups.predicted, [8.5, 5, 1.5])
        np.testing.assert_allclose(groups.effect, [3, 1, -1])
        np.testing.assert_allclose(groups.error, [1, 0, 1])

    def test_tied_customers_stay_together(self):
        score = np.repeat([3.0, 2.0, 1.0], [5, 90, 5])
        groups = uplift_by_group(np.ones(100), score)
        np.testing.assert_array_equal(groups.n_customers, [95, 5])
        assert len(score_cuts(np.ones(50))) == 1

    def test_a_group_of_one_shows_no_effect(self):
        groups = uplift_by_group(np.array([1.0, 2.0, 3.0]), np.array([9.0, 1.0, 1.0]), cuts=np.array([20.0, 5.0, -np.inf]))
        np.testing.assert_array_equal(groups.n_customers, [0, 1, 2])
        np.testing.assert_array_equal(groups.effect, [np.nan, np.nan, 2.5])

    def test_the_mean_effect_moves_with_the_customers_it_is_asked_of(self):
        rng = np.random.default_rng(5)
        score = rng.normal(size=40_000)
        groups = uplift_by_group(score + rng.normal(size=40_000), score, n_groups=20)
        others = rng.normal(0.5, 1, size=10_000)
        found = transported_effect(groups, others)
        assert found.lower < found.value < found.upper
        assert found.value == pytest.approx(0.5, abs=0.1)
        own = transported_effect(groups, score)
        assert own.value == pytest.approx((groups.effect * groups.n_customers).sum() / 40_000)

    def test_customers_unlike_any_of_the_experiment_are_refused(self):
        groups = uplift_by_group(np.ones(4), np.zeros(4), cuts=np.array([1.0, -np.inf]))
        with pytest.raises(ExperimentError, match=r"2 of 3 customers have scores.*fewer groups"):
            transported_effect(groups, np.array([2.0, 3.0, 0.0]))


@pytest.mark.parametrize("judge", [heterogeneity, uplift_by_group, effect_qini])
@pytest.mark.parametrize(
    ("score", "message"),
    [
        (np.append(np.full(3, np.nan), np.ones(47)), r"score is missing or infinite for 3 of 50 customers"),
        (np.ones(49), r"shapes \(50,\) and \(49,\)"),
    ],
)
def test_scores_that_mean_nothing_are_refused(judge, score, message):
    with pytest.raises(ExperimentError, match=message):
        judge(np.ones(50), score)
