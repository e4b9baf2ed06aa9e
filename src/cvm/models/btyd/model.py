"""Purchase process and spend together: what history alone says of every customer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.errors import BundleError, InsufficientDataError
from cvm.models.btyd.distinct import Distinct, Floats, distinct
from cvm.models.btyd.families import FAMILIES, Process
from cvm.models.btyd.hindsight import Hindsight
from cvm.models.btyd.histories import Histories, customers_in
from cvm.models.btyd.season import DailyOrders, SeasonClock, fit_on_clock
from cvm.models.btyd.spend import SPENDS, Spend, fit_spend, orders_and_means, spend_from_state, spend_state
from cvm.models.choices import Backend, Family

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
    spend : Spend
    clock : SeasonClock
        Runs with the calendar where season is not known.
    hindsight : Hindsight
        Corrects nothing where no year-old snapshot could be asked.
    """

    process: Process
    spend: Spend
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
        daily_orders: DailyOrders | None = None,
        clock: SeasonClock | None = None,
        histories: Histories | None = None,
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
            Snapshot of the features; needed with ``daily_orders``.
        daily_orders : DailyOrders, optional
            Orders by day before ``as_of``: the process is then fitted on the clock of the season found in them.
        clock : SeasonClock, optional
            Without daily orders, the clock to fit on; by default it runs with the calendar.
        histories : Histories, optional
            Of the whole base, where ``features`` are of a sample; they are fitted to instead.

        Raises
        ------
        InsufficientDataError
            If the base is too small, nobody bought twice, or every order has the same value.
        """
        histories = histories or Histories.of(features)
        n_buyers, n_repeaters = histories.n_buyers, histories.n_repeaters
        if n_buyers < _MIN_CUSTOMERS:
            then, shorter = "", ""
            if as_of:
                then = f" before {as_of}"
                shorter = (
                    " If enough have ordered since, shorten windows.horizon_days or lower train.snapshots or "
                    "train.step_days: models learn and are judged as of dates that lie so far back."
                )
            raise InsufficientDataError(
                f"Only {n_buyers} customers have an order{then}; churn and CLV need at least {_MIN_CUSTOMERS}. "
                f"Supply more history or more customers.{shorter}"
            )
        if n_repeaters < _MIN_REPEATERS:
            raise InsufficientDataError(
                f"Only {n_repeaters} of {n_buyers:,} customers ever ordered twice; at least {_MIN_REPEATERS} must, "
                "or when they stop cannot be learned. Check that customer_id is the person and not the order; "
                "a business of single purchases has no churn to predict."
            )
        spend = fit_spend(histories.values, allow_constant_amount=allow_constant_amount, backend=backend)

        in_days = _distinct_days(histories.orders)

        def fit_process(clock: SeasonClock) -> Process:
            return _fit_process(_on_clock(in_days, clock, as_of), family, backend)

        if daily_orders is None:
            clock = clock or SeasonClock()
            return cls(fit_process(clock), spend, clock)
        process, clock = fit_on_clock(fit_process, daily_orders)
        return cls(process, spend, clock)

    @property
    def label(self) -> str:
        """Names of process and spend, for readers."""
        return f"{self.process.label} x {self.spend.label}"

    def log_likelihood(self, features: pd.DataFrame, *, as_of: date | None = None) -> float:
        """Of the order histories, per customer with an order; families are comparable on one clock.

        Raises
        ------
        InsufficientDataError
            If nobody has an order.
        """
        buyers = features[features["n_orders"] > 0]
        if buyers.empty:
            raise InsufficientDataError("No customer has an order, so there is no history whose likelihood could be told.")
        return self.process.log_likelihood(*self.histories(buyers, as_of=as_of)) / len(buyers)

    def histories(self, buyers: pd.DataFrame, *, as_of: date | None = None) -> tuple[Floats, Floats, Floats]:
        """The papers' x, t_x, T of customers with at least one order, on the model's clock."""
        return _history(*_days(buyers), self.clock, as_of)

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
        is_buyer = (features["n_orders"] > 0).to_numpy()
        buyers = features[["n_orders", "tenure_days", "recency_days", "mean_order_value"]]
        if not is_buyer.all():
            buyers = buyers[is_buyer]
        groups = _on_clock(_distinct_days(buyers), self.clock, as_of)
        x, t_x, T = groups.columns
        process = self.process
        start, end = (self.clock.ahead(as_of, days) for days in (lead_days, lead_days + horizon_days))
        alive = process.p_alive(x, t_x, T)
        silent = process.p_no_order_if_alive(x, T, days=end - start, lead_days=start)
        of_history = (
            alive,
            self.hindsight.p_no_order(1 - alive * (1 - silent)),
            alive * self._orders_between(x, T, start, end),
        )
        order_value = self.spend.expected_order_value(*orders_and_means(buyers)) * self.hindsight.revenue_factor
        columns = (*(values[groups.index] for values in of_history), order_value)
        if not is_buyer.all():
            columns = tuple(_in_place(values, is_buyer) for values in columns)
        return pd.DataFrame(dict(zip(BTYD_COLUMNS, columns, strict=True)), index=features.index)

    def corrected_p_alive(self, p_alive: Floats) -> Floats:
        """P(alive) with hindsight; trees see it without, as they did when they learned."""
        return self.hindsight.p_alive(p_alive)

    def _orders_between(self, x: Floats, T: Floats, start: float, end: float) -> Floats:
        orders = self.process.expected_if_alive(x, T, days=end)
        return orders - self.process.expected_if_alive(x, T, days=start) if start else orders

    def median_wait_days(self, features: pd.DataFrame, *, as_of: date | None = None) -> Floats:
        """Days to each customer's next order in the median; infinite where none is the likelier case."""
        groups = _on_clock(_distinct_days(features), self.clock, as_of)
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


def btyd_revenue(expected: pd.DataFrame) -> Floats:
    """Expected orders times expected order value, of ``BTYD_COLUMNS``: array of shape (n_customers,)."""
    return (expected["btyd_expected_orders"] * expected["btyd_expected_order_value"]).to_numpy(float)


def _days(buyers: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    """Number of orders, and days since the first and since the last of them."""
    orders, tenure, recency = (buyers[name].to_numpy(float) for name in ("n_orders", "tenure_days", "recency_days"))
    return orders, tenure, recency


def _history(
    orders: Floats, tenure: Floats, recency: Floats, clock: SeasonClock, as_of: date | None
) -> tuple[Floats, Floats, Floats]:
    """The papers' x, t_x, T, in clock days."""
    age = clock.ago(as_of, tenure)
    return orders - 1, age - clock.ago(as_of, recency), age


def _distinct_days(buyers: pd.DataFrame) -> Distinct:
    """Distinct orders, ages at the last of them and ages today, in calendar days: whole numbers, quick to group."""
    orders, tenure, recency = _days(buyers)
    return distinct(orders, tenure - recency, tenure, weight=customers_in(buyers))


def _on_clock(in_days: Distinct, clock: SeasonClock, as_of: date | None) -> Distinct:
    """The papers' x, t_x, T of the same groups, in clock days."""
    orders, until_last, tenure = in_days.columns
    return replace(in_days, columns=_history(orders, tenure, tenure - until_last, clock, as_of))


def _in_place(values: Floats, is_buyer: NDArray[np.bool_]) -> Floats:
    """The values of buyers where they stand among all customers, null elsewhere."""
    found = np.full(len(is_buyer), np.nan)
    found[is_buyer] = values
    return found


def _fit_process(groups: Distinct, family: Family, backend: Backend) -> Process:
    x, t_x, T = groups.columns
    if backend == "lifetimes":
        from cvm.models.btyd.lifetimes_backend import fit_process

        return fit_process(family, x, t_x, T, groups.weight)
    return FAMILIES[family].fit(x, t_x, T, groups.weight)
