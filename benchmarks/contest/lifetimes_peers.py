"""``lifetimes``, called as its documentation calls it: daily summary, a fit, and a penalty where that does not converge."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pandas as pd
from contest.forecasts import Floats, Forecast, Unavailable
from contest.snapshots import Contest

# A user whose fit does not converge is told to raise the penalty.
_PENALTIES = (0.0, 0.001, 0.01, 0.1)


def lifetimes_forecast(fitter: str, contest: Contest) -> Forecast:
    """Expected orders of ``fitter`` times the order value of Gamma-Gamma, which is all lifetimes tells of a window.

    Raises
    ------
    Unavailable
        If no penalty makes it converge.
    """
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        import lifetimes
        from lifetimes.utils import summary_data_from_transaction_data

        summary = summary_data_from_transaction_data(
            contest.purchases,
            "customer_id",
            "day",
            monetary_value_col="amount",
            observation_period_end=pd.Timestamp(contest.case.as_of) - pd.Timedelta(days=1),
        )
        process, penalty = _fitted(lifetimes, fitter, summary[["frequency", "recency", "T"]])
        repeat = summary[(summary["frequency"] > 0) & (summary["monetary_value"] > 0)]
        spend, _ = _fitted(lifetimes, "GammaGammaFitter", repeat[["frequency", "monetary_value"]])
        orders = process.conditional_expected_number_of_purchases_up_to_time(
            contest.case.horizon_days, summary["frequency"], summary["recency"], summary["T"]
        )
        value = spend.conditional_expected_average_profit(summary["frequency"], summary["monetary_value"])
    forecast = pd.Series(np.asarray(orders) * np.asarray(value), index=summary.index)
    customers = contest.test.features["customer_id"]
    revenue = forecast.reindex(customers).to_numpy(float)
    return _mended(revenue, contest.test.features, contest.case.horizon_days, penalty)


def _fitted(lifetimes: Any, fitter: str, columns: pd.DataFrame) -> tuple[Any, float]:
    from lifetimes.utils import ConvergenceError

    for penalty in _PENALTIES:
        model = getattr(lifetimes, fitter)(penalizer_coef=penalty)
        try:
            model.fit(**{name: columns[name] for name in columns})
        except ConvergenceError:
            continue
        return model, penalty
    raise Unavailable(f"{fitter} does not converge, with penalties up to {_PENALTIES[-1]}")


def _mended(revenue: Floats, features: pd.DataFrame, horizon_days: int, penalty: float) -> Forecast:
    """Who got no number, or a negative one, gets the naive rate over at least a horizon: something has to be put there."""
    broken = ~np.isfinite(revenue) | (revenue < 0)
    known_days = features["tenure_days"].clip(lower=horizon_days)
    naive = (features["n_orders"] / known_days * horizon_days * features["mean_order_value"]).to_numpy(float)
    notes = [f"penalty {penalty:g}"] if penalty else []
    if broken.any():
        notes.append(f"naive rate for {broken.sum():,} of {len(broken):,} without a number")
    return Forecast(revenue=np.where(broken, naive, revenue), note="; ".join(notes))
