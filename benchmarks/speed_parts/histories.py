"""Simulated customers for purchase and spend models: histories in whole days, and what repeat orders cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvm.models.btyd import BgNbd, GammaGamma, ParetoNbd

Floats = NDArray[np.float64]

# BG/NBD of CDNOW in days; the others are what their fits to the same histories find.
BG_NBD = BgNbd(0.243, 30.898, 0.793, 2.426)
PARETO_NBD = ParetoNbd(0.517, 78.0, 0.777, 190.0)
GAMMA_GAMMA = GammaGamma(4.0, 3.5, 15.0)


def made_histories(folder: Path, n_customers: int) -> Path:
    """File of x, t_x, T and mean order value of ``n_customers``; made if it is not there."""
    path = folder / f"histories-{n_customers}.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        x, t_x, T = simulated_histories(n_customers)
        part = path.with_suffix(".part.npz")
        np.savez(part, x=x, t_x=t_x, T=T, mean=simulated_means(x))
        part.replace(path)
    return path


def read_histories(folder: Path, n_customers: int) -> tuple[Floats, Floats, Floats]:
    """x, t_x, T: arrays of shape (n_customers,)."""
    with np.load(made_histories(folder, n_customers)) as kept:
        return kept["x"], kept["t_x"], kept["T"]


def read_spend(folder: Path, n_customers: int) -> tuple[Floats, Floats]:
    """Repeat orders and their mean value, of customers with any: arrays of shape (n_repeaters,)."""
    with np.load(made_histories(folder, n_customers)) as kept:
        repeats = kept["x"] > 0
        return kept["x"][repeats], kept["mean"][repeats]


def simulated_histories(n_customers: int, *, seed: int = 1) -> tuple[Floats, Floats, Floats]:
    """x, t_x, T of BG/NBD customers in whole days: orders of one day are one, as they would be in a table of days.

    Ages are uniform on 180..719 days.
    """
    rng = np.random.default_rng(seed)
    T = rng.integers(180, 720, n_customers).astype(float)
    rate = rng.gamma(BG_NBD.r, 1 / BG_NBD.alpha, n_customers)
    p_stop = rng.beta(BG_NBD.a, BG_NBD.b, n_customers)
    x, t_x, now = (np.zeros(n_customers) for _ in range(3))
    active = np.arange(n_customers)
    while len(active):
        now[active] += rng.exponential(1 / np.maximum(rate[active], 1e-300))
        active = active[now[active] <= T[active]]
        day = np.floor(now[active])
        is_new_day = day > t_x[active]
        x[active] += is_new_day
        t_x[active] = day
        active = active[rng.random(len(active)) >= p_stop[active]]
    return x, t_x, T


def simulated_means(x: Floats, *, seed: int = 2) -> Floats:
    """Mean value of ``x`` Gamma-Gamma orders, in cents and above zero; 0 where there is no order."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(GAMMA_GAMMA.q, size=len(x)) / GAMMA_GAMMA.gamma
    total = np.round(rng.gamma(GAMMA_GAMMA.p * np.maximum(x, 1)) / rate, 2) + 0.01
    return np.where(x > 0, total / np.maximum(x, 1), 0.0)
