"""BG/BB: who may order at most once per occasion (a year, a mailing, a ticket sale) and at some occasion silently stops.

At each occasion a customer who is still one orders with a probability of the own, and before it stops with another; both
are beta-distributed over customers. The discrete sibling of BG/NBD, for businesses whose time comes in occasions.

Source: Fader, Hardie and Shang (2010), "Customer-base analysis in a discrete-time noncontractual setting", Marketing
Science 29(6), 1086-1108 (below: FHS). The sum over the unknown occasion of death (FHS eq. 5) is taken in logarithms, in one
pass over occasions that all histories share.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import betaln, digamma, logsumexp

from cvm.errors import InsufficientDataError
from cvm.models.btyd.distinct import Floats
from cvm.models.btyd.maximise import maximise
from cvm.models.btyd.uncertainty import Estimates, estimates


@dataclass(frozen=True)
class BgBb:
    """Parameters of a BG/BB; time counts in occasions, whatever they are.

    Throughout, ``x`` is the number of occasions with an order, ``t_x`` the last of them (0 when x = 0) and ``n`` the number
    of occasions there were: whole numbers, arrays of shape (n_customers,). The acquisition itself is no occasion.
    """

    family: ClassVar[str] = "bg_bb"
    label: ClassVar[str] = "BG/BB"

    alpha: float
    beta: float
    gamma: float
    delta: float

    @classmethod
    def fit(cls, x: Floats, t_x: Floats, n: Floats, weight: Floats | None = None) -> Self:
        """Maximum likelihood.

        Parameters
        ----------
        x, t_x, n : arrays of shape (n_rows,)
        weight : array of shape (n_rows,), optional
            Customers per row; 1 each by default.

        Raises
        ------
        InsufficientDataError
            If a history is impossible, or nobody ever ordered.
        """
        weight = np.ones_like(x) if weight is None else weight
        impossible = (x < 0) | (x > t_x) | (t_x > n) | ((x == 0) != (t_x == 0)) | (x % 1 + t_x % 1 + n % 1 > 0)
        if impossible.any():
            row = int(np.flatnonzero(impossible)[0])
            raise InsufficientDataError(
                f"{int(impossible.sum())} of {len(x)} histories are impossible, for example x == {x[row]:g}, "
                f"t_x == {t_x[row]:g}, n == {n[row]:g}. Count whole occasions, at most one order in each: "
                "0 <= x <= t_x <= n, and t_x is 0 only where x is."
            )
        if not weight @ x:
            raise InsufficientDataError("Nobody ordered at any occasion, so nothing can be learned. Supply more history.")
        starts = [(1.0, 1.0, 0.5, 3.0), (0.5, 2.0, 1.0, 10.0), (3.0, 1.0, 0.3, 1.0)]
        found = maximise(_Likelihood(x, t_x, n, weight), starts=starts, scale=float(weight.sum()), model=cls.label)
        return cls(*found.tolist())

    def log_likelihood(self, x: Floats, t_x: Floats, n: Floats, weight: Floats | None = None) -> float:
        """Log-likelihood of the order of events, without the number of ways to reach the same ``x`` (FHS eq. 5)."""
        weight = np.ones_like(x) if weight is None else weight
        return float(weight @ self._log_marginals(x, t_x, n))

    def estimates(self, x: Floats, t_x: Floats, n: Floats, weight: Floats | None = None) -> Estimates:
        """Parameters with standard errors, given the histories they were fitted to."""
        weight = np.ones_like(x) if weight is None else weight
        return estimates(_Likelihood(x, t_x, n, weight), self.state())

    def p_alive(self, x: Floats, t_x: Floats, n: Floats, *, ahead: float = 0.0) -> Floats:
        """Probability of being alive at occasion ``n + ahead`` (FHS eq. 11; at ``n`` itself with ``ahead`` 0)."""
        log_alive = betaln(self.alpha + x, self.beta + n - x) - betaln(self.alpha, self.beta)
        log_alive = log_alive + betaln(self.gamma, self.delta + n + ahead) - betaln(self.gamma, self.delta)
        return np.exp(np.minimum(log_alive - self._log_marginals(x, t_x, n), 0.0))

    def expected_orders(self, x: Floats, t_x: Floats, n: Floats, *, periods: int) -> Floats:
        """Orders expected at the next ``periods`` occasions, given the history (FHS eq. 13)."""
        rate = (self.alpha + x) / (self.alpha + self.beta + n)
        expected = np.zeros_like(rate)
        for ahead in range(1, periods + 1):
            expected += rate * self.p_alive(x, t_x, n, ahead=ahead)
        return expected

    def expected_new(self, *, periods: int) -> float:
        """Orders expected of a new customer at the first ``periods`` occasions (FHS eq. 9)."""
        zero = np.zeros(1)
        return float(self.expected_orders(zero, zero, zero, periods=periods)[0])

    def state(self) -> dict[str, float]:
        """Parameters by name."""
        return asdict(self)

    def _log_marginals(self, x: Floats, t_x: Floats, n: Floats) -> Floats:
        return _Terms(x, t_x, n).log_marginals(np.array(list(self.state().values())))[0]


class _Terms:
    """Ways each history may have come about: alive to the end, or dead after occasion t_x + i, i = 0 .. n - t_x - 1.

    Columns are those ways, the first being alive. Each is a pair of beta functions: of ordering (``x`` orders at ``lived``
    occasions) and of stopping (``died`` 0 or 1 after ``lived`` occasions).
    """

    def __init__(self, x: Floats, t_x: Floats, n: Floats) -> None:
        later = np.arange(int((n - t_x).max(initial=0.0)), dtype=float)
        lived = t_x[:, None] + later
        self.x = x[:, None]
        self.possible = np.hstack([np.ones((len(x), 1), dtype=bool), lived < n[:, None]])
        self.lived = np.where(self.possible, np.hstack([n[:, None], lived]), n[:, None])
        self.died = np.concatenate([[0.0], np.ones(len(later))])

    def log_marginals(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Log-likelihood of each history, of shape (n,), and the share of each way in it, of shape (n, n_ways)."""
        alpha, beta, gamma, delta = parameters
        ways = betaln(alpha + self.x, beta + self.lived - self.x) - betaln(alpha, beta)
        ways = ways + betaln(gamma + self.died, delta + self.lived) - betaln(gamma, delta)
        ways = np.where(self.possible, ways, -np.inf)
        both = logsumexp(ways, axis=1)
        return both, np.exp(ways - both[:, None])


class _Likelihood:
    """FHS eq. 5 and its gradient: that of each way's beta functions, in its share."""

    def __init__(self, x: Floats, t_x: Floats, n: Floats, weight: Floats) -> None:
        self.terms, self.weight = _Terms(x, t_x, n), weight

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        alpha, beta, gamma, delta = parameters
        terms = self.terms
        value, share = terms.log_marginals(parameters)
        orders = digamma(alpha + beta) - digamma(alpha + beta + terms.lived)
        stops = digamma(gamma + delta) - digamma(gamma + delta + terms.died + terms.lived)
        slopes = (
            digamma(alpha + terms.x) - digamma(alpha) + orders,
            digamma(beta + terms.lived - terms.x) - digamma(beta) + orders,
            digamma(gamma + terms.died) - digamma(gamma) + stops,
            digamma(delta + terms.lived) - digamma(delta) + stops,
        )
        return float(self.weight @ value), np.array([self.weight @ (share * slope).sum(axis=1) for slope in slopes])
