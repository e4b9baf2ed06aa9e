"""What an evaluation is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cvm.features.economics import Economics

CONTROL = "control"


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
        Column of ``customers`` by whose values effects are told apart; known before the assignment.
    shares : mapping of str to float
        Arm to the share of customers it was drawn with, where the ledger holds no ``propensity``.
    cost_per_customer : float or None
        Of treating one customer, in place of the ledger's ``cost``.
    fixed_cost : float
        Of the campaign as a whole, shared by its arms by their sizes.
    level : float
        Of all intervals.
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
    shares: Mapping[str, float] = field(default_factory=dict)
    cost_per_customer: float | None = None
    fixed_cost: float = 0.0
    level: float = 0.95
    timezone: str = "UTC"
    economics: Economics = field(default_factory=Economics)
