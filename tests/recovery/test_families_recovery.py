"""Bases drawn from each family: the fit gives the parameters back, and the total of what follows."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from cvm.models.btyd import BgNbd, MbgNbd, ParetoNbd

MBG = MbgNbd(0.7, 30.0, 0.8, 2.5)
PARETO = ParetoNbd(0.7, 30.0, 0.8, 120.0)
DAYS = 180.0


def base(process, *, n: int, seed: int):
    """x, t_x, T and the orders of the next ``DAYS`` of customers of random age, each lived as the paper tells it."""
    rng = np.random.default_rng(seed)
    rate, T = rng.gamma(process.r, 1 / process.alpha, n), rng.integers(60, 720, n).astype(float)
    if isinstance(process, ParetoNbd):
        life, p_stop = rng.exponential(1 / np.maximum(rng.gamma(process.s, 1 / process.beta, n), 1e-300)), np.zeros(n)
    else:
        life, p_stop = np.full(n, np.inf), rng.beta(process.a, process.b, n)
    x, t_x, future, now = (np.zeros(n) for _ in range(4))
    may_stop_at_once = isinstance(process, MbgNbd)
    active = np.flatnonzero(rng.random(n) >= p_stop) if may_stop_at_once else np.arange(n)
    while len(active):
        now[active] += rng.exponential(1 / np.maximum(rate[active], 1e-300))
        active = active[now[active] <= np.minimum(life, T + DAYS)[active]]
        seen = active[now[active] <= T[active]]
        x[seen] += 1
        t_x[seen] = now[seen]
        future[active] += now[active] > T[active]
        active = active[rng.random(len(active)) >= p_stop[active]]
    return (x, t_x, T), future


def recovered(process, *, seed: int):
    """Errors of the estimates in their own standard errors; forecast over what happened."""
    history, future = base(process, n=20_000, seed=seed)
    fitted = type(process).fit(*history)
    errors = np.array(list(fitted.estimates(*history).standard_error.values()))
    x, _, T = history
    forecast = float(fitted.p_alive(*history) @ fitted.expected_if_alive(x, T, days=DAYS))
    return (np.array(astuple(fitted)) - np.array(astuple(process))) / errors, forecast / future.sum()


@pytest.mark.parametrize("process", [MBG, PARETO], ids=lambda process: process.family)
def test_parameters_and_future_of_a_known_base_are_recovered(process):
    z, forecast = recovered(process, seed=1)
    assert (np.abs(z) < 4).all(), z
    # Measured: a relative standard deviation of .02 over seeds.
    assert forecast == pytest.approx(1, abs=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("process", [BgNbd(0.7, 30.0, 0.8, 2.5), MBG, PARETO], ids=lambda process: process.family)
def test_standard_errors_are_as_large_as_the_errors(process):
    runs = [recovered(process, seed=seed) for seed in range(300, 324)]
    z, forecast = (np.array(part) for part in zip(*runs, strict=True))
    # 24 standardised errors: mean 0 within four standard errors of it, spread 1 within four of its own.
    assert (np.abs(z.mean(axis=0)) < 4 / np.sqrt(24)).all(), z.mean(axis=0)
    assert (np.abs(z.std(axis=0, ddof=1) - 1) < 4 / np.sqrt(2 * 23)).all(), z.std(axis=0, ddof=1)
    assert forecast.mean() == pytest.approx(1, abs=4 * forecast.std(ddof=1) / np.sqrt(24))


def test_pareto_nbd_is_finite_for_the_busiest_and_the_oldest_whatever_its_parameters():
    x = np.array([0.0, 1.0, 5000.0, 5000.0, 1.0])
    t_x, T = np.array([0.0, 1.0, 10.0, 20000.0, 19999.0]), np.array([20000.0, 1.0, 20000.0, 20000.0, 20000.0])
    for process in (PARETO, ParetoNbd(3.0, 2.0, 1e-4, 1.0), ParetoNbd(0.01, 500.0, 30.0, 9000.0)):
        value = process.log_likelihood(x, t_x, T)
        alive, wait = process.p_alive(x, t_x, T), process.median_wait(x, t_x, T)
        orders = process.expected_if_alive(x, T, days=20000.0)
        assert np.isfinite([value, *alive, *orders]).all()
        assert ((alive >= 0) & (alive <= 1) & (wait > 0)).all()
