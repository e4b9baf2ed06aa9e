"""What an arm earned in all, what it cost, and how sure it is that it paid.

Incremental money is the effect per customer times the customers treated. Cost is what the ledger says of the treated
(or a given cost each) and the arm's part of the fixed cost. A discount has already lowered amounts and so the margin: it
must not be in the cost again. Money a contact costs beyond the price, such as a gift, belongs into the cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from scipy.stats import norm

from cvm.campaigns.effect_result import ArmEffect, Earned
from cvm.evaluation import Effect, Moments, fieller


@dataclass(frozen=True)
class Cost:
    """Cost per treated customer; its variance, and its covariance with the money metrics, are 0 where it was given."""

    mean: float
    variance: float
    covariance: dict[str, float]

    @classmethod
    def of_arm(cls, treated: Moments, *, given: float | None, fixed: float) -> Cost:
        """Of the customers of one arm.

        Parameters
        ----------
        treated : Moments
        given : float or None
            Cost of each, in place of what the ledger says.
        fixed : float
            The arm's part of what the campaign cost as a whole.
        """
        share = fixed / treated.n
        if given is not None:
            return cls(given + share, 0.0, {"margin": 0.0, "revenue": 0.0})
        cost = treated.of("cost")
        covariance = {name: float(treated.of(name, "cost").covariance[0, 1]) for name in ("margin", "revenue")}
        return cls(float(cost.mean[0]) + share, float(cost.covariance[0, 0]), covariance)


def earned(
    arm: str, n_treated: int, cost: Cost, *, orders: ArmEffect, revenue: ArmEffect, margin: ArmEffect, level: float
) -> Earned:
    """Totals of one arm.

    Parameters
    ----------
    arm : str
    n_treated : int
    cost : Cost
    orders, revenue, margin : ArmEffect
        Per customer.
    level : float
        Of the intervals.
    """
    net = _less_cost(margin.best, cost, cost.covariance["margin"], level)
    known = cost.mean > 0 and not isnan(net.standard_error)
    return Earned(
        arm=arm,
        n_treated=n_treated,
        cost=cost.mean * n_treated,
        incremental_orders=orders.best.scaled(n_treated),
        incremental_revenue=revenue.best.scaled(n_treated),
        incremental_margin=margin.best.scaled(n_treated),
        net=net.scaled(n_treated),
        roi=_return(margin.best, cost, cost.covariance["margin"], level),
        roi_revenue=_return(revenue.best, cost, cost.covariance["revenue"], level),
        p_pays=float(norm.cdf(net.value / net.standard_error)) if known else None,
    )


def _less_cost(effect: Effect, cost: Cost, covariance: float, level: float) -> Effect:
    variance = effect.standard_error**2 + cost.variance - 2 * covariance
    error = max(variance, 0.0) ** 0.5
    value = effect.value - cost.mean
    width = float(norm.ppf(0.5 + level / 2)) * error
    p_value = float(2 * norm.sf(abs(value) / error)) if error > 0 else float("nan")
    return Effect(value, error if error > 0 else float("nan"), value - width, value + width, p_value)


def _return(effect: Effect, cost: Cost, covariance: float, level: float) -> Effect | None:
    """Money over cost, less 1: standard error by the delta method, interval by Fieller's; p-value against -1."""
    if not cost.mean > 0 or isnan(effect.standard_error):
        return None
    ratio = effect.value / cost.mean
    variance = effect.standard_error**2 - 2 * ratio * covariance + ratio**2 * cost.variance
    bounds = fieller(
        (effect.value, cost.mean),
        (effect.standard_error**2, cost.variance, covariance),
        critical=float(norm.ppf(0.5 + level / 2)),
    )
    return Effect(ratio - 1, max(variance, 0.0) ** 0.5 / cost.mean, bounds[0] - 1, bounds[1] - 1, effect.p_value)
