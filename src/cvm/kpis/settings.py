"""What KPIs and goals are asked for, and of which tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from cvm.features.economics import Economics
from cvm.kpis.catalogue import ACTIVE_EVENTS


@dataclass(frozen=True)
class KpiSettings:
    """How KPIs are cut.

    Attributes
    ----------
    periods : tuple of {"month", "quarter", "year"}
    group_by : tuple of str
        Of ``definition.GROUPS`` beside ``all``; those that the data cannot tell apart are left out.
    active_days, inactivity_days : int
        Who ordered within so many days is a customer; by the second churn rate, active.
    active_events : tuple of str
        Types of event that are interactions of the customer's own.
    timezone : str
        Cuts days and periods.
    economics : Economics
    """

    periods: tuple[str, ...] = ("month", "quarter", "year")
    group_by: tuple[str, ...] = ("channel", "segment", "segment_at_start", "acquisition_channel", "cohort")
    active_days: int = 365
    inactivity_days: int = 30
    active_events: tuple[str, ...] = ACTIVE_EVENTS
    timezone: str = "UTC"
    economics: Economics = field(default_factory=Economics)


@dataclass(frozen=True)
class Scores:
    """Runs of scores on file, oldest first.

    Attributes
    ----------
    files : mapping of date to Path
        By ``as_of``.
    """

    files: Mapping[date, Path] = field(default_factory=dict)

    def until(self, as_of: date) -> Scores:
        """Those of that day or before."""
        return Scores({day: path for day, path in sorted(self.files.items()) if day <= as_of})

    @property
    def latest(self) -> Path | None:
        """The last."""
        return list(self.files.values())[-1] if self.files else None

    def before(self, day: date, *, within_days: int) -> Path | None:
        """The last one of at most so many days before a day, or of the day itself."""
        found = [path for as_of, path in sorted(self.files.items()) if as_of <= day and (day - as_of).days <= within_days]
        return found[-1] if found else None


@dataclass(frozen=True)
class Goal:
    """What a metric shall come to, by when.

    Attributes
    ----------
    name : str
    metric : str
        Of ``KPIS``.
    segment : str or None
        None for everybody.
    period : {"month", "quarter", "year"}
        Over which the metric is taken; metrics of scores are taken at each run.
    baseline : float or None
        None for the first value measured, from ``baseline_from`` on.
    baseline_from : date or None
        Day that the baseline holds for; by default the end of its period, of a figure a year before the deadline.
    target : float
        The value wanted, or where ``is_relative`` the change: -0.15 is 15 % below the baseline.
    is_relative : bool
    deadline : date
    """

    name: str
    metric: str
    segment: str | None
    period: str
    baseline: float | None
    baseline_from: date | None
    target: float
    is_relative: bool
    deadline: date
