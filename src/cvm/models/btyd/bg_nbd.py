"""BG/NBD: Poisson purchasing, gamma-distributed rates; after each repeat order a beta-distributed chance to stop.

Source: Fader, Hardie and Lee (2005), "Counting your customers the easy way", Marketing Science 24(2), 275-284
(below: FHL). Everything is written for ``k`` chances to stop that were not taken, here ``x``, so that MBG/NBD is the same
model with another ``k``. Expectations use Euler's transformation of the hypergeometric function, which keeps its arguments
small for customers with thousands of orders; windows that start after a lead are our own derivation (``docs/models.md``).
Where customers hardly differ in their drop-out (a large), the hypergeometric function overflows and a Gauss quadrature over
the drop-out probability takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import ClassVar, Self

import numpy as np
from scipy.special import hyp2f1

from cvm.models.btyd.bg_nbd_likelihood import BgNbdLikelihood
from cvm.models.btyd.distinct import Floats
from cvm.models.btyd.maximise import maximise_over_rows
from cvm.models.btyd.uncertainty import Estimates, estimates

# Above this ``a`` 64 nodes are exact to nine digits; below it the hypergeometric function is, for any real base.
_CONCENTRATED = 10.0
_NODES = 64
_HAIR = 1e-8


@dataclass(frozen=True)
class BgNbd:
    """Parameters of a BG/NBD; ``alpha`` carries the unit of time.

    Throughout, ``x`` is the number of orders after the first, ``t_x`` the age at the last of them (0 when x = 0) and
    ``T`` the age today: arrays of shape (n_customers,).
    """

    family: ClassVar[str] = "bg_nbd"
    label: ClassVar[str] = "BG/NBD"
    # Chances to stop before the first repeat order.
    early_chances: ClassVar[int] = 0

    r: float
    alpha: float
    a: float
    b: float

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
        # Rate and time scale of the base itself, so that the optimum does not depend on the unit of time.
        rate = max(float(weight @ x), 1.0) / float(weight @ T)
        starts = [(r, r / rate, a, b) for r, a, b in ((0.3, 0.8, 2.5), (1.0, 0.3, 3.0), (3.0, 1.5, 1.5))]
        found = maximise_over_rows(cls._likelihood, (x, t_x, T, weight), starts=starts, model=cls.label)
        return cls(*found.tolist())

    @classmethod
    def _likelihood(cls, x: Floats, t_x: Floats, T: Floats, weight: Floats) -> BgNbdLikelihood:
        return BgNbdLikelihood(x, t_x, T, weight, early_chances=cls.early_chances)

    def log_likelihood(self, x: Floats, t_x: Floats, T: Floats, weight: Floats | None = None) -> float:
        """Log-likelihood in the unit of ``T`` (FHL eq. 6)."""
        weight = np.ones_like(x) if weight is None else weight
        return self._likelihood(x, t_x, T, weight)(np.array(list(self.state().values())))[0]

    def estimates(self, x: Floats, t_x: Floats, T: Floats, weight: Floats | None = None) -> Estimates:
        """Parameters with standard errors, given the histories they were fitted to."""
        weight = np.ones_like(x) if weight is None else weight
        return estimates(self._likelihood(x, t_x, T, weight), self.state())

    def p_alive(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Probability of not having stopped by ``T`` (FHL, from eq. 7); 1 for who had no chance to stop yet."""
        k = x + self.early_chances
        log_odds_dead = np.log(self.a / (self.b + np.maximum(k, 1) - 1)) + (self.r + x) * (
            np.log(self.alpha + T) - np.log(self.alpha + t_x)
        )
        return np.where(k > 0, 1 / (1 + np.exp(np.minimum(log_odds_dead, 700.0))), 1.0)

    def p_alive_after(self, x: Floats, T: Floats, *, days: float) -> Floats:
        """Probability of a customer alive at ``T`` to be alive at ``T + days``: E[exp(-lam p days)], own derivation."""
        return self._survives(x, days / (self.alpha + T))

    def expected_if_alive(self, x: Floats, T: Floats, *, days: float | Floats) -> Floats:
        """Orders expected in ``(T, T + days]`` of a customer who is alive at ``T`` (FHL eq. 10 over P(alive))."""
        if abs(self.a - 1) < 1e-6:  # a removable singularity
            low, high = (replace(self, a=a) for a in (1 - 1e-5, 1 + 1e-5))
            return (low.expected_if_alive(x, T, days=days) + high.expected_if_alive(x, T, days=days)) / 2
        z = days / (self.alpha + T)

        def of_dropout(p: Floats) -> Floats:
            return -np.expm1(-(self.r + x) * np.log1p(p * z)) / p

        def closed_form() -> Floats:
            c = self.a + self.b + x + self.early_chances - 1
            hypergeometric = _hyp2f1(self._euler - 1, self.a - 1, c, z / (1 + z))
            return np.maximum(c / (self.a - 1) * (1 - (1 + z) ** (1 - self.a) * hypergeometric), 0.0)

        return self._mixed(x, closed_form, of_dropout)

    def expected_new(self, *, days: Floats) -> Floats:
        """Orders expected of a new customer in the ``days`` after the first order (FHL eq. 9)."""
        zero = np.zeros_like(days, dtype=float)
        return self.p_alive(zero, zero, zero) * self.expected_if_alive(zero, zero, days=days)

    def p_no_order_if_alive(self, x: Floats, T: Floats, *, days: float, lead_days: float = 0.0) -> Floats:
        """Probability of no order in ``(T + lead_days, T + lead_days + days]`` of a customer alive at ``T``.

        Source: own derivation. Alive with rate ``lam`` and drop-out ``p``, a customer is still alive after the lead with
        probability exp(-lam p lead) and then silent with exp(-lam days); both are mixed over Gamma(r + x, alpha + T)
        and Beta(a, b + k).
        """
        shape, rate = self.r + x, self.alpha + T
        silent = (rate / (rate + days)) ** shape
        if lead_days == 0:
            return silent
        return 1 - self._survives(x, lead_days / rate) + silent * self._survives(x, lead_days / (rate + days))

    def _survives(self, x: Floats, z: Floats) -> Floats:
        """E[(1 + p z)^-(r + x)] over p ~ Beta(a, b + k), by Pfaff's transformation."""

        def of_dropout(p: Floats) -> Floats:
            return np.exp(-(self.r + x) * np.log1p(p * z))

        def closed_form() -> Floats:
            hypergeometric = _hyp2f1(self._euler, self.a, self.a + self.b + x + self.early_chances, z / (1 + z))
            return (1 + z) ** -self.a * hypergeometric

        return self._mixed(x, closed_form, of_dropout)

    @property
    def _euler(self) -> float:
        """First argument of the transformed hypergeometric functions, a + b + k - (r + x): the same for all customers."""
        return self.a + self.b + self.early_chances - self.r

    def _mixed(self, x: Floats, closed_form: Callable[[], Floats], of_dropout: Callable[[Floats], Floats]) -> Floats:
        """Mean of ``of_dropout(p)`` over p ~ Beta(a, b + k): its closed form where that can be computed."""
        value = np.full_like(x, np.nan)
        if self.a <= _CONCENTRATED:
            with np.errstate(all="ignore"):
                value = closed_form()
        unknown = ~np.isfinite(value)
        return np.where(unknown, self._by_quadrature(x, of_dropout), value) if unknown.any() else value

    def _by_quadrature(self, x: Floats, of_dropout: Callable[[Floats], Floats]) -> Floats:
        distinct_x, at = np.unique(x, return_inverse=True)
        node, weight = _beta_quadrature(self.a, tuple(self.b + distinct_x + self.early_chances))
        mean = np.zeros_like(x)
        for k in range(_NODES):
            mean += weight[at, k] * of_dropout(node[at, k])
        return mean

    def median_wait(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Time from ``T`` to the next order that is exceeded with probability one half; infinite where none is likelier."""
        needed = 1 - 0.5 / np.maximum(self.p_alive(x, t_x, T), 1e-300)
        reachable = needed > 0
        wait = (self.alpha + T) * np.expm1(-np.log(np.where(reachable, needed, 1.0)) / (self.r + x))
        return np.where(reachable, wait, np.inf)

    def draw_orders_if_alive(self, x: Floats, T: Floats, *, start: float, end: float, rng: np.random.Generator) -> Floats:
        """Orders in ``(T + start, T + end]`` of customers alive at ``T``, one draw each.

        Orders come until the one after which the customer stops, so those of two adjoining spans are two Poisson counts cut
        at one geometric number: nothing has to be played event by event.
        """
        rate = rng.gamma(self.r + x) / (self.alpha + T)
        p_stop = np.maximum(rng.beta(self.a, self.b + x + self.early_chances), 1e-300)
        # The last order: exp(-unit exponential) is uniform, and the draw stays a float where it exceeds any integer.
        last = np.maximum(np.ceil(rng.exponential(size=x.shape) / -np.log1p(-np.minimum(p_stop, 1 - 1e-16))), 1.0)
        before, within = rng.poisson(rate * start), rng.poisson(rate * (end - start))
        return np.minimum(before + within, last) - np.minimum(before, last)

    def state(self) -> dict[str, float]:
        """Parameters by name."""
        return asdict(self)


def _hyp2f1(a: float, b: float, c: Floats, z: Floats) -> Floats:
    """scipy's, a hair beside the whole numbers of ``c - a - b``: on them it is wrong for ``z`` close to 1 (1.17)."""
    excess = c - a - b
    return hyp2f1(a + np.where(np.abs(excess - np.round(excess)) < _HAIR, 2 * _HAIR, 0.0), b, c, z)


@lru_cache(maxsize=4)  # CLV asks for the same customers month by month
def _beta_quadrature(a: float, bs: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss-Jacobi quadrature for Beta(a, b), for each b: arrays of shape (n_b, _NODES).

    Source: Golub and Welsch (1969), "Calculation of Gauss quadrature rules", Math. Comp. 23, 221-230.
    """
    n, b = np.arange(1, _NODES), np.array(bs)[:, None]
    total = 2 * n + a + b - 2
    # First order apart: there a factor of numerator and denominator cancels, and is 0 / 0 at a + b = 1.
    cancelled = np.where(n == 1, 1.0, (n + a + b - 2) / np.where(n == 1, 1.0, total - 1))
    beside = np.sqrt(n * (n + a - 1) * (n + b - 1) * cancelled / (total + 1)) / total
    centre = np.hstack([a / (a + b), 0.5 + (a - b) * (a + b - 2) / (2 * total * (total + 2))])
    jacobi = np.zeros((len(b), _NODES, _NODES))
    jacobi[:, range(_NODES), range(_NODES)] = centre
    jacobi[:, n, n - 1] = beside  # eigh reads the lower triangle
    node, vector = np.linalg.eigh(jacobi)
    return np.clip(node, 1e-30, 1.0), vector[:, 0, :] ** 2
