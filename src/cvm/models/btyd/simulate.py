"""Possible futures of a base under a fitted model, and the interval of its total.

A customer's future is drawn from what the history leaves open: whether they are still there, their own rate, their own
chance to stop, their own mean order value. Over many customers that averages out and the parameters' own uncertainty is
what remains, so an interval of a total takes both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from cvm.models.btyd.distinct import Floats, distinct
from cvm.models.btyd.families import FAMILIES
from cvm.models.btyd.model import Btyd, btyd_revenue
from cvm.models.btyd.spend import SPENDS, paid_orders
from cvm.models.btyd.uncertainty import Estimates

# Customers whose futures stand for all.
_SAMPLE_CUSTOMERS = 5000


@dataclass(frozen=True)
class Future:
    """Orders and revenue of each customer in one window, one draw; arrays of shape (n_customers,)."""

    orders: Floats
    revenue: Floats


@dataclass(frozen=True)
class Interval:
    """Mean of the draws, and the bounds that a share ``level`` of them lies between."""

    mean: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Totals:
    """Intervals of the totals over a base."""

    orders: Interval
    revenue: Interval


def simulate(
    btyd: Btyd,
    features: pd.DataFrame,
    *,
    horizon_days: float,
    rng: np.random.Generator,
    lead_days: float = 0.0,
    as_of: date | None = None,
) -> Future:
    """One possible outcome window of each customer, given the history.

    Parameters
    ----------
    btyd : Btyd
    features : DataFrame of shape (n_customers, ...)
        Customers with at least one order, as in ``Btyd.fit``.
    horizon_days, lead_days : float
        Outcome window.
    rng : Generator
        The same state gives the same future.
    as_of : date, optional
        Snapshot of the features; needed where the clock knows a season.
    """
    x, t_x, T = btyd.histories(features, as_of=as_of)
    start, end = (btyd.clock.ahead(as_of, days) for days in (lead_days, lead_days + horizon_days))
    alive = rng.random(len(x)) < btyd.process.p_alive(x, t_x, T)
    orders = np.where(alive, btyd.process.draw_orders_if_alive(x, T, start=start, end=end, rng=rng), 0.0)
    n, mean = (features[name].to_numpy(float) for name in ("n_orders", "mean_order_value"))
    revenue = btyd.spend.draw_total(orders, n, mean, rng=rng) * btyd.hindsight.revenue_factor
    return Future(orders, revenue)


def total_intervals(
    btyd: Btyd,
    features: pd.DataFrame,
    *,
    horizon_days: float,
    draws: int = 400,
    level: float = 0.9,
    seed: int = 7,
    lead_days: float = 0.0,
    as_of: date | None = None,
) -> Totals:
    """Intervals of all customers' orders and revenue in the outcome window.

    Each draw takes other parameters of purchase and spend, as uncertain as the histories leave them, then a future of each
    customer. A window unlike all before is not covered: ``models.portfolio`` adds how windows differ.

    Parameters
    ----------
    btyd, features, horizon_days, lead_days, as_of
        As in ``simulate``; ``btyd`` must have been fitted to these customers.
    draws : int, > 0
    level : float between 0 and 1
    seed : int
    """
    rng = np.random.default_rng(seed)
    uncertain = _Uncertain.of(btyd, features, as_of)
    totals = np.empty((draws, 2))
    for draw in range(draws):
        future = simulate(
            uncertain.drawn(rng), features, horizon_days=horizon_days, rng=rng, lead_days=lead_days, as_of=as_of
        )
        totals[draw] = future.orders.sum(), future.revenue.sum()
    orders, revenue = (_interval(column, level) for column in totals.T)
    return Totals(orders, revenue)


def log_spread_of_total(
    btyd: Btyd,
    features: pd.DataFrame,
    *,
    horizon_days: float,
    lead_days: float = 0.0,
    as_of: date | None = None,
    draws: int = 40,
    seed: int = 7,
) -> float:
    """Standard deviation of the log of all customers' revenue in the outcome window, however many there are.

    Infinite where no drawn parameters expect any revenue.

    Parameters move all customers alike, so a sample of customers shows what they do. Chance is each customer's own, so its
    variances add up, and those of the sample stand for all.

    Parameters
    ----------
    btyd, features, horizon_days, lead_days, as_of
        As in ``total_intervals``.
    draws : int, > 1
        Of parameters; a third as many of futures.
    seed : int
    """
    rng = np.random.default_rng(seed)
    sample = features.iloc[:: -(-len(features) // _SAMPLE_CUSTOMERS)]
    window: dict[str, Any] = {"horizon_days": horizon_days, "lead_days": lead_days, "as_of": as_of}
    uncertain = _Uncertain.of(btyd, features, as_of)
    expected = _expected_revenue(btyd, sample, window)
    with np.errstate(all="ignore"):  # parameters that history leaves open may be drawn where nothing is defined
        totals = np.array([_expected_revenue(uncertain.drawn(rng), sample, window).sum() for _ in range(draws)])
    futures = [simulate(btyd, sample, rng=rng, **window).revenue for _ in range(-(-draws // 3))]
    variance = np.mean([np.sum((revenue - expected) ** 2) for revenue in futures])
    of_chance = np.sqrt(variance * len(sample) / len(features)) / max(float(expected.sum()), 1e-300)
    defined = np.log(totals[np.isfinite(totals) & (totals > 0)])
    return float(np.hypot(np.std(defined), of_chance)) if len(defined) else float("inf")


def _expected_revenue(btyd: Btyd, features: pd.DataFrame, window: dict[str, Any]) -> Floats:
    return btyd_revenue(btyd.predict(features, **window))


@dataclass(frozen=True)
class _Uncertain:
    """A fitted model, and how sure the histories are of its parameters."""

    btyd: Btyd
    process: Estimates
    spend: Estimates

    @classmethod
    def of(cls, btyd: Btyd, features: pd.DataFrame, as_of: date | None) -> _Uncertain:
        groups = distinct(*btyd.histories(features, as_of=as_of))
        x, t_x, T = groups.columns
        process = btyd.process.estimates(x, t_x, T, groups.weight)
        return cls(btyd, process, btyd.spend.estimates(*paid_orders(features)))

    def drawn(self, rng: np.random.Generator) -> Btyd:
        """The model as another sample of customers might have given it."""
        process = FAMILIES[self.btyd.process.family](**self.process.draw(rng))
        spend = SPENDS[self.btyd.spend.family](**self.spend.draw(rng))
        return replace(self.btyd, process=process, spend=spend)


def _interval(draws: Floats, level: float) -> Interval:
    lower, upper = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(draws.mean()), float(lower), float(upper))
