"""What an arm earned in all, what it cost, and how sure it is that it paid.

Incremental money is the effect per customer times the customers treated. Cost is what the ledger says of the treated (or
a given cost each), what their redemptions cost, and the arm's part of the fixed cost. Incentives count once: a discount has
already lowered amounts and so the margin, and is not in the cost again; what a redemption costs beyond the price, such as a
gift, is in the cost alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from cvm.campaigns.effect_result import ArmEffect, Bootstrap, Earned, Total
from cvm.evaluation import Effect, Moments, covariance_with, fieller, middle

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cost:
    """Cost per treated customer, its variance, and its covariance with the effects on money."""

    mean: float
    variance: float
    covariance: Mapping[str, float]

    @classmethod
    def of_arm(cls, treated: Moments, control: Moments, *, fixed: float, covariates: Sequence[str] = ()) -> Cost:
        """Of the customers of one arm.

        Parameters
        ----------
        treated, control : Moments
            With ``cost``, each customer's own.
        fixed : float
            The arm's part of what the campaign cost as a whole.
        covariates : sequence of str
            What the effects on money are adjusted by.
        """
        cost = treated.of("cost")
        return cls(
            float(cost.mean[0]) + fixed / treated.n,
            float(cost.covariance[0, 0]),
            {name: covariance_with(treated, control, name, "cost", covariates) for name in ("margin", "revenue")},
        )


@dataclass(frozen=True)
class Replicates:
    """Incremental money and cost of all treated customers in each resample: arrays of shape (n_replicates,)."""

    margin: Floats
    revenue: Floats
    cost: Floats

    def __add__(self, other: Replicates) -> Replicates:
        """Both together; resamples of two arms of one campaign belong together, those of independent cells need not."""
        return Replicates(self.margin + other.margin, self.revenue + other.revenue, self.cost + other.cost)

    def bootstrap(self, *, level: float) -> Bootstrap:
        """Percentile intervals."""
        net, costs = self.margin - self.cost, bool(np.all(self.cost > 0))
        return Bootstrap(
            incremental_margin=middle(self.margin, level=level),
            incremental_revenue=middle(self.revenue, level=level),
            net=middle(net, level=level),
            roi=middle(net / self.cost, level=level) if costs else None,
            roi_revenue=middle(self.revenue / self.cost - 1, level=level) if costs else None,
            p_pays=float(np.mean(net > 0)) if costs and np.ptp(net) > 0 else None,
        )


def earned(
    arm: str,
    treated: Moments,
    cost: Cost,
    *,
    orders: ArmEffect,
    revenue: ArmEffect,
    margin: ArmEffect,
    replicates: Replicates | None,
    level: float,
) -> Earned:
    """Totals of one arm.

    Parameters
    ----------
    arm : str
    treated : Moments
        Of its customers.
    cost : Cost
    orders, revenue, margin : ArmEffect
        Per customer.
    replicates : Replicates or None
        None where there are too few customers to resample.
    level : float
        Of the intervals.
    """
    n, net = treated.n, _less_cost(margin.best, cost, cost.covariance["margin"], level)
    known = cost.mean > 0 and not isnan(net.standard_error)
    by_resampling = replicates.bootstrap(level=level) if replicates and known else None
    normal = float(norm.cdf(net.value / net.standard_error)) if known else None
    return Earned(
        arm=arm,
        n_treated=n,
        n_redeemed=float(treated.of("redeemed").mean[0]) * n,
        cost=cost.mean * n,
        incremental_orders=orders.best.scaled(n),
        incremental_revenue=revenue.best.scaled(n),
        incremental_margin=margin.best.scaled(n),
        net=net.scaled(n),
        roi=_return(margin.best, cost, cost.covariance["margin"], level),
        roi_revenue=_return(revenue.best, cost, cost.covariance["revenue"], level),
        p_pays=by_resampling.p_pays if by_resampling else normal,
        bootstrap=by_resampling,
    )


def total(arms: Sequence[Earned], replicates: Sequence[Replicates | None], *, level: float) -> Total:
    """Of several arms, the resamples of those that share a control being the same draws of it."""
    margin, revenue = (
        sum(effect.value for effect in effects)
        for effects in ([arm.incremental_margin for arm in arms], [arm.incremental_revenue for arm in arms])
    )
    cost = sum(arm.cost for arm in arms)
    known = [found for found in replicates if found is not None]
    together = None
    if known and len(known) == len(arms):
        together = sum(known[1:], start=known[0]).bootstrap(level=level)
    return Total(
        n_treated=sum(arm.n_treated for arm in arms),
        cost=cost,
        incremental_margin=margin,
        incremental_revenue=revenue,
        net=margin - cost,
        roi=margin / cost - 1 if cost else None,
        roi_revenue=revenue / cost - 1 if cost else None,
        bootstrap=together,
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
