"""Effects as a share of what customers do anyhow: a straight line and trees for the share, times the outcome expected.

Money differs between customers far more than effects relative to it, and so does its noise. A learner of absolute effects
listens to a few heavy buyers; one of shares hears everybody. For customer i with expected outcome ``b`` and a doubly robust
signal ``psi`` of the own effect,

    share = E[psi / s | x],   s = d outcome / d link at b  (b for money, b (1 - b) for a probability),

is fitted with weights ``s^2 / Var(outcome | x)``, which is ``s^2 / b^1.5`` for money (compound Poisson, as the trees of the
response have it) and ``b (1 - b)`` for a probability. The effect is ``share * s``. Effects below zero come as they are.

Source
------
Weighted least squares on signals of the effect: Nie and Wager (2021), Biometrika 108, section 2; propensities are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.evaluation import arm_values
from cvm.models.boosting import Boosted, customer_folds, fit_boosted
from cvm.models.uplift.experiment import Experiment
from cvm.models.uplift.linear import LinearDesign
from cvm.models.uplift.responses import Learning, Response, boosting_task

Floats = NDArray[np.float64]

_SHRINKAGE = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
# Trees look at the columns that tell customers apart by outcome, and at those whose slope in the straight line is steepest.
_N_COLUMNS = 30
_SHY = {"objective": "regression", "num_leaves": 6, "learning_rate": 0.08}
# Customers of whom hardly anything is expected would have any share.
_LEAST_SCALE = 0.01
# A share of more than this is no effect but an accident.
_MAX_SHARE = 3.0


@dataclass(frozen=True)
class RelativeEffect:
    """``(level + design @ slopes + trees) / 2 * scale of the expected outcome``; line and trees count half each.

    Attributes
    ----------
    response : Response
        Outcome expected whatever the arm; ``response.expected(...)[:, 0]`` is that of control.
    floor : float
        Of that scale.
    design : LinearDesign
    level : tuple of float
        Of each treatment, the share common to all.
    slopes : tuple of tuple of float
        Of each treatment, by column of the design.
    trees : tuple of Boosted
        Of each treatment, added to its level.
    """

    kind: ClassVar[str] = "relative"
    response: Response
    floor: float
    design: LinearDesign
    level: tuple[float, ...]
    slopes: tuple[tuple[float, ...], ...]
    trees: tuple[Boosted, ...]

    @property
    def boosters(self) -> Mapping[str, Boosted]:
        """See ``Learner.boosters``."""
        return {"response": self.response.boosted, **{str(column): trees for column, trees in enumerate(self.trees)}}

    def effect(self, features: pd.DataFrame) -> Floats:
        """See ``Learner.effect``."""
        scale = _scale(self.response.link, self.response.expected(features)[:, 0], self.floor)
        line = self.design.matrix(features) @ np.array(self.slopes).reshape(len(self.level), -1).T
        trees = np.column_stack([one.margin(features) for one in self.trees])
        share = np.array(self.level) + (line + trees) / 2
        return np.clip(share, -_MAX_SHARE, _MAX_SHARE) * scale[:, None]

    def state(self) -> dict[str, Any]:
        """See ``Learner.state``."""
        return {
            "response": self.response.state(),
            "floor": self.floor,
            "design": self.design.state(),
            "level": list(self.level),
            "slopes": [list(row) for row in self.slopes],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], boosters: Mapping[str, Boosted]) -> RelativeEffect:
        """See ``learner_from_state``."""
        return cls(
            Response.from_state(state["response"], boosters["response"]),
            state["floor"],
            LinearDesign.from_state(state["design"]),
            tuple(state["level"]),
            tuple(tuple(row) for row in state["slopes"]),
            tuple(boosters[str(column)] for column in range(len(state["level"]))),
        )


def fit_relative(experiment: Experiment, response: Response, expected: Floats, *, learning: Learning) -> RelativeEffect:
    """Fit the share that each treatment adds to the outcome expected.

    Parameters
    ----------
    experiment : Experiment
    response, expected
        Of ``fit_common_response``, on the link "logit" or "log"; money below 0 counts as it is in the signals.
    learning : Learning
    """
    link = response.link
    control = expected[:, 0]
    floor = _LEAST_SCALE * float(control.mean())
    scale = _scale(link, control, floor)
    weight = scale if link == "logit" else np.sqrt(scale)
    values = arm_values(
        experiment.outcome, experiment.arm, experiment.drawn_with, n_arms=len(experiment.arms), expected=expected
    )
    shares = (values[:, 1:] - values[:, :1]) / scale[:, None]
    design = LinearDesign.fit(experiment.features, experiment.columns, logged=True)
    X = design.matrix(experiment.features)
    folds = customer_folds(experiment.features["customer_id"].to_numpy(), seed=learning.seed)
    levels, slopes, trees = [], [], []
    for share in shares.T:
        level = float(np.average(share, weights=weight))
        slope = weighted_ridge(X, share - level, weight, folds=[test for _, test in folds])
        telling = {*_tellers(response.boosted), *_steepest(design, slope)}
        columns = [name for name in experiment.columns if name in telling]
        trees.append(_trees(experiment.features, share, level, columns=columns, weight=weight, seed=learning.seed))
        levels.append(level)
        slopes.append(tuple(slope.tolist()))
    return RelativeEffect(response, floor, design, tuple(levels), tuple(slopes), tuple(trees))


def weighted_ridge(X: Floats, y: Floats, weight: Floats, *, folds: list[NDArray[np.intp]]) -> Floats:
    """Slopes of a ridge regression without intercept, shrunk as much as rows of other folds say.

    Parameters
    ----------
    X : array of shape (n_rows, n_columns)
        Of variance 1.
    y, weight : arrays of shape (n_rows,)
    folds : list of array of int
        Rows of each fold; together all rows.

    Returns
    -------
    array of shape (n_columns,)
    """
    n_columns = X.shape[1]
    if not n_columns:
        return np.zeros(0)
    squares, products = [], []
    for rows in folds:
        weighted = X[rows] * weight[rows, None]
        squares.append(weighted.T @ X[rows])
        products.append(weighted.T @ y[rows])
    total, sum_of_products, mass = sum(squares), sum(products), float(weight.sum())
    loss = np.zeros(len(_SHRINKAGE))
    for own, product, rows in zip(squares, products, folds, strict=True):
        rest = mass - float(weight[rows].sum())
        for position, shrinkage in enumerate(_SHRINKAGE):
            slope = _solved(total - own, sum_of_products - product, shrinkage * rest)
            # Squared error without the part that no slope changes.
            loss[position] += slope @ own @ slope - 2 * slope @ product
    return _solved(np.asarray(total), np.asarray(sum_of_products), _SHRINKAGE[int(loss.argmin())] * mass)


def _solved(square: Floats, product: Floats, shrinkage: float) -> Floats:
    return np.asarray(np.linalg.solve(square + shrinkage * np.eye(len(square)), product), dtype=np.float64)


def _trees(features: pd.DataFrame, share: Floats, level: float, *, columns: list[str], weight: Floats, seed: int) -> Boosted:
    """Few, small and shy trees: shares are nearly all noise, and what the folds do not confirm is left out."""
    settings = {**_SHY, "min_data_in_leaf": max(100, len(share) // 200)}
    task = boosting_task(features, columns, share, np.full(len(share), level), settings, Learning({}, seed))
    return fit_boosted(replace(task, weight=weight / weight.mean())).boosted


def _scale(link: str, expected: Floats, floor: float) -> Floats:
    return np.maximum(expected * (1 - expected) if link == "logit" else expected, floor)


def _tellers(boosted: Boosted) -> list[str]:
    return list(boosted.importance())[:_N_COLUMNS]


def _steepest(design: LinearDesign, slope: Floats) -> list[str]:
    """Columns behind the steepest slopes; a category counts by the steepest of its values."""
    names = [*design.encoder.numbers, *(name for name, values in design.encoder.categories.items() for _ in values)]
    ranked = [names[position] for position in np.argsort(-np.abs(slope), kind="stable")]
    return list(dict.fromkeys(ranked))[:_N_COLUMNS]
