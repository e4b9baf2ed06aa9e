from __future__ import annotations

import warnings
from dataclasses import astuple
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.special import betaln

from cvm.models.btyd import MbgNbd
from cvm.models.btyd.bg_nbd_likelihood import BgNbdLikelihood
from simulated import histories

CDNOW = MbgNbd(r=0.525, alpha=43.3, a=0.891, b=1.614)
EXTREMES = (MbgNbd(1.0, 10.0, 2000.0, 20000.0), MbgNbd(5000.0, 50000.0, 0.8, 2.5), MbgNbd(1.0, 30.0, 1e-4, 28.0))


@pytest.fixture(scope="module")
def base():
    frame = histories(n_customers=3000, seed=15)
    x, T = frame["n_orders"].to_numpy() - 1, frame["tenure_days"].to_numpy()
    return x, np.floor(T - frame["recency_days"].to_numpy()), T


@pytest.fixture(scope="module")
def theirs():
    """ModifiedBetaGeoFitter with our parameters; the import's own warnings stay in here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes import ModifiedBetaGeoFitter
    fitter = ModifiedBetaGeoFitter()
    fitter.params_ = pd.Series(CDNOW.state())
    return fitter


def test_its_quantities_are_those_of_lifetimes(base, theirs):
    x, t_x, T = base
    alive = CDNOW.p_alive(x, t_x, T)
    np.testing.assert_allclose(alive, theirs.conditional_probability_alive(x, t_x, T), rtol=1e-9)
    orders = alive * CDNOW.expected_if_alive(x, T, days=90)
    expected = theirs.conditional_expected_number_of_purchases_up_to_time(90, x, t_x, T)
    np.testing.assert_allclose(orders, expected, rtol=1e-8)
    days = np.array([10.0, 400.0])
    np.testing.assert_allclose(
        CDNOW.expected_new(days=days), theirs.expected_number_of_purchases_up_to_time(days), rtol=1e-9
    )


def test_its_likelihood_is_that_of_lifetimes(base, theirs):
    x, t_x, T = base
    with warnings.catch_warnings():  # theirs changes the filters on every call
        mean = theirs._negative_log_likelihood(np.log(astuple(CDNOW)), x, t_x, T, np.ones_like(x), 0.0)
    assert CDNOW.log_likelihood(x, t_x, T) == pytest.approx(-mean * len(x), rel=1e-12)


@pytest.mark.parametrize("parameters", [(0.3, 5.0, 0.8, 2.5), (2.0, 90.0, 1.5, 0.4)])
def test_its_gradient_agrees_with_finite_differences(base, parameters):
    likelihood, at = BgNbdLikelihood(*base, np.ones_like(base[0]), early_chances=1), np.array(parameters)
    numeric = approx_fprime(np.log(at), lambda u: likelihood(np.exp(u))[0], 1e-6) / at
    np.testing.assert_allclose(likelihood(at)[1], numeric, rtol=2e-4, atol=1e-3 * np.abs(numeric).max())


def test_who_never_came_back_is_missed_too():
    zero, T = np.zeros(3), np.array([1.0, 100.0, 1000.0])
    alive = CDNOW.p_alive(zero, zero, T)
    assert (np.diff(alive) < 0).all()
    assert alive[0] < CDNOW.b / (CDNOW.a + CDNOW.b)


@pytest.mark.parametrize("days", [1.0, 365.0])
def test_a_new_customers_expectation_is_the_mean_over_rate_and_drop_out(days):
    r, alpha, a, b = astuple(CDNOW)

    def orders(p):
        return -np.expm1(-r * np.log1p(p * days / alpha)) / p if p else r * days / alpha

    # The first order itself must not have been the last: a factor 1 - p.
    expected = quad(orders, 0, 1, weight="alg", wvar=(a - 1, b))[0] / np.exp(betaln(a, b))
    assert CDNOW.expected_new(days=np.array([days]))[0] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("process", [CDNOW, *EXTREMES], ids=str)
def test_everything_is_finite_and_within_bounds_for_the_busiest_and_the_oldest(process):
    x, T = (np.array(column) for column in zip(*product((0.0, 1.0, 50.0, 5000.0), (1.0, 365.0, 20000.0)), strict=True))
    for t_x in (np.where(x > 0, T / 2, 0.0), np.where(x > 0, T, 0.0)):
        alive, wait = process.p_alive(x, t_x, T), process.median_wait(x, t_x, T)
        assert ((alive >= 0) & (alive <= 1) & (wait > 0)).all()
        value, gradient = BgNbdLikelihood(x, t_x, T, np.ones_like(x), early_chances=1)(np.array(astuple(process)))
        assert np.isfinite([value, *gradient]).all()
    for days, lead_days in product((1.0, 7300.0), (0.0, 30.0)):
        orders = process.expected_if_alive(x, T, days=days)
        silent = process.p_no_order_if_alive(x, T, days=days, lead_days=lead_days)
        still = process.p_alive_after(x, T, days=days)
        assert (orders <= (process.r + x) / (process.alpha + T) * days * (1 + 1e-6)).all()
        assert ((orders >= 0) & (silent >= -1e-12) & (silent <= 1 + 1e-12) & (still >= 0) & (still <= 1 + 1e-12)).all()
