"""Sections ``goals`` and ``kpis`` of ``params.yaml``: what the work on customers is for, and how it is measured."""

from __future__ import annotations

import re
from datetime import date
from difflib import get_close_matches
from math import isfinite
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from cvm.kpis.catalogue import ACTIVE_EVENTS, GOAL_METRICS, KPIS
from cvm.params_data import Day, Days, Number, Section, Title


def _not_blank(given: str) -> str:
    if not given.strip():
        raise ValueError(f"{given!r} is blank; write a name")
    return given


PeriodKind = Literal["month", "quarter", "year"]
Grouping = Literal["channel", "segment", "segment_at_start", "acquisition_channel", "cohort"]
Name = Annotated[str, Field(min_length=1), AfterValidator(_not_blank)]
_FIRST_YEAR = 1970


def _figure_or_change(value: object) -> object:
    is_change = isinstance(value, str) and re.fullmatch(r"[+-][0-9]+(\.[0-9]+)? ?%", value)
    if not is_change and (type(value) not in (int, float) or not isfinite(float(str(value)))):
        raise ValueError(f"{value!r} is neither a figure such as 0.25 nor a change such as -15% or +10%")
    return value


class GoalParams(Section):
    """What a metric of a segment shall come to, by when."""

    name: Title
    metric: Name
    segment: Name | None = None
    period: PeriodKind = "quarter"
    baseline: Number | None = None
    baseline_from: Day | None = None
    target: Annotated[float | str, BeforeValidator(_figure_or_change)]
    deadline: Day

    @field_validator("metric")
    @classmethod
    def _is_known(cls, given: str) -> str:
        if given not in GOAL_METRICS:
            near = get_close_matches(given, GOAL_METRICS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {list(GOAL_METRICS)}"
            raise ValueError(f"{given!r} is no KPI that a goal can have; {hint}")
        return given

    @field_validator("deadline")
    @classmethod
    def _is_of_our_time(cls, given: date) -> date:
        if given.year < _FIRST_YEAR:
            raise ValueError(f"{given} is before {_FIRST_YEAR}; write the year in full, such as 2026-12-31")
        return given

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.is_relative and self.aim < -1:
            raise ValueError(f"target {self.target} would take {self.metric} below 0; -100% is the least there is")
        if KPIS[self.metric].unit == "share" and not self.is_relative and not 0 <= self.aim <= 1:
            raise ValueError(f"target {self.aim:g} of {self.metric}, a share of 0 to 1; write 20% of customers as 0.2")
        if self.baseline_from and self.baseline_from >= self.deadline:
            raise ValueError(
                f"baseline_from {self.baseline_from} is not before the deadline {self.deadline}: "
                "there is no time to get from the one to the other; take an earlier baseline or a later deadline"
            )
        return self

    @property
    def is_relative(self) -> bool:
        """Whether the target is a change of the baseline."""
        return isinstance(self.target, str)

    @property
    def aim(self) -> float:
        """The figure wanted, or the change: -0.15 for "-15%"."""
        return float(self.target.rstrip("% ")) / 100 if isinstance(self.target, str) else self.target


class KpiParams(Section):
    """How KPIs are cut."""

    periods: Annotated[list[PeriodKind], Field(min_length=1)] = Field(default=["month", "quarter", "year"])
    inactivity_days: Annotated[Days, Field(le=3650)] = 30
    active_events: list[Name] = Field(default=list(ACTIVE_EVENTS))
    group_by: list[Grouping] = Field(default=["channel", "segment", "segment_at_start", "acquisition_channel", "cohort"])
