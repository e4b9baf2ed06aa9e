"""The curves of churn probabilities as tables of JSON values, for programs to read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvm.evaluation import ContactDecision, lift_by_group, reliability, wilson_interval

Floats = NDArray[np.float64]


def reliability_table(churned: Floats, p_churn: Floats) -> dict[str, list[Any]]:
    """Ten equal groups by rising probability: ``predicted``, ``happened`` with its 95 % interval, ``n_customers``."""
    groups = reliability(churned, p_churn)
    lower, upper = wilson_interval(groups.happened, groups.n_customers)
    return _columns(
        predicted=groups.predicted, happened=groups.happened, lower=lower, upper=upper, n_customers=groups.n_customers
    )


def lift_table(churned: Floats, p_churn: Floats) -> dict[str, list[Any]]:
    """Ten equal groups, likeliest first: ``rate`` and ``lift`` of each, share of all churners ``found`` down to it."""
    groups = lift_by_group(churned, p_churn)
    return _columns(rate=groups.rate, lift=groups.lift, found=groups.found, n_customers=groups.n_customers)


def profit_table(decision: ContactDecision) -> dict[str, list[Any]]:
    """Profit by ``share`` of customers contacted: by falling churn probability, and by falling expected profit."""
    return _columns(share=decision.share, profit_by_risk=decision.profit_by_risk, profit_by_gain=decision.profit_by_gain)


def _columns(**columns: NDArray[Any]) -> dict[str, list[Any]]:
    """Without NaN, which is no JSON."""
    return {
        name: [None if value != value else value for value in np.round(values, 6).tolist()]
        for name, values in columns.items()
    }
