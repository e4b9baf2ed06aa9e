"""Sections ``goals`` and ``kpis`` of ``params.yaml``: what the work on customers is for, and how it is measured."""

from __future__ import annotations

import re
from difflib import get_close_matches
from math import isfinite
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from cvm.kpis.catalogue import ACTIVE_EVENTS, GOAL_METRICS
from cvm.params_data import Day, Days, Section, Title

PeriodKind = Literal["month", "quarter", "year"]
Grouping = Literal["channel", "segment", "segment_at_start", "acquisition_channel", "cohort"]
Name = Annotated[str, Field(min_length=1)]
Figure = Annotated[float, Field(allow_inf_nan=False)]


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
    baseline: Figure | None = None
    baseline_from: Day | None = None
    target: Annotated[float | str, BeforeValidator(_figure_or_change)]
    deadline: Day

    @field_validator("metric")
    @classmethod
    def _is_known(cls, given: str) -> str:
        if given not in GOAL_METRICS:
            near = get_close_matches(given, GOAL_METRICS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {list(GOAL_METRICS)}"
            raise ValueError(f"{given!r} is no metric of docs/kpis.md; {hint}")
        return given

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
