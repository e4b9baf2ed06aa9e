"""Purchase process and spend together: what history alone says of every customer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from cvm.errors import BundleError, InsufficientDataError
from cvm.models.btyd.distinct import Distinct, Floats, distinct
from cvm.models.btyd.families import FAMILIES, Family, Process
from cvm.models.btyd.gamma_gamma import GammaGamma
from cvm.models.btyd.hindsight import Hindsight
from cvm.models.btyd.season import Calendar, SeasonClock, fit_on_clock

Backend = Literal["cvm", "lifetimes"]

BTYD_COLUMNS = ("btyd_p_alive", "btyd_p_no_order", "btyd_expected_orders", "btyd_expected_order_value")
# Not for trees: it is the same for all customers of a snapshot.
WINDOW_COLUMN = "btyd_window_days"

# Below this the likelihood is all prior: parameters would be an accident of a handful of people.
_MIN_CUSTOMERS = 30
_MIN_REPEATERS = 10


@dataclass(frozen=True)
class ConstantSpend:
    """Every order of the base costs the same."""

    label: ClassVar[str] = "one price"

    amount: float

    def expected_order_value(self, n: Floats, mean: Floats) -> Floats:  # noqa: ARG002 - one interface with GammaGamma
        """The constant, for everybody."""
        return np.full(len(n), self.amount)

    def draw_total(  # one interface with GammaGamma
        self,
        orders: Floats,
        n: Floats,  # noqa: ARG002
        mean: Floats,  # noqa: ARG002
        *,
        rng: np.random.Generator,  # noqa: ARG002
    ) -> Floats:
        """The constant times ``orders``."""
        return self.amount * orders

    def state(self) -> dict[str, float]:
        """Parameters by name."""
        return asdict(self)


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
        spend = _fit_spend(buyers, allow_constant_amount=allow_constant_amount, backend=backend)

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
        DataFrame of shape (n_customers, 5)
            ``BTYD_COLUMNS``, with the index of ``features``: P(alive) at the snapshot (without hindsight, see
            ``corrected_p_alive``), P(no order in the window), expected orders in the window, expected value of an order.
            Null where there was no order yet. Then ``WINDOW_COLUMN``, the length of the window on the clock.
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
        order_value = self.spend.expected_order_value(*_orders_and_means(buyers))
        result.loc[is_buyer, BTYD_COLUMNS[3]] = order_value * self.hindsight.revenue_factor
        result[WINDOW_COLUMN] = float(end - start)
        return result

    def corrected_p_alive(self, p_alive: Floats) -> Floats:
        """P(alive) with hindsight; trees see it without, as they did when they learned."""
        return self.hindsight.p_alive(p_alive)

    def clv_per_horizon_revenue(
        self,
        features: pd.DataFrame,
        *,
        horizon_days: int,
        lead_days: int,
        clv_days: int,
        discount_rate_per_year: float,
        as_of: date | None = None,
    ) -> Floats:
        """Discounted revenue of ``clv_days`` per unit of undiscounted revenue of the outcome window.

        Up to the end of the outcome window the judged model says how much; this says what follows and what waiting costs.
        P(alive) cancels, so the ratio is as finite for the dead as for the living. Periods are months of 365/12 days,
        discounted at their middle.

        Parameters
        ----------
        features : DataFrame of shape (n_customers, ...)
            Customers with at least one order.
        horizon_days, lead_days, clv_days : int
            Outcome window, and the days that CLV counts.
        discount_rate_per_year : float, >= 0
        as_of : date, optional
            Snapshot of the features; needed where the clock knows a season.

        Returns
        -------
        array of shape (n_customers,)

        Source
        ------
        Discounting by period: Fader, Hardie and Lee (2005), "RFM and CLV", J. Marketing Research 42(4), section on DET;
        the ratio is our own derivation.
        """
        x, _, T = _history(features, self.clock, as_of)
        groups = distinct(x, T)
        x, T = groups.columns
        ahead = [self.clock.ahead(as_of, days) for days in (lead_days, lead_days + horizon_days)]
        window = self._orders_between(x, T, *ahead)
        discounted, before = np.zeros_like(x), np.zeros_like(x)
        for start, end in pairwise(_month_edges(clv_days)):
            discount = (1 + discount_rate_per_year) ** (-(start + end) / 2 / 365)
            until = self.process.expected_if_alive(x, T, days=self.clock.ahead(as_of, end))
            discounted += discount * (until - before)
            before = until
        return (discounted / np.maximum(window, 1e-300))[groups.index]

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
        kind = "gamma_gamma" if isinstance(self.spend, GammaGamma) else "constant"
        return {
            "family": self.process.family,
            "unit": "days",
            "process": self.process.state(),
            "spend": {"family": kind, **self.spend.state()},
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
        if state["family"] not in FAMILIES or spend_family not in ("gamma_gamma", "constant"):
            raise BundleError(
                f"The bundle holds a {state['family']} x {spend_family} model, unknown to this version of cvm. Train again."
            )
        parameters = {name: value for name, value in state["spend"].items() if name != "family"}
        spend = GammaGamma(**parameters) if spend_family == "gamma_gamma" else ConstantSpend(**parameters)
        clock, hindsight = SeasonClock(tuple(state["season"])), Hindsight(**state["hindsight"])
        return cls(FAMILIES[state["family"]](**state["process"]), spend, clock, hindsight)


def _history(buyers: pd.DataFrame, clock: SeasonClock, as_of: date | None) -> tuple[Floats, Floats, Floats]:
    """The papers' x, t_x, T, in clock days."""
    orders, tenure, recency = (buyers[name].to_numpy(float) for name in ("n_orders", "tenure_days", "recency_days"))
    tenure = clock.ago(as_of, tenure)
    return orders - 1, tenure - clock.ago(as_of, recency), tenure


def _distinct_histories(buyers: pd.DataFrame, clock: SeasonClock, as_of: date | None) -> Distinct:
    return distinct(*_history(buyers, clock, as_of))


def _orders_and_means(buyers: pd.DataFrame) -> tuple[Floats, Floats]:
    return buyers["n_orders"].to_numpy(float), buyers["mean_order_value"].to_numpy(float)


def _fit_process(groups: Distinct, family: Family, backend: Backend) -> Process:
    x, t_x, T = groups.columns
    if backend == "lifetimes":
        from cvm.models.btyd.lifetimes_backend import fit_process

        return fit_process(family, x, t_x, T, groups.weight)
    return FAMILIES[family].fit(x, t_x, T, groups.weight)


def _fit_spend(buyers: pd.DataFrame, *, allow_constant_amount: bool, backend: Backend) -> GammaGamma | ConstantSpend:
    n, mean = _orders_and_means(buyers)
    paid = mean > 0
    n, mean = n[paid], mean[paid]
    if len(mean) == 0:
        raise InsufficientDataError("Every order has the amount 0. Check which column is mapped to amount.")
    if np.ptp(mean) <= 1e-9 * mean.mean():
        if not allow_constant_amount:
            raise InsufficientDataError(
                f"Every order has the same amount ({mean[0]:g}), so there is no order value to predict. Check which column "
                "is mapped to amount; if the business has one price, set data.allow_constant_amount: true."
            )
        return ConstantSpend(float(mean[0]))
    groups = distinct(n, mean)
    n, mean = groups.columns
    if backend == "lifetimes":
        from cvm.models.btyd.lifetimes_backend import fit_gamma_gamma

        return fit_gamma_gamma(n, mean, groups.weight)
    return GammaGamma.fit(n, mean, groups.weight)


def _month_edges(days: int) -> list[float]:
    months = np.arange(0.0, days, 365 / 12)
    return [*months.tolist(), float(days)]
