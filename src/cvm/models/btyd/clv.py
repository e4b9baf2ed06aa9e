"""Customer lifetime value month by month: when orders are expected, and what they are worth today.

Source: discounting by period as in Fader, Hardie and Lee (2005), "RFM and CLV", J. Marketing Research 42(4), section on DET;
the shares of the outcome window are our own derivation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd

from cvm.models.btyd.distinct import Floats, distinct
from cvm.models.btyd.model import Btyd, btyd_revenue

_MONTH_DAYS = 365 / 12


@dataclass(frozen=True)
class ClvByPeriod:
    """What is expected of each customer in each period; ``clv`` is the sum of the last.

    Attributes
    ----------
    end_days : array of shape (n_periods,)
        Days from the snapshot to the end of each period; the next begins there.
    expected_orders, expected_revenue, discounted_margin : arrays of shape (n_customers, n_periods)
        Within each period, not cumulative; money in the currency of the transactions, the margin at its value today.
    """

    end_days: Floats
    expected_orders: Floats
    expected_revenue: Floats
    discounted_margin: Floats

    @property
    def clv(self) -> Floats:
        """Discounted margin of all periods: array of shape (n_customers,)."""
        return self.discounted_margin.sum(axis=1)

    def frame(self, customer_id: pd.Series[str]) -> pd.DataFrame:
        """One row per customer and period."""
        n_customers, n_periods = self.expected_orders.shape
        return pd.DataFrame(
            {
                "customer_id": np.repeat(customer_id.to_numpy(), n_periods),
                "period": np.tile(np.arange(1, n_periods + 1), n_customers),
                "end_days": np.tile(self.end_days, n_customers),
                "expected_orders": self.expected_orders.ravel(),
                "expected_revenue": self.expected_revenue.ravel(),
                "discounted_margin": self.discounted_margin.ravel(),
            }
        )


def clv_by_period(
    btyd: Btyd,
    features: pd.DataFrame,
    *,
    horizon_days: int,
    lead_days: int,
    clv_days: int,
    discount_rate_per_year: float,
    margin_rate: float = 1.0,
    horizon_revenue: Floats | None = None,
    as_of: date | None = None,
) -> ClvByPeriod:
    """Expected orders, revenue and discounted margin of months of 365/12 days.

    Up to the end of the outcome window ``horizon_revenue`` says how much; BTYD says when, and what follows. P(alive)
    cancels in the shares, so they are as finite for the dead as for the living.

    Parameters
    ----------
    btyd : Btyd
    features : DataFrame of shape (n_customers, ...)
        Customers with at least one order, as in ``Btyd.fit``.
    horizon_days, lead_days, clv_days : int
        Outcome window, and the days that CLV counts.
    discount_rate_per_year : float, >= 0
        0.10 means 10 % a year; each period at its middle.
    margin_rate : float
        Margin per unit of revenue.
    horizon_revenue : array of shape (n_customers,), optional
        Revenue expected in the outcome window by whichever model was judged best; BTYD's own by default.
    as_of : date, optional
        Snapshot of the features; needed where the clock knows a season.
    """
    expected = btyd.predict(features, horizon_days=horizon_days, lead_days=lead_days, as_of=as_of)
    order_value = expected["btyd_expected_order_value"].to_numpy(float)
    if horizon_revenue is None:
        horizon_revenue = btyd_revenue(expected)
    edges = month_edges(clv_days)
    shares = _shares_of_window(btyd, features, edges, horizon_days=horizon_days, lead_days=lead_days, as_of=as_of)
    revenue = shares * horizon_revenue[:, None]
    return ClvByPeriod(
        end_days=edges[1:],
        expected_orders=revenue / order_value[:, None],
        expected_revenue=revenue,
        discounted_margin=margin_rate * revenue * _discounts(edges, discount_rate_per_year),
    )


def clv_per_horizon_revenue(
    btyd: Btyd,
    features: pd.DataFrame,
    *,
    horizon_days: int,
    lead_days: int,
    clv_days: int,
    discount_rate_per_year: float,
    as_of: date | None = None,
) -> Floats:
    """Discounted revenue of ``clv_days`` per unit of undiscounted revenue of the outcome window: of shape (n_customers,).

    ``clv_by_period`` summed; arguments are the same.
    """
    edges = month_edges(clv_days)
    shares = _shares_of_window(btyd, features, edges, horizon_days=horizon_days, lead_days=lead_days, as_of=as_of)
    # Period by period: a matrix product rounds a customer's sum by who stands beside.
    discounted = np.zeros(len(shares))
    for share, discount in zip(shares.T, _discounts(edges, discount_rate_per_year), strict=True):
        discounted += discount * share
    return discounted


def discounted_days(clv_days: int, *, discount_rate_per_year: float) -> float:
    """What ``clv_days`` of one unit a day are worth today."""
    edges = month_edges(clv_days)
    return float(np.diff(edges) @ _discounts(edges, discount_rate_per_year))


def month_edges(days: int) -> Floats:
    """Ends of the months of 365/12 days that fill ``days``, 0 first; the last month may be shorter."""
    return np.append(np.arange(0.0, days, _MONTH_DAYS), float(days))


def _discounts(edges: Floats, rate_per_year: float) -> Floats:
    return (1 + rate_per_year) ** (-(edges[:-1] + edges[1:]) / 2 / 365)


def _shares_of_window(
    btyd: Btyd, features: pd.DataFrame, edges: Floats, *, horizon_days: int, lead_days: int, as_of: date | None
) -> Floats:
    """Orders expected in each period per order expected in the outcome window: of shape (n_customers, n_periods)."""
    x, _, T = btyd.histories(features, as_of=as_of)
    groups = distinct(x, T)
    x, T = groups.columns

    def orders_until(days: float) -> Floats:
        return btyd.process.expected_if_alive(x, T, days=btyd.clock.ahead(as_of, days))

    window = orders_until(lead_days + horizon_days) - (orders_until(lead_days) if lead_days else 0.0)
    until = [np.zeros_like(x), *(orders_until(end) for end in edges[1:])]
    within = np.column_stack([later - earlier for earlier, later in pairwise(until)])
    return (within / np.maximum(window, 1e-300)[:, None])[groups.index]
