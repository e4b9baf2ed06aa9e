"""The log-likelihood of Pareto/NBD, and its gradient.

Source: Fader and Hardie (2005), "A note on deriving the Pareto/NBD model", brucehardie.com/notes/009, eq. 18 (below: FH).
Their hypergeometric terms are replaced by the integral over the unknown time of death that they stand for, by quadrature in
its logarithm (own derivation): no cancellation, for any number of orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln

from cvm.models.btyd.distinct import Floats

# Gauss-Legendre nodes on (0, 1), and the fall (in e-folds) past which an integrand is left out.
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(32)
NODES, NODE_WEIGHTS = (NODES + 1) / 2, NODE_WEIGHTS / 2
_DECAY = 25.0
# Customers integrated at a time: their nodes fit into the processor's cache, and memory does not grow with the base.
_BLOCK = 1024


def log_died(r: float, alpha: float, s: float, beta: float, x: Floats, t_x: Floats, T: Floats) -> Floats:
    """Log of ``s`` times the integral of (alpha + u)^-(r+x) (beta + u)^-(s+1) over u in (t_x, T), of shape (n,)."""
    found = np.empty(len(x))
    for rows in _blocks(len(x)):
        found[rows] = _Deaths.of(r, alpha, s, beta, x[rows], t_x[rows], T[rows]).log_integral
    return found


class ParetoNbdLikelihood:
    """Log-likelihood and gradient at (r, alpha, s, beta); the histories are fixed.

    Parameters
    ----------
    x, t_x, T, weight : arrays of shape (n,)
        As in ``ParetoNbd.fit``.
    """

    def __init__(self, x: Floats, t_x: Floats, T: Floats, weight: Floats) -> None:
        self.x, self.t_x, self.T, self.weight = x, t_x, T, weight
        self.n = float(weight.sum())
        self.distinct_x, of_x = np.unique(x, return_inverse=True)
        self.n_by_x = np.bincount(of_x, weight)

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """Log-likelihood, and its gradient of shape (4,)."""
        r, alpha, s, beta = parameters
        log_alpha, log_beta = np.log(alpha), np.log(beta)
        value = self.n_by_x @ (gammaln(r + self.distinct_x) - gammaln(r)) + self.n * (r * log_alpha + s * log_beta)
        d_r = self.n_by_x @ (digamma(r + self.distinct_x) - digamma(r)) + self.n * log_alpha
        gradient = np.array([d_r, self.n * r / alpha, self.n * log_beta, self.n * s / beta])
        for rows in _blocks(len(self.x)):
            block_value, block_gradient = self._of_block(parameters, rows)
            value, gradient = value + block_value, gradient + block_gradient
        return float(value), gradient

    def _of_block(self, parameters: Floats, rows: slice) -> tuple[float, Floats]:
        """What depends on each customer's times: of those alive, and of those who died at an unknown time."""
        r, alpha, s, beta = parameters
        x, T, weight = self.x[rows], self.T[rows], self.weight[rows]
        log_alpha_T, log_beta_T = np.log(alpha + T), np.log(beta + T)
        alive = -(r + x) * log_alpha_T - s * log_beta_T
        deaths = _Deaths.of(r, alpha, s, beta, x, self.t_x[rows], T)
        dead = deaths.log_integral
        both = np.logaddexp(alive, dead)

        p_dead = np.exp(dead - both)
        p_alive = 1 - p_dead
        near, far = (deaths.log_near, 1 / deaths.near), (deaths.log_far, 1 / deaths.far)
        (mean_log_alpha, mean_alpha), (mean_log_beta, mean_beta) = (
            (deaths.mean(log), deaths.mean(per)) for log, per in ((near, far) if alpha <= beta else (far, near))
        )
        d_r = -p_alive * log_alpha_T - p_dead * mean_log_alpha
        d_alpha = -(r + x) * (p_alive / (alpha + T) + p_dead * mean_alpha)
        d_s = -p_alive * log_beta_T + p_dead * (1 / s - mean_log_beta)
        d_beta = -p_alive * s / (beta + T) - p_dead * (s + 1) * mean_beta
        return float(weight @ both), np.array([weight @ d for d in (d_r, d_alpha, d_s, d_beta)])


@dataclass(frozen=True)
class _Deaths:
    """Log of ``s`` times the integral of (alpha + u)^-(r+x) (beta + u)^-(s+1) over u in (t_x, T), and its nodes.

    Attributes
    ----------
    log_integral : array of shape (n,)
    mass, near, far, log_near, log_far : arrays of shape (n_nodes, n)
        Mass of each node; the smaller of alpha and beta, and the larger, plus the time u of the node; their logarithms.
    total : array of shape (n,)
        Sum of ``mass``.
    """

    log_integral: Floats
    mass: Floats
    total: Floats
    near: Floats
    far: Floats
    log_near: Floats
    log_far: Floats

    @classmethod
    def of(cls, r: float, alpha: float, s: float, beta: float, x: Floats, t_x: Floats, T: Floats) -> _Deaths:
        """By quadrature over log(m + u), m the smaller of alpha and beta.

        There the integrand falls at a rate that only grows with u, from ``slowest``; so it is smooth, and past
        ``_DECAY / slowest`` it is nothing.
        """
        m = min(alpha, beta)
        first = (alpha + t_x) / (beta + t_x)
        slowest = r + x - 1 + (s + 1) * first if alpha <= beta else s + (r + x) / first
        length = np.minimum(np.log1p((T - t_x) / (m + t_x)), _DECAY / np.maximum(slowest, 1e-9))
        log_near = np.log(m + t_x) + NODES[:, None] * length
        near = np.exp(log_near)
        far = near + abs(alpha - beta)
        log_far = np.log(far)
        of_near, of_far = (r + x, s + 1) if alpha <= beta else (s + 1, r + x)
        log_mass = np.log(NODE_WEIGHTS)[:, None] - (of_near - 1) * log_near - of_far * log_far
        top = log_mass.max(axis=0)
        mass = np.exp(log_mass - top)
        total = mass.sum(axis=0)
        with np.errstate(divide="ignore"):  # t_x = T: nobody can have died since
            log_length = np.log(length)
        return cls(np.log(s) + log_length + top + np.log(total), mass, total, near, far, log_near, log_far)

    def mean(self, of_death: Floats) -> Floats:
        """Average over the time of death: array of shape (n,)."""
        return np.einsum("kn,kn->n", self.mass, of_death) / self.total


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, n, _BLOCK))
