"""Gamma-Gamma: order values vary around each customer's own mean, and those means across customers.

Source: Fader and Hardie (2013), "The Gamma-Gamma model of monetary value", brucehardie.com/notes/025 (below: FH).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from scipy.special import digamma, gammaln

from cvm.models.btyd.distinct import Floats
from cvm.models.btyd.maximise import LikelihoodAndGradient, maximise_over_rows
from cvm.models.btyd.uncertainty import Estimates, estimates


@dataclass(frozen=True)
class GammaGamma:
    """Parameters of a Gamma-Gamma model; ``gamma`` carries the currency.

    Throughout, ``n`` is the number of orders observed and ``mean`` their mean value: arrays of shape (n_customers,).
    """

    family: ClassVar[str] = "gamma_gamma"
    label: ClassVar[str] = "Gamma-Gamma"

    p: float
    q: float
    gamma: float

    @classmethod
    def fit(cls, n: Floats, mean: Floats, weight: Floats | None = None) -> GammaGamma:
        """Maximum likelihood with q > 1, without which the base would have no mean order value.

        Parameters
        ----------
        n, mean : arrays of shape (n,), > 0
        weight : array of shape (n,), optional
            Customers per row; 1 each by default.
        """
        weight = np.ones_like(n) if weight is None else weight
        typical = float(weight @ mean / weight.sum())
        starts = [(p, q - 1, typical * (q - 1) / p) for p, q in ((4.0, 3.5), (1.0, 2.0), (20.0, 6.0))]
        p, excess, gamma = maximise_over_rows(_of_excess, (n, mean, weight), starts=starts, model="Gamma-Gamma").tolist()
        return cls(p, 1 + excess, gamma)

    def log_likelihood(self, n: Floats, mean: Floats, weight: Floats | None = None) -> float:
        """Log-likelihood of the observed means (FH eq. 1a)."""
        weight = np.ones_like(n) if weight is None else weight
        return _Likelihood(n, mean, weight)(np.array([self.p, self.q, self.gamma]))[0]

    def estimates(self, n: Floats, mean: Floats, weight: Floats | None = None) -> Estimates:
        """Parameters with standard errors, given the orders they were fitted to; draws keep q > 1."""
        weight = np.ones_like(n) if weight is None else weight
        return estimates(_Likelihood(n, mean, weight), self.state(), above={"q": 1.0})

    def expected_order_value(self, n: Floats, mean: Floats) -> Floats:
        """Expected value of a customer's next order (FH eq. 5); the base's mean where ``n`` is 0."""
        return self.p * (self.gamma + n * mean) / (self.p * n + self.q - 1)

    def draw_total(self, orders: Floats, n: Floats, mean: Floats, *, rng: np.random.Generator) -> Floats:
        """Value of ``orders`` further orders together, one draw per customer (posterior of the own rate: FH section 3)."""
        rate = rng.gamma(self.q + self.p * n) / (self.gamma + n * mean)
        return np.where(orders > 0, rng.gamma(self.p * np.maximum(orders, 1.0)) / np.maximum(rate, 1e-300), 0.0)

    def state(self) -> dict[str, float]:
        """Parameters by name."""
        return asdict(self)


def _of_excess(n: Floats, mean: Floats, weight: Floats) -> LikelihoodAndGradient:
    """The likelihood at (p, q - 1, gamma), all of which may be anything above 0."""
    likelihood = _Likelihood(n, mean, weight)
    return lambda parameters: likelihood(parameters + np.array([0.0, 1.0, 0.0]))


class _Likelihood:
    """FH eq. 1a and its gradient; customer by customer there is only the logarithm of ``gamma`` plus what was spent."""

    def __init__(self, n: Floats, mean: Floats, weight: Floats) -> None:
        self.n, self.at = np.unique(n, return_inverse=True)
        self.total, self.weight = n * mean, weight
        self.n_customers, self.log_mean = (np.bincount(self.at, column) for column in (weight, weight * np.log(mean)))

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        p, q, gamma = parameters
        n, shape = self.n, p * self.n + q
        here = gamma + self.total
        log_sum, per_sum = (np.bincount(self.at, self.weight * column) for column in (np.log(here), 1 / here))
        by_n = gammaln(shape) - gammaln(p * n) - gammaln(q) + q * np.log(gamma) + p * n * np.log(n)
        value = self.n_customers @ by_n + (p * n - 1) @ self.log_mean - shape @ log_sum
        d_p = self.n_customers @ (n * (digamma(shape) - digamma(p * n) + np.log(n))) + n @ (self.log_mean - log_sum)
        d_q = self.n_customers @ (digamma(shape) - digamma(q) + np.log(gamma)) - log_sum.sum()
        d_gamma = self.n_customers.sum() * q / gamma - shape @ per_sum
        return float(value), np.array([d_p, d_q, d_gamma])
