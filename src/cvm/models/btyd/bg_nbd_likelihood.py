"""The log-likelihood of BG/NBD and MBG/NBD, and its gradient.

Source: Fader, Hardie and Lee (2005), Marketing Science 24(2), eq. 6 (below: FHL); with one more chance to stop, Batislam,
Denizel and Filiztekin (2007), Int. J. Research in Marketing 24(3). What depends on one column alone is added up per distinct
value of that column beforehand; customer by customer there are only the odds of having stopped.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaln, digamma, gammaln

from cvm.models.btyd.distinct import Floats, distinct

# Histories worked on at a time: they fit into the processor's cache, so that each costs the same however many there are.
_BLOCK = 8192


class BgNbdLikelihood:
    """Log-likelihood and gradient at (r, alpha, a, b); the histories are fixed.

    Parameters
    ----------
    x, t_x, T, weight : arrays of shape (n,)
        As in ``BgNbd.fit``.
    early_chances : int
        Chances to stop before the first repeat order: 0 in BG/NBD, 1 in MBG/NBD.
    """

    def __init__(self, x: Floats, t_x: Floats, T: Floats, weight: Floats, *, early_chances: int) -> None:
        self.n = float(weight.sum())
        by_x, by_T = distinct(x), distinct(T)
        (self.x,), (self.T,), of_x, of_T = by_x.columns, by_T.columns, by_x.index, by_T.index
        self.k = self.x + early_chances
        self.n_by_x = np.bincount(of_x, weight)
        self.n_by_T = np.bincount(of_T, weight)
        self.orders_by_T = np.bincount(of_T, weight * x)
        # Only who had a chance to stop can have done so.
        mortal = np.flatnonzero(x + early_chances > 0)
        self.weight, self.of_x, self.of_T = weight[mortal], of_x[mortal], of_T[mortal]
        by_t_x = distinct(t_x[mortal])
        (self.t_x,), self.of_t_x = by_t_x.columns, by_t_x.index
        self.blocks = [slice(start, start + _BLOCK) for start in range(0, len(mortal), _BLOCK)]

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """Log-likelihood, and its gradient of shape (4,)."""
        r, alpha, a, b = parameters
        log_T, log_t_x = np.log(alpha + self.T), np.log(alpha + self.t_x)
        # FHL eq. 6 of those still alive ...
        by_x = gammaln(r + self.x) - gammaln(r) + betaln(a, b + self.k) - betaln(a, b)
        exposure = r * self.n_by_T + self.orders_by_T
        value = self.n_by_x @ by_x + self.n * r * np.log(alpha) - exposure @ log_T
        d_r = self.n_by_x @ (digamma(r + self.x) - digamma(r)) + self.n * np.log(alpha) - self.n_by_T @ log_T
        d_alpha = self.n * r / alpha - exposure @ (1 / (alpha + self.T))
        # ... times 1 + the odds of having stopped right after the last order.
        stopped = np.log(a) - np.log(np.maximum(b + self.k - 1, 1e-300))
        per_T, per_t_x = 1 / (alpha + self.T), 1 / (alpha + self.t_x)
        dead_by_x = np.zeros(len(self.x))
        for rows in self.blocks:
            of_x, of_T, of_t_x, weight = self.of_x[rows], self.of_T[rows], self.of_t_x[rows], self.weight[rows]
            shape, waited = r + self.x[of_x], log_T[of_T] - log_t_x[of_t_x]
            log_odds = stopped[of_x] + shape * waited
            small = np.exp(-np.abs(log_odds))
            value += weight @ (np.maximum(log_odds, 0) + np.log1p(small))
            dead = weight * np.where(log_odds > 0, 1, small) / (1 + small)
            d_r += dead @ waited
            d_alpha += (dead * shape) @ (per_T[of_T] - per_t_x[of_t_x])
            dead_by_x += np.bincount(of_x, dead, minlength=len(self.x))

        chances = digamma(a + b + self.k) - digamma(a + b)
        d_a = dead_by_x.sum() / a - self.n_by_x @ chances
        # B(a, b + k) / B(a, b) is 1 at k = 0, where nobody can have stopped.
        d_b = self.n_by_x @ (digamma(b + self.k) - digamma(b) - chances) - dead_by_x @ (
            1 / np.maximum(b + self.k - 1, 1e-300)
        )
        return float(value), np.array([d_r, d_alpha, d_a, d_b])
