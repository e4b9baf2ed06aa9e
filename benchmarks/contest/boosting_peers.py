"""Plain LightGBM on the features of the product, as a data scientist would set it up: no anchor, no level correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from contest.forecasts import Floats, Forecast, UnavailableError
from contest.snapshots import Contest
from cvm.models.boosting import Encoder, customer_folds
from cvm.models.samples import Sample

_SETTINGS = {
    "learning_rate": 0.05,
    "min_data_in_leaf": 50,
    "num_threads": 1,
    "seed": 7,
    "deterministic": True,
    "verbose": -1,
}
_MAX_ROUNDS = 500
_PATIENCE = 30
_MIN_ORDERED = 50

_TWEEDIE = {"objective": "tweedie", "tweedie_variance_power": 1.5}


def tweedie_forecast(contest: Contest, *, n_snapshots: int, with_btyd: bool) -> Forecast:
    """Revenue by one Tweedie booster.

    Raises
    ------
    UnavailableError
        If no training snapshot affords it.
    """
    samples = _taught(contest, n_snapshots)
    columns = _columns(contest, with_btyd=with_btyd)
    model = _Plain(samples, np.concatenate([sample.revenue for sample in samples]), columns, _TWEEDIE)
    return Forecast(revenue=model.predict(contest.plain_test.features), note=_note(samples, n_snapshots))


def hurdle_forecast(contest: Contest, *, n_snapshots: int, with_btyd: bool) -> Forecast:
    """P(order) by one booster, revenue of those who order by another; the first is the plain churn model as well.

    Raises
    ------
    UnavailableError
        If no training snapshot affords it.
    """
    samples = _taught(contest, n_snapshots)
    columns = _columns(contest, with_btyd=with_btyd)
    revenue = np.concatenate([sample.revenue for sample in samples])
    ordered = np.concatenate([1 - sample.churned for sample in samples])
    who = _Plain(samples, ordered, columns, {"objective": "binary"})
    much = _Plain(samples, revenue, columns, _TWEEDIE, rows=ordered == 1)
    features = contest.plain_test.features
    p_order = who.predict(features)
    return Forecast(p_order * much.predict(features), 1 - p_order, _note(samples, n_snapshots))


class _Plain:
    """One booster, its rounds from folds by customer."""

    def __init__(
        self,
        samples: Sequence[Sample],
        target: Floats,
        columns: list[str],
        objective: Mapping[str, Any],
        *,
        rows: np.ndarray[Any, np.dtype[np.bool_]] | None = None,
    ) -> None:
        features = pd.concat([sample.features for sample in samples], ignore_index=True)
        if rows is not None:
            features, target = features[rows].reset_index(drop=True), target[rows]
        self._encoder = Encoder.fit(features, columns)
        categories = list(range(len(self._encoder.numbers), len(self._encoder.columns)))
        parameters = {**_SETTINGS, **objective}
        data = lgb.Dataset(
            self._encoder.matrix(features),
            label=target,
            categorical_feature=categories,
            free_raw_data=False,
            params={"verbose": -1, "num_threads": 1},
        )
        folds = customer_folds(features["customer_id"].to_numpy(), seed=_SETTINGS["seed"])
        stop = lgb.early_stopping(_PATIENCE, verbose=False)
        cv = lgb.cv(parameters, data, _MAX_ROUNDS, folds=folds, callbacks=[stop], return_cvbooster=True)
        self._booster = lgb.train(parameters, data, num_boost_round=cv["cvbooster"].best_iteration)

    def predict(self, features: pd.DataFrame) -> Floats:
        """Mean of the target: array of shape (n_customers,)."""
        return np.asarray(self._booster.predict(self._encoder.matrix(features)), dtype=float)


def _taught(contest: Contest, n_snapshots: int) -> list[Sample]:
    samples = list(contest.plain_training[:n_snapshots])
    ordered = sum(float((sample.n_orders > 0).sum()) for sample in samples)
    if ordered < _MIN_ORDERED:
        raise UnavailableError(f"{ordered:.0f} customers ordered after {len(samples)} training snapshots: too few to boost")
    return samples


def _columns(contest: Contest, *, with_btyd: bool) -> list[str]:
    return contest.recipe.offered if with_btyd else list(contest.recipe.columns)


def _note(samples: Sequence[Sample], n_snapshots: int) -> str:
    return "" if len(samples) == n_snapshots else f"{len(samples)} of {n_snapshots} snapshots afforded"
