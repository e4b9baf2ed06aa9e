from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import mpmath
import numpy as np
import pandas as pd
import pytest

from cvm.models.btyd.pareto_nbd import ParetoNbd
from cvm.models.btyd.pareto_nbd_likelihood import ParetoNbdLikelihood, log_died

# Fader, Hardie and Lee (2005), CDNOW sample in weeks; the published parameters are .553, 10.578, .606, 11.669.
PUBLISHED = ParetoNbd(r=0.55315, alpha=10.57633, s=0.60625, beta=11.67150)
ODD = [
    (0.55, 10.6, 0.6, 11.7),
    (0.3, 1.0, 3.0, 200.0),
    (0.3, 300.0, 3.0, 2.0),
    (5.0, 0.5, 12.0, 500.0),
]


def one(*values: float) -> tuple[np.ndarray, ...]:
    return tuple(np.array([value], dtype=float) for value in values)


@pytest.fixture(scope="module")
def cdnow() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    package = find_spec("lifetimes")
    assert package is not None
    assert package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0]) / "datasets"
    summary = pd.read_csv(folder / "cdnow_customers_summary_with_transactions.csv")
    return tuple(summary[name].to_numpy(float) for name in ("x", "t_x", "T"))


def test_cdnow_has_its_published_parameters_and_likelihood(cdnow):
    model = ParetoNbd.fit(*cdnow)
    # The summary's weeks are rounded to two decimals, the published ones were not.
    for name, value in PUBLISHED.state().items():
        assert getattr(model, name) == pytest.approx(value, rel=5e-4), name
    assert model.log_likelihood(*cdnow) == pytest.approx(-9594.976, abs=0.01)


def test_the_published_customer_has_the_published_outlook():
    x, t_x, T = one(26, 30.86, 31)
    alive = PUBLISHED.p_alive(x, t_x, T)
    assert alive[0] == pytest.approx(0.9979, abs=5e-5)
    assert (alive * PUBLISHED.expected_if_alive(x, T, days=52))[0] == pytest.approx(25.46, abs=0.005)


@pytest.mark.parametrize("parameters", ODD)
def test_the_gradient_is_that_of_the_likelihood(cdnow, parameters):
    likelihood, at = ParetoNbdLikelihood(*cdnow, np.ones_like(cdnow[0])), np.array(parameters)
    numeric = [(likelihood(at + step)[0] - likelihood(at - step)[0]) / 2e-6 for step in np.eye(4) * 1e-6]
    np.testing.assert_allclose(likelihood(at)[1], numeric, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("parameters", ODD)
@pytest.mark.parametrize("history", [(0, 0, 39), (1, 2, 39), (5, 10, 39), (40, 38, 39)])
def test_the_time_of_death_is_integrated_exactly(parameters, history):
    (r, alpha, s, beta), (x, t_x, T) = parameters, history
    edges = [t_x + (T - t_x) * share for share in (0, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.3, 0.6, 1)]
    exact = mpmath.quad(lambda u: (alpha + u) ** -(r + x) * (beta + u) ** -(s + 1), edges)
    found = log_died(r, alpha, s, beta, *one(x, t_x, T))[0]
    assert found == pytest.approx(float(mpmath.log(s * exact)), abs=1e-8)


def test_weights_are_repetitions(cdnow):
    rows = np.arange(300)
    twice = [np.concatenate([column[rows], column[rows]]) for column in cdnow]
    once = [column[rows] for column in cdnow]
    assert PUBLISHED.log_likelihood(*twice) == pytest.approx(PUBLISHED.log_likelihood(*once, np.full(300, 2.0)), rel=1e-12)


def test_everything_is_finite_for_the_busiest_and_the_oldest():
    x, t_x, T = (
        np.array(column, dtype=float) for column in ([0, 5000, 5000, 1], [0, 0, 19999, 0], [20000, 20000, 20000, 1])
    )
    alive, orders = PUBLISHED.p_alive(x, t_x, T), PUBLISHED.expected_if_alive(x, T, days=20000)
    silent = PUBLISHED.p_no_order_if_alive(x, T, days=20000)
    assert ((alive >= 0) & (alive <= 1) & (silent >= 0) & (silent <= 1)).all()
    assert (np.isfinite(orders) & (orders > 0)).all()


@pytest.mark.parametrize("lead_days", [0.0, 5.0])
def test_silence_and_orders_agree_with_simulation(lead_days):
    rng, n = np.random.default_rng(0), 400_000
    rate = rng.gamma(PUBLISHED.r + 3, 1 / (PUBLISHED.alpha + 30), n)
    life = rng.exponential(1 / rng.gamma(PUBLISHED.s, 1 / (PUBLISHED.beta + 30), n))
    first = lead_days + rng.exponential(1 / rate)
    silent = 1 - ((first < lead_days + 10) & (first < life)).mean()
    x, T = one(3, 30)
    # Three standard errors of 400,000 draws.
    assert PUBLISHED.p_no_order_if_alive(x, T, days=10, lead_days=lead_days)[0] == pytest.approx(silent, abs=0.0024)
    orders = rng.poisson(rate * np.minimum(life, 52))
    expected = PUBLISHED.expected_if_alive(x, T, days=52)[0]
    assert expected == pytest.approx(orders.mean(), abs=3 * orders.std() / np.sqrt(n))


def test_a_new_customer_is_expected_to_buy_more_with_time():
    orders = PUBLISHED.expected_new(days=np.array([1.0, 39.0, 78.0]))
    assert (np.diff(orders) > 0).all()


def test_one_drop_out_shape_of_exactly_one_is_no_hole():
    near, at = (ParetoNbd(0.5, 10.0, s, 12.0).expected_if_alive(*one(2, 30), days=52)[0] for s in (1 + 1e-9, 1.0))
    assert at == pytest.approx(near, rel=1e-8)
