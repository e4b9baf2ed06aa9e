"""Pareto/NBD: Poisson purchasing and exponential lifetimes, both rates gamma-distributed over customers.

Source: Schmittlein, Morrison and Colombo (1987), "Counting your customers", Management Science 33(1), 1-24; notation and
likelihood as in Fader and Hardie (2005), "A note on deriving the Pareto/NBD model", brucehardie.com/notes/009 (below: FH).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, Self

import numpy as np

from cvm.models.btyd.distinct import Floats
from cvm.models.btyd.maximise import maximise_over_rows
from cvm.models.btyd.pareto_nbd_likelihood import NODE_WEIGHTS, NODES, ParetoNbdLikelihood, log_died
from cvm.models.btyd.uncertainty import Estimates, estimates

# As sure as an order gets in the search for the median wait, and the steps it may take.
_CERTAIN = 1 - 1e-9
_NEWTON_STEPS = 50


@dataclass(frozen=True)
class ParetoNbd:
    """Parameters of a Pareto/NBD; ``alpha`` and ``beta`` carry the unit of time.

    ``x``, ``t_x`` and ``T`` are as in ``BgNbd``: arrays of shape (n_customers,).
    """

    family: ClassVar[str] = "pareto_nbd"
    label: ClassVar[str] = "Pareto/NBD"

    r: float
    alpha: float
    s: float
    beta: float

    @classmethod
    def fit(cls, x: Floats, t_x: Floats, T: Floats, weight: Floats | None = None) -> Self:
        """Maximum likelihood.

        Parameters
        ----------
        x, t_x, T : arrays of shape (n,)
        weight : array of shape (n,), optional
            Customers per row; 1 each by default.

        Raises
        ------
        InsufficientDataError
            If no parameters give a finite likelihood.
        """
        weight = np.ones_like(x) if weight is None else weight
        rate = max(float(weight @ x), 1.0) / float(weight @ T)
        age = float(weight @ T) / float(weight.sum())
        starts = [(r, r / rate, s, scale * age) for r, s, scale in ((0.5, 0.5, 0.3), (1.0, 1.5, 2.0))]
        found = maximise_over_rows(ParetoNbdLikelihood, (x, t_x, T, weight), starts=starts, model=cls.label)
        return cls(*found.tolist())

    def log_likelihood(self, x: Floats, t_x: Floats, T: Floats, weight: Floats | None = None) -> float:
        """Log-likelihood in the unit of ``T`` (FH eq. 18)."""
        weight = np.ones_like(x) if weight is None else weight
        return ParetoNbdLikelihood(x, t_x, T, weight)(np.array([self.r, self.alpha, self.s, self.beta]))[0]

    def estimates(self, x: Floats, t_x: Floats, T: Floats, weight: Floats | None = None) -> Estimates:
        """Parameters with standard errors, given the histories they were fitted to."""
        weight = np.ones_like(x) if weight is None else weight
        return estimates(ParetoNbdLikelihood(x, t_x, T, weight), self.state())

    def p_alive(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Probability of being alive at ``T`` (FH eq. 29)."""
        log_alive = -(self.r + x) * np.log(self.alpha + T) - self.s * np.log(self.beta + T)
        log_dead = log_died(self.r, self.alpha, self.s, self.beta, x, t_x, T)
        return 1 / (1 + np.exp(np.minimum(log_dead - log_alive, 700.0)))

    def p_alive_after(self, x: Floats, T: Floats, *, days: float) -> Floats:  # noqa: ARG002 - one interface with BgNbd
        """Probability of a customer alive at ``T`` to be alive at ``T + days``: E[exp(-mu days)]."""
        return np.exp(-self.s * np.log1p(days / (self.beta + T)))

    def expected_if_alive(self, x: Floats, T: Floats, *, days: float | Floats) -> Floats:
        """Orders expected in ``(T, T + days]`` of a customer alive at ``T`` (FH eq. 41 over P(alive))."""
        age = self.beta + T
        growth = -np.log1p(days / age) * (self.s - 1)
        # (1 - (age / (age + days))^(s - 1)) / (s - 1), whose limit at s = 1 is log(1 + days / age).
        per_rate = np.log1p(days / age) * _expm1_over(growth)
        return (self.r + x) / (self.alpha + T) * age * per_rate

    def expected_new(self, *, days: Floats) -> Floats:
        """Orders expected of a new customer in the ``days`` after the first order (FH eq. 27)."""
        zero = np.zeros_like(np.asarray(days, dtype=float))
        return self.expected_if_alive(zero, zero, days=days)

    def p_no_order_if_alive(self, x: Floats, T: Floats, *, days: float | Floats, lead_days: float = 0.0) -> Floats:
        """Probability of no order in ``(T + lead_days, T + lead_days + days]`` of a customer alive at ``T``.

        Source: own derivation. The first order after the lead falls at ``w`` with density E[lam exp(-lam w)] while the
        customer lives to ``lead_days + w`` with probability E[exp(-mu (lead_days + w))].
        """
        reach = -np.expm1(-(self.r + x) * np.log1p(days / (self.alpha + T)))
        return 1 - self._ordered(x, T, reach, lead_days=lead_days)

    def _ordered(self, x: Floats, T: Floats, reach: Floats, *, lead_days: float = 0.0) -> Floats:
        """Probability to live to the first order after the lead, which rates alone bring with probability ``reach``."""
        alive = np.zeros_like(reach)
        for node, weight in zip(NODES, NODE_WEIGHTS, strict=True):
            wait = lead_days + self._wait(x, T, node * reach)
            alive += weight * np.exp(-self.s * np.log1p(wait / (self.beta + T)))
        return reach * alive

    def _wait(self, x: Floats, T: Floats, reach: Floats) -> Floats:
        """Time within which rates alone bring an order with probability ``reach``."""
        return (self.alpha + T) * np.expm1(np.minimum(-np.log1p(-reach) / (self.r + x), 700.0))

    def median_wait(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Time from ``T`` to the next order that is exceeded with probability one half; infinite where none is likelier.

        Newton's method in ``reach``. The probability of an order is concave in it, with survival for its slope, so the steps
        climb to the root and never pass it.
        """
        needed = 0.5 / np.maximum(self.p_alive(x, t_x, T), 1e-300)
        reachable = self._ordered(x, T, np.full_like(x, _CERTAIN)) > needed
        reach = np.zeros_like(x)
        for _ in range(_NEWTON_STEPS):
            slope = np.exp(-self.s * np.log1p(self._wait(x, T, reach) / (self.beta + T)))
            step = np.where(reachable, (needed - self._ordered(x, T, reach)) / slope, 0.0)
            reach = np.clip(reach + step, 0.0, _CERTAIN)
            if np.abs(step).max(initial=0.0) < 1e-12:
                break
        return np.where(reachable, self._wait(x, T, reach), np.inf)

    def draw_orders_if_alive(self, x: Floats, T: Floats, *, start: float, end: float, rng: np.random.Generator) -> Floats:
        """Orders in ``(T + start, T + end]`` of customers alive at ``T``, one draw each."""
        rate = rng.gamma(self.r + x) / (self.alpha + T)
        death_rate = np.maximum(rng.gamma(self.s, size=x.shape) / (self.beta + T), 1e-300)
        life = rng.exponential(size=x.shape) / death_rate
        return rng.poisson(rate * np.clip(life - start, 0.0, end - start)).astype(float)

    def state(self) -> dict[str, float]:
        """Parameters by name."""
        return asdict(self)


def _expm1_over(z: Floats) -> Floats:
    """(exp(z) - 1) / z, 1 at 0."""
    small = np.abs(z) < 1e-12
    return np.where(small, 1.0, np.expm1(z) / np.where(small, 1.0, z))
