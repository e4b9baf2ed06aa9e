"""Figures of every competitor on one case, how far ours differ from theirs, and what noise alone would make of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from contest.forecasts import Floats, Forecast
from contest.ours import OURS
from cvm.evaluation import (
    area_under_roc,
    calibration_error,
    decile_error,
    lift_at,
    mean_absolute_error,
    normalised_gini,
    ratio,
    root_mean_squared_error,
    tweedie_deviance,
)

Metric = Callable[[Floats, Floats], float]

VALUE: dict[str, Metric] = {
    "ratio": ratio,
    "mae": mean_absolute_error,
    "ngini": normalised_gini,
    "decmape": decile_error,
    "rmse": root_mean_squared_error,
    # Of money over its mean, so that it does not depend on the currency and can be averaged over bases.
    "deviance": lambda revenue, predicted: tweedie_deviance(revenue / revenue.mean(), predicted / revenue.mean()),
}
CHURN: dict[str, Metric] = {
    # Of 1 and 0 the normalised Gini is 2 AUC - 1, and seven times faster to resample.
    "auc": lambda churned, p: (1 + normalised_gini(churned, p)) / 2,
    "calibration": calibration_error,
    "lift": lambda churned, p: lift_at(churned, p, share=0.1),
}
# Metrics whose differences get an interval.
_COMPARED_VALUE = {name: VALUE[name] for name in ("ngini", "decmape", "rmse", "deviance")}
_COMPARED_CHURN = {name: CHURN[name] for name in ("auc", "calibration")}


@dataclass(frozen=True)
class Difference:
    """Ours minus theirs in one metric: the figure, its 90 % interval and its spread over the resamples."""

    gap: float
    low: float
    high: float
    spread: float


@dataclass(frozen=True)
class Measured:
    """One competitor on one case.

    Attributes
    ----------
    metrics : dict of str to float
        Those it has predictions for.
    differences : dict of str to Difference
        Ours minus theirs; none for ours.
    note : str
    """

    metrics: dict[str, float]
    differences: dict[str, Difference]
    note: str


def measure(
    revenue: Floats, churned: Floats, forecasts: Mapping[str, Forecast], *, n_resamples: int, seed: int = 7
) -> dict[str, Measured]:
    """Metrics of every forecast, and paired bootstrap intervals of ours minus theirs over the same customers."""
    metrics = {name: _metrics(revenue, churned, forecast, VALUE, CHURN) for name, forecast in forecasts.items()}
    for name, forecast in forecasts.items():
        if forecast.revenue is not None:
            metrics[name]["auc_active"] = area_under_roc(1 - churned, forecast.revenue)
    drawn: dict[str, list[dict[str, float]]] = {name: [] for name in forecasts}
    rng = np.random.default_rng(seed)
    for _ in range(n_resamples):
        rows = rng.integers(0, len(revenue), len(revenue))
        for name, forecast in forecasts.items():
            again = _metrics(revenue[rows], churned[rows], _rows(forecast, rows), _COMPARED_VALUE, _COMPARED_CHURN)
            drawn[name].append(again)
    return {
        name: Measured(metrics[name], _differences(metrics, drawn, name), forecast.note)
        for name, forecast in forecasts.items()
    }


def noise_floor(actual: Floats, predicted: Floats, *, n_draws: int = 200, seed: int = 7) -> float:
    """Mean gap that ten groups of equal prediction would show if the mean of each were foretold exactly.

    Customers are drawn again within their group; how far the mean of the draw strays from that of the group is what
    sampling alone charges an oracle. In the unit of ``actual``, as ``calibration_error``.

    Parameters
    ----------
    actual, predicted : arrays of shape (n_customers,)
    """
    rng = np.random.default_rng(seed)
    groups = [actual[rows] for rows in np.array_split(np.argsort(predicted, kind="stable"), 10) if len(rows)]
    gaps = [abs(rng.choice(group, (n_draws, len(group))).mean(axis=1) - group.mean()).mean() for group in groups]
    return float(np.average(gaps, weights=[len(group) for group in groups]))


def _metrics(
    revenue: Floats, churned: Floats, forecast: Forecast, value: Mapping[str, Metric], churn: Mapping[str, Metric]
) -> dict[str, float]:
    found = {}
    for actual, predicted, metrics in ((revenue, forecast.revenue, value), (churned, forecast.p_churn, churn)):
        if predicted is not None:
            found |= {name: metric(actual, predicted) for name, metric in metrics.items()}
    return found


def _rows(forecast: Forecast, rows: np.ndarray) -> Forecast:
    return Forecast(*(None if values is None else values[rows] for values in (forecast.revenue, forecast.p_churn)))


def _differences(
    metrics: dict[str, dict[str, float]], drawn: dict[str, list[dict[str, float]]], name: str
) -> dict[str, Difference]:
    if name == OURS:
        return {}
    found = {}
    for metric in (*_COMPARED_VALUE, *_COMPARED_CHURN):
        if metric in metrics[name]:
            gaps = [ours[metric] - theirs[metric] for ours, theirs in zip(drawn[OURS], drawn[name], strict=True)]
            low, high = np.quantile(gaps, (0.05, 0.95)) if gaps else (np.nan, np.nan)
            spread = np.std(gaps) if gaps else np.nan
            found[metric] = Difference(metrics[OURS][metric] - metrics[name][metric], float(low), float(high), float(spread))
    return found
