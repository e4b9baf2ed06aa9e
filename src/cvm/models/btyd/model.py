"""Purchase process and spend together: what history alone says of every customer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from cvm.errors import BundleError, InsufficientDataError
from cvm.models.btyd.distinct import Distinct, Floats, distinct
from cvm.models.btyd.families import FAMILIES, Family, Process
from cvm.models.btyd.gamma_gamma import GammaGamma
from cvm.models.btyd.hindsight import Hindsight
from cvm.models.btyd.season import Calendar, SeasonClock, fit_on_clock
from cvm.models.btyd.spend import (
    SPENDS,
    Backend,
    ConstantSpend,
    fit_spend,
    orders_and_means,
    spend_from_state,
    spend_state,
)

BTYD_COLUMNS = ("btyd_p_alive", "btyd_p_no_order", "btyd_expected_orders", "btyd_expected_order_value")

# Below this the likelihood is all prior: parameters would be an accident of a handful of people.
_MIN_CUSTOMERS = 30
_MIN_REPEATERS = 10


@dataclass(frozen=True)
class Btyd:
    """A purchase process for orders, Gamma-Gamma for their value, in clock days and in the currency of the transactions.

    Attributes
    ----------
    process : Process
    spend : GammaGamma or ConstantSpend
    clock : SeasonClock
        Runs with the calendar where season is not known.
    hindsight : Hindsight
        Corrects nothing where no year-old snapshot could be asked.
    """

    process: Process
    spend: GammaGamma | ConstantSpend
    clock: SeasonClock = field(default_factory=SeasonClock)
    hindsight: Hindsight = field(default_factory=Hindsight)

    @classmethod
    def fit(
        cls,
        features: pd.DataFrame,
        *,
        family: Family = "bg_nbd",
        backend: Backend = "cvm",
        allow_constant_amount: bool = False,
        as_of: date | None = None,
        calendar: Calendar | None = None,
        clock: SeasonClock | None = None,
    ) -> Btyd:
        """Fit to the histories of one snapshot; no outcome is needed.

        Parameters
        ----------
        features : DataFrame of shape (n_customers, ...)
            With ``n_orders``, ``tenure_days``, ``recency_days``, ``mean_order_value``; rows without an order are left out.
        family : {"bg_nbd", "mbg_nbd", "pareto_nbd"}
            Purchase process.
        backend : {"cvm", "lifetimes"}
            Which library maximises the likelihood; both yield the same parameter names.
        allow_constant_amount : bool
            Accept a base in which every order has the same value.
        as_of : date, optional
            Snapshot of the features; needed with ``calendar``.
        calendar : Calendar, optional
            Orders by day before ``as_of``: the process is then fitted on the clock of the season found in them.
        clock : SeasonClock, optional
            Without a calendar, the clock to fit on; by default it runs with the calendar.

        Raises
        ------
        InsufficientDataError
            If the base is too small, nobody bought twice, or every order has the same value.
        """
        buyers = features[features["n_orders"] > 0]
        n_repeaters = int((buyers["n_orders"] > 1).sum())
        if len(buyers) < _MIN_CUSTOMERS:
            raise InsufficientDataError(
                f"Only {len(buyers)} customers have an order; churn and CLV need at least {_MIN_CUSTOMERS}. "
                "Supply more history or more customers."
            )
        if n_repeaters < _MIN_REPEATERS:
            raise InsufficientDataError(
                f"Only {n_repeaters} of {len(buyers):,} customers ever ordered twice; at least {_MIN_REPEATERS} must, "
                "or when they stop cannot be learned. Check that customer_id is the person and not the order; "
                "a business of single purchases has no churn to predict."
            )
        spend = fit_spend(buyers, allow_constant_amount=allow_constant_amount, backend=backend)

        def fit_process(clock: SeasonClock) -> Process:
            return _fit_process(_distinct_histories(buyers, clock, as_of), family, backend)

        if calendar is None:
            clock = clock or SeasonClock()
            return cls(fit_process(clock), spend, clock)
        process, clock = fit_on_clock(fit_process, calendar)
        return cls(process, spend, clock)

    @property
    def label(self) -> str:
        """Names of process and spend, for readers."""
        return f"{self.process.label} x {self.spend.label}"

    def log_likelihood(self, features: pd.DataFrame, *, as_of: date | None = None) -> float:
        """Of the order histories, per customer with an order; families are comparable on one clock."""
        buyers = features[features["n_orders"] > 0]
        return self.process.log_likelihood(*self.histories(buyers, as_of=as_of)) / len(buyers)

    def histories(self, buyers: pd.DataFrame, *, as_of: date | None = None) -> tuple[Floats, Floats, Floats]:
        """The papers' x, t_x, T of customers with at least one order, on the model's clock."""
        return _history(buyers, self.clock, as_of)

    def p_alive_at(self, features: pd.DataFrame, *, days: float, as_of: date | None = None) -> Floats:
        """P(alive) ``days`` after the snapshot, if nothing is known of them; ``features`` as in ``median_wait_days``."""
        x, t_x, T = self.histories(features, as_of=as_of)
        ahead = self.clock.ahead(as_of, days)
        return self.process.p_alive(x, t_x, T) * self.process.p_alive_after(x, T, days=ahead)

    def expected_new(self, *, days: float, as_of: date | None = None) -> tuple[float, float]:
        """Further orders of a new customer in the ``days`` after a first order on ``as_of``, and the value of one."""
        zero = np.zeros(1)
        orders = self.process.expected_new(days=np.array([float(self.clock.ahead(as_of, days))]))
        value = self.spend.expected_order_value(zero, zero) * self.hindsight.revenue_factor
        return float(orders[0]), float(value[0])

    def predict(
        self, features: pd.DataFrame, *, horizon_days: float, lead_days: float = 0.0, as_of: date | None = None
    ) -> pd.DataFrame:
        """What the fitted process expects of each customer in the outcome window.

        Parameters
        ----------
        features : DataFrame of shape (n_customers, ...)
            As in ``fit``.
        horizon_days, lead_days : float
            Outcome window.
        as_of : date, optional
            Snapshot of the features; needed where the clock knows a season.

        Returns
        -------
        DataFrame of shape (n_customers, 4)
            ``BTYD_COLUMNS``, with the index of ``features``: P(alive) at the snapshot (without hindsight, see
            ``corrected_p_alive``), P(no order in the window), expected orders in the window, expected value of an order.
            Null where there was no order yet.
        """
        result = pd.DataFrame(np.nan, index=features.index, columns=list(BTYD_COLUMNS))
        is_buyer = (features["n_orders"] > 0).to_numpy()
        buyers = features[is_buyer]
        groups = _distinct_histories(buyers, self.clock, as_of)
        x, t_x, T = groups.columns
        process = self.process
        start, end = (self.clock.ahead(as_of, days) for days in (lead_days, lead_days + horizon_days))
        alive = process.p_alive(x, t_x, T)
        orders = self._orders_between(x, T, start, end)
        silent = process.p_no_order_if_alive(x, T, days=end - start, lead_days=start)
        columns = (alive, self.hindsight.p_no_order(1 - alive * (1 - silent)), alive * orders)
        for name, values in zip(BTYD_COLUMNS[:3], columns, strict=True):
            result.loc[is_buyer, name] = values[groups.index]
        order_value = self.spend.expected_order_value(*orders_and_means(buyers))
        result.loc[is_buyer, BTYD_COLUMNS[3]] = order_value * self.hindsight.revenue_factor
        return result

    def corrected_p_alive(self, p_alive: Floats) -> Floats:
        """P(alive) with hindsight; trees see it without, as they did when they learned."""
        return self.hindsight.p_alive(p_alive)

    def _orders_between(self, x: Floats, T: Floats, start: float, end: float) -> Floats:
        orders = self.process.expected_if_alive(x, T, days=end)
        return orders - self.process.expected_if_alive(x, T, days=start) if start else orders

    def median_wait_days(self, features: pd.DataFrame, *, as_of: date | None = None) -> Floats:
        """Days to each customer's next order in the median; infinite where none is the likelier case."""
        groups = _distinct_histories(features, self.clock, as_of)
        wait = self.process.median_wait(*groups.columns)
        return self.clock.calendar_days(as_of, wait)[groups.index]

    def state(self) -> dict[str, Any]:
        """Everything ``from_state`` needs, as JSON values."""
        return {
            "family": self.process.family,
            "unit": "days",
            "process": self.process.state(),
            "spend": spend_state(self.spend),
            "season": list(self.clock.levels),
            "hindsight": self.hindsight.state(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Btyd:
        """The model ``state`` was taken from.

        Raises
        ------
        BundleError
            If the family is not known to this version.
        """
        spend_family = state["spend"]["family"]
        if state["family"] not in FAMILIES or spend_family not in SPENDS:
            raise BundleError(
                f"The bundle holds a {state['family']} x {spend_family} model, unknown to this version of cvm. Train again."
            )
        clock, hindsight = SeasonClock(tuple(state["season"])), Hindsight(**state["hindsight"])
        return cls(FAMILIES[state["family"]](**state["process"]), spend_from_state(state["spend"]), clock, hindsight)


def _history(buyers: pd.DataFrame, clock: SeasonClock, as_of: date | None) -> tuple[Floats, Floats, Floats]:
    """The papers' x, t_x, T, in clock days."""
    orders, tenure, recency = (buyers[name].to_numpy(float) for name in ("n_orders", "tenure_days", "recency_days"))
    tenure = clock.ago(as_of, tenure)
    return orders - 1, tenure - clock.ago(as_of, recency), tenure


def _distinct_histories(buyers: pd.DataFrame, clock: SeasonClock, as_of: date | None) -> Distinct:
    return distinct(*_history(buyers, clock, as_of))


def _fit_process(groups: Distinct, family: Family, backend: Backend) -> Process:
    x, t_x, T = groups.columns
    if backend == "lifetimes":
        from cvm.models.btyd.lifetimes_backend import fit_process

        return fit_process(family, x, t_x, T, groups.weight)
    return FAMILIES[family].fit(x, t_x, T, groups.weight)
