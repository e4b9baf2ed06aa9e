"""The purchase processes on offer, and what all of them can say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol, Self

import numpy as np

from cvm.models.btyd.bg_nbd import BgNbd
from cvm.models.btyd.distinct import Floats
from cvm.models.btyd.mbg_nbd import MbgNbd
from cvm.models.btyd.pareto_nbd import ParetoNbd
from cvm.models.btyd.uncertainty import Estimates


class Process(Protocol):
    """How often customers buy until they silently stop.

    Throughout, ``x`` is the number of orders after the first, ``t_x`` the age at the last of them and ``T`` the age today,
    all in one unit of time; arrays of shape (n_customers,). "Alive" means not stopped.
    """

    family: ClassVar[str]
    label: ClassVar[str]

    @classmethod
    def fit(cls, x: Floats, t_x: Floats, T: Floats, weight: Floats | None = None) -> Self:
        """Maximum likelihood; ``weight`` is the number of customers with each history."""
        ...

    def log_likelihood(self, x: Floats, t_x: Floats, T: Floats, weight: Floats | None = None) -> float:
        """Log-likelihood in the unit of ``T``; comparable between families."""
        ...

    def estimates(self, x: Floats, t_x: Floats, T: Floats, weight: Floats | None = None) -> Estimates:
        """Parameters with standard errors, given the histories they were fitted to."""
        ...

    def p_alive(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Probability of being alive at ``T``."""
        ...

    def p_alive_after(self, x: Floats, T: Floats, *, days: float) -> Floats:
        """Probability of a customer alive at ``T`` to be alive at ``T + days``."""
        ...

    def expected_if_alive(self, x: Floats, T: Floats, *, days: float | Floats) -> Floats:
        """Orders expected in ``(T, T + days]`` of a customer alive at ``T``."""
        ...

    def expected_new(self, *, days: Floats) -> Floats:
        """Orders expected of a new customer in the ``days`` after the first order."""
        ...

    def p_no_order_if_alive(self, x: Floats, T: Floats, *, days: float, lead_days: float = 0.0) -> Floats:
        """Probability of no order in ``(T + lead_days, T + lead_days + days]`` of a customer alive at ``T``."""
        ...

    def median_wait(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Time from ``T`` to the next order that is exceeded with probability one half; infinite where none is likelier."""
        ...

    def draw_orders_if_alive(self, x: Floats, T: Floats, *, start: float, end: float, rng: np.random.Generator) -> Floats:
        """Orders in ``(T + start, T + end]`` of customers alive at ``T``, one draw each."""
        ...

    def state(self) -> dict[str, float]:
        """Parameters by name."""
        ...


FAMILIES: Mapping[str, type[Process]] = {process.family: process for process in (BgNbd, MbgNbd, ParetoNbd)}
