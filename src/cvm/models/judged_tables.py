"""The judgement of the test snapshot as tables of JSON values: binned, no row per customer, for programs and the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from cvm.evaluation import ContactDecision, lift_by_group, reliability, wilson_interval
from cvm.features.snapshots import SnapshotPlan
from cvm.models.group_errors import JudgedCustomers, error_states, group_errors, groups_at_test
from cvm.models.samples import Sample
from cvm.models.training import Judged
from cvm.segments import RuleSet

Floats = NDArray[np.float64]

_Z = float(norm.ppf(0.975))


def judged_tables(
    judged: Judged | None,
    test: Sample | None,
    plan: SnapshotPlan,
    *,
    tiers: Mapping[str, float],
    rules: RuleSet,
    active_days: int,
    margin_rate: float,
) -> dict[str, Any] | None:
    """What the winners foretold for the test snapshot and what came of it, for the report; None where nothing was judged.

    Parameters
    ----------
    judged : Judged or None
    test : Sample or None
    plan : SnapshotPlan
    tiers : mapping of str to float
        Shares of the value tiers.
    rules : RuleSet
        Of segments.
    active_days : int
    margin_rate : float

    Returns
    -------
    dict
        ``reliability`` and ``lift`` of churn, ``value_deciles`` of revenue, ``groups`` as in ``group_errors``; a table is
        null where the test has nobody to judge.
    """
    if judged is None or test is None or test.features.empty:
        return None
    revenue, churn = judged.revenue[judged.judgement.value_winner], test.of_churn
    p_churn, has_churn = judged.p_churn[judged.judgement.churn_winner], len(churn.churned) > 0
    groups = groups_at_test(
        test.features,
        p_churn=pd.Series(p_churn, index=churn.features["customer_id"].to_numpy()),
        revenue=revenue,
        tiers=tiers,
        rules=rules,
        active_days=active_days,
        horizon_days=plan.judged_days,
        margin_rate=margin_rate,
    )
    errors = group_errors(
        JudgedCustomers(churn.features["customer_id"], p_churn, churn.churned),
        JudgedCustomers(test.features["customer_id"], revenue, test.revenue),
        groups,
    )
    return {
        "reliability": reliability_table(churn.churned, p_churn) if has_churn else None,
        "lift": lift_table(churn.churned, p_churn) if has_churn else None,
        "value_deciles": value_table(test.revenue, revenue),
        "groups": error_states(errors),
    }


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


def value_table(revenue: Floats, predicted: Floats) -> dict[str, list[Any]]:
    """Ten equal groups by rising prediction: mean revenue ``predicted`` and ``happened`` with its 95 % interval."""
    groups, squares = reliability(revenue, predicted), reliability(revenue**2, predicted)
    spread = np.sqrt(np.maximum(squares.happened - groups.happened**2, 0.0) / groups.n_customers)
    return _columns(
        predicted=groups.predicted,
        happened=groups.happened,
        lower=np.maximum(groups.happened - _Z * spread, 0.0),
        upper=groups.happened + _Z * spread,
        n_customers=groups.n_customers,
    )


def profit_table(decision: ContactDecision) -> dict[str, list[Any]]:
    """Profit by ``share`` of customers contacted: by falling churn probability, and by falling expected profit."""
    return _columns(share=decision.share, profit_by_risk=decision.profit_by_risk, profit_by_gain=decision.profit_by_gain)


def _columns(**columns: NDArray[Any]) -> dict[str, list[Any]]:
    """Without NaN, which is no JSON."""
    return {
        name: [None if value != value else value for value in np.round(values, 6).tolist()]
        for name, values in columns.items()
    }
