from __future__ import annotations

from dataclasses import astuple, replace
from itertools import pairwise, product

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.special import betaln, gammaln

from cvm.models.btyd import BgNbd
from cvm.models.btyd.bg_nbd_likelihood import BgNbdLikelihood
from cvm.models.btyd.distinct import distinct
from simulated import PROCESS, histories

# Fader, Hardie and Lee (2005), CDNOW; alpha in days.
CDNOW = BgNbd(r=0.243, alpha=30.9, a=0.793, b=2.426)
# No customer differs from the next in drop-out (1, 2), in rate (3, 4), in either (5); nobody stops (6); everybody does (7).
EXTREMES = (
    BgNbd(1.0, 10.0, 2000.0, 20000.0),
    BgNbd(1.0, 10.0, 22.0, 24000.0),
    BgNbd(5000.0, 50000.0, 0.8, 2.5),
    BgNbd(24000.0, 480000.0, 2e-4, 12000.0),
    BgNbd(240.0, 4700.0, 5000.0, 20000.0),
    BgNbd(1.0, 30.0, 1e-4, 28.0),
    BgNbd(1.0, 30.0, 12000.0, 300.0),
)
HISTORIES = [
    (x, t_x, T)
    for x, T in product((0.0, 1.0, 2.0, 50.0, 5000.0), (1.0, 30.0, 365.0, 20000.0))
    for t_x in ((0.0,) if x == 0 else (0.0, T / 2, T))
]


@pytest.fixture(scope="module")
def base():
    """x, t_x, T of 3,000 customers, in whole days."""
    frame = histories(n_customers=3000, seed=11)
    x, T = frame["n_orders"].to_numpy() - 1, frame["tenure_days"].to_numpy()
    return x, np.floor(T - frame["recency_days"].to_numpy()), T


@pytest.fixture(scope="module")
def fitted(base):
    return BgNbd.fit(*base)


def columns(histories_=HISTORIES):
    return tuple(np.array(column) for column in zip(*histories_, strict=True))


def one(*values):
    return tuple(np.array([value], dtype=float) for value in values)


def textbook_log_likelihood(process, x, t_x, T):
    """FHL eq. 6 as printed, customer by customer."""
    r, alpha, a, b = astuple(process)
    total = 0.0
    for x_i, t_i, T_i in zip(x, t_x, T, strict=True):
        bought = gammaln(r + x_i) - gammaln(r) + r * np.log(alpha)
        alive = np.exp(betaln(a, b + x_i) - betaln(a, b)) * (alpha + T_i) ** -(r + x_i)
        gone = np.exp(betaln(a + 1, b + x_i - 1) - betaln(a, b)) * (alpha + t_i) ** -(r + x_i) if x_i > 0 else 0.0
        total += bought + np.log(alive + gone)
    return total


class TestLikelihood:
    def test_it_is_equation_6(self, base):
        x, t_x, T = (column[:200] for column in base)
        assert PROCESS.log_likelihood(x, t_x, T) == pytest.approx(textbook_log_likelihood(PROCESS, x, t_x, T), rel=1e-12)

    @pytest.mark.parametrize("parameters", [(0.3, 5.0, 0.8, 2.5), (2.0, 90.0, 1.5, 0.4), (0.05, 800.0, 6.0, 0.9)])
    def test_its_gradient_agrees_with_finite_differences(self, base, parameters):
        likelihood = BgNbdLikelihood(*base, np.ones_like(base[0]), early_chances=0)
        at = np.array(parameters)
        numeric = approx_fprime(np.log(at), lambda u: likelihood(np.exp(u))[0], 1e-6) / at
        np.testing.assert_allclose(likelihood(at)[1], numeric, rtol=2e-4, atol=1e-3 * np.abs(numeric).max())

    @pytest.mark.parametrize("parameters", [(0.3, 5.0, 0.8, 2.5), (2.0, 90.0, 1.5, 0.4)])
    def test_value_and_gradient_are_finite_for_the_heaviest_and_the_oddest_histories(self, parameters):
        likelihood = BgNbdLikelihood(*columns(), np.ones(len(HISTORIES)), early_chances=0)
        value, gradient = likelihood(np.array(parameters))
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()

    def test_a_weight_counts_like_repetition(self, base):
        x, t_x, T = (column[:300] for column in base)
        weight = np.arange(300) % 4.0
        repeated = [np.repeat(column, weight.astype(int)) for column in (x, t_x, T)]
        assert PROCESS.log_likelihood(x, t_x, T, weight) == pytest.approx(PROCESS.log_likelihood(*repeated), rel=1e-12)


class TestFit:
    def test_the_gradient_vanishes_at_the_optimum(self, base, fitted):
        _, gradient = BgNbdLikelihood(*base, np.ones_like(base[0]), early_chances=0)(np.array(astuple(fitted)))
        # Per customer and per relative change of the parameter.
        assert np.abs(gradient * np.array(astuple(fitted)) / len(base[0])).max() < 1e-6

    def test_no_neighbour_is_likelier(self, base, fitted):
        best = fitted.log_likelihood(*base)
        for name, factor in product(("r", "alpha", "a", "b"), (0.99, 1.01)):
            assert replace(fitted, **{name: getattr(fitted, name) * factor}).log_likelihood(*base) < best

    def test_grouped_histories_give_the_parameters_of_single_ones(self, base, fitted):
        groups = distinct(*base)
        assert len(groups.weight) < len(base[0])
        assert astuple(BgNbd.fit(*groups.columns, groups.weight)) == pytest.approx(astuple(fitted), rel=1e-5)

    def test_the_order_of_rows_is_irrelevant(self, base, fitted):
        shuffled = np.random.default_rng(0).permutation(len(base[0]))
        assert astuple(BgNbd.fit(*(column[shuffled] for column in base))) == pytest.approx(astuple(fitted), rel=1e-5)

    @pytest.mark.parametrize("days_per_unit", [7.0, 1 / 24])
    def test_another_unit_of_time_only_rescales_alpha(self, base, fitted, days_per_unit):
        x, t_x, T = base
        other = BgNbd.fit(x, t_x / days_per_unit, T / days_per_unit)
        assert (other.r, other.a, other.b) == pytest.approx((fitted.r, fitted.a, fitted.b), rel=1e-4)
        assert other.alpha * days_per_unit == pytest.approx(fitted.alpha, rel=1e-4)
        # Each of the sum(x) orders has a density per unit of time.
        shift = x.sum() * np.log(days_per_unit)
        assert other.log_likelihood(x, t_x / days_per_unit, T / days_per_unit) == pytest.approx(
            fitted.log_likelihood(*base) + shift, rel=1e-9
        )

    @pytest.mark.parametrize("p_stop", [0.0, 0.1, 0.5])
    def test_a_base_whose_customers_share_one_drop_out_still_gives_finite_expectations(self, p_stop):
        # The likelihood then rises towards infinite a and b, where hypergeometric functions overflow.
        rng = np.random.default_rng(5)
        n = 1000
        rate, T = rng.gamma(1.0, 1 / 30, n), rng.integers(30, 720, n).astype(float)
        x, t_x, now, active = np.zeros(n), np.zeros(n), np.zeros(n), np.arange(n)
        stopped = np.zeros(n, dtype=bool)
        while len(active):
            now[active] += rng.exponential(1 / rate[active])
            active = active[now[active] <= T[active]]
            x[active] += 1
            t_x[active] = now[active]
            stopped[active] = rng.random(len(active)) < p_stop
            active = active[~stopped[active]]
        process = BgNbd.fit(x, t_x, T)
        assert process.a / (process.a + process.b) == pytest.approx(p_stop, abs=0.03)
        for days in (7.0, 365.0, 3650.0):
            expected = process.p_alive(x, t_x, T) * process.expected_if_alive(x, T, days=days)
            # Of rate lam and drop-out p, whoever is alive places (1 - exp(-lam p days)) / p orders.
            placed = -np.expm1(-rate * p_stop * days) / p_stop if p_stop else rate * days
            gap = placed * ~stopped - expected
            assert np.isfinite(expected).all()
            # Five standard errors: the parameters are estimates too.
            assert abs(gap.mean()) < 5 * gap.std() / np.sqrt(n)

    def test_very_heavy_buyers_are_fitted(self):
        rng = np.random.default_rng(8)
        T = np.full(300, 700.0)
        x = rng.poisson(700 * rng.gamma(5.0, 0.2, 300)).astype(float)
        process = BgNbd.fit(x, T - rng.integers(0, 3, 300), T)
        assert np.isfinite(astuple(process)).all()
        assert process.r / process.alpha == pytest.approx(1.0, rel=0.1)

    def test_its_state_rebuilds_it(self, fitted):
        assert BgNbd(**fitted.state()) == fitted


class TestPAlive:
    def test_without_a_repeat_order_it_is_1_by_the_models_design(self):
        x, t_x, T = columns([(0.0, 0.0, T) for T in (1.0, 365.0, 20000.0)])
        assert CDNOW.p_alive(x, t_x, T).tolist() == [1.0, 1.0, 1.0]

    def test_it_falls_with_waiting(self):
        T = 100 + np.arange(0.0, 2000.0, 10)
        p = CDNOW.p_alive(np.full_like(T, 4.0), np.full_like(T, 100.0), T)
        assert (np.diff(p) < 0).all()

    def test_frequent_buyers_are_missed_sooner(self):
        p = CDNOW.p_alive(*columns([(2.0, 300.0, 400.0), (20.0, 300.0, 400.0), (200.0, 300.0, 400.0)]))
        assert (np.diff(p) < 0).all()

    def test_it_is_bayes_rule_on_the_two_terms_of_the_likelihood(self):
        r, alpha, a, b = astuple(CDNOW)
        x, t_x, T = 3.0, 120.0, 300.0
        alive = np.exp(betaln(a, b + x)) * (alpha + T) ** -(r + x)
        gone = np.exp(betaln(a + 1, b + x - 1)) * (alpha + t_x) ** -(r + x)
        assert CDNOW.p_alive(*one(x, t_x, T))[0] == pytest.approx(alive / (alive + gone), rel=1e-12)


# mpmath 1.4.1 with 40 digits: FHL eq. 10 over P(alive) by its hypergeometric function, confirmed by quadrature over the
# drop-out probability; and P(no order) after a lead of 30 days by Pfaff's form of the hypergeometric function.
EXACT = [
    ((0.243, 30.9, 0.793, 2.426), 2, 272, 273, 1.687484542593, 0.2648142660119),
    ((0.243, 30.9, 0.793, 2.426), 0, 30, 365, 0.9139346091544, 0.6470446363181),
    ((1.5, 20, 0.3, 3), 5000, 20000, 365, 90.9388049902, 0.0004489516611789),
    ((2, 0.5, 0.002, 5), 100, 365, 1825, 508.1458387412, 0.0001534137345077),
    ((0.5, 10, 1, 2), 3, 200, 90, 1.302018740316, 0.347603202766),
    ((3, 15, 1.5, 1.5), 10, 60, 181, 11.39231083309, 0.3963184886742),
    ((1, 10, 300, 2000), 10, 365, 365, 5.624901918458, 0.1079870029808),
    ((1, 10, 2000, 20000), 0, 30, 90, 1.867949008049, 0.3651979745221),
    ((0.3, 3, 20000, 20000), 1, 30, 365, 1.825648819441, 0.423026646117),
    ((50, 500, 0.8, 2.5), 20, 300, 181, 12.68375427472, 0.08204715817879),
    ((20000, 400000, 0.2, 5), 10, 200, 90, 4.37973359238, 0.02961284274308),
]


class TestExpectations:
    @pytest.mark.parametrize(("parameters", "x", "T", "days", "orders", "p_no_order"), EXACT)
    def test_they_agree_with_arbitrary_precision(self, parameters, x, T, days, orders, p_no_order):
        process = BgNbd(*parameters)
        x, T = one(x, T)
        assert process.expected_if_alive(x, T, days=days)[0] == pytest.approx(orders, rel=2e-8)
        assert process.p_no_order_if_alive(x, T, days=days, lead_days=30)[0] == pytest.approx(p_no_order, abs=1e-8)

    @pytest.mark.parametrize("days", [1.0, 39.0, 365.0])
    def test_a_new_customers_expectation_is_the_mean_over_rate_and_drop_out(self, days):
        # Of rate lam and drop-out p: (1 - exp(-lam p days)) / p orders; the mean over lam is known, that over p by quad.
        r, alpha, a, b = astuple(CDNOW)

        def orders(p):
            return -np.expm1(-r * np.log1p(p * days / alpha)) / p if p else r * days / alpha

        expected = quad(orders, 0, 1, weight="alg", wvar=(a - 1, b - 1))[0] / np.exp(betaln(a, b))
        assert CDNOW.expected_new(days=np.array([days]))[0] == pytest.approx(expected, rel=1e-8)

    @pytest.mark.parametrize("process", [CDNOW, *EXTREMES], ids=str)
    def test_they_are_finite_and_within_bounds_whatever_the_history(self, process):
        x, t_x, T = columns()
        for days, lead_days in product((1.0, 365.0, 7300.0), (0.0, 30.0)):
            orders = process.expected_if_alive(x, T, days=days)
            silent = process.p_no_order_if_alive(x, T, days=days, lead_days=lead_days)
            alive = process.p_alive(x, t_x, T)
            assert np.isfinite(orders).all()
            # Dropping out can only cost orders.
            assert (orders <= (process.r + x) / (process.alpha + T) * days * (1 + 1e-6)).all()
            assert (orders >= 0).all()
            assert ((silent >= -1e-12) & (silent <= 1 + 1e-12)).all()
            assert ((alive >= 0) & (alive <= 1)).all()

    @pytest.mark.parametrize("process", [CDNOW, *EXTREMES], ids=str)
    def test_a_longer_window_never_holds_fewer_orders(self, process):
        x, _, T = columns()
        windows = [process.expected_if_alive(x, T, days=days) for days in (1.0, 30.0, 365.0, 3650.0)]
        for shorter, longer in pairwise(windows):
            assert (longer >= shorter).all()

    def test_one_order_a_customer_and_a_chance_to_stop_makes_a_geometric_total(self):
        # Everybody stops after an order with one probability p: whoever is alive will place 1/p more orders in all.
        p = 0.25
        process = BgNbd(r=2.0, alpha=10.0, a=p * 1e4, b=(1 - p) * 1e4)
        assert process.expected_if_alive(*one(5, 100), days=1e7)[0] == pytest.approx(1 / p, rel=2e-3)

    @pytest.mark.parametrize("a", [1 - 1e-4, 1 - 1e-7, 1.0, 1 + 1e-7, 1 + 1e-4])
    def test_a_equal_to_1_is_no_singularity(self, a):
        near = BgNbd(0.5, 10.0, 1.01, 2.0)
        beyond = BgNbd(0.5, 10.0, 0.99, 2.0)
        x, T = np.array([0.0, 3.0, 100.0]), np.array([30.0, 200.0, 365.0])
        between = (near.expected_if_alive(x, T, days=90.0) + beyond.expected_if_alive(x, T, days=90.0)) / 2
        process = BgNbd(0.5, 10.0, a, 2.0)
        np.testing.assert_allclose(process.expected_if_alive(x, T, days=90.0), between, rtol=2e-4)
        assert np.isfinite(process.expected_new(days=np.array([90.0]))).all()

    def test_r_less_a_a_whole_number_is_no_singularity(self):
        # There scipy's hypergeometric function is wrong by any factor, once the window is long.
        x, T, days = np.array([0.0, 0.0, 2.0]), np.array([10.0, 400.0, 300.0]), 20_000.0
        for r, a in ((0.8, 0.8), (2.3, 0.3), (0.3, 1.3)):
            at, beside = (BgNbd(r, 30.0, near, 3.0) for near in (a, a + 1e-6))
            np.testing.assert_allclose(at.p_alive_after(x, T, days=days), beside.p_alive_after(x, T, days=days), rtol=2e-5)
            orders = (process.expected_if_alive(x, T, days=days) for process in (at, beside))
            np.testing.assert_allclose(*orders, rtol=2e-5)

    def test_a_plus_b_equal_to_1_is_no_singularity_either(self):
        at, beside = (BgNbd(0.3, 5.0, 0.4, b).expected_new(days=np.array([1.0, 365.0])) for b in (0.6, 0.6 + 1e-7))
        np.testing.assert_allclose(at, beside, rtol=1e-5)

    @pytest.mark.parametrize("lead_days", [0.0, 60.0])
    def test_they_agree_with_simulation(self, lead_days):
        n, window = 60_000, 90.0
        frame = histories(n_customers=n, seed=21, horizon_days=window, lead_days=lead_days)
        x, T = frame["n_orders"].to_numpy() - 1, frame["tenure_days"].to_numpy()
        alive = PROCESS.p_alive(x, T - frame["recency_days"].to_numpy(), T)
        orders = alive * (
            PROCESS.expected_if_alive(x, T, days=lead_days + window) - PROCESS.expected_if_alive(x, T, days=lead_days)
        )
        silent = 1 - alive * (1 - PROCESS.p_no_order_if_alive(x, T, days=window, lead_days=lead_days))
        actual = frame["orders_in_window"].to_numpy()
        # Four standard errors, for all and among those of few and of many orders.
        for group in (x >= 0, x == 0, (x > 0) & (x < 5), x >= 5):
            gap, miss = (actual - orders)[group], ((actual == 0) - silent)[group]
            assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(group.sum())
            assert abs(miss.mean()) < 4 * miss.std() / np.sqrt(group.sum())


class TestNoOrder:
    @pytest.mark.parametrize("process", [CDNOW, PROCESS, *EXTREMES], ids=str)
    def test_no_lead_is_the_limit_of_a_tiny_one(self, process):
        x, _, T = columns()
        at_once = process.p_no_order_if_alive(x, T, days=90.0)
        soon = process.p_no_order_if_alive(x, T, days=90.0, lead_days=1e-9)
        np.testing.assert_allclose(soon, at_once, atol=1e-6)

    def test_a_longer_window_makes_silence_rarer(self):
        x, _, T = columns()
        shorter = CDNOW.p_no_order_if_alive(x, T, days=30.0, lead_days=10.0)
        assert (CDNOW.p_no_order_if_alive(x, T, days=300.0, lead_days=10.0) <= shorter + 1e-12).all()

    def test_a_longer_lead_makes_silence_likelier(self):
        x, T = np.array([0.0, 3.0, 40.0]), np.array([30.0, 200.0, 365.0])
        silent = [CDNOW.p_no_order_if_alive(x, T, days=90.0, lead_days=lead) for lead in (0.0, 30.0, 300.0)]
        assert (np.diff(silent, axis=0) > 0).all()


class TestMedianWait:
    def test_half_of_the_chances_of_an_order_lie_before_it(self):
        x, t_x, T = columns([(1.0, 20.0, 25.0), (10.0, 360.0, 365.0), (300.0, 364.0, 365.0)])
        wait = PROCESS.median_wait(x, t_x, T)
        for position, days in enumerate(wait):
            alive = PROCESS.p_alive(x, t_x, T)[position]
            silent = PROCESS.p_no_order_if_alive(x[[position]], T[[position]], days=days)[0]
            assert 1 - alive * (1 - silent) == pytest.approx(0.5, abs=1e-9)

    def test_it_is_infinite_where_no_further_order_is_the_likelier_case(self):
        x, t_x, T = columns([(5.0, 50.0, 700.0)])
        assert PROCESS.p_alive(x, t_x, T)[0] < 0.5
        assert PROCESS.median_wait(x, t_x, T).tolist() == [np.inf]

    def test_it_grows_with_silence(self):
        T = np.array([100.0, 105.0, 110.0])
        wait = PROCESS.median_wait(np.full(3, 9.0), np.full(3, 100.0), T)
        assert (np.diff(wait) > 0).all()

    def test_it_is_never_null(self):
        for process in (CDNOW, *EXTREMES):
            assert not np.isnan(process.median_wait(*columns())).any()
