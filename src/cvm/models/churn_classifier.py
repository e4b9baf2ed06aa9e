"""Churn learned from a labelled table, as a classifier of scikit-learn."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_consistent_length, validate_data

from cvm.errors import FeatureMismatchError, InsufficientDataError, ParamsError
from cvm.frames import pandas_frame
from cvm.models.estimators import check_fitted, is_frame, refused_by_scikit_learn
from cvm.models.labelled import numbered_rows, read_roles, usable_columns
from cvm.models.labelled_churn import fit_labelled_churn

Floats = NDArray[np.float64]


class ChurnClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Who will leave, by LightGBM that starts from the base rate; columns may be numbers, dates, categories or null.

    What a column is, is told by its values: nothing has to be encoded, scaled or filled first. Columns named like ids,
    contact data or consents are never used. Nothing is resampled, so probabilities mean what they say about the base as it
    is. ``cvm.cross_validate_churn`` judges the same model with intervals, beside a logistic regression.

    Parameters
    ----------
    num_leaves : int, >= 2
        Leaves per tree.
    learning_rate : float, > 0, <= 1
        How much a tree adds. The number of trees comes from folds within the training rows.
    seed : int, >= 0
        The same seed gives the same model.

    Attributes
    ----------
    classes_ : array of shape (2,)
        The two values of ``y``, sorted; ``predict_proba`` gives the probability of the second in its second column.
    model_ : LabelledChurn
        What was fitted; ``write`` keeps it as JSON and LightGBM text.
    left_out_ : dict of str to str
        Columns that are not used, and why.
    n_features_in_ : int
    feature_names_in_ : array of shape (n_columns,)
        Where ``X`` was a frame whose columns have names.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import cvm
    >>> rng = np.random.default_rng(7)
    >>> customers = pd.DataFrame({"plan": rng.choice(["basic", "plus"], 500), "visits": rng.poisson(4, 500)})
    >>> left = rng.random(500) < np.where(customers["plan"] == "basic", 0.6, 0.1)
    >>> model = cvm.ChurnClassifier().fit(customers, left)
    >>> asked = pd.DataFrame({"plan": ["basic", "plus"], "visits": [4, 4]})
    >>> model.predict_proba(asked)[:, 1].round(1).tolist()
    [0.5, 0.1]
    """

    def __init__(self, *, num_leaves: int = 15, learning_rate: float = 0.05, seed: int = 7) -> None:
        self.num_leaves = num_leaves
        self.learning_rate = learning_rate
        self.seed = seed

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from customers of whom it is known whether they left.

        Parameters
        ----------
        X : pandas or Polars frame, Arrow table, or array of numbers, of shape (n_customers, n_columns)
            One row per customer. Columns that have no names, or whose names are 0, 1, 2 ..., are told by their place.
        y : array of shape (n_customers,)
            Two values, such as False and True, 0 and 1, or "No" and "Yes".

        Raises
        ------
        ParamsError
            If a parameter is out of range.
        FeatureMismatchError
            If ``X`` or ``y`` is not of this form.
        InsufficientDataError
            If ``y`` has one value only, or no column can be used.
        """
        self._check_parameters()
        frame, target = self._training(X, y)
        with numbered_rows("X", frame) as rows:
            supplied = usable_columns("X", rows)
            features = read_roles(rows, supplied.roles)
        features.insert(0, "customer_id", np.arange(len(features)))
        self.left_out_ = supplied.left_out
        self.model_ = fit_labelled_churn(
            features,
            target,
            roles=supplied.roles,
            label="y",
            positive=str(self.classes_[1]),
            seed=self.seed,
            settings={"num_leaves": self.num_leaves, "learning_rate": self.learning_rate},
        )
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Probability of each of ``classes_``: array of shape (n_customers, 2).

        Raises
        ------
        NotFittedError
        FeatureMismatchError
            If ``X`` has other columns than the training had.
        """
        check_fitted(self, "model_")
        p_second = self.model_.p_churn(self._frame(X, reset=False))
        return np.column_stack([1 - p_second, p_second])

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier of ``classes_``: array of shape (n_customers,).

        Raises
        ------
        NotFittedError, FeatureMismatchError
        """
        is_second = self.predict_proba(X)[:, 1] > 0.5
        return self.classes_[is_second.astype(int)]

    @property
    def feature_importances_(self) -> Floats:
        """Share of each column in what the trees gained: array of shape (n_features_in_,), 0 for columns left out.

        Raises
        ------
        NotFittedError
        """
        check_fitted(self, "model_")
        gained = self.model_.boosted.importance()
        return np.array([gained.get(name, 0.0) for name in self._names])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def _check_parameters(self) -> None:
        if not (isinstance(self.num_leaves, Integral) and self.num_leaves >= 2):
            raise ParamsError(f"num_leaves == {self.num_leaves!r}, must be a whole number >= 2.")
        if not (isinstance(self.learning_rate, Real) and 0 < self.learning_rate <= 1):
            raise ParamsError(f"learning_rate == {self.learning_rate!r}, must be > 0 and <= 1.")
        if not (isinstance(self.seed, Integral) and self.seed >= 0):
            raise ParamsError(f"seed == {self.seed!r}, must be a whole number >= 0.")

    def _training(self, X: Any, y: Any) -> tuple[pd.DataFrame, Floats]:
        """``X`` as a frame, and 1 for the second of the values of ``y``, else 0."""
        with refused_by_scikit_learn():
            y = validate_data(self, y=y)
            frame = self._frame(X, reset=True)
            check_consistent_length(frame, y)
            check_classification_targets(y)
        self.classes_, code = np.unique(y, return_inverse=True)
        if len(self.classes_) > 2:
            raise FeatureMismatchError(
                f"Only binary classification is supported. The type of the target is {type_of_target(y)}: y has "
                f"{len(self.classes_):,} values, not two."
            )
        if len(self.classes_) < 2:
            raise InsufficientDataError(f"y has one class only, in all {len(y):,} rows; there is nothing to tell apart.")
        return frame, code.astype(float)

    @property
    def _names(self) -> list[str]:
        """Of the columns; an array has none, so its columns are numbered."""
        return [*getattr(self, "feature_names_in_", [f"x{place}" for place in range(self.n_features_in_)])]

    def _frame(self, X: Any, *, reset: bool) -> pd.DataFrame:
        """``X`` as a frame, with the columns of the training unless ``reset``; those without names go by their place."""
        with refused_by_scikit_learn():
            if is_frame(X):
                frame = pandas_frame("X", X)
                if [*frame.columns] != [*range(frame.shape[1])]:
                    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
                validate_data(self, frame, reset=reset, skip_check_array=True)
            else:
                frame = pd.DataFrame(validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"))
        return frame.set_axis(self._names, axis=1)
