"""A forest for signals of effects.

Signals are nearly all noise, with a few far out. Boosting runs after those; the mean of many trees, each grown on half of
the customers and with large leaves, does not, and needs no search for a number of rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.models.boosting import Boosted
from cvm.models.tree_growing import grown
from cvm.models.uplift.responses import Learning, boosting_task

Floats = NDArray[np.float64]

_SETTINGS: dict[str, Any] = {
    "objective": "regression",
    "boosting": "rf",
    "bagging_fraction": 0.5,
    "bagging_freq": 1,
    "feature_fraction": 1.0,
    "feature_fraction_bynode": 0.4,
    "num_leaves": 63,
    "lambda_l2": 0.0,
}
_N_TREES = 100
# Least customers of a leaf, in number and as a share of all.
_LEAF, _LEAF_SHARE = 100, 0.03


def fit_forest(
    features: pd.DataFrame, signal: Floats, *, columns: Sequence[str], learning: Learning
) -> tuple[float, Boosted]:
    """The mean signal, and trees for how customers differ from it.

    Parameters
    ----------
    features : DataFrame
    signal : array of shape (n_customers,)
    columns : sequence of str
        That trees may use.
    learning : Learning
        Its settings are for responses; only the seed counts here.
    """
    level = float(signal.mean())
    forest = {**_SETTINGS, "min_data_in_leaf": max(_LEAF, int(len(signal) * _LEAF_SHARE))}
    task = boosting_task(features, columns, signal - level, np.zeros(len(signal)), forest, learning)
    # LightGBM refuses forests that start anywhere but at 0.
    data = task.dataset().set_init_score(None)
    trees = grown(lambda parameters: lgb.train(parameters, data, num_boost_round=_N_TREES), task.parameters)
    return level, Boosted(task.rows.encoder, trees.model_to_string())
