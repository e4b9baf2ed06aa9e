from __future__ import annotations

from dataclasses import astuple, replace
from itertools import product

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.stats import gamma

from cvm.models.btyd import GammaGamma
from cvm.models.btyd.gamma_gamma import _Likelihood
from simulated import SPEND, histories


@pytest.fixture(scope="module")
def base():
    """n and mean of 3,000 customers."""
    frame = histories(n_customers=3000, seed=12)
    return frame["n_orders"].to_numpy(), frame["mean_order_value"].to_numpy()


@pytest.fixture(scope="module")
def fitted(base):
    return GammaGamma.fit(*base)


def test_the_likelihood_is_the_mixture_it_stands_for():
    # The mean of n orders is Gamma(p n, rate nu n), and nu is Gamma(q, rate gamma): integrated numerically.
    n, mean = np.array([1.0, 3.0, 10.0]), np.array([12.0, 55.0, 30.0])
    p, q, scale = astuple(SPEND)

    def density(nu, n_i, mean_i):
        return gamma.pdf(mean_i, p * n_i, scale=1 / (nu * n_i)) * gamma.pdf(nu, q, scale=1 / scale)

    by_hand = sum(np.log(quad(density, 0, 3, args=pair, epsabs=0, limit=200)[0]) for pair in zip(n, mean, strict=True))
    assert SPEND.log_likelihood(n, mean) == pytest.approx(by_hand, rel=1e-8)


@pytest.mark.parametrize("parameters", [(6.0, 4.0, 20.0), (0.5, 1.2, 300.0), (40.0, 9.0, 2.0)])
def test_the_gradient_agrees_with_finite_differences(base, parameters):
    likelihood = _Likelihood(*base, np.ones_like(base[0]))
    at = np.array(parameters)
    numeric = approx_fprime(np.log(at), lambda u: likelihood(np.exp(u))[0], 1e-6) / at
    np.testing.assert_allclose(likelihood(at)[1], numeric, rtol=2e-4, atol=1e-3 * np.abs(numeric).max())


def test_no_neighbour_of_the_fit_is_likelier(base, fitted):
    best = fitted.log_likelihood(*base)
    for name, factor in product(("p", "q", "gamma"), (0.99, 1.01)):
        assert replace(fitted, **{name: getattr(fitted, name) * factor}).log_likelihood(*base) < best


def test_a_weight_counts_like_repetition(base):
    n, mean = (column[:400] for column in base)
    weight = 1 + np.arange(400) % 3.0
    repeated = GammaGamma.fit(*(np.repeat(column, weight.astype(int)) for column in (n, mean)))
    assert astuple(GammaGamma.fit(n, mean, weight)) == pytest.approx(astuple(repeated), rel=1e-4)


def test_the_order_of_rows_is_irrelevant(base, fitted):
    shuffled = np.random.default_rng(0).permutation(len(base[0]))
    assert astuple(GammaGamma.fit(*(column[shuffled] for column in base))) == pytest.approx(astuple(fitted), rel=1e-4)


@pytest.mark.parametrize("rate", [0.01, 40.0, 25_000.0])
def test_another_currency_only_rescales_gamma(base, fitted, rate):
    other = GammaGamma.fit(base[0], base[1] * rate)
    assert (other.p, other.q, other.gamma / rate) == pytest.approx(astuple(fitted), rel=1e-4)


def test_the_expected_value_lies_between_the_bases_mean_and_the_customers_own():
    of_base = SPEND.p * SPEND.gamma / (SPEND.q - 1)
    n = np.array([0.0, 1.0, 5.0, 50.0, 5000.0])
    expected = SPEND.expected_order_value(n, np.full(5, 200.0))
    assert expected[0] == pytest.approx(of_base)
    assert (np.diff(expected) > 0).all()
    assert expected[-1] == pytest.approx(200.0, rel=1e-3)


def test_the_expected_value_is_right_on_average_for_whom_it_is_said():
    frame = histories(n_customers=60_000, seed=13)
    n, mean = frame["n_orders"].to_numpy(), frame["mean_order_value"].to_numpy()
    expected = SPEND.expected_order_value(n, mean) * frame["orders_in_window"]
    for group in (n == 1, (n > 1) & (n < 6), n >= 6):
        gap = (frame["revenue_in_window"] - expected)[group]
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(group.sum())


def test_the_base_keeps_a_mean_even_where_its_values_have_none():
    # Values with a Pareto tail of exponent 0.4 have no mean; without its bound q would be below 1.
    rng = np.random.default_rng(4)
    fitted = GammaGamma.fit(np.ones(2000), 10 * (1 + rng.pareto(0.4, 2000)))
    assert fitted.q == pytest.approx(1.0, abs=0.01)
    assert fitted.q > 1
    expected = fitted.expected_order_value(np.array([1.0, 1.0]), np.array([10.0, 1e6]))
    assert (expected > 0).all()
    assert np.isfinite(expected).all()


def test_amounts_that_hardly_vary_give_finite_parameters_and_the_amount():
    rng = np.random.default_rng(5)
    fitted = GammaGamma.fit(rng.integers(1, 9, 500).astype(float), 50 + rng.normal(0, 1e-4, 500))
    assert np.isfinite(astuple(fitted)).all()
    assert fitted.expected_order_value(np.array([1.0]), np.array([50.0]))[0] == pytest.approx(50.0, rel=1e-3)


def test_value_and_gradient_are_finite_for_thousands_of_orders_and_for_cents():
    n, mean = (np.array(column, dtype=float) for column in zip(*product((1, 5000), (0.01, 1e6)), strict=True))
    value, gradient = _Likelihood(n, mean, np.ones(4))(np.array([6.0, 4.0, 20.0]))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_its_state_rebuilds_it(fitted):
    assert GammaGamma(**fitted.state()) == fitted


def test_its_parameters_have_standard_errors_and_draws_that_keep_a_mean(base):
    found = GammaGamma.fit(*base).estimates(*base)
    assert found.value == GammaGamma.fit(*base).state()
    for name, truth in SPEND.state().items():
        assert abs(found.value[name] - truth) < 4 * found.standard_error[name] < truth
    # Bases whose values hardly have a mean: every draw has one.
    near = replace(SPEND, q=1.01).estimates(*base)
    rng = np.random.default_rng(1)
    assert all(near.draw(rng)["q"] > 1 for _ in range(200))


def test_draws_spread_as_the_standard_errors_say(base, fitted):
    found = fitted.estimates(*base)
    rng = np.random.default_rng(2)
    drawn = np.array([list(found.draw(rng).values()) for _ in range(2000)])
    np.testing.assert_allclose(drawn.std(axis=0), list(found.standard_error.values()), rtol=0.2)


@pytest.mark.parametrize("rate", [1e-3, 1e3])
def test_another_currency_rescales_expectations_and_uncertainty(base, fitted, rate):
    n, mean = base
    other = GammaGamma.fit(n, mean * rate)
    np.testing.assert_allclose(
        other.expected_order_value(n, mean * rate), rate * fitted.expected_order_value(n, mean), rtol=1e-4
    )
    ours, theirs = fitted.estimates(n, mean).standard_error, other.estimates(n, mean * rate).standard_error
    assert theirs["gamma"] / rate == pytest.approx(ours["gamma"], rel=1e-2)
    assert theirs["q"] == pytest.approx(ours["q"], rel=1e-2)
