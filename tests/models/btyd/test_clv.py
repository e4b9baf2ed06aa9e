from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cvm.models.btyd import MbgNbd, ParetoNbd
from cvm.models.btyd.clv import clv_by_period, clv_per_horizon_revenue, discounted_days, month_edges
from simulated import TRUTH, histories

MODELS = (TRUTH, *(replace(TRUTH, process=process) for process in (MbgNbd(0.9, 30, 0.8, 3), ParetoNbd(0.9, 30, 0.8, 90))))
WINDOW = {"horizon_days": 90, "lead_days": 0, "clv_days": 365, "discount_rate_per_year": 0.1}


@pytest.fixture(scope="module")
def features():
    return histories(n_customers=300, seed=71)


@pytest.mark.parametrize("model", MODELS, ids=[model.process.family for model in MODELS])
def test_periods_add_up_to_clv(features, model):
    said = model.predict(features, horizon_days=90)
    revenue = (said["btyd_expected_orders"] * said["btyd_expected_order_value"]).to_numpy()
    found = clv_by_period(model, features, **WINDOW, margin_rate=0.4)
    assert found.discounted_margin.shape == (300, 12)
    np.testing.assert_allclose(found.clv, 0.4 * revenue * clv_per_horizon_revenue(model, features, **WINDOW), rtol=1e-12)
    year = model.predict(features, horizon_days=365)["btyd_expected_orders"]
    np.testing.assert_allclose(found.expected_orders.sum(axis=1), year, rtol=1e-9)


def test_the_judged_model_says_how_much_and_btyd_when(features):
    ours = clv_by_period(TRUTH, features, **WINDOW)
    judged = clv_by_period(TRUTH, features, **WINDOW, horizon_revenue=np.full(300, 90.0))
    assert (judged.expected_revenue[:, :2].sum(axis=1) < 90).all()  # two months are shorter than the window
    assert (judged.expected_revenue[:, :3].sum(axis=1) > 90).all()
    ratio = judged.expected_revenue / ours.expected_revenue
    np.testing.assert_allclose(ratio, np.tile(ratio[:, :1], 12), rtol=1e-9)


def test_without_discount_margin_is_revenue_and_with_it_less(features):
    plain = clv_by_period(TRUTH, features, **{**WINDOW, "discount_rate_per_year": 0.0})
    np.testing.assert_allclose(plain.discounted_margin, plain.expected_revenue, rtol=1e-12)
    assert (clv_by_period(TRUTH, features, **WINDOW).discounted_margin < plain.discounted_margin).all()


def test_the_frame_has_a_row_for_each_customer_and_period(features):
    found = clv_by_period(TRUTH, features, **{**WINDOW, "clv_days": 45})
    frame = found.frame(features["customer_id"])
    assert list(frame.columns) == [
        *("customer_id", "period", "end_days", "expected_orders", "expected_revenue", "discounted_margin")
    ]
    assert len(frame) == 600
    assert frame["end_days"].unique() == pytest.approx([365 / 12, 45.0])
    by_customer = frame.groupby("customer_id")["discounted_margin"].sum()
    np.testing.assert_allclose(by_customer.loc[features["customer_id"]], found.clv)


def test_orders_of_the_busiest_and_the_oldest_are_finite():
    odd = histories(n_customers=4, seed=1).assign(
        n_orders=[1.0, 5001.0, 5001.0, 1.0],
        tenure_days=[1.0, 20_000.0, 20_000.0, 20_000.0],
        recency_days=[1.0, 0.0, 19_000.0, 2e4],
    )
    for model in MODELS:
        found = clv_by_period(model, odd, **{**WINDOW, "clv_days": 3650})
        for values in (found.expected_orders, found.expected_revenue, found.discounted_margin):
            assert np.isfinite(values).all()
            assert (values >= -1e-9).all()


def test_months_fill_the_days_and_what_days_are_worth_falls_with_the_rate():
    assert month_edges(365) == pytest.approx(np.arange(13) * 365 / 12)
    assert month_edges(40)[-2:] == pytest.approx([365 / 12, 40.0])
    assert discounted_days(365, discount_rate_per_year=0.0) == pytest.approx(365)
    assert discounted_days(365, discount_rate_per_year=0.1) == pytest.approx(365 / 1.1**0.5, rel=1e-3)
