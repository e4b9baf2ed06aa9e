"""How far predicted money is from actual money. Relative to the actual mean, so NaN where no money was spent at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.metrics import mean_tweedie_deviance

from cvm.evaluation.area_interval import Estimate
from cvm.evaluation.calibration import calibration_error

Floats = NDArray[np.float64]


def ratio(actual: Floats, predicted: Floats) -> float:
    """Sum of predictions over sum of actuals."""
    return _relative(float(predicted.sum()), float(actual.sum()))


def mean_absolute_error(actual: Floats, predicted: Floats) -> float:
    """MAE over the actual mean."""
    return _relative(float(np.abs(predicted - actual).mean()), float(actual.mean()))


def root_mean_squared_error(actual: Floats, predicted: Floats) -> float:
    """RMSE over the actual mean."""
    return _relative(float(np.sqrt(((predicted - actual) ** 2).mean())), float(actual.mean()))


def tweedie_deviance(actual: Floats, predicted: Floats, *, power: float = 1.5) -> float:
    """Mean Tweedie deviance: strictly consistent for the mean of money with many zeros, lower is better.

    Predictions are floored at one millionth of the actual mean, where the deviance would be infinite.
    """
    if actual.sum() <= 0:
        return float("nan")
    return float(mean_tweedie_deviance(actual, np.maximum(predicted, 1e-6 * actual.mean()), power=power))


def decile_error(actual: Floats, predicted: Floats) -> float:
    """decMAPE: mean gap between predicted and actual mean of ten equal groups by prediction, over the overall mean."""
    return _relative(calibration_error(actual, predicted), float(actual.mean()))


def interval_score(actual: Floats, lower: Floats, upper: Floats, *, level: float) -> float:
    """Mean width of intervals plus what lies outside of them, times ``2 / (1 - level)``; proper, lower is better.

    Gneiting and Raftery (2007), "Strictly proper scoring rules", JASA 102, eq. 43; in units of ``actual``.
    """
    missed = np.maximum(lower - actual, 0.0) + np.maximum(actual - upper, 0.0)
    return float((upper - lower + 2 / (1 - level) * missed).mean())


def ratio_estimate(numerator: Floats, denominator: Floats, *, level: float = 0.95) -> Estimate | None:
    """Sum over sum with its interval by the delta method; None where there is nothing to divide by.

    Parameters
    ----------
    numerator, denominator : arrays of shape (n_customers,)
    level : float, 0 to 1
        Of the interval.
    """
    total = float(denominator.sum())
    if total <= 0:
        return None
    value = float(numerator.sum()) / total
    width = float(norm.ppf((1 + level) / 2) * np.sqrt(((numerator - value * denominator) ** 2).sum())) / total
    return Estimate(value, value - width, value + width)


def _relative(error: float, level: float) -> float:
    return error / level if level > 0 else float("nan")
