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

from cvm.features.files import read_calendar, read_features, read_outcome, read_treatments
from cvm.features.snapshots import Replay
from cvm.models.btyd import Btyd, Family
from cvm.models.btyd.hindsight import Hindsight, Outlook, learn_hindsight
from cvm.models.btyd.season import Calendar, SeasonClock, day_number
from cvm.models.treated import Treated, WindowUse, is_usable

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Snapshot:
    """Customers that a model may judge.

    Attributes
    ----------
    as_of : date
    features : DataFrame of shape (n_customers, ...)
        Catalogue columns, ``customer_id``, ``BTYD_COLUMNS`` and ``WINDOW_COLUMN``.
    """

    as_of: date
    features: pd.DataFrame


@dataclass(frozen=True)
class Sample(Snapshot):
    """Customers that a model may learn from or be judged on, with what they did.

    Attributes
    ----------
    n_orders, revenue : arrays of shape (n_customers,)
        Outcome over the window.
    n_left_out : int
        Customers a model may judge whom ``train.treated`` left out, because of a campaign in the window.
    """

    n_orders: Floats
    revenue: Floats
    n_left_out: int = 0

    @property
    def window_use(self) -> WindowUse:
        """How many customers count, and how many do not."""
        return WindowUse(self.as_of, len(self.features), self.n_left_out)

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


class FitBtyd(Protocol):
    """Fits BTYD to the features of one snapshot, on the season of its calendar where there is one."""

    def __call__(
        self,
        features: pd.DataFrame,
        *,
        as_of: date,
        calendar: Calendar | None,
        clock: SeasonClock | None = None,
        family: Family = "bg_nbd",
    ) -> Btyd:
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
    treated : {"include", "exclude", "control_only"}
        Whose outcomes count where campaigns ran in the window.
    """

    folder: Path
    fit_btyd: FitBtyd
    lead_days: int
    eligible_days: int | None
    knows_season: Callable[[date], bool] = lambda _: False
    treated: Treated = "include"

    def features(self, as_of: date) -> pd.DataFrame:
        """All customers known at ``as_of``, ordered by ``customer_id``.

        Raises
        ------
        MissingOutputError
            If the snapshot is not on file.
        """
        return read_features(self.folder, as_of)

    def btyd(self, as_of: date, everyone: pd.DataFrame, *, clock: SeasonClock | None = None) -> Btyd:
        """BTYD fitted to the past of ``as_of``; ``everyone`` are its features.

        Where that past is too short to know its season, ``clock`` tells it; by default nothing does.
        """
        calendar = self._calendar(as_of) if self.knows_season(as_of) else None
        return self.fit_btyd(everyone, as_of=as_of, calendar=calendar, clock=clock)

    def hindsight(self, replay: Replay | None, clock: SeasonClock) -> Hindsight:
        """What BTYD would have got wrong a year ago; nothing where it cannot be asked.

        ``clock`` is today's. A year ago may have been too early to know the season; what today knows of it must not be
        found once more, as an error.
        """
        if replay is None:
            return Hindsight()
        everyone = self.features(replay.as_of)
        btyd = self.btyd(replay.as_of, everyone, clock=clock)
        judged = everyone[is_judged(everyone, self.eligible_days)].reset_index(drop=True)
        window, silence = (
            self._outlook(btyd, judged, replay.as_of, days) for days in (replay.horizon_days, replay.silence_days)
        )
        return learn_hindsight(window, silence, history_days=replay.history_days)

    def sample(self, as_of: date, horizon_days: int, *, replay: Replay | None = None) -> Sample:
        """The customers a model may judge, with what BTYD expects of them, corrected by what ``replay`` teaches.

        Without those whom ``treated`` leaves out.
        """
        everyone = self.features(as_of)
        btyd = self.btyd(as_of, everyone)
        btyd = replace(btyd, hindsight=self.hindsight(replay, btyd.clock))
        judged = self._judged(everyone)
        usable = self._usable(judged, as_of, horizon_days, self.treated)
        known = self._predicted(usable, as_of, horizon_days, btyd)
        outcome = self._outcome(usable, as_of, horizon_days)
        return Sample(as_of, known, *outcome, n_left_out=len(judged) - len(usable))

    def snapshot(self, as_of: date, horizon_days: int, everyone: pd.DataFrame, btyd: Btyd) -> Snapshot:
        """The customers among ``everyone`` that a model may judge, with what ``btyd`` expects of them."""
        return Snapshot(as_of, self._predicted(self._judged(everyone), as_of, horizon_days, btyd))

    def _judged(self, everyone: pd.DataFrame) -> pd.DataFrame:
        return everyone[is_judged(everyone, self.eligible_days)].reset_index(drop=True)

    def _predicted(self, customers: pd.DataFrame, as_of: date, horizon_days: int, btyd: Btyd) -> pd.DataFrame:
        expected = btyd.predict(customers, horizon_days=horizon_days, lead_days=self.lead_days, as_of=as_of)
        return pd.concat([customers, expected], axis=1)

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
        # Over a year of campaigns hardly anyone is held out of all, and a level needs many: all untreated tell it.
        customers = self._usable(customers, as_of, horizon_days, "include" if self.treated == "include" else "exclude")
        expected = btyd.predict(customers, horizon_days=horizon_days, lead_days=self.lead_days, as_of=as_of)
        n_orders, revenue = self._outcome(customers, as_of, horizon_days)
        return Outlook(
            p_alive=expected["btyd_p_alive"].to_numpy(float),
            p_no_order=expected["btyd_p_no_order"].to_numpy(float),
            expected_revenue=(expected["btyd_expected_orders"] * expected["btyd_expected_order_value"]).to_numpy(float),
            ordered=(n_orders > 0).astype(float),
            revenue=revenue,
        )

    def _usable(self, customers: pd.DataFrame, as_of: date, horizon_days: int, treated: Treated) -> pd.DataFrame:
        """Those whose outcome counts under ``treated``."""
        if treated == "include":
            return customers
        treatments = read_treatments(self.folder, as_of, horizon_days)
        return customers[is_usable(customers["customer_id"], treatments, treated)].reset_index(drop=True)

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
