"""Customers are drawn from a known process and spend; the fit must give both back, and forecast what they do next."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from cvm.models.btyd import BgNbd, Btyd, GammaGamma
from simulated import TRUTH, histories

HORIZON_DAYS = 180.0
TRUTHS = {
    "a shop": TRUTH,
    # Fader, Hardie and Lee (2005), Fader and Hardie (2013): CDNOW, in days.
    "many come once": Btyd(BgNbd(0.243, 30.9, 0.793, 2.426), GammaGamma(6.25, 3.74, 15.44)),
    "frequent and loyal": Btyd(BgNbd(2.0, 14.0, 1.5, 30.0), GammaGamma(2.0, 3.0, 60.0)),
}
# r, alpha, a, b, then p, q, gamma: relative standard deviation of an estimate from 20,000 customers, the largest of the
# three truths over twenty seeds (measured).
SPREAD = np.array([0.015, 0.02, 0.05, 0.065, 0.05, 0.02, 0.065])
# Expected over actual: orders, revenue, customers without an order.
FORECAST_SPREAD = np.array([0.02, 0.02, 0.005])


def recovered(truth: Btyd, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Estimates over true parameters; expectation over what happened."""
    frame = histories(truth, n_customers=20_000, seed=seed, horizon_days=HORIZON_DAYS)
    fitted = Btyd.fit(frame)
    estimates, true = (np.array([*astuple(model.process), *astuple(model.spend)]) for model in (fitted, truth))
    expected = fitted.predict(frame, horizon_days=HORIZON_DAYS)
    revenue = expected["btyd_expected_orders"] * expected["btyd_expected_order_value"]
    forecast = np.array(
        [
            expected["btyd_expected_orders"].sum() / frame["orders_in_window"].sum(),
            revenue.sum() / frame["revenue_in_window"].sum(),
            expected["btyd_p_no_order"].sum() / (frame["orders_in_window"] == 0).sum(),
        ]
    )
    return estimates / true, forecast


def test_parameters_and_future_of_a_known_base_are_recovered():
    estimates, forecast = recovered(TRUTH, seed=1)
    assert (np.abs(estimates - 1) < 4 * SPREAD).all(), estimates
    assert (np.abs(forecast - 1) < 4 * FORECAST_SPREAD).all(), forecast


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUTHS)
def test_estimates_and_forecasts_are_right_on_average_over_seeds(name):
    runs = [recovered(TRUTHS[name], seed=seed) for seed in range(100, 106)]
    estimates, forecasts = (np.array(part) for part in zip(*runs, strict=True))
    assert (np.abs(estimates.mean(axis=0) - 1) < 4 * SPREAD / np.sqrt(len(runs))).all(), estimates.mean(axis=0)
    assert (np.abs(forecasts.mean(axis=0) - 1) < 4 * FORECAST_SPREAD / np.sqrt(len(runs))).all(), forecasts.mean(axis=0)
    # None of them far off either.
    assert (np.abs(estimates - 1) < 5 * SPREAD).all()


@pytest.mark.slow
def test_whole_days_cost_little_accuracy():
    # Purchases are dated by day: the last order of a frequent buyer then lies up to a day earlier.
    frame = histories(TRUTH, n_customers=20_000, seed=3, horizon_days=HORIZON_DAYS)
    by_day = frame.assign(recency_days=np.ceil(frame["recency_days"]))
    exact, rounded = (Btyd.fit(part).predict(part, horizon_days=HORIZON_DAYS) for part in (frame, by_day))
    total = rounded["btyd_expected_orders"].sum()
    assert total == pytest.approx(exact["btyd_expected_orders"].sum(), rel=0.02)
