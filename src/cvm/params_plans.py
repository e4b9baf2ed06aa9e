"""Sections of ``params.yaml`` about plans: who may be contacted, how often, and what a campaign may spend."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from cvm.params_data import Cost, Day, Days, Number, Section

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Name = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]


class ConsentParams(Section):
    """Which columns of ``customers`` say who agreed to what."""

    columns: dict[Name, Name | None] = Field(default_factory=dict)
    max_age_days: Days | None = None


class ContactPolicyParams(Section):
    """How often one customer may be contacted, whoever does it."""

    window_days: Days = 30
    max_contacts: Count | None = None
    max_per_channel: dict[Name, Count] = Field(default_factory=dict)
    cooldown_days: dict[Name, Days] = Field(default_factory=dict)
    quiet_weekdays: list[Weekday] = Field(default_factory=list)
    quiet_dates: list[Day] = Field(default_factory=list)

    @field_validator("quiet_weekdays")
    @classmethod
    def _leaves_a_day(cls, given: list[Weekday]) -> list[Weekday]:
        if len(set(given)) == 7:
            raise ValueError("names all seven weekdays; leave one on which customers may be contacted")
        return given


class WhoParams(Section):
    """Who a campaign is for, by their scores; what is left out does not matter."""

    segments: list[str] = Field(default_factory=list)
    value_tiers: list[str] = Field(default_factory=list)
    lifecycle_stages: list[str] = Field(default_factory=list)
    min: dict[Name, Number] = Field(default_factory=dict)
    max: dict[Name, Number] = Field(default_factory=dict)


class PlanParams(Section):
    """One campaign: what it may do to whom, and what it may spend."""

    treatments: list[Name] = Field(default_factory=list)
    audience: WhoParams = WhoParams()
    starts_on: Day | None = None
    control_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    budget: Annotated[Cost, Field(gt=0)] | None = None
    capacity: dict[Name, Count] = Field(default_factory=dict)
    exploration_share: Annotated[float, Field(ge=0, lt=1)] = 0.05
    floor_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
