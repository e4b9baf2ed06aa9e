"""Snapshots as models see them: features, what BTYD says of each customer, and, where known, the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.features.files import read_features, read_outcome
from cvm.models.btyd import Btyd

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """The customers of one snapshot that a model may learn from or be judged on.

    Attributes
    ----------
    as_of : date
    features : DataFrame of shape (n_customers, ...)
        Catalogue columns, ``customer_id`` and ``BTYD_COLUMNS``.
    n_orders, revenue : arrays of shape (n_customers,)
        Outcome over the window.
    """

    as_of: date
    features: pd.DataFrame
    n_orders: Floats
    revenue: Floats

    @property
    def churned(self) -> Floats:
        """1 where no order fell into the outcome window, else 0."""
        return (self.n_orders == 0).astype(float)


@dataclass(frozen=True)
class ProspectRate:
    """What customers without an order did in the outcome windows seen: means over ``n_customers`` of them."""

    n_customers: int
    expected_orders: float
    expected_order_value: float


@dataclass(frozen=True)
class SnapshotReader:
    """Reads snapshots and outcomes that the features stage wrote.

    Attributes
    ----------
    folder : Path
        Output of the features stage.
    fit_btyd : callable
        Fits BTYD to the features of one snapshot.
    lead_days : int
    eligible_days : int or None
        Customers whose last order is older are left to BTYD.
    """

    folder: Path
    fit_btyd: Callable[[pd.DataFrame], Btyd]
    lead_days: int
    eligible_days: int | None

    def features(self, as_of: date) -> pd.DataFrame:
        """All customers known at ``as_of``, ordered by ``customer_id``.

        Raises
        ------
        MissingOutputError
            If the snapshot is not on file.
        """
        return read_features(self.folder, as_of)

    def sample(self, as_of: date, horizon_days: int) -> Sample:
        """The customers a model may judge, BTYD fitted to nothing but their own past."""
        everyone = self.features(as_of)
        btyd = self.fit_btyd(everyone)
        judged = everyone[is_judged(everyone, self.eligible_days)].reset_index(drop=True)
        expected = btyd.predict(judged, horizon_days=horizon_days, lead_days=self.lead_days)
        n_orders, revenue = self._outcome(judged, as_of, horizon_days)
        return Sample(as_of, pd.concat([judged, expected], axis=1), n_orders, revenue)

    def prospect_rate(self, as_of: date, horizon_days: int) -> ProspectRate:
        """What those without an order at ``as_of`` went on to do."""
        everyone = self.features(as_of)
        prospects = everyone[everyone["n_orders"] == 0]
        n_orders, revenue = self._outcome(prospects, as_of, horizon_days)
        orders = float(n_orders.sum())
        return ProspectRate(
            n_customers=len(prospects),
            expected_orders=orders / len(prospects) if len(prospects) else 0.0,
            expected_order_value=float(revenue.sum()) / orders if orders else 0.0,
        )

    def _outcome(self, customers: pd.DataFrame, as_of: date, horizon_days: int) -> tuple[Floats, Floats]:
        outcome = read_outcome(self.folder, as_of, horizon_days)
        aligned = outcome.set_index("customer_id").reindex(customers["customer_id"])
        n_orders, revenue = (aligned[name].fillna(0.0).to_numpy(float) for name in ("n_orders", "revenue"))
        return n_orders, revenue


def is_judged(features: pd.DataFrame, eligible_days: int | None) -> NDArray[np.bool_]:
    """Which customers a model may judge: those with an order, not longer ago than ``eligible_days``."""
    judged = (features["n_orders"] > 0).to_numpy()
    if eligible_days is not None:
        judged = judged & (features["recency_days"] <= eligible_days).to_numpy()
    return judged
