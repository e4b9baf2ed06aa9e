"""Where a customer stands between the first order and the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

LIFECYCLE_STAGES = ("prospect", "new", "active", "slowing", "lapsing", "lost", "returned")


def lifecycle_stage(
    features: pd.DataFrame, p_churn: Floats, *, active_days: int, subscribed: NDArray[np.bool_] | None = None
) -> NDArray[np.str_]:
    """Stage of each customer; the first rule that holds decides.

    ==========  ===================================================================================================
    prospect    no order yet, and no subscription
    returned    the last order, within a quarter of ``active_days``, ended a silence longer than ``active_days``
    new         first order within the last quarter of ``active_days``
    active      repeat buyer with P(no churn) >= 0.5; one-time buyer: within half of ``active_days``
    slowing     repeat buyer with P(no churn) >= 0.25; one-time buyer: within three quarters
    lapsing     repeat buyer with P(no churn) >= 0.1; one-time buyer: within ``active_days``
    lost        everybody else
    ==========  ===================================================================================================

    Parameters
    ----------
    features : DataFrame of shape (n_customers, ...)
        ``n_orders``, ``recency_days``, ``tenure_days``, ``last_gap_days``.
    p_churn : array of shape (n_customers,)
        Null for prospects.
    active_days : int
        Who bought within this many days is a customer.
    subscribed : array of shape (n_customers,), optional
        Who holds a subscription, where churn is its end: they count as repeat buyers, however often they ordered.
    """
    orders, recency, tenure, last_gap = (
        features[name].to_numpy(float) for name in ("n_orders", "recency_days", "tenure_days", "last_gap_days")
    )
    stays = 1 - np.nan_to_num(p_churn, nan=1.0)
    subscribed = np.zeros(len(orders), dtype=bool) if subscribed is None else subscribed
    repeat, quarter = (orders > 1) | subscribed, active_days / 4

    def within(p_stays: float, quarters: int) -> NDArray[np.bool_]:
        return np.where(repeat, stays >= p_stays, recency <= quarters * quarter)

    rules = [
        ("prospect", (orders == 0) & ~subscribed),
        ("returned", (last_gap > active_days) & (recency <= quarter)),
        ("new", tenure <= quarter),
        ("active", within(0.5, 2)),
        ("slowing", within(0.25, 3)),
        ("lapsing", within(0.1, 4)),
    ]
    return np.select([holds for _, holds in rules], [name for name, _ in rules], "lost")
