"""What BTYD is fitted to: order histories and order values, a row for all customers that are alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cvm.errors import FeatureMismatchError
from cvm.models.btyd.distinct import Floats

_WEIGHT = "n_customers"


@dataclass(frozen=True)
class Histories:
    """The orders of a base.

    Attributes
    ----------
    orders : DataFrame of shape (n_rows, ...)
        ``n_orders`` (above 0), ``tenure_days``, ``recency_days``, and ``n_customers`` where a row is more than one.
    values : DataFrame of shape (n_other_rows, ...)
        ``n_orders``, ``mean_order_value``, and ``n_customers`` likewise.
    """

    orders: pd.DataFrame
    values: pd.DataFrame

    @classmethod
    def of(cls, features: pd.DataFrame) -> Histories:
        """Of each customer with an order."""
        buyers = features[features["n_orders"] > 0]
        return cls(buyers, buyers)

    @property
    def n_buyers(self) -> int:
        """Customers with an order."""
        return int(customers_in(self.orders).sum())

    @property
    def n_repeaters(self) -> int:
        """Those with more than one."""
        return int(customers_in(self.orders)[self.orders["n_orders"].to_numpy() > 1].sum())


def customers_in(rows: pd.DataFrame) -> Floats:
    """How many customers each row stands for."""
    return rows[_WEIGHT].to_numpy(float) if _WEIGHT in rows else np.ones(len(rows))


def check_histories(features: pd.DataFrame) -> None:
    """Refuse values that no customer can have.

    Parameters
    ----------
    features : DataFrame of shape (n_customers, ...)
        ``n_orders`` and, where there is an order, ``recency_days``, ``tenure_days`` and ``mean_order_value``; numbers.

    Raises
    ------
    FeatureMismatchError
        Says how many rows are concerned.
    """
    orders = features["n_orders"]
    n_wrong = int((~_possible(orders) | (orders % 1 != 0)).sum())
    if n_wrong:
        raise FeatureMismatchError(f"n_orders is no whole number from 0 on in {n_wrong:,} rows; it counts orders.")
    buyers = features.loc[orders > 0, ["recency_days", "tenure_days", "mean_order_value"]]
    possible = (
        _possible(buyers["recency_days"])
        & _possible(buyers["tenure_days"])
        & _possible(buyers["mean_order_value"])
        & (buyers["tenure_days"] >= buyers["recency_days"])
        & (buyers["tenure_days"] > 0)
    )
    if not possible.all():
        raise FeatureMismatchError(
            f"{int((~possible).sum()):,} rows with orders have impossible values: recency_days must lie in 0..tenure_days, "
            "tenure_days be above 0, and mean_order_value be 0 or more."
        )


def _possible(values: pd.Series[float]) -> pd.Series[bool]:
    return (values >= 0) & np.isfinite(values)
