from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest

from cvm.errors import BundleError, InsufficientDataError
from cvm.models.btyd import BTYD_COLUMNS, Btyd, GammaGamma, MbgNbd, ParetoNbd
from cvm.models.btyd.clv import clv_per_horizon_revenue
from cvm.models.btyd.spend import ConstantSpend
from simulated import PROCESS, TRUTH, histories

HORIZON = {"horizon_days": 90, "lead_days": 0}


@pytest.fixture(scope="module")
def features():
    return histories(n_customers=800, seed=31)


@pytest.fixture(scope="module")
def fitted(features):
    return Btyd.fit(features)


def customer(**values):
    return pd.DataFrame([{"n_orders": 4.0, "tenure_days": 300.0, "recency_days": 20.0, "mean_order_value": 35.0, **values}])


def prospect(index=0):
    return pd.DataFrame(
        {"n_orders": 0.0, "tenure_days": np.nan, "recency_days": np.nan, "mean_order_value": np.nan}, index=[index]
    )


class TestFit:
    def test_prospects_are_left_out(self, features, fitted):
        with_prospects = pd.concat([prospect(), features, prospect()], ignore_index=True)
        assert Btyd.fit(with_prospects) == fitted

    def test_customers_with_one_order_count(self, features, fitted):
        repeaters = Btyd.fit(features[features["n_orders"] > 1])
        assert repeaters.process.r > 1.5 * fitted.process.r

    def test_too_few_customers_are_refused(self, features):
        with pytest.raises(InsufficientDataError, match="Only 29 customers have an order; churn and CLV need at least 30"):
            Btyd.fit(features.head(29))

    def test_a_refusal_says_as_of_which_date_and_how_to_ask_for_a_later_one(self, features):
        with pytest.raises(
            InsufficientDataError,
            match=r"Only 29 customers have an order before 2024-06-01; .* shorten windows\.horizon_days",
        ):
            Btyd.fit(features.head(29), as_of=date(2024, 6, 1))

    def test_a_base_of_prospects_is_refused(self):
        with pytest.raises(InsufficientDataError, match="Only 0 customers have an order"):
            Btyd.fit(pd.concat([prospect(i) for i in range(50)]))

    def test_a_base_that_never_comes_back_is_refused(self, features):
        once = features[features["n_orders"] == 1].head(100)
        with pytest.raises(InsufficientDataError, match=r"Only 0 of 100 customers ever ordered twice.*customer_id"):
            Btyd.fit(once)

    def test_one_amount_for_all_orders_is_refused(self, features):
        with pytest.raises(InsufficientDataError, match=r"same amount \(9\.99\).*allow_constant_amount: true"):
            Btyd.fit(features.assign(mean_order_value=9.99))

    def test_one_amount_for_all_orders_is_predicted_if_that_is_the_price(self, features):
        fitted = Btyd.fit(features.assign(mean_order_value=9.99), allow_constant_amount=True)
        assert fitted.spend == ConstantSpend(9.99)
        expected = fitted.predict(features, **HORIZON)["btyd_expected_order_value"]
        assert (expected == 9.99).all()

    def test_amounts_that_vary_are_modelled_even_if_they_need_not(self, features, fitted):
        assert Btyd.fit(features, allow_constant_amount=True) == fitted

    def test_nothing_but_free_orders_is_refused(self, features):
        with pytest.raises(InsufficientDataError, match="Every order has the amount 0"):
            Btyd.fit(features.assign(mean_order_value=0.0))

    def test_free_orders_count_as_orders_but_teach_no_order_value(self, features, fitted):
        free = Btyd.fit(features.assign(mean_order_value=features["mean_order_value"].where(features.index >= 100, 0.0)))
        assert free.process == fitted.process
        assert free.spend == Btyd.fit(features[features.index >= 100]).spend


class TestPredict:
    def test_columns_index_and_order_are_those_of_the_customers(self, features):
        shuffled = features.sample(frac=1, random_state=0)
        predicted = TRUTH.predict(shuffled, **HORIZON)
        assert list(predicted.columns) == list(BTYD_COLUMNS)
        pd.testing.assert_frame_equal(predicted.loc[features.index], TRUTH.predict(features, **HORIZON))

    def test_prospects_are_null_and_change_nothing_for_others(self, features):
        predicted = TRUTH.predict(pd.concat([prospect(), features], ignore_index=True), **HORIZON)
        assert predicted.iloc[0][list(BTYD_COLUMNS)].isna().all()
        pd.testing.assert_frame_equal(predicted.iloc[1:].reset_index(drop=True), TRUTH.predict(features, **HORIZON))

    def test_no_customers_give_no_rows(self, features):
        assert TRUTH.predict(features.head(0), **HORIZON).shape == (0, 4)

    def test_it_multiplies_p_alive_with_what_the_living_do(self):
        x, t_x, T = np.array([3.0]), np.array([280.0]), np.array([300.0])
        alive = PROCESS.p_alive(x, t_x, T)
        predicted = TRUTH.predict(customer(), horizon_days=90, lead_days=30).iloc[0]
        orders = PROCESS.expected_if_alive(x, T, days=120) - PROCESS.expected_if_alive(x, T, days=30)
        silent = PROCESS.p_no_order_if_alive(x, T, days=90, lead_days=30)
        assert predicted["btyd_p_alive"] == pytest.approx(alive[0])
        assert predicted["btyd_expected_orders"] == pytest.approx((alive * orders)[0])
        assert predicted["btyd_p_no_order"] == pytest.approx((1 - alive * (1 - silent))[0])
        # Fader and Hardie (2013), eq. 5.
        assert predicted["btyd_expected_order_value"] == pytest.approx(6.0 * (20.0 + 4 * 35.0) / (6.0 * 4 + 4.0 - 1))

    def test_a_window_split_in_two_holds_the_orders_of_both_halves(self, features):
        whole = TRUTH.predict(features, horizon_days=90)["btyd_expected_orders"]
        first = TRUTH.predict(features, horizon_days=40)["btyd_expected_orders"]
        second = TRUTH.predict(features, horizon_days=50, lead_days=40)["btyd_expected_orders"]
        np.testing.assert_allclose(first + second, whole, rtol=1e-9)

    def test_a_customer_cannot_expect_less_than_the_chance_of_an_order(self, features):
        for lead_days in (0, 60):
            predicted = TRUTH.predict(features, horizon_days=90, lead_days=lead_days)
            assert (predicted["btyd_expected_orders"] >= 1 - predicted["btyd_p_no_order"] - 1e-9).all()

    @pytest.mark.parametrize("n_orders", [1.0, 2.0, 5001.0])
    @pytest.mark.parametrize("tenure_days", [1.0, 20000.0])
    @pytest.mark.parametrize("share_waited", [0.0, 0.5, 1.0])
    def test_the_oddest_histories_give_finite_answers_within_bounds(self, n_orders, tenure_days, share_waited):
        waited = tenure_days if n_orders == 1 else share_waited * tenure_days
        odd = customer(n_orders=n_orders, tenure_days=tenure_days, recency_days=waited)
        for lead_days in (0, 30):
            predicted = TRUTH.predict(odd, horizon_days=181, lead_days=lead_days).iloc[0]
            assert np.isfinite(predicted).all()
            assert 0 <= predicted["btyd_p_alive"] <= 1
            assert -1e-12 <= predicted["btyd_p_no_order"] <= 1 + 1e-12
            assert predicted["btyd_expected_orders"] >= 0
        assert np.isfinite(clv_ratio(odd)).all()


def clv_ratio(features, *, clv_days=365, rate=0.1, lead_days=0, truth=TRUTH):
    return clv_per_horizon_revenue(
        truth, features, horizon_days=90, lead_days=lead_days, clv_days=clv_days, discount_rate_per_year=rate
    )


class TestClvPerHorizonRevenue:
    def test_it_is_1_without_discount_when_clv_counts_the_horizon(self, features):
        np.testing.assert_allclose(clv_ratio(features, clv_days=90, rate=0.0), 1.0, rtol=1e-9)

    def test_a_higher_discount_rate_gives_a_lower_value(self, features):
        ratios = np.array([clv_ratio(features, rate=rate) for rate in (0.0, 0.05, 0.1, 1.0)])
        assert (np.diff(ratios, axis=0) < 0).all()

    def test_more_days_give_more_value(self, features):
        ratios = np.array([clv_ratio(features, clv_days=days) for days in (90, 91, 365, 730)])
        assert (np.diff(ratios, axis=0) > 0).all()

    def test_without_discount_it_is_the_ratio_of_expected_orders(self, features):
        year, window = (TRUTH.predict(features, horizon_days=days)["btyd_expected_orders"] for days in (365, 90))
        np.testing.assert_allclose(clv_ratio(features, rate=0.0), year / window, rtol=1e-9)

    def test_a_year_of_discount_at_its_middle_is_about_the_square_root(self, features):
        # Orders thin out over the year, so the mean order comes before its middle.
        share = clv_ratio(features, rate=0.1) / clv_ratio(features, rate=0.0)
        assert ((share > 1.1**-0.5) & (share < 1)).all()

    def test_it_knows_no_difference_between_the_dead_and_the_living(self):
        living, dead = customer(recency_days=1.0), customer(recency_days=299.0)
        assert clv_ratio(living) == pytest.approx(clv_ratio(dead), rel=1e-12)

    def test_value_counts_from_today_and_the_window_after_the_lead(self, features):
        orders = TRUTH.predict(features, horizon_days=90, lead_days=30)["btyd_expected_orders"]
        year = TRUTH.predict(features, horizon_days=365)["btyd_expected_orders"]
        np.testing.assert_allclose(clv_ratio(features, lead_days=30, rate=0.0), year / orders, rtol=1e-9)

    def test_each_customer_gets_an_answer_in_order(self, features):
        ratios = clv_ratio(features)
        for position in (0, 17, 799):
            assert ratios[position] == pytest.approx(clv_ratio(features.iloc[[position]])[0], rel=1e-12)


def test_the_median_wait_is_given_for_each_customer_in_order(features):
    waits = TRUTH.median_wait_days(features)
    assert len(waits) == len(features)
    assert np.isinf(waits).any()
    for position in np.flatnonzero(np.isfinite(waits))[:5]:
        row = features.iloc[[position]]
        assert waits[position] == TRUTH.median_wait_days(row)[0]
        assert TRUTH.predict(row, horizon_days=waits[position])["btyd_p_no_order"].iloc[0] == pytest.approx(0.5)


class TestState:
    @pytest.mark.parametrize("spend", [GammaGamma(6.1, 4.2, 20.3), ConstantSpend(9.99)], ids=["gamma_gamma", "constant"])
    def test_it_survives_json_without_losing_a_bit(self, spend):
        model = Btyd(PROCESS, spend)
        assert Btyd.from_state(json.loads(json.dumps(model.state()))) == model

    @pytest.mark.parametrize("process", [MbgNbd(0.9, 30.1, 0.8, 3.0), ParetoNbd(0.9, 30.1, 0.8, 90.0)])
    def test_each_family_comes_back_as_itself(self, process):
        model = Btyd(process, TRUTH.spend)
        assert Btyd.from_state(json.loads(json.dumps(model.state()))) == model
        assert model.label == f"{process.label} x Gamma-Gamma"

    @pytest.mark.parametrize("where", ["process", "spend"])
    def test_a_family_of_another_version_is_refused(self, where):
        state = TRUTH.state()
        if where == "process":
            state["family"] = "hidden_markov"
        else:
            state["spend"]["family"] = "lognormal"
        with pytest.raises(BundleError, match=r"hidden_markov|lognormal.*unknown to this version of cvm"):
            Btyd.from_state(state)
