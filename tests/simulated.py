"""Customers whose true purchase process is known: histories, their future, and samples for the models."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from cvm.models.anchor_attribution import Outlook
from cvm.models.attribution import Reference
from cvm.models.btyd import BgNbd, Btyd, GammaGamma
from cvm.models.bundle import Bundle, BundledFeature
from cvm.models.churn import BtydChurn
from cvm.models.clv import BtydValue
from cvm.models.intervals import ValueBands
from cvm.models.samples import ProspectRate, Sample
from cvm.models.settings import TrainSettings
from cvm.segments import RfmCuts, ValueCuts

PROCESS = BgNbd(r=0.8, alpha=30.0, a=0.8, b=3.0)
SPEND = GammaGamma(p=6.0, q=4.0, gamma=20.0)
TRUTH = Btyd(PROCESS, SPEND)

TRAIN_SETTINGS = TrainSettings(
    clv_days=365,
    eligible_days=None,
    active_days=365,
    currency="EUR",
    discount_rate_per_year=0.1,
    backend="cvm",
    allow_constant_amount=False,
    trials=0,
    timeout_s=None,
    seed=7,
    tiers={"top": 0.05, "high": 0.15, "medium": 0.3},
)

# Name, kind, whether a bundle requires it.
FEATURES = (
    ("n_orders", "number", True),
    ("recency_days", "number", True),
    ("tenure_days", "number", True),
    ("mean_order_value", "number", True),
    ("spend", "number", True),
    ("historic_value", "number", True),
    ("last_gap_days", "number", True),
    ("recency_over_mean_gap", "number", False),
    ("noise", "number", False),
    ("colour", "category", False),
)


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
    features = frame.drop(columns=["orders_in_window", "revenue_in_window"]).assign(
        recency_over_mean_gap=frame["recency_days"] / _mean_gap_days(frame),
        noise=rng.normal(size=n_customers),
        colour=rng.choice(["red", "green", "blue"], n_customers),
    )
    features = pd.concat([features, truth.predict(features, horizon_days=horizon_days)], axis=1)
    return Sample(as_of, features, frame["orders_in_window"].to_numpy(), frame["revenue_in_window"].to_numpy())


def bundle(**changes: Any) -> Bundle:
    """A bundle whose models are what ``TRUTH`` says; ``changes`` replace its fields."""
    base = histories(n_customers=500, seed=77)
    base["spend"] = base["n_orders"] * base["mean_order_value"]
    base["recency_over_mean_gap"] = base["recency_days"] / _mean_gap_days(base)
    fields: dict[str, Any] = {
        "trained_as_of": date(2024, 6, 1),
        "horizon_days": 90,
        "lead_days": 0,
        "clv_days": 365,
        "eligible_days": None,
        "active_days": 365,
        "currency": "EUR",
        "margin_rate": 0.4,
        "discount_rate_per_year": 0.1,
        "btyd": TRUTH,
        "churn": BtydChurn(),
        "value": BtydValue(),
        "bands": ValueBands((1.0,), (0.2,), (3.0,)),
        "prospects": ProspectRate(n_customers=50, expected_orders=0.1, expected_order_value=30.0),
        "value_cuts": ValueCuts.fit(base["spend"].to_numpy() / 4, top=0.05, high=0.15, medium=0.3),
        "rfm_cuts": RfmCuts.fit(base),
        "features": tuple(BundledFeature(name, kind, "As it says.", "units", required) for name, kind, required in FEATURES),
        "evidence": {"notes": ["none, з пам'яті"], "judgement": None, "n_customers": 500},
    }
    fields |= changes
    outlook = Outlook(fields["btyd"], fields["horizon_days"], fields["lead_days"], fields["trained_as_of"])
    return Bundle(**{"reference": Reference.fit(base, outlook, fields["churn"]), **fields})


def _mean_gap_days(frame: pd.DataFrame) -> pd.Series:
    return (frame["tenure_days"] - frame["recency_days"]) / (frame["n_orders"] - 1).where(frame["n_orders"] > 1)


def silent(_: str) -> None:
    """Progress that nobody reads."""
