"""Snapshots as models see them: features, what BTYD says of each customer, and, where known, the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.features.files import read_calendar, read_features, read_outcome
from cvm.features.snapshots import Replay
from cvm.models.btyd import Btyd, Family
from cvm.models.btyd.hindsight import Hindsight, Outlook, learn_hindsight
from cvm.models.btyd.season import Calendar, day_number

Floats = NDArray[np.float64]

# Prospects who never ordered, and orders worth what any new customer's are, that count beside those seen.
_PRIOR_PROSPECTS = 20
_PRIOR_ORDERS = 10


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

    def shrunk(self, *, order_value: float) -> ProspectRate:
        """The rate that so few customers vouch for: fewer orders, worth nearer to a new customer's ``order_value``."""
        n_orders = self.n_customers * self.expected_orders
        return ProspectRate(
            self.n_customers,
            expected_orders=n_orders / (self.n_customers + _PRIOR_PROSPECTS),
            expected_order_value=(n_orders * self.expected_order_value + _PRIOR_ORDERS * order_value)
            / (n_orders + _PRIOR_ORDERS),
        )


class FitBtyd(Protocol):
    """Fits BTYD to the features of one snapshot, on the season of its calendar where there is one."""

    def __call__(self, features: pd.DataFrame, *, as_of: date, calendar: Calendar | None, family: Family = "bg_nbd") -> Btyd:
        """The fitted model."""
        ...


@dataclass(frozen=True)
class SnapshotReader:
    """Reads snapshots and outcomes that the features stage wrote.

    Attributes
    ----------
    folder : Path
        Output of the features stage.
    fit_btyd : FitBtyd
    lead_days : int
    eligible_days : int or None
        Customers whose last order is older are left to BTYD.
    knows_season : callable
        Whether the history before a date is long enough to know its season.
    """

    folder: Path
    fit_btyd: FitBtyd
    lead_days: int
    eligible_days: int | None
    knows_season: Callable[[date], bool] = lambda _: False

    def features(self, as_of: date) -> pd.DataFrame:
        """All customers known at ``as_of``, ordered by ``customer_id``.

        Raises
        ------
        MissingOutputError
            If the snapshot is not on file.
        """
        return read_features(self.folder, as_of)

    def btyd(self, as_of: date, everyone: pd.DataFrame) -> Btyd:
        """BTYD fitted to nothing but the past of ``as_of``; ``everyone`` are its features."""
        calendar = self._calendar(as_of) if self.knows_season(as_of) else None
        return self.fit_btyd(everyone, as_of=as_of, calendar=calendar)

    def hindsight(self, replay: Replay | None) -> Hindsight:
        """What BTYD would have got wrong a year ago; nothing where it cannot be asked."""
        if replay is None:
            return Hindsight()
        everyone = self.features(replay.as_of)
        btyd = self.btyd(replay.as_of, everyone)
        judged = everyone[is_judged(everyone, self.eligible_days)].reset_index(drop=True)
        window, silence = (
            self._outlook(btyd, judged, replay.as_of, days) for days in (replay.horizon_days, replay.silence_days)
        )
        return learn_hindsight(window, silence, history_days=replay.history_days)

    def sample(self, as_of: date, horizon_days: int, *, hindsight: Hindsight | None = None) -> Sample:
        """The customers a model may judge, with what BTYD expects of them."""
        everyone = self.features(as_of)
        btyd = replace(self.btyd(as_of, everyone), hindsight=hindsight or Hindsight())
        judged = everyone[is_judged(everyone, self.eligible_days)].reset_index(drop=True)
        expected = btyd.predict(judged, horizon_days=horizon_days, lead_days=self.lead_days, as_of=as_of)
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

    def _outlook(self, btyd: Btyd, customers: pd.DataFrame, as_of: date, horizon_days: int) -> Outlook:
        expected = btyd.predict(customers, horizon_days=horizon_days, lead_days=self.lead_days, as_of=as_of)
        n_orders, revenue = self._outcome(customers, as_of, horizon_days)
        return Outlook(
            p_alive=expected["btyd_p_alive"].to_numpy(float),
            p_no_order=expected["btyd_p_no_order"].to_numpy(float),
            expected_revenue=(expected["btyd_expected_orders"] * expected["btyd_expected_order_value"]).to_numpy(float),
            ordered=(n_orders > 0).astype(float),
            revenue=revenue,
        )

    def _calendar(self, as_of: date) -> Calendar:
        """Days from the first order to the last before ``as_of``, those without one filled in."""
        by_day = read_calendar(self.folder, as_of)
        day = by_day["day"].to_numpy(int)
        first = int(day.min())
        n_days = day_number(as_of) - first
        n_orders, n_joined = (
            np.bincount(day - first, weights=by_day[name].to_numpy(float), minlength=n_days).astype(float)
            for name in ("n_orders", "n_joined")
        )
        return Calendar(first, n_orders, n_joined)

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
