"""The product itself at a snapshot: the whole loop told that today is that day, and what its scores were worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from contest.bases import Case
from contest.forecasts import Floats, Forecast
from contest.snapshots import case_params, link_warehouse
from cvm.stages.context import workspace_of
from cvm.stages.data import run_features
from cvm.stages.promote import run_promote
from cvm.stages.score import run_score
from cvm.stages.train import run_train

_MISSES = 0.10
TIERS = ("top", "high", "medium", "low")


@dataclass(frozen=True)
class Scored:
    """Scores of the product.

    Attributes
    ----------
    forecast : Forecast
        Of the models it promoted, on windows before the snapshot.
    lower, upper : array of shape (n_customers,), or None
        Its 90 % interval; ``None`` where this version has none.
    tier : array of shape (n_customers,)
        Value tier.
    """

    forecast: Forecast
    lower: Floats | None
    upper: Floats | None
    tier: np.ndarray


@dataclass(frozen=True)
class IntervalFigures:
    """What 90 % intervals were worth on one case.

    Attributes
    ----------
    coverage : float
    by_tier : dict of str to float
        Coverage in each value tier.
    score, global_score : float
        Mean interval score (width plus 20 times the miss) over mean revenue, lower is better: ours, and that of one band
        round every prediction whose ends are the 5 % and 95 % quantiles of the errors of this very window. No band of
        one width can be known to be better beforehand.
    """

    coverage: float
    by_tier: dict[str, float]
    score: float
    global_score: float


def score_case(case: Case, work: Path, customers: pd.Series) -> Scored:
    """Features, training and scores at the snapshot, in the order of ``customers``; CLV undiscounted over the horizon."""
    folder = work / case.base / case.name / "scored"
    params = case_params(
        case,
        work,
        {
            "windows.as_of": case.as_of,
            "outputs": folder / "outputs",
            "models": folder / "models",
            "tracking.uri": f"sqlite:///{folder}/mlflow.db",
            "business.discount_rate_per_year": 0.0,
        },
    )
    link_warehouse(case, work, params)
    for stage in (run_features, run_train, partial(run_promote, force="a benchmark of the latest training"), run_score):
        stage(params)
    scores = pd.read_parquet(workspace_of(params).scores_of(case.as_of), partitioning=None)
    scores = scores.set_index("customer_id").reindex(customers)
    revenue = scores["expected_orders"] * scores["expected_order_value"]
    # CLV is margin; these bases know none but one rate for all.
    rate = float((scores["clv"].sum()) / revenue.sum())
    bounds = [scores[name].to_numpy(float) / rate for name in ("clv_lower", "clv_upper")]
    known = np.isfinite(bounds).all()
    return Scored(
        Forecast(revenue.to_numpy(float), scores["p_churn"].to_numpy(float), "what was promoted before the snapshot"),
        *(bounds if known else (None, None)),
        tier=scores["value_tier"].to_numpy(),
    )


def interval_figures(revenue: Floats, scored: Scored) -> IntervalFigures | None:
    """Coverage and interval score; ``None`` without intervals."""
    if scored.lower is None or scored.upper is None:
        return None
    inside = (revenue >= scored.lower) & (revenue <= scored.upper)
    predicted = scored.forecast.revenue
    low, high = np.quantile(revenue - predicted, (_MISSES / 2, 1 - _MISSES / 2))
    one_band = (np.maximum(predicted + low, 0.0), np.maximum(predicted + high, 0.0))
    return IntervalFigures(
        coverage=float(inside.mean()),
        by_tier={tier: float(inside[scored.tier == tier].mean()) for tier in TIERS if (scored.tier == tier).any()},
        score=_interval_score(revenue, scored.lower, scored.upper),
        global_score=_interval_score(revenue, *one_band),
    )


def _interval_score(actual: Floats, lower: Floats, upper: Floats) -> float:
    """Gneiting and Raftery (2007), eq. 43, over the actual mean."""
    miss = np.maximum(lower - actual, 0.0) + np.maximum(actual - upper, 0.0)
    return float((upper - lower + 2 / _MISSES * miss).mean() / actual.mean())
