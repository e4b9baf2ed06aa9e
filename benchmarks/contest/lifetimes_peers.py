"""``lifetimes``, called as its documentation calls it: daily summary, a fit, and a penalty where that does not converge."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pandas as pd

from contest.forecasts import Floats, Forecast, UnavailableError
from contest.snapshots import Contest

# A user whose fit does not converge is told to raise the penalty.
_PENALTIES = (0.0, 0.001, 0.01, 0.1)


def lifetimes_forecast(fitter: str, contest: Contest) -> Forecast:
    """Expected orders of ``fitter`` times the order value of Gamma-Gamma, which is all lifetimes tells of a window.

    Of the fits that converge the first that gives everybody a number is taken, else the first.

    Raises
    ------
    UnavailableError
        If no penalty makes it converge.
    """
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        import lifetimes

        summary = daily_summary(contest)
        past = [summary[name] for name in ("frequency", "recency", "T")]
        horizon_days = contest.case.horizon_days
        orders, penalty = _first_usable(
            getattr(lifetimes, fitter),
            summary[["frequency", "recency", "T"]],
            lambda model: model.conditional_expected_number_of_purchases_up_to_time(horizon_days, *past),
        )
        repeat = summary[(summary["frequency"] > 0) & (summary["monetary_value"] > 0)]
        value, _ = _first_usable(
            lifetimes.GammaGammaFitter,
            repeat[["frequency", "monetary_value"]],
            lambda model: model.conditional_expected_average_profit(summary["frequency"], summary["monetary_value"]),
        )
    forecast = pd.Series(orders * value, index=summary.index).reindex(contest.test.features["customer_id"])
    note = f"penalty {penalty:g}" if penalty else ""
    return mended(forecast.to_numpy(float), contest.test.features, horizon_days, note=note)


def daily_summary(contest: Contest) -> pd.DataFrame:
    """``frequency``, ``recency``, ``T`` in days and ``monetary_value`` of repeat orders, as lifetimes counts them."""
    from lifetimes.utils import summary_data_from_transaction_data

    return summary_data_from_transaction_data(
        contest.purchases,
        "customer_id",
        "day",
        monetary_value_col="amount",
        observation_period_end=pd.Timestamp(contest.case.as_of) - pd.Timedelta(days=1),
    )


def _first_usable(fitter: Any, columns: pd.DataFrame, forecast: Callable[[Any], Any]) -> tuple[Floats, float]:
    from lifetimes.utils import ConvergenceError

    found = []
    for penalty in _PENALTIES:
        model = fitter(penalizer_coef=penalty)
        try:
            model.fit(**{name: columns[name] for name in columns})
        except ConvergenceError:
            continue
        found.append((np.asarray(forecast(model), dtype=float), penalty))
        if _usable(found[-1][0]).all():
            return found[-1]
    if not found:
        raise UnavailableError(f"{fitter.__name__} does not converge, with penalties up to {_PENALTIES[-1]}")
    return found[0]


def _usable(values: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.isfinite(values) & (values >= 0)


def mended(
    revenue: Floats, features: pd.DataFrame, horizon_days: int, *, p_churn: Floats | None = None, note: str = ""
) -> Forecast:
    """Who got no number, or a negative one, gets the naive rate over at least a horizon: something has to be put there."""
    broken = ~_usable(revenue)
    known_days = features["tenure_days"].clip(lower=horizon_days)
    naive = (features["n_orders"] / known_days * horizon_days * features["mean_order_value"]).to_numpy(float)
    if broken.any():
        note = f"{note}; ".lstrip("; ") + f"naive rate for {broken.sum():,} of {len(broken):,} without a number"
    return Forecast(np.where(broken, naive, revenue), p_churn, note)
