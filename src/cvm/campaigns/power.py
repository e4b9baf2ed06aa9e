"""How many customers a campaign needs, and what a given number can show.

A campaign will be judged by the difference of two means with Welch's standard error, so that is what is planned for. The
outcome of a customer is zero unless they are active; an effect is taken to come as more active customers of the usual kind,
and, where there are no more to win, as more from each. So the second moment grows with the mean, which for a conversion is
exactly ``p (1 - p)``, and for revenue keeps the spread that a few large buyers cause.

With several treatments each is compared with the same control at ``alpha / treatments`` (Bonferroni), so that the chance
of any false alarm stays below ``alpha``. Dunnett's test would need a little less (2.21 instead of 2.24 standard errors for
two treatments, 2.35 instead of 2.39 for three, arms of equal size), but holds only where all comparisons are read together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, inf, isfinite, sqrt
from typing import Literal

from scipy.optimize import brentq
from scipy.stats import nct, norm, t

from cvm.campaigns.assignment import Split
from cvm.errors import CvmError
from cvm.features.treatments import CONTROL

Outcome = Literal["conversion", "orders", "revenue"]
OUTCOMES: tuple[Outcome, ...] = ("conversion", "orders", "revenue")
# From here on Student's t is the normal distribution for every purpose.
_NORMAL_FROM = 10_000
_MOST_CUSTOMERS = 1e12
_LARGEST_GROWTH = 1e6
# Within these, all squares are numbers a machine can hold; no outcome of customers is beyond them.
_MEANS = (1e-9, 1e15)
_LARGEST_SPREAD = 1e9


class PowerError(CvmError, ValueError):
    """A test of this kind cannot be planned."""


@dataclass(frozen=True)
class Baseline:
    """What one customer does without the campaign.

    Attributes
    ----------
    outcome : "conversion", "orders" or "revenue"
    mean : float, > 0
        Per customer, in the outcome's unit: a share, orders, or money.
    variance : float, > 0
        Between customers. Of a conversion it is ``mean (1 - mean)``; see ``of_conversion``.
    active_share : float in (0, 1]
        Customers with any outcome at all.

    Raises
    ------
    PowerError
        If a value is outside its bounds, or the outcome unknown.
    """

    outcome: Outcome
    mean: float
    variance: float
    active_share: float = 1.0

    def __post_init__(self) -> None:
        check_outcome(self.outcome)
        if not (isfinite(self.mean) and self.mean > 0):
            raise PowerError(f"The mean {self.outcome} == {self.mean:g}, must be above 0; choose customers who do buy.")
        least, most = _MEANS
        if not least <= self.mean <= most:
            raise PowerError(
                f"The mean {self.outcome} == {self.mean:g}, must be from {least:g} to {most:g}; change its unit."
            )
        if self.outcome == "conversion" and self.mean > 1 - 1e-6:
            raise PowerError(f"The conversion == {self.mean:.9g}, must be below 0.999999; write 0.05 for 5 %.")
        if not (isfinite(self.variance) and self.variance > 0):
            raise PowerError(f"The variance of {self.outcome} == {self.variance:g}, must be above 0.")
        if self.variance > (_LARGEST_SPREAD * self.mean) ** 2:
            raise PowerError(
                f"The standard deviation of {self.outcome} == {sqrt(self.variance):g}, must be at most {_LARGEST_SPREAD:g} "
                f"times the mean, which is {self.mean:g}; correct one of them."
            )
        if not 0 < self.active_share <= 1:
            raise PowerError(f"The share of active customers == {self.active_share:g}, must be above 0 and at most 1.")

    @classmethod
    def of_conversion(cls, rate: float) -> Baseline:
        """Of a share of customers, which says its own variance."""
        return cls("conversion", rate, rate * (1 - rate), rate)

    def variance_after(self, effect: float) -> float:
        """Variance between customers once the mean has risen by ``effect``."""
        grown = self.mean + effect
        # Active customers before, to those after; each brings as much more as that leaves of the growth. Their second moment
        # per customer is then ``ratio * (1 + variance / mean**2) * grown**2``, of which the square of the mean is taken.
        ratio = self.active_share / min(1.0, self.active_share * grown / self.mean)
        return grown**2 * (ratio - 1 + ratio * self.variance / self.mean**2)


@dataclass(frozen=True)
class Design:
    """How customers are shared out, and what errors are accepted.

    Attributes
    ----------
    control_share : float in (0, 1)
    treatment_share : float in (0, 1)
        Of the smallest treatment, which decides.
    n_treatments : int
        Each compared with the control.
    alpha : float in (0, 0.5)
        Chance of any false alarm, two-sided.
    power : float in [0.5, 1)
        Chance to find the effect if there is one.

    Raises
    ------
    PowerError
        If a value is outside its bounds.
    """

    control_share: float
    treatment_share: float
    n_treatments: int = 1
    alpha: float = 0.05
    power: float = 0.8

    def __post_init__(self) -> None:
        if self.n_treatments < 1:
            raise PowerError(f"The number of treatments == {self.n_treatments}, must be at least 1.")
        if not 0 < self.control_share < 1:
            raise PowerError(f"The share held out == {self.control_share:g}, must be above 0 and below 1.")
        if not 0 < self.treatment_share <= (1 - self.control_share) / self.n_treatments + 1e-9:
            raise PowerError(f"The share of the smallest treatment == {self.treatment_share:g} does not fit the others.")
        if not 0 < self.alpha < 0.5:
            raise PowerError(f"The chance of a false alarm == {self.alpha:g}, must be above 0 and below 0.5; 0.05 is usual.")
        if not 0.5 <= self.power < 1:
            raise PowerError(f"The power == {self.power:g}, must be at least 0.5 and below 1; 0.8 is usual.")

    @classmethod
    def even(cls, control_share: float, *, n_treatments: int = 1, alpha: float = 0.05, power: float = 0.8) -> Design:
        """Treatments of equal size."""
        return cls(control_share, (1 - control_share) / max(n_treatments, 1), n_treatments, alpha, power)

    @classmethod
    def of(cls, split: Split, *, alpha: float = 0.05, power: float = 0.8) -> Design:
        """For the arms of a campaign."""
        treatments = [share for arm, share in split.shares.items() if arm != CONTROL]
        return cls(split.shares[CONTROL], min(treatments), len(treatments), alpha, power)

    @property
    def smallest_share(self) -> float:
        """Of the smallest arm."""
        return min(self.control_share, self.treatment_share)

    @property
    def is_even(self) -> bool:
        """Whether all treatments are of equal size."""
        return self.treatment_share > (1 - self.control_share) / self.n_treatments - 1e-9

    @property
    def alpha_each(self) -> float:
        """Chance of a false alarm that one comparison may have."""
        return self.alpha / self.n_treatments


def check_outcome(outcome: str) -> Outcome:
    """``outcome`` itself, when it is one that can be planned for.

    Raises
    ------
    PowerError
        If it is unknown.
    """
    for known in OUTCOMES:
        if outcome == known:
            return known
    raise PowerError(f"The outcome {outcome!r} is unknown; choose one of {list(OUTCOMES)}.")


def given_baseline(outcome: Outcome, *, mean: float | None, sd: float | None) -> Baseline | None:
    """A baseline out of what a user knows instead of a history; none where they say nothing.

    Raises
    ------
    PowerError
        If mean or standard deviation is missing or impossible.
    """
    if mean is None and sd is None:
        return None
    if mean is None:
        raise PowerError(f"--sd {sd:g} says the spread, and --mean is missing; give both, or neither to use your history.")
    if outcome == "conversion":
        if sd is not None:
            raise PowerError("--sd is given, but the mean of a conversion says its spread; leave --sd out.")
        return Baseline.of_conversion(mean)
    if sd is None:
        raise PowerError(f"--mean {mean:g} is given without --sd; {outcome} needs both, or neither to use your history.")
    return Baseline(outcome, mean, sd * abs(sd))


def power_of_difference(
    effect: float, *, variances: tuple[float, float], sizes: tuple[float, float], alpha: float, is_share: bool = False
) -> float:
    """Chance that a two-sided test of the difference of two means finds it.

    Parameters
    ----------
    effect : float
        The true difference.
    variances : (float, float)
        Of control and treatment.
    sizes : (float, float)
        Customers in each, above 1; need not be whole.
    alpha : float
    is_share : bool
        Means are shares, whose variance their own size tells: the test is the normal one instead of Welch's.

    Returns
    -------
    float
        In (alpha, 1).

    Source
    ------
    Welch (1947) for the degrees of freedom; non-central t as in Cohen (1988), Statistical Power Analysis, chapter 2.
    """
    parts = [variance / size for variance, size in zip(variances, sizes, strict=True)]
    signal = abs(effect) / sqrt(sum(parts))
    welch = sum(parts) ** 2 / sum(part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True))
    freedom = inf if is_share else welch
    if freedom >= _NORMAL_FROM:
        critical = norm.isf(alpha / 2)
        return float(norm.cdf(signal - critical) + norm.cdf(-signal - critical))
    critical = t.isf(alpha / 2, freedom)
    # The other tail mirrored: scipy's own lower tail is NaN for strong signals.
    return float(nct.sf(critical, freedom, signal) + nct.sf(critical, freedom, -signal))


def power_at(baseline: Baseline, design: Design, *, n_customers: float, effect: float) -> float:
    """Chance that a campaign of this size finds this effect of its smallest treatment.

    Parameters
    ----------
    baseline : Baseline
    design : Design
    n_customers : float
        In all arms together.
    effect : float, > 0
        In the outcome's unit, per customer.

    Raises
    ------
    PowerError
        If the effect cannot be, or an arm would have fewer than two customers.
    """
    _check_effect(baseline, effect)
    sizes = (n_customers * design.control_share, n_customers * design.treatment_share)
    if min(sizes) < 2 - 1e-9:
        raise PowerError(
            f"Of {n_customers:,.0f} customers the smallest arm gets {min(sizes):.1f}, must be at least 2; "
            "take more customers or larger shares."
        )
    variances = (baseline.variance, baseline.variance_after(effect))
    is_share = baseline.outcome == "conversion"
    return power_of_difference(effect, variances=variances, sizes=sizes, alpha=design.alpha_each, is_share=is_share)


def required_customers(baseline: Baseline, design: Design, *, effect: float) -> int:
    """Customers in all arms together that find this effect with the power wanted.

    Control and smallest treatment are rounded up each, the other treatments together.

    Raises
    ------
    PowerError
        If the effect cannot be, or no number of customers would do.
    """
    fewest = 2 / design.smallest_share
    n = _crossing(
        lambda size: power_at(baseline, design, n_customers=size, effect=effect) - design.power, fewest, _MOST_CUSTOMERS
    )
    if n is None:
        raise PowerError(f"Not even {_MOST_CUSTOMERS:,.0f} customers show an effect of {effect:g}; plan for a larger one.")
    others = n * (1 - design.control_share - design.treatment_share)
    arms = (n * design.control_share, n * design.treatment_share, others)
    return sum(ceil(round(size, 6)) for size in arms)


def detectable_effect(baseline: Baseline, design: Design, *, n_customers: float) -> float | None:
    """Smallest effect per customer that is found with the power wanted; none where no possible effect would be."""
    largest = (1 - baseline.mean) * (1 - 1e-9) if baseline.outcome == "conversion" else baseline.mean * _LARGEST_GROWTH
    return _crossing(
        lambda effect: power_at(baseline, design, n_customers=n_customers, effect=effect) - design.power,
        baseline.mean * 1e-9,
        largest,
    )


def smallest_control_share(baseline: Baseline, design: Design, *, n_customers: int, effect: float) -> float | None:
    """Smallest share of ``n_customers`` that, held out, lets this effect be found; none where no share would do.

    Treatments keep their proportions. What one comparison gains from a larger control it loses in the treatment; where the
    smallest treatment is a share ``f`` of all treated, the best control is near ``sqrt(f) / (1 + sqrt(f))``, and only shares
    up to it are tried.
    """
    fraction = design.treatment_share / (1 - design.control_share)

    def lacking(control_share: float) -> float:
        there = replace(design, control_share=control_share, treatment_share=(1 - control_share) * fraction)
        if n_customers * there.treatment_share < 2:
            return -design.power
        return power_at(baseline, there, n_customers=n_customers, effect=effect) - design.power

    best = sqrt(fraction) / (1 + sqrt(fraction))
    return _crossing(lacking, 2 / n_customers, best) if 2 / n_customers < best else None


def _crossing(lacking: Callable[[float], float], low: float, high: float) -> float | None:
    """Where a rising function of a positive number, that may span many magnitudes, becomes 0; ``low`` if it is above."""
    if lacking(low) >= 0:
        return low
    if lacking(high) < 0:
        return None
    upper = low
    while lacking(upper) < 0:
        low, upper = upper, min(upper * 4, high)
    return float(brentq(lacking, low, upper, rtol=1e-10))


def _check_effect(baseline: Baseline, effect: float) -> None:
    if not (isfinite(effect) and effect > 0):
        raise PowerError(
            f"The effect == {effect:g}, must be above 0: the size of the change to be found. The test is two-sided, "
            "so that harm of the same size is found as well."
        )
    if baseline.outcome != "conversion" and effect > _LARGEST_GROWTH * baseline.mean:
        raise PowerError(
            f"The effect == {effect:g} is more than {_LARGEST_GROWTH:g} times the mean; plan for a smaller one."
        )
    if baseline.outcome == "conversion" and baseline.mean + effect >= 1:
        raise PowerError(
            f"An effect of {effect:g} on a conversion of {baseline.mean:.4g} would reach {baseline.mean + effect:.4g}, "
            "must stay below 1; write 0.01 for one percentage point, or 5% for a relative effect."
        )
