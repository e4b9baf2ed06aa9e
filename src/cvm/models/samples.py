"""Snapshots as models see them: features, what BTYD says of each customer, and, where known, the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.features.churn import ChurnDefinition
from cvm.features.files import read_calendar, read_features, read_grouped, read_outcome, read_renewals, read_treatments
from cvm.features.snapshots import Replay
from cvm.models.btyd import Btyd, Family, btyd_revenue
from cvm.models.btyd.hindsight import Hindsight, HindsightWindow, learn_hindsight
from cvm.models.btyd.histories import Histories
from cvm.models.btyd.season import DailyOrders, SeasonClock, day_number
from cvm.models.choices import Treated
from cvm.models.churn_anchor import ChurnAnchor, holds_subscription
from cvm.models.retention import Retention
from cvm.models.treated import WindowUse, is_usable

Floats = NDArray[np.float64]

# Prospects who never ordered, and orders worth what any new customer's are, that count beside those seen.
_PRIOR_PROSPECTS = 20
_PRIOR_ORDERS = 10


@dataclass(frozen=True)
class Snapshot:
    """Customers that a model may judge.

    Attributes
    ----------
    as_of : date
    features : DataFrame of shape (n_customers, ...)
        Catalogue columns, ``customer_id`` and ``BTYD_COLUMNS``.
    has_hindsight : bool
        Whether what BTYD says was corrected by what it got wrong a year before.
    holders : Snapshot, optional
        The customers whose churn is judged, where that is not everybody here: those who hold a subscription.
    """

    as_of: date
    features: pd.DataFrame
    has_hindsight: bool = field(default=False, kw_only=True)
    holders: Snapshot | None = field(default=None, kw_only=True)

    @property
    def of_churn(self) -> Snapshot:
        """Whom churn models are for."""
        return self.holders or self


@dataclass(frozen=True)
class Sample(Snapshot):
    """Customers that a model may learn from or be judged on, with what they did.

    Attributes
    ----------
    n_orders, revenue : arrays of shape (n_customers,)
        Outcome over the window.
    stayed : array of shape (n_customers,), optional
        1 where the customer stayed, where churn is not defined by orders.
    n_left_out : int
        Customers a model may judge whom ``train.treated`` left out, because of a campaign in the window.
    """

    n_orders: Floats
    revenue: Floats
    stayed: Floats | None = None
    n_left_out: int = 0
    holders: Sample | None = field(default=None, kw_only=True)

    @property
    def window_use(self) -> WindowUse:
        """How many customers count, and how many do not."""
        return WindowUse(self.as_of, len(self.features), self.n_left_out)

    @property
    def churned(self) -> Floats:
        """1 where the customer did not stay; without a definition of its own, where no order fell into the window."""
        return 1 - self.stayed if self.stayed is not None else (self.n_orders == 0).astype(float)

    @property
    def of_churn(self) -> Sample:
        """What churn models learn from and are judged on."""
        return self.holders or self

    @property
    def ahead(self) -> Snapshot:
        """The same customers without what they did."""
        holders = self.holders.ahead if self.holders else None
        return Snapshot(self.as_of, self.features, has_hindsight=self.has_hindsight, holders=holders)


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
    """Fits BTYD to the features of one snapshot, on the season of its daily orders where they are given."""

    def __call__(
        self,
        features: pd.DataFrame,
        *,
        as_of: date,
        daily_orders: DailyOrders | None,
        clock: SeasonClock | None = None,
        family: Family = "bg_nbd",
        histories: Histories | None = None,
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
    definition : ChurnDefinition
        What churn means; the outcomes on file are by it.
    """

    folder: Path
    fit_btyd: FitBtyd
    lead_days: int
    eligible_days: int | None
    knows_season: Callable[[date], bool] = lambda _: False
    treated: Treated = "include"
    definition: ChurnDefinition = field(default_factory=ChurnDefinition)

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
        daily_orders = self._daily_orders(as_of) if self.knows_season(as_of) else None
        grouped = read_grouped(self.folder, as_of)
        # Where the features are of a sample, the histories of the whole base lie beside them.
        whole: dict[str, Any] = {"histories": Histories(*grouped)} if grouped else {}
        return self.fit_btyd(everyone, as_of=as_of, daily_orders=daily_orders, clock=clock, **whole)

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
            self._hindsight_window(btyd, judged, replay.as_of, days) for days in (replay.horizon_days, replay.silence_days)
        )
        return learn_hindsight(window, silence, history_days=replay.history_days)

    def sample(self, as_of: date, horizon_days: int, *, replay: Replay | None = None) -> Sample:
        """The customers a model may judge, with what BTYD expects of them, corrected by what ``replay`` teaches.

        Without those whom ``treated`` leaves out.
        """
        everyone = self.features(as_of)
        btyd = self.btyd(as_of, everyone)
        btyd = replace(btyd, hindsight=self.hindsight(replay, btyd.clock))
        return self._labelled(self.snapshot(as_of, horizon_days, everyone, btyd), horizon_days)

    def snapshot(self, as_of: date, horizon_days: int, everyone: pd.DataFrame, btyd: Btyd) -> Snapshot:
        """The customers among ``everyone`` that a model may judge, with what ``btyd`` expects of them."""

        def known(customers: pd.DataFrame) -> pd.DataFrame:
            customers = customers.reset_index(drop=True)
            expected = btyd.predict(customers, horizon_days=horizon_days, lead_days=self.lead_days, as_of=as_of)
            return pd.concat([customers, expected], axis=1)

        def with_anchor(customers: pd.DataFrame) -> pd.DataFrame:
            window: dict[str, Any] = {"horizon_days": horizon_days, "lead_days": self.lead_days, "as_of": as_of}
            return self.churn_anchor(as_of).with_anchor(customers, btyd=btyd, **window)

        judged, has_hindsight = known(everyone[is_judged(everyone, self.eligible_days)]), btyd.hindsight != Hindsight()
        if self.definition.is_contractual:
            holders = with_anchor(known(everyone[holds_subscription(everyone)]))
            return Snapshot(as_of, judged, has_hindsight=has_hindsight, holders=Snapshot(as_of, holders))
        judged = judged if self.definition.definition == "no_order" else with_anchor(judged)
        return Snapshot(as_of, judged, has_hindsight=has_hindsight)

    def _labelled(self, snapshot: Snapshot, horizon_days: int, *, contractual: bool = False) -> Sample:
        """The customers of ``snapshot`` whose outcome counts, with that outcome."""
        as_of, customers = snapshot.as_of, snapshot.features
        usable = self._usable(customers, as_of, horizon_days, self.treated)
        by_definition = contractual or self.definition.definition == "inactivity"
        holders = snapshot.holders
        return Sample(
            as_of,
            usable,
            *self._outcome(usable, as_of, horizon_days),
            stayed=self._stayed(usable, as_of, horizon_days) if by_definition else None,
            n_left_out=len(customers) - len(usable),
            has_hindsight=snapshot.has_hindsight,
            holders=self._labelled(holders, horizon_days, contractual=True) if holders else None,
        )

    def churn_anchor(self, as_of: date) -> ChurnAnchor:
        """What is said of churn at ``as_of`` before any outcome is learned from."""
        return ChurnAnchor(self.definition, self.retention(as_of) if self.definition.is_contractual else None)

    def retention(self, as_of: date) -> Retention | None:
        """How long subscribers stay, from nothing but the past of ``as_of``; ``None`` where nobody subscribed yet."""
        spells = read_renewals(self.folder, as_of)
        return None if spells is None or spells.empty else Retention.fit(spells)

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

    def _hindsight_window(self, btyd: Btyd, customers: pd.DataFrame, as_of: date, horizon_days: int) -> HindsightWindow:
        # Over a year of campaigns hardly anyone is held out of all, and a level needs many: all untreated tell it.
        customers = self._usable(customers, as_of, horizon_days, "include" if self.treated == "include" else "exclude")
        expected = btyd.predict(customers, horizon_days=horizon_days, lead_days=self.lead_days, as_of=as_of)
        n_orders, revenue = self._outcome(customers, as_of, horizon_days)
        return HindsightWindow(
            p_alive=expected["btyd_p_alive"].to_numpy(float),
            p_no_order=expected["btyd_p_no_order"].to_numpy(float),
            expected_revenue=btyd_revenue(expected),
            ordered=(n_orders > 0).astype(float),
            revenue=revenue,
        )

    def _usable(self, customers: pd.DataFrame, as_of: date, horizon_days: int, treated: Treated) -> pd.DataFrame:
        """Those whose outcome counts under ``treated``."""
        if treated == "include":
            return customers
        treatments = read_treatments(self.folder, as_of, horizon_days)
        return customers[is_usable(customers["customer_id"], treatments, treated)].reset_index(drop=True)

    def _daily_orders(self, as_of: date) -> DailyOrders:
        """Days from the first order to the last before ``as_of``, those without one filled in."""
        by_day = read_calendar(self.folder, as_of)
        day = by_day["day"].to_numpy(int)
        first = int(day.min())
        n_days = day_number(as_of) - first
        n_orders, n_joined = (
            np.bincount(day - first, weights=by_day[name].to_numpy(float), minlength=n_days).astype(float)
            for name in ("n_orders", "n_joined")
        )
        return DailyOrders(first, n_orders, n_joined)

    def _outcome(self, customers: pd.DataFrame, as_of: date, horizon_days: int) -> tuple[Floats, Floats]:
        outcome = read_outcome(self.folder, as_of, horizon_days)
        aligned = outcome.set_index("customer_id").reindex(customers["customer_id"])
        n_orders, revenue = (aligned[name].fillna(0.0).to_numpy(float) for name in ("n_orders", "revenue"))
        return n_orders, revenue

    def _stayed(self, customers: pd.DataFrame, as_of: date, horizon_days: int) -> Floats:
        outcome = read_outcome(self.folder, as_of, horizon_days)
        return customers["customer_id"].isin(outcome.loc[outcome["stayed"], "customer_id"]).to_numpy().astype(float)


def is_judged(features: pd.DataFrame, eligible_days: int | None) -> NDArray[np.bool_]:
    """Which customers a model may judge: those with an order, not longer ago than ``eligible_days``."""
    judged = (features["n_orders"] > 0).to_numpy()
    if eligible_days is not None:
        judged = judged & (features["recency_days"] <= eligible_days).to_numpy()
    return judged


def is_judged_for_churn(features: pd.DataFrame, definition: ChurnDefinition, eligible_days: int | None) -> NDArray[np.bool_]:
    """Whose churn a model may judge: who holds a subscription where churn is its end, else as ``is_judged``."""
    return holds_subscription(features) if definition.is_contractual else is_judged(features, eligible_days)
