from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from cvm.errors import CvmError, FeatureMismatchError, InsufficientDataError, ParamsError
from cvm.models.churn_classifier import ChurnClassifier
from cvm.models.labelled_churn import read_labelled_churn


def customers(n: int = 400, *, seed: int = 3) -> tuple[pd.DataFrame, np.ndarray]:
    """Customers of whom those on the basic plan leave more often, and who left."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "email": [f"c{number}@example.com" for number in range(n)],
            "plan": rng.choice(["basic", "plus"], n),
            "joined": pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "visits": np.where(rng.random(n) < 0.1, np.nan, rng.poisson(4, n)),
        }
    )
    return frame, np.where(rng.random(n) < np.where(frame["plan"] == "basic", 0.6, 0.1), "yes", "no")


@pytest.fixture(scope="module")
def fitted() -> ChurnClassifier:
    return ChurnClassifier().fit(*customers())


def test_it_learns_who_leaves_and_says_which_class_is_which(fitted):
    frame, left = customers(seed=4)
    p = fitted.predict_proba(frame)
    assert fitted.classes_.tolist() == ["no", "yes"]
    assert p.sum(axis=1) == pytest.approx(1.0)
    assert p[frame["plan"] == "basic", 1].mean() == pytest.approx(0.6, abs=0.1)
    assert p[frame["plan"] == "plus", 1].mean() == pytest.approx(0.1, abs=0.1)
    assert fitted.score(frame, left) > 0.7
    assert set(fitted.predict(frame)) == {"no", "yes"}


def test_ids_and_contact_data_are_never_learned_from(fitted):
    assert fitted.left_out_ == {"email": "an id, contact data or consent"}
    importance = dict(zip(fitted.feature_names_in_, fitted.feature_importances_, strict=True))
    assert importance["email"] == 0
    assert max(importance, key=lambda name: importance[name]) == "plan"
    assert sum(importance.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("make", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "arrow"])
def test_every_kind_of_frame_gives_the_same(fitted, make):
    frame, left = customers()
    other = ChurnClassifier().fit(make(frame), left)
    assert np.array_equal(other.predict_proba(make(frame)), fitted.predict_proba(frame))


def test_an_array_of_numbers_will_do(fitted):
    frame, left = customers()
    numbers = np.column_stack([frame["plan"] == "basic", frame["visits"]])
    model = ChurnClassifier().fit(numbers, left)
    assert model.n_features_in_ == 2
    assert model.feature_importances_[0] > model.feature_importances_[1]
    assert cross_val_score(clone(model), numbers, left, cv=2, scoring="roc_auc").min() > 0.65


def numbers_only() -> tuple[pd.DataFrame, np.ndarray]:
    frame, left = customers()
    return pd.DataFrame({"is_basic": (frame["plan"] == "basic").astype(float), "visits": frame["visits"]}), left


@pytest.mark.parametrize("unnamed", [pd.DataFrame.to_numpy, lambda X: pd.DataFrame(X.to_numpy())], ids=["array", "numbered"])
def test_columns_without_names_are_told_by_their_place(unnamed):
    frame, left = numbers_only()
    model = ChurnClassifier().fit(frame, left)
    named = model.predict_proba(frame)
    assert np.unique(named).size > 2
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        assert np.array_equal(model.predict_proba(unnamed(frame)), named)
    with (
        pytest.warns(UserWarning, match="X does not have valid feature names"),
        pytest.raises(FeatureMismatchError, match=r"X has 1 features, but ChurnClassifier is expecting 2 features"),
    ):
        model.predict(unnamed(frame[["visits"]]))
    other = ChurnClassifier().fit(unnamed(frame), left)
    assert np.array_equal(other.predict_proba(frame.to_numpy()), named)
    with pytest.warns(UserWarning, match="X has feature names, but ChurnClassifier was fitted without feature names"):
        assert np.array_equal(other.predict_proba(frame), named)


def test_parameters_reach_the_trees():
    frame, left = customers()
    small = ChurnClassifier(num_leaves=2).fit(frame, left)
    trees = small.model_.boosted.booster.trees_to_dataframe()
    assert trees["left_child"].isna().groupby(trees["tree_index"]).sum().max() == 2
    assert ChurnClassifier(seed=8).fit(frame, left).model_.boosted.text != small.model_.boosted.text


def test_the_input_is_left_as_it_is():
    frame, left = customers()
    before = frame.copy()
    ChurnClassifier().fit(frame, left).predict(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_what_was_fitted_is_kept_without_a_pickle(fitted, tmp_path):
    frame, _ = customers(seed=9)
    fitted.model_.write(tmp_path)
    assert json.loads((tmp_path / "model.json").read_text())["positive"] == "yes"
    assert np.array_equal(read_labelled_churn(tmp_path).p_churn(frame), fitted.predict_proba(frame)[:, 1])


def test_nothing_is_predicted_before_a_fit():
    with pytest.raises(NotFittedError, match=r"This ChurnClassifier is not fitted yet\. Call fit first.") as caught:
        ChurnClassifier().predict(customers()[0])
    assert isinstance(caught.value, CvmError)


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (lambda X, y: (X.head(10), y), FeatureMismatchError, r"inconsistent numbers of samples: \[10, 400\]"),
        (lambda X, y: (X, np.full(len(y), "no")), InsufficientDataError, "y has one class only, in all 400 rows"),
        (lambda X, y: (X, X["plan"] + y), FeatureMismatchError, "Only binary .* y has 4 values, not two"),
        (lambda X, _: (X, X["visits"]), FeatureMismatchError, "Input y contains NaN"),
        (lambda X, _: (X, None), FeatureMismatchError, "requires y to be passed, but the target y is None"),
        (
            lambda X, y: (X[["email"]], y),
            InsufficientDataError,
            r"no column that a model can use; left out are email \(an id",
        ),
        (lambda X, y: (X.to_numpy(), y), FeatureMismatchError, "X is an array that holds text. Pass a frame"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_in_a_sentence(spoil, error, says):
    with pytest.raises(error, match=says) as caught:
        ChurnClassifier().fit(*spoil(*customers()))
    assert "@example.com" not in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"num_leaves": 1}, "num_leaves == 1, must be a whole number >= 2"),
        ({"learning_rate": 0}, "learning_rate == 0, must be > 0 and <= 1"),
        ({"seed": "x"}, "seed == 'x', must be a whole number >= 0"),
    ],
)
def test_parameters_out_of_range_are_refused_when_fitting(parameters, says):
    with pytest.raises(ParamsError, match=says):
        ChurnClassifier(**parameters).fit(*customers())


def test_columns_may_be_named_by_numbers():
    frame, left = customers()
    model = ChurnClassifier().fit(frame.set_axis([0, 1, "joined", 3], axis=1), left)
    assert model.feature_names_in_.tolist() == ["0", "1", "joined", "3"]
    assert model.feature_importances_.argmax() == 1


def test_other_columns_than_those_of_the_training_are_refused(fitted):
    with pytest.raises(FeatureMismatchError, match=r"(?s)feature names should match.*now missing:\n- visits"):
        fitted.predict(customers()[0].drop(columns="visits"))
