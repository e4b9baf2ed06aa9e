"""The value of orders: Gamma-Gamma, or one price where all orders cost the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd

from cvm.errors import InsufficientDataError
from cvm.models.btyd.distinct import Floats, distinct
from cvm.models.btyd.gamma_gamma import GammaGamma
from cvm.models.btyd.histories import customers_in
from cvm.models.btyd.uncertainty import Estimates
from cvm.models.choices import Backend


class Spend(Protocol):
    """What an order is worth; ``n`` orders of mean value ``mean`` were seen of each customer."""

    family: ClassVar[str]
    label: ClassVar[str]

    def estimates(self, n: Floats, mean: Floats) -> Estimates:
        """Parameters with standard errors, given the orders they were fitted to (``paid_orders``)."""
        ...

    def expected_order_value(self, n: Floats, mean: Floats) -> Floats:
        """Expected value of each customer's next order."""
        ...

    def draw_total(self, orders: Floats, n: Floats, mean: Floats, *, rng: np.random.Generator) -> Floats:
        """Value of ``orders`` further orders together, one draw per customer."""
        ...

    def state(self) -> dict[str, float]:
        """Parameters by name."""
        ...


@dataclass(frozen=True)
class ConstantSpend:
    """Every order of the base costs the same."""

    family: ClassVar[str] = "constant"
    label: ClassVar[str] = "one price"

    amount: float

    def estimates(self, n: Floats, mean: Floats) -> Estimates:  # noqa: ARG002 - one interface with GammaGamma
        """The constant, known for sure."""
        return Estimates(self.state(), {"amount": 0.0}, np.zeros((1, 1)))

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


SPENDS: Mapping[str, type[GammaGamma] | type[ConstantSpend]] = {spend.family: spend for spend in (GammaGamma, ConstantSpend)}


def orders_and_means(buyers: pd.DataFrame) -> tuple[Floats, Floats]:
    """Number and mean value of each customer's orders."""
    return buyers["n_orders"].to_numpy(float), buyers["mean_order_value"].to_numpy(float)


def paid_orders(buyers: pd.DataFrame) -> tuple[Floats, Floats]:
    """As ``orders_and_means``, of those who paid anything: what spend is fitted to."""
    n, mean = orders_and_means(buyers)
    paid = mean > 0
    return n[paid], mean[paid]


def fit_spend(buyers: pd.DataFrame, *, allow_constant_amount: bool, backend: Backend) -> Spend:
    """Fit to the orders of ``buyers``, of whom a row may stand for several (``Histories``); arguments as in ``Btyd.fit``.

    Raises
    ------
    InsufficientDataError
        If nothing was paid, or always the same amount where that is not allowed.
    """
    n, mean = paid_orders(buyers)
    if len(mean) == 0:
        raise InsufficientDataError("Every order has the amount 0. Check which column is mapped to amount.")
    if np.ptp(mean) <= 1e-9 * mean.mean():
        if not allow_constant_amount:
            raise InsufficientDataError(
                f"Every order has the same amount ({mean[0]:g}), so there is no order value to predict. Check which column "
                "is mapped to amount; if the business has one price, set data.allow_constant_amount: true."
            )
        return ConstantSpend(float(mean[0]))
    weight = customers_in(buyers)[buyers["mean_order_value"].to_numpy(float) > 0]
    groups = distinct(n, mean, weight=weight)
    n, mean = groups.columns
    if backend == "lifetimes":
        from cvm.models.btyd.lifetimes_backend import fit_gamma_gamma

        return fit_gamma_gamma(n, mean, groups.weight)
    return GammaGamma.fit(n, mean, groups.weight)


def spend_state(spend: Spend) -> dict[str, Any]:
    """Family and parameters, as JSON values."""
    return {"family": spend.family, **spend.state()}


def spend_from_state(state: Mapping[str, Any]) -> Spend:
    """The spend ``state`` was taken from; its family must be one of ``SPENDS``."""
    return SPENDS[state["family"]](**{name: value for name, value in state.items() if name != "family"})
