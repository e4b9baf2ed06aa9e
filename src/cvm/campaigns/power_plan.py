"""The answer to "how many do we need, and what does the holdout cost": what ``cvm power`` prints."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from cvm.campaigns.assignment import Split
from cvm.campaigns.outcome_history import OutcomeHistory
from cvm.campaigns.power import (
    Baseline,
    Design,
    PowerError,
    detectable_effect,
    power_at,
    required_customers,
    smallest_control_share,
)

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
# The mean of so many draws is near enough to normal for 95 % intervals, per square of the skewness (Cochran 1977,
# Sampling Techniques, section 2.15).
_PER_SQUARED_SKEWNESS = 25
# Other shares are shown where they leave so many customers in every arm.
_SMALLEST_SHOWN = 10
# Of effects in the curve, as shares of the detectable one.
_CURVE = np.linspace(0.02, 2.0, 100)


@dataclass(frozen=True)
class EffectToFind:
    """An effect as a user gives it: in the outcome's unit, or relative to the mean.

    Attributes
    ----------
    size : float
    is_relative : bool
    """

    size: float
    is_relative: bool = False

    @classmethod
    def parse(cls, text: str) -> EffectToFind:
        """``0.01`` is in the outcome's unit, ``5%`` relative.

        Raises
        ------
        PowerError
            If it is neither.
        """
        number, sign = text.strip().removesuffix("%"), text.strip().endswith("%")
        try:
            return cls(float(number) / 100 if sign else float(number), sign)
        except ValueError:
            raise PowerError(
                f"The effect {text!r} is no number; write 0.01 for one in the outcome's unit, or 5% for a relative one."
            ) from None

    def of(self, baseline: Baseline) -> float:
        """In the outcome's unit."""
        return self.size * baseline.mean if self.is_relative else self.size


@dataclass(frozen=True)
class ShareOption:
    """What one share of the customers, held out, would show.

    Attributes
    ----------
    control_share : float
    n_control : int
    detectable : float or None
        Smallest effect found with the power wanted; none = no possible one.
    power : float or None
        To find the effect asked for; none without one.
    cost : float or None
        Margin that is lost if the effect asked for, else the detectable one, is real; none where it is unknown.
    """

    control_share: float
    n_control: int
    detectable: float | None
    power: float | None
    cost: float | None


@dataclass(frozen=True)
class PowerPlan:
    """Everything that is said about a campaign's size.

    Attributes
    ----------
    baseline, design
        What it rests on.
    n_customers : int
        In all arms together.
    effect : float or None
        To be found, in the outcome's unit.
    required : int or None
        Customers in all arms together that find ``effect`` at the share held out.
    smallest_share : float or None
        Smallest share of ``n_customers`` that, held out, finds ``effect``; none where no share does.
    chosen : ShareOption
        At the share held out.
    options : tuple of ShareOption
        At other shares, and that one.
    history : OutcomeHistory or None
        None where the user told mean and spread.
    notes : tuple of str
    """

    baseline: Baseline
    design: Design
    n_customers: int
    effect: float | None
    required: int | None
    smallest_share: float | None
    chosen: ShareOption
    options: tuple[ShareOption, ...]
    history: OutcomeHistory | None
    notes: tuple[str, ...]

    def curve(self, control_share: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Effects relative to the mean, and the power to find each with ``control_share`` held out; empty if none can be."""
        if self.chosen.detectable is None:
            return np.empty(0), np.empty(0)
        design = _with_share(self.design, control_share)
        effects = _CURVE * self.chosen.detectable
        if self.baseline.outcome == "conversion":
            effects = effects[effects < 1 - self.baseline.mean]
        power = [power_at(self.baseline, design, n_customers=self.n_customers, effect=float(effect)) for effect in effects]
        return effects / self.baseline.mean, np.array(power)


def design_of(
    shares: str | None,
    control_share: float | None,
    n_treatments: int | None,
    *,
    alpha: float,
    power: float,
    usual_share: float,
) -> tuple[Split | None, Design]:
    """The arms a user asks for: unequal ones by name and share, else equal ones by number.

    Raises
    ------
    PowerError, AssignmentError
        If both are told, or one is impossible.
    """
    if shares is None:
        share = usual_share if control_share is None else control_share
        return None, Design.even(share, n_treatments=n_treatments or 1, alpha=alpha, power=power)
    if control_share is not None or n_treatments is not None:
        raise PowerError("--shares says all arms already; leave --holdout and --treatments out.")
    split = Split.parse(shares)
    return split, Design.of(split, alpha=alpha, power=power)


def check_segments_known(segment_by: str | None, baseline: Baseline | None) -> None:
    """Refuse segments beside a baseline that was given: nobody knows their own.

    Raises
    ------
    PowerError
    """
    if segment_by is not None and baseline is not None:
        raise PowerError("--segment-by needs the history of each segment; leave --mean and --sd out.")


def power_plan(
    basis: Baseline | OutcomeHistory, design: Design, *, n_customers: int | None = None, effect: EffectToFind | None = None
) -> PowerPlan:
    """What a campaign of this size can show, and what it takes to show an effect.

    Parameters
    ----------
    basis : Baseline or OutcomeHistory
        Without a history nothing is known of money and tails.
    design : Design
    n_customers : int, optional
        In all arms together; by default the active base of the history, without one as many as the effect needs.
    effect : EffectToFind, optional
        To be found; without one only the detectable effect is told.

    Raises
    ------
    PowerError
        If the effect cannot be, an arm would have fewer than two customers, or neither size nor effect is known.
    """
    history = basis if isinstance(basis, OutcomeHistory) else None
    baseline = basis.baseline if isinstance(basis, OutcomeHistory) else basis
    wanted = None if effect is None else effect.of(baseline)
    required = None if wanted is None else required_customers(baseline, design, effect=wanted)
    if n_customers is None:
        n_customers = history.n_customers if history else required
    if n_customers is None:
        raise PowerError("Neither the size of the campaign nor an effect is known; give --size, --effect, or both.")

    def option(share: float) -> ShareOption:
        there, n_control = _with_share(design, share), ceil(round(n_customers * share, 6))
        detectable = detectable_effect(baseline, there, n_customers=n_customers)
        power = None if wanted is None else power_at(baseline, there, n_customers=n_customers, effect=wanted)
        lost = holding_out_cost(baseline, history, n_control=n_control, effect=wanted or detectable)
        return ShareOption(share, n_control, detectable, power, lost)

    chosen, smallest = option(design.control_share), None
    if wanted is not None:
        smallest = smallest_control_share(baseline, design, n_customers=n_customers, effect=wanted)
    others = (share for share in SHARES if n_customers * _with_share(design, share).smallest_share >= _SMALLEST_SHOWN)
    shares = sorted({design.control_share, *others})
    return PowerPlan(
        baseline,
        design,
        n_customers,
        wanted,
        required,
        smallest,
        chosen,
        tuple(option(share) for share in shares),
        history,
        tuple(_notes(baseline, design, n_customers, history)),
    )


def holding_out_cost(
    baseline: Baseline, history: OutcomeHistory | None, *, n_control: int, effect: float | None
) -> float | None:
    """Margin that the customers held out would have brought, if the effect is real.

    Effect, relative to the mean, times revenue per customer of a window, times its margin rate, times customers held out.
    What the contacts would have cost is not taken off.

    Returns
    -------
    float or None
        None where revenue or effect are unknown.
    """
    if history is None or effect is None:
        return None
    return n_control * effect / baseline.mean * history.revenue_per_customer * history.margin_rate


def _with_share(design: Design, control_share: float) -> Design:
    """The same with another control; what remains is shared out as before."""
    scale = (1 - control_share) / (1 - design.control_share)
    return replace(design, control_share=control_share, treatment_share=design.treatment_share * scale)


def _notes(baseline: Baseline, design: Design, n_customers: int, history: OutcomeHistory | None) -> list[str]:
    notes = []
    skewness = _skewness(baseline, history)
    smallest = n_customers * design.smallest_share
    if smallest < _PER_SQUARED_SKEWNESS * skewness**2:
        notes.append(
            f"Few customers make up most of {baseline.outcome} (skewness {skewness:.1f}): the figures hold from some "
            f"{_PER_SQUARED_SKEWNESS * skewness**2:,.0f} customers in the smallest arm on, which has {smallest:,.0f}."
        )
    if history and n_customers > history.n_customers:
        notes.append(f"Planned for {n_customers:,} customers, more than the {history.n_customers:,} of the active base.")
    if design.n_treatments > 1:
        notes.append(
            f"{design.n_treatments} treatments, each tested at {design.alpha_each:.2%} so that all together raise a false "
            f"alarm in at most {design.alpha:.0%} of campaigns without effect (Bonferroni)."
        )
    if not design.is_even:
        notes.append("Treatments differ in size: what is said of the whole campaign holds for the smallest of them.")
    return notes


def _skewness(baseline: Baseline, history: OutcomeHistory | None) -> float:
    """Of the outcome between customers; 0 where nothing is known of it."""
    if baseline.outcome == "conversion":
        return (1 - 2 * baseline.mean) / sqrt(baseline.variance)
    return history.skewness if history else 0.0
