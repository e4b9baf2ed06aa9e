"""Gradient boosting that starts from an anchor: trees learn only what the anchor does not already say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.evaluation import LEAST_SHARING
from cvm.models.tree_growing import grown
from cvm.models.tree_shap import Tree, read_trees, shap_values

Floats = NDArray[np.float64]
Part = TypeVar("Part")

N_FOLDS = 4
_MAX_CATEGORIES = 50
MAX_ROUNDS = 400
PATIENCE = 30
# Training on fewer rows loses more by threads than it gains; where the cores are busy, waiting for each other takes them a
# hundred times as long.
_MIN_ROWS_FOR_THREADS = 100_000
# From so many rows on predictions take all threads, and SHAP values (the same) are faster pattern by pattern.
_MANY_ROWS = 1000

DEFAULTS: dict[str, Any] = {
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "max_cat_to_onehot": 8,
}


@dataclass(frozen=True)
class Encoder:
    """Turns a feature frame into the matrix a booster sees.

    Attributes
    ----------
    numbers : tuple of str
        Columns used as they are.
    categories : dict of str to tuple of str
        Columns coded by position in the frozen list; values outside of it are missing.
    """

    numbers: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]

    @classmethod
    def fit(cls, features: pd.DataFrame, columns: Sequence[str]) -> Encoder:
        """Freeze which columns are numbers and which categories exist; constant columns are left out."""
        numbers, categories = [], {}
        for name in columns:
            column = features[name]
            if column.nunique() < 2 and not column.isna().any():
                continue
            if pd.api.types.is_numeric_dtype(column):
                if column.notna().any():
                    numbers.append(name)
            elif column.notna().any():
                counts = column.value_counts()
                shared = counts[counts >= LEAST_SHARING].head(_MAX_CATEGORIES)
                if len(shared):
                    categories[name] = tuple(sorted(str(value) for value in shared.index))
        return cls(tuple(numbers), categories)

    @property
    def columns(self) -> list[str]:
        """Columns of the matrix, in order."""
        return [*self.numbers, *self.categories]

    def matrix(self, features: pd.DataFrame) -> Floats:
        """Matrix of shape (n_customers, n_columns), column by column in memory; a missing column is all missing values."""
        matrix = np.empty((len(features), len(self.columns)), order="F")
        for position, name in enumerate(self.numbers):  # three times as fast as to take them together
            matrix[:, position] = features.get(name, np.nan)
        for position, (name, values) in enumerate(self.categories.items(), start=len(self.numbers)):
            code = pd.Index(values).get_indexer(pd.Index(features[name])) if name in features else np.full(len(features), -1)
            matrix[:, position] = np.where(code < 0, np.nan, code)
        return matrix

    def state(self) -> dict[str, Any]:
        """As JSON values; pairs and not a mapping, because the order of columns is part of the trees."""
        return {"numbers": list(self.numbers), "categories": [[name, list(v)] for name, v in self.categories.items()]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Encoder:
        """The encoder ``state`` was taken from."""
        return cls(tuple(state["numbers"]), {name: tuple(values) for name, values in state["categories"]})


@dataclass(frozen=True)
class Boosted:
    """Fitted trees: ``margin`` is what they add to the anchor, on the scale of the link."""

    encoder: Encoder
    text: str

    @cached_property
    def booster(self) -> lgb.Booster:
        """The trees, loaded once."""
        return lgb.Booster(model_str=self.text)

    @cached_property
    def trees(self) -> list[Tree]:
        """The trees taken apart, once."""
        return read_trees(self.booster)

    @property
    def expectation(self) -> float:
        """Mean of ``margin`` over the training rows."""
        return sum(tree.expectation for tree in self.trees)

    def margin(self, features: pd.DataFrame) -> Floats:
        """Sum of the trees for each customer: array of shape (n_customers,)."""
        matrix = self.encoder.matrix(features)
        threads = 1 if len(matrix) < _MANY_ROWS else 0
        return np.asarray(self.booster.predict(matrix, raw_score=True, num_threads=threads), dtype=float)

    def contributions(self, features: pd.DataFrame) -> Floats:
        """SHAP values of the trees: array of shape (n_customers, n_columns + 1); the last column is their expectation."""
        matrix = self.encoder.matrix(features)
        if len(matrix) < _MANY_ROWS:
            found = self.booster.predict(matrix, pred_contrib=True, num_threads=1)
            return np.asarray(found, dtype=float).reshape(len(matrix), matrix.shape[1] + 1)
        return shap_values(self.trees, matrix)

    @property
    def rounds(self) -> int:
        """Number of trees."""
        return int(self.booster.num_trees())

    def importance(self) -> dict[str, float]:
        """Share of the total gain by column, largest first."""
        gain = self.booster.feature_importance(importance_type="gain")
        total = max(float(gain.sum()), 1e-300)
        shares = dict(zip(self.encoder.columns, (gain / total).tolist(), strict=True))
        return dict(sorted(shares.items(), key=lambda item: -item[1]))


def boosters_from_state(encoders: Mapping[str, Any], trees: Mapping[str, str]) -> dict[str, Boosted]:
    """Boosters by their part in a model, from the states of their encoders and the texts of their trees.

    Raises
    ------
    KeyError
        If trees are missing.
    """
    return {part: Boosted(Encoder.from_state(encoder), trees[part]) for part, encoder in encoders.items()}


def below(name: str, parts: Mapping[str, Part]) -> dict[str, Part]:
    """Of boosters, or texts of trees, named ``NAME.PART``: those of one name, by their part."""
    prefix = f"{name}."
    return {part.removeprefix(prefix): value for part, value in parts.items() if part.startswith(prefix)}


class WithoutTrees:
    """A model without boosters."""

    boosters: ClassVar[Mapping[str, Boosted]] = {}


@dataclass(frozen=True)
class BoostingFit:
    """Fitted trees, and the out-of-fold margin of every training row, from which calibration learns."""

    boosted: Boosted
    margin_out_of_fold: Floats


@dataclass(frozen=True)
class TrainingRows:
    """Rows to learn from, made ready once for all tasks that share them.

    Attributes
    ----------
    frames : sequence of DataFrame
        Such as one per snapshot, n_rows in all: ``customer_id`` and the columns, a row per customer.
    columns : sequence of str
        Columns the trees may use.
    """

    frames: Sequence[pd.DataFrame]
    columns: Sequence[str]

    @cached_property
    def features(self) -> pd.DataFrame:
        """Rows of all frames."""
        return pd.concat(self.frames, ignore_index=True)

    @cached_property
    def customer(self) -> NDArray[np.intp]:
        """Number of the customer that each row is of: array of shape (n_rows,)."""
        return np.unique(self.features["customer_id"].to_numpy(), return_inverse=True)[1]

    @cached_property
    def encoder(self) -> Encoder:
        """Frozen on these rows."""
        return Encoder.fit(self.features, self.columns)

    @cached_property
    def matrix(self) -> Floats:
        """The rows as trees see them."""
        return self.encoder.matrix(self.features)


@dataclass(frozen=True)
class Task:
    """What trees are fitted to.

    Attributes
    ----------
    rows : TrainingRows
    target, anchor : arrays of shape (n_rows,)
        The anchor is on the scale of the link (logit, log).
    objective, settings : mappings
        LightGBM parameters.
    seed : int
    taught : array of bool of shape (n_rows,), optional
        Rows that trees may learn from; by default all.
    weight : array of shape (n_rows,), optional
        How much rows count; by default alike.
    """

    rows: TrainingRows
    target: Floats
    anchor: Floats
    objective: Mapping[str, Any]
    settings: Mapping[str, Any]
    seed: int
    taught: NDArray[np.bool_] | None = None
    weight: Floats | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """All LightGBM parameters; the same data gives the same trees."""
        return {
            **DEFAULTS,
            "num_threads": 1 if len(self.target) < _MIN_ROWS_FOR_THREADS else 0,
            **self.settings,
            **self.objective,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "boost_from_average": False,
            "verbose": -1,
        }

    def dataset(self) -> lgb.Dataset:
        """The rows in LightGBM's own form."""
        numbers, columns = self.rows.encoder.numbers, self.rows.encoder.columns
        return lgb.Dataset(
            self.rows.matrix,
            label=self.target,
            init_score=self.anchor,
            weight=self.weight,
            feature_name=[f"f{position}" for position in range(len(columns))],
            categorical_feature=list(range(len(numbers), len(columns))),
            free_raw_data=False,
            params={name: self.parameters[name] for name in ("verbose", "max_cat_to_onehot", "num_threads")},
        )


def fit_boosted(task: Task) -> BoostingFit:
    """Boost from the anchor; the number of rounds comes from folds by customer.

    A customer's rows of all snapshots are in one fold, so nobody is judged by what trees learned of the same person.
    """
    data = task.dataset()
    folds = customer_folds(task.rows.customer, seed=task.seed)
    taught = np.ones(len(task.target), dtype=bool) if task.taught is None else task.taught
    cv = grown(
        lambda parameters: lgb.cv(
            parameters,
            data,
            num_boost_round=MAX_ROUNDS,
            folds=[(train[taught[train]], test[taught[test]]) for train, test in folds],
            callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
            return_cvbooster=True,
        ),
        task.parameters,
    )
    rounds = cv["cvbooster"].best_iteration
    out_of_fold = np.zeros(len(task.target))
    for (_, test), booster in zip(folds, cv["cvbooster"].boosters, strict=True):
        out_of_fold[test] = booster.predict(task.rows.matrix[test], raw_score=True, num_iteration=rounds)
    return BoostingFit(_boosted(task, data, rounds=rounds), out_of_fold)


def refit_boosted(task: Task, *, rounds: int) -> Boosted:
    """Boost from the anchor for as many rounds as an earlier fit of the same recipe found best."""
    return _boosted(task, task.dataset(), rounds=rounds)


def _boosted(task: Task, data: lgb.Dataset, *, rounds: int) -> Boosted:
    if task.taught is not None:
        data = data.subset(np.flatnonzero(task.taught))
    booster = grown(lambda parameters: lgb.train(parameters, data, num_boost_round=rounds), task.parameters)
    return Boosted(task.rows.encoder, booster.model_to_string())


def customer_folds(customer: NDArray[Any], *, seed: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Row numbers of (training, test) for each fold; all rows of a customer are in one test fold."""
    _, who = np.unique(customer, return_inverse=True)
    n_customers = int(who.max()) + 1
    fold_of = np.random.default_rng(seed).permutation(n_customers) % min(N_FOLDS, n_customers)
    fold = fold_of[who]
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(int(fold_of.max()) + 1)]
