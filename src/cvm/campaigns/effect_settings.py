"""What an evaluation is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from cvm.features.economics import Economics


@dataclass(frozen=True)
class EvaluationSettings:
    """How a campaign is judged; written down before its outcome is looked at, it keeps everybody honest.

    Attributes
    ----------
    outcome_days : int
        Length of the outcome window of each customer, from the assignment on.
    pre_days : int
        Length of the window before the assignment whose orders adjust the effect.
    metric : str
        What the verdict is about: ``orders``, ``revenue``, ``margin``, ``active``, or ``did_<event type>``.
    until_next : bool
        End every outcome window where the next campaign of the ledger begins.
    allow_partial : bool
        Cut outcome windows that are not over where the data end, instead of refusing.
    observed_until : datetime or None
        UTC; up to when the data are complete. None: to the end of the day of the last order or event.
    covariates : sequence of str
        Numeric columns of ``customers`` that were known before the assignment; they adjust the effect, too.
    events : sequence of str
        Event types whose share of customers in the outcome window is an outcome, too.
    segment_by : str or None
        Column of ``customers``, known before the assignment, or of scores, by whose values effects are told apart.
    score_files : mapping of date to Path
        Scores on file by their ``as_of``, for ``segment_by``.
    shares : mapping of str to float
        Arm to the share of customers it was drawn with, where the ledger holds no ``propensity``.
    draw : str or None
        ``independent``: each customer was drawn alone, so that sizes of arms vary by chance; ``fixed``: sizes were fixed,
        within each ``stratum`` of the ledger where it has them. None: fixed where the ledger has strata.
    cost_per_customer : float or None
        Of treating one customer, in place of the ledger's ``cost``.
    cost_per_redemption : float
        Of each ``coupon_redeemed`` beyond what it took off the price, which the margin has lost already.
    fixed_cost : float
        Of the campaign as a whole, shared by its arms by their sizes.
    level : float
        Of all intervals.
    sequential : bool
        Whether verdicts rest on intervals that hold at any number of looks.
    timezone : str
        Zone that cuts days.
    economics : Economics
        Margin of a line that has none of its own.
    """

    outcome_days: int
    pre_days: int = 90
    metric: str = "margin"
    until_next: bool = False
    allow_partial: bool = False
    observed_until: datetime | None = None
    covariates: Sequence[str] = ()
    events: Sequence[str] = ()
    segment_by: str | None = None
    score_files: Mapping[date, Path] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    draw: Literal["independent", "fixed"] | None = None
    cost_per_customer: float | None = None
    cost_per_redemption: float = 0.0
    fixed_cost: float = 0.0
    level: float = 0.95
    sequential: bool = False
    timezone: str = "UTC"
    economics: Economics = field(default_factory=Economics)
