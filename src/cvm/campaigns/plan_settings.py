"""What a plan is asked for, in plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from cvm.campaigns.holdout import GlobalHoldout
from cvm.campaigns.limits import Limits, Treatment
from cvm.engines.sql import midnight
from cvm.errors import CvmError
from cvm.features.economics import Economics
from cvm.privacy.keyed_hash import KeyedHash

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Names of arms that mean something else.
_RESERVED = ("control", "reachable", "mixed", "explore")


class PlanError(CvmError, ValueError):
    """A campaign cannot be planned as asked."""


@dataclass(frozen=True)
class Audience:
    """Who a campaign is for, by columns of the scores.

    Attributes
    ----------
    segments, value_tiers, lifecycle_stages : sequence of str
        Values allowed; none = all.
    minimum, maximum : mapping of str to float
        Bounds of columns of numbers, both included; who has no number there is left out.
    """

    segments: Sequence[str] = ()
    value_tiers: Sequence[str] = ()
    lifecycle_stages: Sequence[str] = ()
    minimum: Mapping[str, float] = field(default_factory=dict)
    maximum: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Consent:
    """Which columns of ``customers`` say who agreed to be contacted.

    Attributes
    ----------
    columns : mapping of str to str or None
        Channel to its column, by default ``consent_<channel>``; None = the channel needs no consent.
    max_age_days : int or None
        Older consent does not count, nor does consent without a date.
    """

    columns: Mapping[str, str | None] = field(default_factory=dict)
    max_age_days: int | None = None

    def column(self, channel: str) -> str | None:
        """Column of a channel; None where it needs no consent."""
        return self.columns.get(channel, f"consent_{channel}")


@dataclass(frozen=True)
class ContactPolicy:
    """How often one customer may be contacted, whoever does it.

    Attributes
    ----------
    window_days : int
        Contacts on so many days in a row count together.
    max_contacts : int or None
        Of one customer in these days; None = no limit.
    max_per_channel : mapping of str to int
        The same, by channel.
    cooldown_days : mapping of str to int
        ``order`` or a type of event to the days, its own the first of them, in which nobody is contacted.
    quiet_weekdays : sequence of str
        On which no campaign starts.
    quiet_dates : sequence of date
    """

    window_days: int = 30
    max_contacts: int | None = None
    max_per_channel: Mapping[str, int] = field(default_factory=dict)
    cooldown_days: Mapping[str, int] = field(default_factory=dict)
    quiet_weekdays: Sequence[str] = ()
    quiet_dates: Sequence[date] = ()

    def is_quiet(self, day: date) -> bool:
        """Whether no campaign may start on a day."""
        return WEEKDAYS[day.weekday()] in self.quiet_weekdays or day in self.quiet_dates

    def first_day(self, since: date) -> date:
        """The first day from ``since`` on that is not quiet."""
        day = since
        while self.is_quiet(day):
            day += timedelta(days=1)
        return day


@dataclass(frozen=True)
class PlanSettings:
    """One campaign to be planned.

    Attributes
    ----------
    name : str
    treatments : tuple of Treatment
        The preferred first, which decides where nothing else does.
    audience, consent, policy
        Who may be contacted.
    limits : Limits
        Budget and capacity of channels.
    control_share : float
        Of those chosen, held out by chance.
    exploration_share : float
        Of the limits, kept for customers drawn at random.
    floor_share : float
        Of the limits, spent first on customers of low value or high growth potential.
    starts_on : date or None
        Day of the contacts; None = the first that is not quiet from the scores' date on.
    suppression : sequence of Path
        Files of customers whom nobody contacts.
    pseudonyms : KeyedHash or None
        Under which customers are stored, other than in these files.
    holdout : GlobalHoldout or None
    salt : str
    outcome_days : int
        In which the campaign will be judged.
    active_days : int
        Who bought within so many days is a customer.
    timezone : str
        Cuts days.
    economics : Economics
        Currency and margins.

    Raises
    ------
    PlanError
        If there is no treatment, or one has a name that means something else.
    """

    name: str
    treatments: tuple[Treatment, ...]
    audience: Audience = field(default_factory=Audience)
    consent: Consent = field(default_factory=Consent)
    policy: ContactPolicy = field(default_factory=ContactPolicy)
    limits: Limits = field(default_factory=Limits)
    control_share: float = 0.1
    exploration_share: float = 0.05
    floor_share: float = 0.0
    starts_on: date | None = None
    suppression: Sequence[Path] = ()
    pseudonyms: KeyedHash | None = None
    holdout: GlobalHoldout | None = None
    salt: str = "cvm"
    outcome_days: int = 30
    active_days: int = 365
    timezone: str = "UTC"
    economics: Economics = field(default_factory=Economics)

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise PlanError("The campaign has no name; give it one of its own under campaigns.plans in params.yaml.")
        if not self.treatments:
            raise PlanError(
                f"Campaign {self.name!r} has no treatment. Say what customers may get under campaigns.treatments in "
                "params.yaml, for example {letter: {channel: post, cost: 1.10}}."
            )
        taken = sorted({treatment.name for treatment in self.treatments} & set(_RESERVED))
        if taken:
            raise PlanError(f"Treatments must not be called {taken}, which mean something else in a campaign; rename them.")
        if self.limits.budget is not None and self.limits.budget <= 0:
            raise PlanError(f"The budget of {self.name!r} == {self.limits.budget:g}: nobody could be contacted. Raise it.")
        negative = [treatment.name for treatment in self.treatments if treatment.cost < 0]
        if negative:
            raise PlanError(f"The cost of {negative} is negative; correct campaigns.treatments in params.yaml.")

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels of the treatments, each once."""
        return tuple(dict.fromkeys(treatment.channel for treatment in self.treatments))

    @property
    def exploration_id(self) -> str:
        """Campaign of those who are contacted to learn."""
        return f"{self.name}.explore"

    def campaign_id(self, treatment: Treatment) -> str:
        """Campaign of those chosen for a treatment: a draw of its own, with constant shares."""
        return self.name if len(self.treatments) == 1 else f"{self.name}.{treatment.name}"

    @property
    def campaign_ids(self) -> tuple[str, ...]:
        """All campaigns that the plan may write into the ledger."""
        return (*(self.campaign_id(treatment) for treatment in self.treatments), self.exploration_id)

    def day(self, as_of: date) -> date:
        """Day of the contacts.

        Raises
        ------
        PlanError
            If it is a quiet day, or lies before the scores.
        """
        if self.starts_on is None:
            return self.policy.first_day(as_of)
        if self.starts_on < as_of:
            raise PlanError(
                f"Campaign {self.name!r} starts on {self.starts_on}, before its scores of {as_of}: what they know would not "
                f"have been known. Set plans.{self.name}.starts_on to {as_of} or later, or leave it out."
            )
        if self.policy.is_quiet(self.starts_on):
            raise PlanError(
                f"Campaign {self.name!r} starts on {self.starts_on}, a quiet day of campaigns.contact_policy. The next day "
                f"that is none is {self.policy.first_day(self.starts_on)}."
            )
        return self.starts_on

    def midnight(self, day: date) -> datetime:
        """When a day begins, UTC, without zone."""
        return midnight(day, self.timezone)


@dataclass(frozen=True)
class PlanInputs:
    """What a plan rests on, beside the warehouse.

    Attributes
    ----------
    as_of : date
        Of the scores.
    scores : Path
    uplift : Path or None
        Expected effects: ``customer_id``, ``arm``, ``expected_uplift`` in currency over the campaign's outcome window.
    ledgers : sequence of Path
        Approved plans.
    included, excluded : sequence of str
        Customers put in or left out by hand.
    """

    as_of: date
    scores: Path
    uplift: Path | None = None
    ledgers: Sequence[Path] = ()
    included: Sequence[str] = ()
    excluded: Sequence[str] = ()
