from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import astuple

import numpy as np
import pytest

from cvm.errors import InsufficientDataError
from cvm.models.btyd import BgNbd, Btyd, GammaGamma
from cvm.models.btyd.lifetimes_backend import fit_gamma_gamma, fit_process
from simulated import histories


@pytest.fixture(scope="module")
def features():
    frame = histories(n_customers=600, seed=41)
    return frame.assign(recency_days=np.ceil(frame["recency_days"]))


@pytest.fixture(scope="module")
def history(features):
    orders, tenure, recency = (features[name].to_numpy() for name in ("n_orders", "tenure_days", "recency_days"))
    return orders - 1, tenure - recency, tenure


@pytest.fixture(scope="module")
def fitters():
    """BetaGeoFitter and GammaGammaFitter; the import's own warnings and changes of filters stay in here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes import BetaGeoFitter, GammaGammaFitter
    return BetaGeoFitter, GammaGammaFitter


def test_both_backends_find_the_same_process(history):
    weight = np.ones(len(history[0]))
    assert astuple(fit_process("bg_nbd", *history, weight)) == pytest.approx(astuple(BgNbd.fit(*history)), rel=2e-3)


def test_both_backends_find_the_same_spend(features):
    n, mean = features["n_orders"].to_numpy(), features["mean_order_value"].to_numpy()
    assert astuple(fit_gamma_gamma(n, mean, np.ones(len(n)))) == pytest.approx(astuple(GammaGamma.fit(n, mean)), rel=2e-3)


def test_q_stays_above_1_so_that_the_base_has_a_mean():
    values = 10 * (1 + np.random.default_rng(4).pareto(0.4, 500))
    assert fit_gamma_gamma(np.ones(500), values, np.ones(500)).q >= 1


def test_both_backends_predict_the_same(features):
    ours, theirs = (
        Btyd.fit(features, backend=backend).predict(features, horizon_days=90) for backend in ("cvm", "lifetimes")
    )
    np.testing.assert_allclose(ours, theirs, rtol=5e-3)


def test_weights_reach_lifetimes(history):
    weight = 1 + np.arange(len(history[0])) % 3.0
    repeated = [np.repeat(column, weight.astype(int)) for column in history]
    assert astuple(fit_process("bg_nbd", *history, weight)) == pytest.approx(astuple(BgNbd.fit(*repeated)), rel=2e-3)


def test_our_predictions_are_those_of_lifetimes_at_the_same_parameters(fitters, features, history):
    beta_geo, gamma_gamma = (fitter() for fitter in fitters)
    model = Btyd.fit(features)
    process, spend = model.process, model.spend
    beta_geo.params_ = {"r": process.r, "alpha": process.alpha, "a": process.a, "b": process.b}
    gamma_gamma.params_ = {"p": spend.p, "q": spend.q, "v": spend.gamma}
    x, t_x, T = history
    orders = beta_geo.conditional_expected_number_of_purchases_up_to_time(90, x, t_x, T)
    alive = beta_geo.conditional_probability_alive(x, t_x, T)
    value = gamma_gamma.conditional_expected_average_profit(features["n_orders"], features["mean_order_value"])
    predicted = model.predict(features, horizon_days=90)
    np.testing.assert_allclose(predicted["btyd_expected_orders"], orders, rtol=1e-9)
    np.testing.assert_allclose(predicted["btyd_p_alive"], alive, rtol=1e-9)
    np.testing.assert_allclose(predicted["btyd_expected_order_value"], value, rtol=1e-9)
    new = beta_geo.expected_number_of_purchases_up_to_time(np.array([10.0, 400.0]))
    np.testing.assert_allclose(process.expected_new(days=np.array([10.0, 400.0])), new, rtol=1e-9)


def test_our_likelihood_is_that_of_lifetimes_up_to_its_scale(fitters, history):
    process = BgNbd.fit(*history)
    x, t_x, T = history
    # Theirs is a mean over customers, of parameters in logarithms.
    theirs = fitters[0]._negative_log_likelihood(np.log(astuple(process)), x, t_x, T, np.ones_like(x), 0.0)
    assert process.log_likelihood(x, t_x, T) == pytest.approx(-theirs * len(x), rel=1e-9)


def test_a_history_on_which_lifetimes_fails_is_refused_with_the_way_out(capfd):
    rng = np.random.default_rng(0)
    n = 500
    x, T = rng.poisson(800, n).astype(float), np.full(n, 700.0)
    t_x = rng.uniform(600, 700, n)
    with pytest.raises(InsufficientDataError, match=r"BetaGeoFitter.*Set btyd\.backend: cvm"):
        fit_process("bg_nbd", x, t_x, T, np.ones(n))
    assert np.isfinite(astuple(BgNbd.fit(x, t_x, T))).all()
    # Nor does it print the optimiser's innards.
    assert capfd.readouterr().out == ""


def test_fitting_leaves_the_warning_filters_alone(history):
    before = list(warnings.filters)
    fit_process("bg_nbd", *history, np.ones(len(history[0])))
    assert warnings.filters == before


def test_lifetimes_is_not_imported_by_our_own_backend():
    code = "import sys, cvm.models.btyd.model; sys.exit('lifetimes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
