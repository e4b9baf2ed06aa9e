"""Shifted-beta-geometric (sBG): how long subscribers stay who must renew to remain customers.

Each renewal is declined with a probability of the customer's own, beta-distributed over customers. Those who are likely to
leave do so first, so retention rises with tenure although nobody changes.

Source: Fader and Hardie (2007), "How to project customer retention", J. Interactive Marketing 21(1), 76-90 (below: FH07);
residual value: Fader and Hardie (2010), "Customer-base valuation in a contractual setting", Marketing Science 29(1)
(below: FH10).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.special import betaln, digamma, hyp2f1

from cvm.errors import InsufficientDataError
from cvm.models.btyd.distinct import Floats
from cvm.models.btyd.maximise import maximise
from cvm.models.btyd.uncertainty import Estimates, estimates


@dataclass(frozen=True)
class Sbg:
    """Parameters of an sBG; time counts in renewal periods, whatever they are.

    ``n_renewals`` is how often a customer who is still one has renewed: 0 in the first period.
    """

    family: ClassVar[str] = "sbg"
    label: ClassVar[str] = "sBG"

    alpha: float
    beta: float

    @classmethod
    def fit(cls, periods: Floats, churned: Floats, weight: Floats | None = None) -> Self:
        """Maximum likelihood.

        Parameters
        ----------
        periods : array of shape (n,), whole numbers >= 0
            Of who left: the renewal they declined, 1 being the first. Of who is still a customer: renewals so far.
        churned : array of shape (n,), 0 or 1
        weight : array of shape (n,), optional
            Customers per row; 1 each by default.

        Raises
        ------
        InsufficientDataError
            If nobody ever had a renewal to decide on, or a churned customer declined none.
        """
        weight = np.ones_like(periods) if weight is None else weight
        if not np.any((periods > 0) & (weight > 0)):
            raise InsufficientDataError(
                "No subscriber has reached a renewal, so retention cannot be learned. Supply more history."
            )
        impossible = int(np.sum((churned > 0) & (periods < 1)))
        if impossible:
            raise InsufficientDataError(
                f"{impossible} of {len(periods)} rows churned after {periods[churned > 0].min():g} periods; the renewal "
                "that was declined is 1 or later. Count the period in which a subscription ended as 1."
            )
        starts = [(1.0, 1.0), (0.3, 2.0), (5.0, 20.0)]
        found = maximise(_Likelihood(periods, churned, weight), starts=starts, scale=float(weight.sum()), model=cls.label)
        return cls(*found.tolist())

    @classmethod
    def fit_survivors(cls, n_survivors: Floats) -> Self:
        """Fit to one cohort: its size at the start and after each renewal, an array of shape (n_periods + 1,)."""
        return cls.fit(*cohort(n_survivors))

    def log_likelihood(self, periods: Floats, churned: Floats, weight: Floats | None = None) -> float:
        """Log-likelihood (FH07 eq. B3)."""
        weight = np.ones_like(periods) if weight is None else weight
        return _Likelihood(periods, churned, weight)(np.array([self.alpha, self.beta]))[0]

    def estimates(self, periods: Floats, churned: Floats, weight: Floats | None = None) -> Estimates:
        """Parameters with standard errors, given what they were fitted to."""
        weight = np.ones_like(periods) if weight is None else weight
        return estimates(_Likelihood(periods, churned, weight), self.state())

    def survival(self, periods: Floats, *, n_renewals: float | Floats = 0.0) -> Floats:
        """Probability of who renewed ``n_renewals`` times to renew ``periods`` times more (FH07 eq. 6)."""
        return np.exp(betaln(self.alpha, self.beta + n_renewals + periods) - betaln(self.alpha, self.beta + n_renewals))

    def retention(self, period: Floats) -> Floats:
        """Share of those who face renewal number ``period`` that renew (FH07 eq. 8)."""
        return (self.beta + period - 1) / (self.alpha + self.beta + period - 1)

    def expected_residual_periods(self, n_renewals: Floats) -> Floats:
        """Renewals still expected; infinite where ``alpha`` <= 1: too many who would never leave."""
        if self.alpha <= 1:
            return np.full_like(n_renewals, np.inf)
        return (self.beta + n_renewals) / (self.alpha - 1)

    def discounted_residual_periods(self, n_renewals: Floats, *, discount_rate_per_period: float) -> Floats:
        """DERL: renewals still expected, each worth 1 at the moment of the first (FH10 eq. 8).

        Parameters
        ----------
        n_renewals : array of shape (n,)
        discount_rate_per_period : float, > 0
            0.10 means that a renewal one period later is worth 1 / 1.10.
        """
        stay = self.beta + n_renewals
        leave_or_stay = self.alpha + stay
        series = hyp2f1(1.0, stay + 1, leave_or_stay + 1, 1 / (1 + discount_rate_per_period))
        return stay / leave_or_stay * series

    def state(self) -> dict[str, float]:
        """Parameters by name."""
        return asdict(self)


def cohort(n_survivors: Floats) -> tuple[Floats, Floats, Floats]:
    """A survival curve as ``periods, churned, weight``: who left at each renewal, and who was left at the end."""
    left = -np.diff(n_survivors)
    if len(n_survivors) < 2 or (left < 0).any():
        raise InsufficientDataError(
            f"A cohort of subscribers only shrinks, and has a first renewal: found {n_survivors.tolist()}. "
            "Supply its size at the start and after each renewal."
        )
    n = len(left)
    periods = np.append(np.arange(1.0, n + 1), float(n))
    return periods, np.append(np.ones(n), 0.0), np.append(left, n_survivors[-1])


class _Likelihood:
    """FH07 eq. B3 and its gradient."""

    def __init__(self, periods: Floats, churned: Floats, weight: Floats) -> None:
        self.churned, self.renewed, self.weight = churned, periods - churned, weight

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        alpha, beta = parameters
        left, stayed = alpha + self.churned, beta + self.renewed
        value = self.weight @ (betaln(left, stayed) - betaln(alpha, beta))
        both = digamma(alpha + beta) - digamma(left + stayed)
        d_alpha = digamma(left) - digamma(alpha) + both
        d_beta = digamma(stayed) - digamma(beta) + both
        return float(value), np.array([self.weight @ d_alpha, self.weight @ d_beta])
