from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cvm.models.boosting import Boosted, Encoder, Task, TrainingRows, customer_folds, fit_boosted, refit_boosted
from simulated import sample

NUMBERS = {"recency_days": [3.0, np.nan, 40.0], "flag": [True, False, True]}


@pytest.fixture
def features():
    return pd.DataFrame({**NUMBERS, "city": ["Kyiv", None, "Lviv"]})


def often(features: pd.DataFrame) -> pd.DataFrame:
    """Every row ten times: what fewer share is kept by no encoder."""
    return pd.concat([features] * 10, ignore_index=True)


class TestEncoder:
    def test_numbers_come_first_and_categories_are_coded_by_their_place_in_the_alphabet(self, features):
        encoder = Encoder.fit(often(features), ["city", "recency_days", "flag"])
        assert encoder.columns == ["recency_days", "flag", "city"]
        expected = [[3.0, 1.0, 0.0], [np.nan, 0.0, np.nan], [40.0, 1.0, 1.0]]
        np.testing.assert_array_equal(encoder.matrix(features), expected)

    def test_a_category_not_seen_in_training_is_missing(self, features):
        encoder = Encoder.fit(often(features), ["city"])
        unseen = pd.DataFrame({"city": ["Odesa", "Lviv", "", None]})
        np.testing.assert_array_equal(encoder.matrix(unseen)[:, 0], [np.nan, 1.0, np.nan, np.nan])

    @pytest.mark.parametrize("dtype", ["str", "object", "category", "string"])
    def test_the_type_of_a_text_column_is_irrelevant(self, features, dtype):
        encoder = Encoder.fit(often(features), ["city"])
        typed = features.assign(city=features["city"].astype(dtype))
        assert Encoder.fit(often(typed), ["city"]) == encoder
        np.testing.assert_array_equal(encoder.matrix(typed), encoder.matrix(features))

    def test_a_missing_column_is_all_missing(self, features):
        encoder = Encoder.fit(often(features), ["recency_days", "city"])
        matrix = encoder.matrix(pd.DataFrame(index=range(2)))
        assert matrix.shape == (2, 2)
        assert np.isnan(matrix).all()

    def test_constant_and_empty_columns_are_left_out(self, features):
        features = features.assign(
            one=1.0, same="x", no_number=np.nan, no_text=pd.Series([None] * 3, dtype=object), sometimes=[7.0, np.nan, 7.0]
        )
        encoder = Encoder.fit(often(features), ["one", "same", "no_number", "no_text", "sometimes", "recency_days"])
        # A constant that is sometimes missing still tells two kinds of customers apart.
        assert encoder.columns == ["sometimes", "recency_days"]

    def test_only_the_most_frequent_categories_are_kept(self):
        cities = [f"city {number:03d}" for number in range(60) for _ in range(10 + (number >= 10))]
        (kept,) = Encoder.fit(pd.DataFrame({"city": cities}), ["city"]).categories.values()
        assert kept == tuple(f"city {number:03d}" for number in range(10, 60))

    def test_new_columns_and_another_order_of_columns_are_irrelevant(self, features):
        encoder = Encoder.fit(often(features), ["recency_days", "city"])
        other = features.assign(new=1.0)[["new", "city", "recency_days", "flag"]]
        np.testing.assert_array_equal(encoder.matrix(other), encoder.matrix(features))

    @pytest.mark.parametrize("sort_keys", [True, False])
    def test_its_state_survives_json_whatever_the_order_of_keys(self, features, sort_keys):
        features = features.assign(brand=["x", "y", "x"], area=["n", "s", "s"])
        encoder = Encoder.fit(often(features), ["recency_days", "flag", "city", "area", "brand"])
        again = Encoder.from_state(json.loads(json.dumps(encoder.state(), sort_keys=sort_keys)))
        # Trees know columns by position.
        assert again.columns == encoder.columns == ["recency_days", "flag", "city", "area", "brand"]
        assert again == encoder

    def test_a_value_that_few_customers_share_is_kept_by_nobody(self):
        frame = pd.DataFrame({"city": ["Kyiv"] * 10 + ["Lviv"] * 9, "name": [f"name {number}" for number in range(19)]})
        assert Encoder.fit(frame, ["city", "name"]).categories == {"city": ("Kyiv",)}


class TestCustomerFolds:
    CUSTOMERS = np.array([f"c{number}" for number in np.random.default_rng(1).integers(0, 80, 400)], dtype=object)

    def test_no_customer_is_split(self):
        for training, test in customer_folds(self.CUSTOMERS, seed=3):
            assert not set(self.CUSTOMERS[training]) & set(self.CUSTOMERS[test])

    def test_every_row_is_tested_once_and_trains_otherwise(self):
        folds = customer_folds(self.CUSTOMERS, seed=3)
        assert len(folds) == 4
        assert sorted(np.concatenate([test for _, test in folds])) == list(range(400))
        for training, test in folds:
            assert sorted([*training, *test]) == list(range(400))

    def test_folds_hold_the_same_number_of_customers(self):
        sizes = [len(set(self.CUSTOMERS[test])) for _, test in customer_folds(self.CUSTOMERS, seed=3)]
        assert max(sizes) - min(sizes) <= 1

    def test_the_seed_decides(self):
        def tests(seed):
            return [test.tolist() for _, test in customer_folds(self.CUSTOMERS, seed=seed)]

        assert tests(3) == tests(3)
        assert tests(3) != tests(4)

    def test_fewer_customers_than_folds_give_a_fold_each(self):
        folds = customer_folds(np.array(["a", "b", "b", "a", "c"], dtype=object), seed=1)
        assert len(folds) == 3
        assert all(len(training) for training, _ in folds)


@pytest.fixture(scope="module")
def lesson():
    """Two snapshots of customers whose outcome depends on their colour."""
    samples = [sample(n_customers=500, seed=seed) for seed in (1, 2)]
    colour = pd.concat([part.features["colour"] for part in samples]).to_numpy()
    return samples, (colour == "red").astype(float), np.zeros(1000)


def training_rows(samples, columns) -> TrainingRows:
    return TrainingRows([part.features for part in samples], columns)


def fitted(lesson, *, seed=5, **settings):
    samples, target, anchor = lesson
    settings = {"num_threads": 1, "min_data_in_leaf": 20, **settings}
    columns = ["noise", "colour", "recency_days"]
    return fit_boosted(Task(training_rows(samples, columns), target, anchor, {"objective": "binary"}, settings, seed))


class TestWeight:
    """Two halves of the customers that say the opposite of one column."""

    @staticmethod
    def task(weight=None) -> Task:
        rng = np.random.default_rng(8)
        features = pd.DataFrame({"customer_id": [f"c{k}" for k in range(800)], "x": rng.normal(size=800)})
        sign = np.where(np.arange(800) < 400, 1.0, -1.0)
        target = sign * np.where(features["x"] > 0, 1.0, -1.0)
        settings = {"num_threads": 1, "min_data_in_leaf": 20}
        rows = TrainingRows([features], ["x"])
        return Task(rows, target, np.zeros(800), {"objective": "regression"}, settings, 5, weight=weight)

    def test_rows_are_heard_by_their_weight(self):
        high, low = pd.DataFrame({"x": [2.0]}), pd.DataFrame({"x": [-2.0]})
        first = np.where(np.arange(800) < 400, 1.8, 0.2)
        for weight, sign in ((first, 1), (2 - first, -1)):
            boosted = fit_boosted(self.task(weight)).boosted
            assert sign * boosted.margin(high)[0] > 0.5
            assert sign * boosted.margin(low)[0] < -0.5

    def test_alike_is_the_default(self):
        plain, even = (fit_boosted(self.task(weight)) for weight in (None, np.ones(800)))
        np.testing.assert_array_equal(plain.margin_out_of_fold, even.margin_out_of_fold)

    def test_rows_left_out_take_their_weight_with_them(self):
        weight = np.where(np.arange(800) < 400, 1.8, 0.2)
        kept = np.arange(800) >= 400
        boosted = refit_boosted(replace(self.task(weight), taught=kept), rounds=100)
        assert boosted.margin(pd.DataFrame({"x": [2.0]}))[0] < -0.5


class TestFitBoosted:
    def test_trees_learn_what_the_anchor_does_not_say(self, lesson):
        fit = fitted(lesson)
        samples, target, _ = lesson
        margin = fit.boosted.margin(samples[0].features)
        assert margin[target[:500] == 1].min() > margin[target[:500] == 0].max()
        assert fit.boosted.importance()["colour"] > 0.9
        assert sum(fit.boosted.importance().values()) == pytest.approx(1.0)

    def test_trees_add_nothing_to_an_anchor_that_says_it_all(self, lesson):
        samples, target, _ = lesson
        fit = fitted((samples, target, 40 * target - 20))
        np.testing.assert_allclose(fit.boosted.margin(samples[0].features), 0.0, atol=1e-3)

    def test_the_same_seed_gives_the_same_trees_and_another_seed_others(self, lesson):
        first, second, other = fitted(lesson), fitted(lesson), fitted(lesson, seed=6)
        assert first.boosted.text == second.boosted.text
        np.testing.assert_array_equal(first.margin_out_of_fold, second.margin_out_of_fold)
        assert first.boosted.text != other.boosted.text

    @pytest.mark.slow  # threads wait for each other wherever the cores are busy
    def test_the_number_of_threads_changes_nothing(self, lesson):
        one, two = fitted(lesson), fitted(lesson, num_threads=2)
        assert one.boosted.rounds == two.boosted.rounds
        np.testing.assert_array_equal(one.margin_out_of_fold, two.margin_out_of_fold)

    def test_out_of_fold_margins_come_from_trees_that_never_saw_the_customer(self, lesson):
        # A target nobody can foresee: trees fit it in sample, out of fold they cannot.
        samples, _, anchor = lesson
        target = np.random.default_rng(9).integers(0, 2, 1000).astype(float)
        fit = fitted((samples, target, anchor), min_data_in_leaf=5, lambda_l2=0.0)
        in_sample = np.concatenate([fit.boosted.margin(part.features) for part in samples])
        assert np.corrcoef(in_sample, target)[0, 1] > 0.05
        assert np.corrcoef(fit.margin_out_of_fold, target)[0, 1] < 0.05

    def test_a_refit_keeps_the_rounds_and_on_the_same_rows_the_trees(self, lesson):
        fit = fitted(lesson)
        samples, target, anchor = lesson
        settings = {"num_threads": 1, "min_data_in_leaf": 20}
        rows = training_rows(samples, ["noise", "colour", "recency_days"])
        task = Task(rows, target, anchor, {"objective": "binary"}, settings, 5)
        assert refit_boosted(task, rounds=fit.boosted.rounds).text == fit.boosted.text

    def test_a_text_of_trees_predicts_as_before(self, lesson):
        fit = fitted(lesson)
        features = lesson[0][0].features
        rebuilt = Boosted(Encoder.from_state(fit.boosted.encoder.state()), fit.boosted.text)
        np.testing.assert_array_equal(rebuilt.margin(features), fit.boosted.margin(features))

    def test_no_customers_have_no_margin(self, lesson):
        assert fitted(lesson).boosted.margin(lesson[0][0].features.head(0)).shape == (0,)

    def test_missing_columns_and_unseen_categories_are_predicted_all_the_same(self, lesson):
        boosted = fitted(lesson).boosted
        assert np.isfinite(boosted.margin(pd.DataFrame({"colour": ["violet", None]}))).all()

    def test_names_of_columns_may_hold_anything(self, lesson):
        samples, target, anchor = lesson
        odd = 'share "of", {weird}: [names]\t'
        samples = [replace(part, features=part.features.rename(columns={"colour": odd})) for part in samples]
        settings = {"num_threads": 1, "min_data_in_leaf": 20}
        fit = fit_boosted(Task(training_rows(samples, ["noise", odd]), target, anchor, {"objective": "binary"}, settings, 5))
        assert fit.boosted.importance()[odd] > 0.9
