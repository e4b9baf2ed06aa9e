"""What settings of a booster are compared by: the loss of each fold of customers that the trees have not seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from cvm.models.boosting import DEFAULTS, MAX_ROUNDS, PATIENCE, Task, customer_folds
from cvm.models.tree_growing import grown

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FoldLosses:
    """Losses of one task out of fold.

    Attributes
    ----------
    task : Task
    loss : callable
        Of ``(target, prediction)``, lower is better.
    """

    task: Task
    loss: Callable[[Floats, Floats], float]

    @property
    def n_folds(self) -> int:
        """How many folds have a loss."""
        return len(self._folds)

    def loss_of_fold(self, settings: Mapping[str, Any], fold: int) -> float:
        """Loss of one fold under trees of these settings fitted to the others.

        Each fold stops at its own best round, which flatters all settings alike.
        """
        history = grown(
            lambda parameters: lgb.cv(
                parameters,
                self._data,
                num_boost_round=MAX_ROUNDS,
                folds=[self._folds[fold]],
                feval=self._evaluate,
                callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
            ),
            {**self.task.parameters, **settings, "metric": "None"},
        )
        return float(min(history["valid loss-mean"]))

    @cached_property
    def digest(self) -> str:
        """Hash of all that a loss depends on but the settings: rows, anchor, outcome, folds, LightGBM.

        To single precision, so that the order in which some sum was taken does not count.
        """
        task, rows = self.task, self.task.rows
        facts = [lgb.__version__, MAX_ROUNDS, PATIENCE, DEFAULTS, rows.encoder.state(), dict(task.objective), task.seed]
        digest = hashlib.sha256(json.dumps([*facts, self.loss.__name__]).encode())
        for values in (task.target, task.anchor, rows.matrix):
            digest.update(np.ascontiguousarray(values, dtype=np.float32).tobytes())
        for _, test in self._folds:
            digest.update(test.astype(np.int64).tobytes())
        return digest.hexdigest()

    @cached_property
    def _folds(self) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        folds = customer_folds(self.task.rows.customer, seed=self.task.seed)
        return [(train, test) for train, test in folds if self.task.target[test].sum() > 0]

    @cached_property
    def _data(self) -> lgb.Dataset:
        """Binned once; without the filter that would bind it to the smallest leaf of the first settings."""
        data = self.task.dataset()
        data.params["feature_pre_filter"] = False
        return data.construct()

    def _evaluate(self, predicted: Floats, data: lgb.Dataset) -> tuple[str, float, bool]:
        return "loss", self.loss(np.asarray(data.get_label(), dtype=float), predicted), False
