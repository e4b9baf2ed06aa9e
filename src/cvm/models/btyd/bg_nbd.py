"""BG/NBD: Poisson purchasing, gamma-distributed rates; after each purchase a beta-distributed chance to stop.

Source: Fader, Hardie and Lee (2005), "Counting your customers the easy way", Marketing Science 24(2), 275-284
(below: FHL). Expectations use Euler's transformation of the hypergeometric function, which keeps its arguments small for
customers with thousands of orders; windows that start after a lead are our own derivation (``docs/models.md``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import betaln, digamma, gammaln, hyp2f1

from cvm.models.btyd.distinct import Floats
from cvm.models.btyd.maximise import maximise

PARAMETERS = ("r", "alpha", "a", "b")


@dataclass(frozen=True)
class BgNbd:
    """Parameters of a BG/NBD; ``alpha`` carries the unit of time.

    Throughout, ``x`` is the number of orders after the first, ``t_x`` the age at the last of them (0 when x = 0) and
    ``T`` the age today: arrays of shape (n_customers,).
    """

    r: float
    alpha: float
    a: float
    b: float

    @classmethod
    def fit(cls, x: Floats, t_x: Floats, T: Floats, weight: Floats | None = None) -> BgNbd:
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
        # Rate and time scale of the base itself, so that the optimum does not depend on the unit of time.
        rate = max(float(weight @ x), 1.0) / float(weight @ T)
        starts = [(r, r / rate, a, b) for r, a, b in ((0.3, 0.8, 2.5), (1.0, 0.3, 3.0), (3.0, 1.5, 1.5))]
        return cls(*maximise(likelihood, starts=starts, scale=float(weight.sum()), model="BG/NBD").tolist())

    def log_likelihood(self, x: Floats, t_x: Floats, T: Floats, weight: Floats | None = None) -> float:
        """Log-likelihood in the unit of ``T`` (FHL eq. 6)."""
        weight = np.ones_like(x) if weight is None else weight
        return _Likelihood(x, t_x, T, weight)(np.array([self.r, self.alpha, self.a, self.b]))[0]

    def p_alive(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Probability of not having stopped by ``T`` (FHL, derived from eq. 7); 1 for x = 0 by the model's design."""
        log_odds_dead = np.log(self.a / (self.b + np.maximum(x, 1) - 1)) + (self.r + x) * (
            np.log(self.alpha + T) - np.log(self.alpha + t_x)
        )
        return np.where(x > 0, 1 / (1 + np.exp(np.minimum(log_odds_dead, 700.0))), 1.0)

    def expected_if_alive(self, x: Floats, T: Floats, *, days: float | Floats) -> Floats:
        """Orders expected in ``(T, T + days]`` of a customer who is alive at ``T`` (FHL eq. 10 over P(alive))."""
        if abs(self.a - 1) < 1e-6:  # a removable singularity
            low, high = (BgNbd(self.r, self.alpha, a, self.b) for a in (1 - 1e-5, 1 + 1e-5))
            return (low.expected_if_alive(x, T, days=days) + high.expected_if_alive(x, T, days=days)) / 2
        c = self.a + self.b + x - 1
        shrink = (self.alpha + T) / (self.alpha + T + days)
        hypergeometric = hyp2f1(self.a + self.b - 1 - self.r, self.a - 1, c, 1 - shrink)
        return np.maximum(c / (self.a - 1) * (1 - shrink ** (self.a - 1) * hypergeometric), 0.0)

    def expected_new(self, *, days: Floats) -> Floats:
        """Orders expected of a new customer in the ``days`` after the first order (FHL eq. 9)."""
        c = self.a + self.b - 1
        if abs(self.a - 1) < 1e-6:
            return (
                BgNbd(self.r, self.alpha, 1 - 1e-5, self.b).expected_new(days=days)
                + BgNbd(self.r, self.alpha, 1 + 1e-5, self.b).expected_new(days=days)
            ) / 2
        shrink = self.alpha / (self.alpha + days)
        return c / (self.a - 1) * (1 - shrink**self.r * hyp2f1(self.r, self.b, c, 1 - shrink))

    def p_no_order_if_alive(self, x: Floats, T: Floats, *, days: float, lead_days: float = 0.0) -> Floats:
        """Probability of no order in ``(T + lead_days, T + lead_days + days]`` of a customer alive at ``T``.

        Source: own derivation. Alive with rate ``lam`` and drop-out ``p``, a customer is still alive after the lead with
        probability exp(-lam p lead) and then silent with exp(-lam days); both are mixed over Gamma(r + x, alpha + T)
        and Beta(a, b + x).
        """
        shape, rate = self.r + x, self.alpha + T
        silent = (rate / (rate + days)) ** shape
        if lead_days == 0:
            return silent
        return 1 - self._survives(x, lead_days / rate) + silent * self._survives(x, lead_days / (rate + days))

    def _survives(self, x: Floats, z: Floats) -> Floats:
        """E[(1 + p z)^-(r + x)] over p ~ Beta(a, b + x), by Pfaff's transformation."""
        return (1 + z) ** -self.a * hyp2f1(self.a + self.b - self.r, self.a, self.a + self.b + x, z / (1 + z))

    def median_wait(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Time from ``T`` to the next order that is exceeded with probability one half; infinite where none is likelier."""
        needed = 1 - 0.5 / np.maximum(self.p_alive(x, t_x, T), 1e-300)
        reachable = needed > 0
        wait = (self.alpha + T) * np.expm1(-np.log(np.where(reachable, needed, 1.0)) / (self.r + x))
        return np.where(reachable, wait, np.inf)

    def state(self) -> dict[str, float]:
        """Parameters by name."""
        return asdict(self)


class _Likelihood:
    """FHL eq. 6 and its gradient, in log space; special functions are evaluated once per distinct ``x``."""

    def __init__(self, x: Floats, t_x: Floats, T: Floats, weight: Floats) -> None:
        self.x, self.at = np.unique(x, return_inverse=True)
        self.t_x, self.T, self.weight = t_x, T, weight
        self.repeats = x > 0

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        r, alpha, a, b = parameters
        x, at, repeats = self.x[self.at], self.at, self.repeats
        by_x = gammaln(r + self.x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + self.x) - betaln(a, b)
        log_alive_age, log_dead_age = np.log(alpha + self.T), np.log(alpha + self.t_x)
        alive = -(r + x) * log_alive_age
        last = np.log(a) - np.log(np.maximum(b + self.x - 1, 1e-300))
        dead = np.where(repeats, last[at] - (r + x) * log_dead_age, -np.inf)
        both = np.logaddexp(alive, dead)
        value = float(self.weight @ (by_x[at] + both))

        share_dead = np.exp(dead - both)
        share_alive = 1 - share_dead
        total = digamma(a + b + self.x) - digamma(a + b)
        d_r = (
            (digamma(r + self.x) - digamma(r) + np.log(alpha))[at] - share_alive * log_alive_age - share_dead * log_dead_age
        )
        d_alpha = r / alpha - (r + x) * (share_alive / (alpha + self.T) + share_dead / (alpha + self.t_x))
        d_a = -total[at] + share_dead / a
        # B(a, b + x) / B(a, b) is 1 at x = 0; below x = 1 the term of the dead does not exist.
        d_b = (digamma(b + self.x) - digamma(b) - total)[at] - share_dead / np.maximum(b + x - 1, 1e-300)
        return value, np.array([self.weight @ d for d in (d_r, d_alpha, d_a, d_b)])
