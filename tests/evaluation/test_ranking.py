from __future__ import annotations

import math

import numpy as np
import pytest

from cvm.evaluation import area_under_roc, average_precision, lift_at, normalised_gini, spearman, value_share_at

HAPPENED = np.array([1.0, 0.0, 1.0, 0.0])
SCORE = np.array([0.9, 0.8, 0.3, 0.1])


def array(*values):
    return np.array(values, dtype=float)


def slow_auc(happened, score):
    """Share of pairs in the right order, a tie counting half."""
    pairs = [(a > b) + (a == b) / 2 for a in score[happened == 1] for b in score[happened == 0]]
    return sum(pairs) / len(pairs)


def slow_gini(actual, predicted):
    """Area between captured value and the diagonal, one trapezoid per customer, for untied predictions."""

    def area(order):
        captured, total = [0.0], 0.0
        for position in order:
            total += actual[position]
            captured.append(total / actual.sum())
        n = len(actual)
        return sum((captured[i] + captured[i + 1]) / 2 / n for i in range(n)) - 0.5

    def by_falling(values):
        return sorted(range(len(values)), key=lambda position: -values[position])

    return area(by_falling(predicted)) / area(by_falling(actual))


@pytest.fixture
def untied():
    rng = np.random.default_rng(1)
    score = rng.permutation(1000) / 1000
    happened = (rng.random(1000) < score).astype(float)
    return happened, score


class TestAreaUnderRoc:
    def test_it_is_the_share_of_pairs_in_the_right_order(self):
        assert area_under_roc(HAPPENED, SCORE) == 0.75

    def test_a_tie_counts_half(self):
        assert area_under_roc(array(1, 0), array(0.5, 0.5)) == 0.5
        assert area_under_roc(array(1, 0, 0), array(0.5, 0.5, 0.1)) == 0.75

    def test_it_agrees_with_counting_pairs(self, untied):
        assert area_under_roc(*untied) == pytest.approx(slow_auc(*untied), rel=1e-12)

    def test_a_constant_score_is_chance_in_any_order_of_rows(self):
        rng = np.random.default_rng(2)
        for _ in range(5):
            assert area_under_roc(rng.permutation(np.repeat([0.0, 1.0], [70, 30])), np.full(100, 0.3)) == 0.5

    @pytest.mark.parametrize("outcome", [0.0, 1.0])
    def test_it_is_null_if_only_one_kind_is_there(self, outcome):
        assert math.isnan(area_under_roc(np.full(4, outcome), SCORE))


class TestAveragePrecision:
    def test_it_averages_precision_at_each_hit(self):
        assert average_precision(HAPPENED, SCORE) == pytest.approx((1 / 1 + 2 / 3) / 2)

    def test_a_constant_score_gives_the_base_rate_in_any_order_of_rows(self):
        assert average_precision(HAPPENED, np.full(4, 0.3)) == 0.5
        assert average_precision(HAPPENED[::-1].copy(), np.full(4, 0.3)) == 0.5

    def test_it_is_null_if_it_happened_to_nobody(self):
        assert math.isnan(average_precision(np.zeros(4), SCORE))


class TestLift:
    def test_it_is_the_rate_at_the_top_over_the_rate_of_all(self):
        assert lift_at(HAPPENED, SCORE, share=0.25) == 2.0
        assert lift_at(HAPPENED, SCORE, share=0.5) == 1.0
        assert lift_at(HAPPENED, SCORE, share=0.75) == pytest.approx((2 / 3) / 0.5)
        assert lift_at(HAPPENED, SCORE, share=1.0) == 1.0

    def test_the_top_holds_at_least_one_customer(self):
        assert lift_at(HAPPENED, SCORE, share=0.001) == 2.0

    def test_a_tie_at_the_cut_is_shared_whatever_the_order_of_rows(self):
        happened, score = array(1, 1, 0, 0), array(0.9, 0.5, 0.5, 0.5)
        # The second place is one of three, of whom one third had it happen.
        expected = ((1 + 1 / 3) / 2) / 0.5
        for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
            assert lift_at(happened[order], score[order], share=0.5) == pytest.approx(expected)

    def test_it_is_null_if_it_happened_to_nobody(self):
        assert math.isnan(lift_at(np.zeros(4), SCORE, share=0.5))


class TestValueShare:
    def test_it_is_the_share_of_all_value_at_the_top(self):
        actual, predicted = array(1, 6, 3, 0), array(2, 9, 1, 0)
        assert value_share_at(actual, predicted, share=0.25) == 0.6
        assert value_share_at(actual, predicted, share=0.5) == pytest.approx(0.7)
        assert value_share_at(actual, predicted, share=1.0) == 1.0

    def test_a_constant_prediction_captures_its_share_in_any_order_of_rows(self):
        actual = array(10, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        for shift in range(10):
            assert value_share_at(np.roll(actual, shift), np.full(10, 5.0), share=0.2) == pytest.approx(0.2)

    def test_it_is_null_without_value(self):
        assert math.isnan(value_share_at(np.zeros(4), SCORE, share=0.5))


class TestNormalisedGini:
    def test_it_is_the_ratio_of_two_areas(self):
        # Captured 0, 3/4, 1 against 3/4, 1, 1: areas -1/12 and 1/4.
        assert normalised_gini(array(0, 3, 1), array(3, 2, 1)) == pytest.approx(-1 / 3)

    def test_a_perfect_ranking_has_1_whatever_its_scale(self):
        actual = array(0, 0, 5, 1, 30, 0, 5)
        assert normalised_gini(actual, np.sqrt(actual) + 7) == pytest.approx(1.0)

    def test_the_reverse_of_a_perfect_ranking_has_minus_1(self):
        actual = array(4, 2, 1, 0)
        assert normalised_gini(actual, -actual) == pytest.approx(-1.0)

    def test_a_constant_prediction_has_0_in_any_order_of_rows(self):
        rng = np.random.default_rng(3)
        actual = np.append(rng.gamma(0.3, 100, 500), 1e5)
        for _ in range(5):
            assert normalised_gini(rng.permutation(actual), np.full(501, 2.0)) == pytest.approx(0.0, abs=1e-12)

    def test_ties_do_not_depend_on_the_order_of_rows(self):
        rng = np.random.default_rng(4)
        actual, predicted = rng.gamma(0.3, 100, 500), rng.integers(0, 5, 500).astype(float)
        expected = normalised_gini(actual, predicted)
        for _ in range(5):
            order = rng.permutation(500)
            assert normalised_gini(actual[order], predicted[order]) == pytest.approx(expected, rel=1e-12)

    def test_it_agrees_with_one_trapezoid_per_customer(self):
        rng = np.random.default_rng(5)
        actual = rng.gamma(0.3, 100, 400)
        predicted = actual + rng.normal(0, 50, 400)
        assert normalised_gini(actual, predicted) == pytest.approx(slow_gini(actual, predicted), rel=1e-12)

    def test_steps_instead_of_trapezoids_differ_by_no_more_than_the_width_of_a_customer(self):
        # The outcome check beside the project sums steps; both sides of the ratio then miss half a customer.
        rng = np.random.default_rng(6)
        n = 2000
        actual = rng.gamma(0.3, 100, n)
        predicted = actual + rng.normal(0, 50, n)

        def steps(order):
            return np.cumsum(actual[order]).mean() / actual.sum() - 0.5

        by_steps = steps(np.argsort(-predicted)) / steps(np.argsort(-actual))
        assert normalised_gini(actual, predicted) == pytest.approx(by_steps, abs=1 / n)

    @pytest.mark.parametrize("actual", [np.zeros(4), np.full(4, 7.0)])
    def test_it_is_null_where_nothing_is_to_be_ranked(self, actual):
        assert math.isnan(normalised_gini(actual, SCORE))


class TestSpearman:
    def test_it_compares_ranks(self):
        # d = 0, 1, -1, 0; 1 - 6 * 2 / (4 * 15).
        assert spearman(array(1, 2, 3, 4), array(10, 300, 20, 4000)) == pytest.approx(0.8)

    def test_ties_share_their_mean_rank(self):
        def ranks(values):
            return array(*(np.mean([i for i, other in enumerate(sorted(values)) if other == value]) for value in values))

        actual, predicted = array(0, 0, 1, 5, 5), array(1, 2, 2, 2, 9)
        expected = np.corrcoef(ranks(actual), ranks(predicted))[0, 1]
        assert spearman(actual, predicted) == pytest.approx(expected)

    def test_a_constant_has_0(self):
        assert spearman(array(1, 2, 3), np.full(3, 2.0)) == 0.0
        assert spearman(np.full(3, 2.0), array(1, 2, 3)) == 0.0
