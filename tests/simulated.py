"""Customers whose true purchase process is known: histories, their future, and samples for the models."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from cvm.models.btyd import BgNbd, Btyd, GammaGamma
from cvm.models.samples import Sample

PROCESS = BgNbd(r=0.8, alpha=30.0, a=0.8, b=3.0)
SPEND = GammaGamma(p=6.0, q=4.0, gamma=20.0)
TRUTH = Btyd(PROCESS, SPEND)


def histories(
    truth: Btyd = TRUTH,
    *,
    n_customers: int,
    seed: int,
    tenure_days: tuple[int, int] = (30, 720),
    horizon_days: float = 90.0,
    lead_days: float = 0.0,
) -> pd.DataFrame:
    """Features of customers of random age, and what they do in the outcome window.

    Drawn as the papers tell the story: a rate and an order value for each customer, a chance to stop after each order.
    Columns ``customer_id``, ``n_orders``, ``tenure_days``, ``recency_days``, ``mean_order_value``, and the future:
    ``orders_in_window``, ``revenue_in_window``.
    """
    rng = np.random.default_rng(seed)
    process, spend = truth.process, truth.spend
    rate = rng.gamma(process.r, 1 / process.alpha, n_customers)
    p_stop = rng.beta(process.a, process.b, n_customers)
    age = rng.integers(*tenure_days, n_customers).astype(float)
    start, end = age + lead_days, age + lead_days + horizon_days
    x, t_x, later, now = (np.zeros(n_customers) for _ in range(4))
    active = np.flatnonzero(rng.random(n_customers) >= 0)
    while len(active):
        now[active] += rng.exponential(1 / rate[active])
        active = active[now[active] <= end[active]]
        at = now[active]
        seen = active[at <= age[active]]
        x[seen] += 1
        t_x[seen] = now[seen]
        later[active] += at > start[active]
        active = active[rng.random(len(active)) >= p_stop[active]]
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{number:06d}" for number in range(n_customers)],
            "n_orders": x + 1,
            "tenure_days": age,
            "recency_days": age - t_x,
            "orders_in_window": later,
        }
    )
    if isinstance(spend, GammaGamma):
        scale = 1 / rng.gamma(spend.q, 1 / spend.gamma, n_customers)
        frame["mean_order_value"] = rng.gamma(spend.p * (x + 1)) * scale / (x + 1)
        frame["revenue_in_window"] = np.where(later > 0, rng.gamma(spend.p * np.maximum(later, 1)), 0.0) * scale
    else:
        frame["mean_order_value"] = spend.amount
        frame["revenue_in_window"] = spend.amount * later
    return frame


def sample(
    truth: Btyd = TRUTH, *, n_customers: int = 1500, seed: int, as_of: date = date(2024, 1, 1), horizon_days: float = 90.0
) -> Sample:
    """A labelled snapshot of ``histories``, with what the true process says of each customer.

    ``noise`` and ``colour`` tell nothing about the outcome.
    """
    rng = np.random.default_rng(seed + 1_000_000)
    frame = histories(truth, n_customers=n_customers, seed=seed, horizon_days=horizon_days)
    gap = (frame["tenure_days"] - frame["recency_days"]) / (frame["n_orders"] - 1).where(frame["n_orders"] > 1)
    features = frame.drop(columns=["orders_in_window", "revenue_in_window"]).assign(
        recency_over_mean_gap=frame["recency_days"] / gap,
        noise=rng.normal(size=n_customers),
        colour=rng.choice(["red", "green", "blue"], n_customers),
    )
    features = pd.concat([features, truth.predict(features, horizon_days=horizon_days)], axis=1)
    return Sample(as_of, features, frame["orders_in_window"].to_numpy(), frame["revenue_in_window"].to_numpy())


def silent(_: str) -> None:
    """Progress that nobody reads."""
