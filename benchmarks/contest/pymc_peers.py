"""pymc-marketing, where it is installed (extra ``bench``): the mode of the posterior under its own priors, no sampling."""

from __future__ import annotations

import logging
import warnings
from importlib.util import find_spec

import numpy as np
import pandas as pd

from contest.forecasts import Forecast, UnavailableError
from contest.lifetimes_peers import daily_summary, mended
from contest.snapshots import Contest


def pymc_forecast(model: str, contest: Contest) -> Forecast:
    """Expected orders of ``model`` times the order value of its Gamma-Gamma; P(no order) where the model tells it.

    Raises
    ------
    UnavailableError
        If the package is not installed.
    """
    if find_spec("pymc_marketing") is None:
        raise UnavailableError("pymc-marketing is not installed (pip install 'cvm[bench]')")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        logging.getLogger("pymc").setLevel(logging.ERROR)
        from pymc_marketing import clv

        summary = daily_summary(contest).reset_index()
        process = getattr(clv, model)()
        process.fit(data=summary[["customer_id", "frequency", "recency", "T"]], method="map", progressbar=False)
        horizon_days = contest.case.horizon_days
        orders = process.expected_purchases(data=summary, future_t=horizon_days)
        silent = None
        if model == "BetaGeoModel":
            silent = process.expected_probability_no_purchase(data=summary, t=horizon_days)
        repeat = summary[(summary["frequency"] > 0) & (summary["monetary_value"] > 0)]
        spend = clv.GammaGammaModel()
        spend.fit(data=repeat[["customer_id", "frequency", "monetary_value"]], method="map", progressbar=False)
        value = spend.expected_customer_spend(data=summary)
    customers = contest.test.features["customer_id"]
    revenue = pd.Series(orders.to_numpy().ravel() * value.to_numpy().ravel(), index=summary["customer_id"])
    p_churn = None if silent is None else pd.Series(silent.to_numpy().ravel(), index=summary["customer_id"])
    return mended(
        revenue.reindex(customers).to_numpy(float),
        contest.test.features,
        horizon_days,
        p_churn=None if p_churn is None else p_churn.reindex(customers).fillna(p_churn.mean()).clip(0, 1).to_numpy(float),
    )
