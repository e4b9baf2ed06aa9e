"""Ridge regression of the signals of effects: what a straight line says of who gains more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.models.boosting import Boosted, Encoder, WithoutTrees

Floats = NDArray[np.float64]

# Per customer, against columns of variance 1: from hardly any shrinkage to nearly nothing left.
_SHRINKAGE = np.logspace(-3, 1, 9)
_OUTER = 0.01


@dataclass(frozen=True)
class LinearDesign:
    """Numbers clipped to their usual range and standardised, missing ones at the mean; a column per frequent category.

    Attributes
    ----------
    encoder : Encoder
    low, high, centre, scale : tuples of float
        Of each column; categories are not clipped.
    logged : bool
        Whether numbers are told as ``sign(x) log(1 + |x|)``, so that counts and money of many sizes make a line.
    """

    encoder: Encoder
    low: tuple[float, ...]
    high: tuple[float, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    logged: bool = False

    @classmethod
    def fit(cls, features: pd.DataFrame, columns: Sequence[str], *, logged: bool = False) -> LinearDesign:
        """Freeze ranges, means and spreads."""
        encoder = Encoder.fit(features, columns)
        raw = _expanded(encoder, features, logged=logged)
        n_numbers = len(encoder.numbers)
        low, high = np.zeros(raw.shape[1]), np.ones(raw.shape[1])
        if n_numbers:
            low[:n_numbers], high[:n_numbers] = np.nanquantile(raw[:, :n_numbers], [_OUTER, 1 - _OUTER], axis=0)
        clipped = np.clip(raw, low, high)
        scale = np.nanstd(clipped, axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        bounds = (low, high, np.nanmean(clipped, axis=0), scale)
        lows, highs, centres, scales = (tuple(values.tolist()) for values in bounds)
        return cls(encoder, lows, highs, centres, scales, logged)

    def matrix(self, features: pd.DataFrame) -> Floats:
        """Columns of mean 0 and variance 1 where it was fitted: array of shape (n_customers, n_columns)."""
        clipped = np.clip(_expanded(self.encoder, features, logged=self.logged), self.low, self.high)
        return np.nan_to_num((clipped - np.array(self.centre)) / np.array(self.scale))

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        numbers = {name: list(getattr(self, name)) for name in ("low", "high", "centre", "scale")}
        return {"encoder": self.encoder.state(), **numbers, "logged": self.logged}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> LinearDesign:
        """The design ``state`` was taken from."""
        low, high, centre, scale = (tuple(state[name]) for name in ("low", "high", "centre", "scale"))
        return cls(Encoder.from_state(state["encoder"]), low, high, centre, scale, state["logged"])


def _expanded(encoder: Encoder, features: pd.DataFrame, *, logged: bool) -> Floats:
    matrix, n_numbers = encoder.matrix(features), len(encoder.numbers)
    numbers = matrix[:, :n_numbers]
    if logged:
        numbers = np.copysign(np.log1p(np.abs(numbers)), numbers)
    codes = [
        (matrix[:, [n_numbers + position]] == np.arange(len(values))).astype(float)
        for position, values in enumerate(encoder.categories.values())
    ]
    return np.hstack([numbers, *codes])


@dataclass(frozen=True)
class LinearEffect(WithoutTrees):
    """``level + design @ slopes`` for each treatment.

    Attributes
    ----------
    design : LinearDesign
    level : tuple of float
    slopes : tuple of tuple of float
        Of each treatment, by column of the design.
    """

    kind: ClassVar[str] = "linear"
    design: LinearDesign
    level: tuple[float, ...]
    slopes: tuple[tuple[float, ...], ...]

    def effect(self, features: pd.DataFrame) -> Floats:
        """See ``Learner.effect``."""
        slopes = np.array(self.slopes).reshape(len(self.level), -1)
        return np.array(self.level) + self.design.matrix(features) @ slopes.T

    def state(self) -> dict[str, Any]:
        """See ``Learner.state``."""
        return {"design": self.design.state(), "level": list(self.level), "slopes": [list(row) for row in self.slopes]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], boosters: Mapping[str, Boosted]) -> LinearEffect:  # noqa: ARG003 - as all learners
        """See ``learner_from_state``."""
        slopes = tuple(tuple(row) for row in state["slopes"])
        return cls(LinearDesign.from_state(state["design"]), tuple(state["level"]), slopes)


def fit_linear_effect(features: pd.DataFrame, signals: Floats, *, columns: Sequence[str]) -> LinearEffect:
    """Ridge by treatment, shrunk as much as leave-one-out says.

    Parameters
    ----------
    features : DataFrame
    signals : array of shape (n_customers, n_treatments)
        Of each customer's own effects.
    columns : sequence of str
    """
    design = LinearDesign.fit(features, columns)
    X = design.matrix(features)
    level = tuple(signals.mean(axis=0).tolist())
    if not X.shape[1]:
        return LinearEffect(design, level, tuple(() for _ in level))
    from sklearn.linear_model import RidgeCV  # imports late: it takes long, and scoring does without

    fits = [RidgeCV(alphas=_SHRINKAGE * len(X), fit_intercept=False).fit(X, s - s.mean()) for s in signals.T]
    return LinearEffect(design, level, tuple(tuple(fit.coef_.tolist()) for fit in fits))
