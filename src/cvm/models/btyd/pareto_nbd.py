"""Pareto/NBD: Poisson purchasing and exponential lifetimes, both rates gamma-distributed over customers.

Source: Schmittlein, Morrison and Colombo (1987), "Counting your customers", Management Science 33(1), 1-24; notation and
likelihood as in Fader and Hardie (2005), "A note on deriving the Pareto/NBD model", brucehardie.com/notes/009 (below: FH).
Their hypergeometric terms are replaced by the integral over the unknown time of death that they stand for, by quadrature in
its logarithm (own derivation): no cancellation, for any number of orders.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from scipy.special import digamma, gammaln

from cvm.models.btyd.distinct import Floats
from cvm.models.btyd.maximise import maximise

# Gauss-Legendre nodes on (0, 1), and the fall (in e-folds) past which an integrand is left out.
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(32)
_NODES, _NODE_WEIGHTS = (_NODES + 1) / 2, _NODE_WEIGHTS / 2
_DECAY = 25.0


@dataclass(frozen=True)
class ParetoNbd:
    """Parameters of a Pareto/NBD; ``alpha`` and ``beta`` carry the unit of time.

    ``x``, ``t_x`` and ``T`` are as in ``BgNbd``: arrays of shape (n_customers,).
    """

    family: ClassVar[str] = "pareto_nbd"
    r: float
    alpha: float
    s: float
    beta: float

    @classmethod
    def fit(cls, x: Floats, t_x: Floats, T: Floats, weight: Floats | None = None) -> ParetoNbd:
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
        likelihood = _Likelihood(x, t_x, T, weight)
        rate = max(float(weight @ x), 1.0) / float(weight @ T)
        age = float(weight @ T) / float(weight.sum())
        starts = [(r, r / rate, s, scale * age) for r, s, scale in ((0.5, 0.5, 0.3), (1.0, 1.5, 2.0))]
        return cls(*maximise(likelihood, starts=starts, scale=float(weight.sum()), model="Pareto/NBD").tolist())

    def log_likelihood(self, x: Floats, t_x: Floats, T: Floats, weight: Floats | None = None) -> float:
        """Log-likelihood in the unit of ``T`` (FH eq. 18)."""
        weight = np.ones_like(x) if weight is None else weight
        return _Likelihood(x, t_x, T, weight)(np.array([self.r, self.alpha, self.s, self.beta]))[0]

    def p_alive(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Probability of being alive at ``T`` (FH eq. 29)."""
        log_alive = -(self.r + x) * np.log(self.alpha + T) - self.s * np.log(self.beta + T)
        log_dead = _log_died(self.r, self.alpha, self.s, self.beta, x, t_x, T)[0]
        return 1 / (1 + np.exp(np.minimum(log_dead - log_alive, 700.0)))

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
        shape, rate = self.r + x, self.alpha + T
        reach = -np.expm1(-shape * np.log1p(days / rate))
        ordered = np.zeros_like(rate)
        for node, weight in zip(_NODES, _NODE_WEIGHTS, strict=True):
            wait = rate * np.expm1(-np.log1p(-node * reach) / shape)
            ordered += weight * np.exp(-self.s * np.log1p((wait + lead_days) / (self.beta + T)))
        return 1 - reach * ordered

    def state(self) -> dict[str, float]:
        """Parameters by name."""
        return asdict(self)


def _expm1_over(z: Floats) -> Floats:
    """(exp(z) - 1) / z, 1 at 0."""
    small = np.abs(z) < 1e-12
    return np.where(small, 1.0, np.expm1(z) / np.where(small, 1.0, z))


def _log_died(
    r: float, alpha: float, s: float, beta: float, x: Floats, t_x: Floats, T: Floats
) -> tuple[Floats, Floats, Floats]:
    """Log of ``s`` times the integral of (alpha + u)^-(r+x) (beta + u)^-(s+1) over u in (t_x, T).

    In v = log(m + u), m the smaller of alpha and beta, the integrand falls at a rate that only grows with u, from
    ``slowest``; so it is smooth, and past ``_DECAY / slowest`` it is nothing.

    Returns
    -------
    log_integral : array of shape (n,)
    share : array of shape (n_nodes, n)
        Mass of each node, summing to 1: averages over the time of death.
    u : array of shape (n_nodes, n)
        Times of the nodes.
    """
    m = min(alpha, beta)
    first = (alpha + t_x) / (beta + t_x)
    slowest = r + x - 1 + (s + 1) * first if alpha <= beta else s + (r + x) / first
    length = np.minimum(np.log1p((T - t_x) / (m + t_x)), _DECAY / np.maximum(slowest, 1e-9))
    v = np.log(m + t_x) + _NODES[:, None] * length
    u = np.maximum(np.exp(v) - m, 0.0)
    log_mass = v + np.log(_NODE_WEIGHTS)[:, None] - (r + x) * np.log(alpha + u) - (s + 1) * np.log(beta + u)
    top = log_mass.max(axis=0)
    mass = np.exp(log_mass - top)
    total = mass.sum(axis=0)
    with np.errstate(divide="ignore"):  # t_x = T: nobody can have died since
        log_length = np.log(length)
    return np.log(s) + log_length + top + np.log(total), mass / total, u


class _Likelihood:
    """FH eq. 18 and its gradient, in log space."""

    def __init__(self, x: Floats, t_x: Floats, T: Floats, weight: Floats) -> None:
        self.x, self.t_x, self.T, self.weight = x, t_x, T, weight
        self.distinct_x, self.at = np.unique(x, return_inverse=True)

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        r, alpha, s, beta = parameters
        x, T = self.x, self.T
        by_x = (gammaln(r + self.distinct_x) - gammaln(r))[self.at] + r * np.log(alpha) + s * np.log(beta)
        log_alpha_T, log_beta_T = np.log(alpha + T), np.log(beta + T)
        alive = -(r + x) * log_alpha_T - s * log_beta_T
        dead, share, u = _log_died(r, alpha, s, beta, x, self.t_x, T)
        both = np.logaddexp(alive, dead)
        value = float(self.weight @ (by_x + both))

        p_dead = np.exp(dead - both)
        p_alive = 1 - p_dead
        mean_log_alpha = (share * np.log(alpha + u)).sum(axis=0)
        mean_log_beta = (share * np.log(beta + u)).sum(axis=0)
        mean_alpha = (share / (alpha + u)).sum(axis=0)
        mean_beta = (share / (beta + u)).sum(axis=0)
        d_r = (digamma(r + self.distinct_x) - digamma(r))[self.at] + np.log(alpha)
        d_r = d_r - p_alive * log_alpha_T - p_dead * mean_log_alpha
        d_alpha = r / alpha - (r + x) * (p_alive / (alpha + T) + p_dead * mean_alpha)
        d_s = np.log(beta) - p_alive * log_beta_T + p_dead * (1 / s - mean_log_beta)
        d_beta = s / beta - p_alive * s / (beta + T) - p_dead * (s + 1) * mean_beta
        return value, np.array([self.weight @ d for d in (d_r, d_alpha, d_s, d_beta)])
