from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest

from cvm.models.tree_shap import read_trees, shap_values

QUIET = {"verbose": -1, "num_threads": 1, "deterministic": True, "seed": 1, "boost_from_average": False}


def grown(settings: dict, *, n_rows: int = 1200, n_rounds: int = 12, seed: int = 1) -> tuple[lgb.Booster, np.ndarray]:
    """Trees on three numbers, one of them with gaps and one with many zeros, and a category."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n_rows, 4))
    matrix[rng.random(n_rows) < 0.2, 1] = np.nan
    matrix[rng.random(n_rows) < 0.4, 2] = 0.0
    matrix[:, 3] = rng.integers(0, 9, n_rows)
    matrix[rng.random(n_rows) < 0.1, 3] = np.nan
    target = matrix[:, 0] * np.nan_to_num(matrix[:, 1], nan=2.0) + matrix[:, 2] ** 2 + (matrix[:, 3] % 3 == 1)
    data = lgb.Dataset(matrix, target + rng.normal(size=n_rows), categorical_feature=[3], params={"verbose": -1})
    return lgb.train({**QUIET, "min_data_in_leaf": 5, **settings}, data, n_rounds), matrix


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_leaves": 3},
        {"num_leaves": 63, "max_depth": -1},
        {"zero_as_missing": True},
        {"use_missing": False},
        {"max_cat_to_onehot": 20},
        {"max_cat_to_onehot": 1, "cat_smooth": 1.0, "min_data_per_group": 5},
        {"bagging_fraction": 0.6, "bagging_freq": 1, "feature_fraction": 0.5},
    ],
    ids=lambda settings: ", ".join(settings) or "default",
)
def test_values_are_those_of_lightgbm(settings: dict) -> None:
    booster, matrix = grown(settings)
    odd = np.array([[np.nan] * 4, [0.0] * 4, [1e-36, -1e-36, 1e-36, 77.0], [np.inf, -np.inf, 1e300, -1.0], [9, 9, 9, 2.5]])
    rows = np.vstack([matrix, odd])
    np.testing.assert_allclose(
        shap_values(read_trees(booster), rows), booster.predict(rows, pred_contrib=True), rtol=1e-9, atol=1e-12
    )


def test_rows_add_up_to_the_raw_score() -> None:
    booster, matrix = grown({"num_leaves": 31})
    added = shap_values(read_trees(booster), matrix)
    np.testing.assert_allclose(added.sum(axis=1), booster.predict(matrix, raw_score=True), rtol=0, atol=1e-9)


def test_paths_of_more_features_than_are_tabulated_are_exact_too() -> None:
    rng = np.random.default_rng(3)
    matrix = (rng.random((4000, 12)) < 0.8).astype(float)
    target = 2.0 ** np.cumprod(matrix, axis=1).sum(axis=1)  # each feature matters where all before it are 1
    settings = {**QUIET, "num_leaves": 13, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0.0}
    booster = lgb.train(settings, lgb.Dataset(matrix, target, params={"verbose": -1}), 6)
    trees = read_trees(booster)
    assert max(len(leaf.steps) for tree in trees for leaf in tree.leaves) > 8
    expected = booster.predict(matrix, pred_contrib=True)
    np.testing.assert_allclose(shap_values(trees, matrix), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


def test_trees_that_found_no_split_add_nothing_but_their_mean() -> None:
    matrix = np.random.default_rng(1).normal(size=(30, 2))
    data = lgb.Dataset(matrix, np.ones(30), params={"verbose": -1})
    booster = lgb.train({**QUIET, "min_data_in_leaf": 100}, data, 3)
    added = shap_values(read_trees(booster), matrix)
    assert not added[:, :2].any()
    np.testing.assert_allclose(added[:, 2], booster.predict(matrix, raw_score=True))


def test_nobody_has_no_values() -> None:
    booster, matrix = grown({})
    assert shap_values(read_trees(booster), matrix[:0]).shape == (0, 5)
