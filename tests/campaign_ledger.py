"""A small campaign, invented: its ledger, orders before and after it, in one call."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np

import shop
from cvm.campaigns.effect import evaluate
from cvm.campaigns.effect_result import CampaignEffect
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.engines import DuckDBEngine

STARTS = datetime(2024, 3, 1, 10)
Rows = list[dict[str, Any]]


def drawn(customer: str, arm: str, **columns: Any) -> dict[str, Any]:
    """A row of the ledger."""
    return {"campaign_id": "spring", "customer_id": customer, "assigned_at": STARTS, "arm": arm, **columns}


def line(customer: str, *, days: float, amount: float, **columns: Any) -> dict[str, Any]:
    """A line so many days after the campaign began."""
    return {"customer_id": customer, "occurred_at": STARTS + timedelta(days=days), "amount": amount, **columns}


def campaign(
    *, n: int = 400, lift: float = 5.0, seed: int = 1, arms: tuple[str, ...] = ("control", "mail")
) -> dict[str, Rows]:
    """Customers with a taste for spending, shown before and after; treatments add ``lift`` to each order of the window."""
    rng = np.random.default_rng(seed)
    tables: dict[str, Rows] = {"assignments": [], "transactions": [], "customers": []}
    for number in range(n):
        name, arm, taste = f"c{number:04d}", str(rng.choice(arms)), float(rng.gamma(2, 15))
        tables["assignments"].append(drawn(name, arm, cost=0.0 if arm == "control" else 1.0, propensity=1 / len(arms)))
        tables["customers"].append({"customer_id": name, "taste": taste, "city": str(rng.choice(["a", "b"]))})
        for days, extra in ((-20, 0.0), (5, 0.0 if arm == "control" else lift), (40, 0.0)):
            if rng.random() < 0.6:
                amount = round(taste + float(rng.normal(0, 2)) + extra + 10, 2)
                tables["transactions"].append(line(name, days=days + float(rng.uniform(0, 3)), amount=amount))
    # The data go on long enough for every window to be over.
    tables["transactions"].append(line("somebody else", days=70, amount=1.0))
    return tables


def judged(tables: dict[str, Rows], campaign_id: str = "spring", **settings: Any) -> CampaignEffect:
    """The evaluation of a campaign over 30 days."""
    engine: DuckDBEngine = shop.warehouse(**tables)
    return evaluate(engine, campaign_id, EvaluationSettings(**{"outcome_days": 30, **settings}))


def gate(found: CampaignEffect, name: str) -> str:
    """Severity and message of a check; empty where it said nothing."""
    return "; ".join(f"{check.severity}: {check.message}" for check in found.gates if check.name == name)
