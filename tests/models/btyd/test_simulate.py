from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cvm.models.btyd import Btyd, MbgNbd, ParetoNbd
from cvm.models.btyd.simulate import Future, log_spread_of_total, simulate, total_intervals
from cvm.models.btyd.spend import ConstantSpend
from simulated import TRUTH, histories

OTHERS = (MbgNbd(0.9, 30.0, 0.8, 3.0), ParetoNbd(0.9, 30.0, 0.8, 90.0))
MODELS = (TRUTH, *(replace(TRUTH, process=process) for process in OTHERS))
each_model = pytest.mark.parametrize("model", MODELS, ids=[model.process.family for model in MODELS])


@pytest.fixture(scope="module")
def features():
    return histories(n_customers=60_000, seed=51)


@each_model
@pytest.mark.parametrize("lead_days", [0.0, 30.0])
def test_futures_are_right_on_average(features, model, lead_days):
    expected = model.predict(features, horizon_days=90, lead_days=lead_days)
    orders = expected["btyd_expected_orders"].to_numpy()
    future = simulate(model, features, horizon_days=90, lead_days=lead_days, rng=np.random.default_rng(2))
    for drawn, mean in (
        (future.orders, orders),
        (future.orders == 0, expected["btyd_p_no_order"].to_numpy()),
        (future.revenue, orders * expected["btyd_expected_order_value"].to_numpy()),
    ):
        gap = drawn - mean
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(len(gap))


def after_first_orders(btyd: Btyd, *, n_customers: int, days: float, rng: np.random.Generator) -> Future:
    """What new customers place in the days after a first order; that first order is not counted."""
    zero = np.zeros(n_customers)
    alive = rng.random(n_customers) < btyd.process.p_alive(zero, zero, zero)
    end = btyd.clock.ahead(None, days)
    orders = np.where(alive, btyd.process.draw_orders_if_alive(zero, zero, start=0.0, end=end, rng=rng), 0.0)
    return Future(orders, btyd.spend.draw_total(orders, zero, zero, rng=rng) * btyd.hindsight.revenue_factor)


@each_model
def test_new_customers_are_what_the_model_expects_of_them(model):
    n = 100_000
    future = after_first_orders(model, n_customers=n, days=180, rng=np.random.default_rng(3))
    orders, value = model.expected_new(days=180)
    assert future.orders.mean() == pytest.approx(orders, abs=4 * future.orders.std() / np.sqrt(n))
    assert future.revenue.mean() == pytest.approx(orders * value, abs=4 * future.revenue.std() / np.sqrt(n))


def test_the_same_seed_gives_the_same_future_and_no_orders_cost_nothing(features):
    once, twice = (simulate(TRUTH, features, horizon_days=90, rng=np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(once.revenue, twice.revenue)
    assert (once.revenue[once.orders == 0] == 0).all()
    one_price = simulate(replace(TRUTH, spend=ConstantSpend(9.0)), features, horizon_days=90, rng=np.random.default_rng(9))
    np.testing.assert_array_equal(one_price.revenue, 9.0 * one_price.orders)


def test_p_alive_at_a_later_day_starts_from_todays(features):
    today = TRUTH.predict(features, horizon_days=90)["btyd_p_alive"]
    later = [TRUTH.p_alive_at(features, days=days) for days in (0.0, 90.0, 900.0)]
    np.testing.assert_allclose(later[0], today)
    assert (np.diff(later, axis=0) <= 1e-12).all()


def test_an_interval_of_a_total_is_wider_than_chance_alone_makes_it(features):
    frame = features.head(2000)
    fitted = Btyd.fit(frame)
    orders = total_intervals(fitted, frame, horizon_days=90, draws=60).orders
    rng = np.random.default_rng(7)
    by_chance = np.std([simulate(fitted, frame, horizon_days=90, rng=rng).orders.sum() for _ in range(60)])
    assert orders.upper - orders.lower > 2 * 1.645 * by_chance
    expected = fitted.predict(frame, horizon_days=90)["btyd_expected_orders"].sum()
    assert orders.lower < expected < orders.upper
    assert orders.mean == pytest.approx(expected, rel=0.03)


@pytest.mark.slow
def test_intervals_of_totals_hold_what_happened_as_often_as_they_say():
    inside = []
    for seed in range(40):
        frame = histories(n_customers=3000, seed=900 + seed)
        totals = total_intervals(Btyd.fit(frame), frame, horizon_days=90, draws=150, seed=seed)
        actual = frame["orders_in_window"].sum(), frame["revenue_in_window"].sum()
        pairs = zip((totals.orders, totals.revenue), actual, strict=True)
        inside.append([part.lower <= value <= part.upper for part, value in pairs])
    # Of 40 intervals of 90 %, 36 on average; fewer than 31 happens less than once in a hundred times.
    assert (np.sum(inside, axis=0) >= 31).all()


def test_the_interval_of_revenue_knows_that_spend_is_estimated(features):
    frame = features.head(1000)
    fitted = Btyd.fit(frame)
    width = {}
    for name, spend in (("estimated", fitted.spend), ("known", ConstantSpend(30.0))):
        found = total_intervals(replace(fitted, spend=spend), frame, horizon_days=90, draws=100).revenue
        width[name] = np.log(found.upper / found.lower)
    assert width["estimated"] > 1.05 * width["known"]


def test_the_spread_of_a_total_is_that_of_its_interval_and_falls_with_the_base(features):
    frame = features.head(3000)
    fitted = Btyd.fit(frame)
    found = total_intervals(fitted, frame, horizon_days=90, draws=150).revenue
    spread = log_spread_of_total(fitted, frame, horizon_days=90)
    assert np.log(found.upper / found.lower) / (2 * 1.645) == pytest.approx(spread, rel=0.35)
    # Twenty times the customers, of whom a sample is played: the root of twenty less.
    assert log_spread_of_total(Btyd.fit(features), features, horizon_days=90) == pytest.approx(spread / 20**0.5, rel=0.4)
