"""The log-likelihood of Pareto/NBD, and its gradient.

Source: Fader and Hardie (2005), "A note on deriving the Pareto/NBD model", brucehardie.com/notes/009, eq. 18 (below: FH).
Their hypergeometric terms are replaced by the integral over the unknown time of death that they stand for, by quadrature in
its logarithm (own derivation): no cancellation, for any number of orders.
"""

from __future__ import annotations

from collections.abc import Iterator

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
        found[rows] = _time_of_death(r, alpha, s, beta, x[rows], t_x[rows], T[rows])[0]
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
        dead, share, u = _time_of_death(r, alpha, s, beta, x, self.t_x[rows], T)
        both = np.logaddexp(alive, dead)

        p_dead = np.exp(dead - both)
        p_alive = 1 - p_dead
        mean_log_alpha, mean_log_beta, mean_alpha, mean_beta = (
            np.einsum("kn,kn->n", share, of_death)
            for of_death in (np.log(alpha + u), np.log(beta + u), 1 / (alpha + u), 1 / (beta + u))
        )
        d_r = -p_alive * log_alpha_T - p_dead * mean_log_alpha
        d_alpha = -(r + x) * (p_alive / (alpha + T) + p_dead * mean_alpha)
        d_s = -p_alive * log_beta_T + p_dead * (1 / s - mean_log_beta)
        d_beta = -p_alive * s / (beta + T) - p_dead * (s + 1) * mean_beta
        return float(weight @ both), np.array([weight @ d for d in (d_r, d_alpha, d_s, d_beta)])


def _time_of_death(
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
    v = np.log(m + t_x) + NODES[:, None] * length
    u = np.maximum(np.exp(v) - m, 0.0)
    log_mass = v + np.log(NODE_WEIGHTS)[:, None] - (r + x) * np.log(alpha + u) - (s + 1) * np.log(beta + u)
    top = log_mass.max(axis=0)
    mass = np.exp(log_mass - top)
    total = mass.sum(axis=0)
    with np.errstate(divide="ignore"):  # t_x = T: nobody can have died since
        log_length = np.log(length)
    return np.log(s) + log_length + top + np.log(total), mass / total, u


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, n, _BLOCK))
