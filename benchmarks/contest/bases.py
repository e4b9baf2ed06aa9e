"""Customer bases, and the snapshots of each that judge (``test``) or that settings may be chosen on (``dev``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Literal

from cvm.datasets import DATASETS, prepare
from cvm.datasets.simulate import simulate

Role = Literal["test", "dev"]

# Of the days of a window and of the history before it, in the last quarter of a year: where the shares are further apart
# than this, the window is of another season than the history.
_SEASON_GAP = 1 / 3


@dataclass(frozen=True)
class Base:
    """A customer base.

    Attributes
    ----------
    name : str
    kind : {"real", "provider", "simulated"}
        ``provider``: simulated by whoever published it.
    first_day : date
        Of its history.
    build : callable
        Writes ``params.yaml`` and the tables into a folder, given that folder and the one with the public files.
    """

    name: str
    kind: Literal["real", "provider", "simulated"]
    first_day: date
    build: Callable[[Path, Path | None], object]


@dataclass(frozen=True)
class Case:
    """A base, a snapshot and an outcome window."""

    base: str
    as_of: date
    horizon_days: int
    role: Role

    @property
    def name(self) -> str:
        """Also the name of its folder."""
        return f"{self.base}_{self.as_of}_{self.horizon_days}d"

    @property
    def history_days(self) -> int:
        """Behind the snapshot."""
        return (self.as_of - BASES[self.base].first_day).days

    @property
    def window_end(self) -> date:
        """First day after the outcome window."""
        return self.as_of + timedelta(days=self.horizon_days)

    @property
    def season_break(self) -> str:
        """Why the history cannot know the season of the window; empty where it can, or where none changes.

        A rule on the calendar alone: what came of the window is not looked at.
        """
        if self.history_days >= 365 + self.horizon_days:
            return ""
        before = _share_in_last_quarter(BASES[self.base].first_day, self.as_of)
        within = _share_in_last_quarter(self.as_of, self.window_end)
        if abs(within - before) <= _SEASON_GAP:
            return ""
        return (
            f"{within:.0%} of the window lies in October to December, {before:.0%} of the {self.history_days} days before: "
            "no year-old window shows what that season does"
        )


def _share_in_last_quarter(start: date, end: date) -> float:
    days = (end - start).days
    return sum((start + timedelta(days=k)).month >= 10 for k in range(days)) / days


def _published(name: str) -> Callable[[Path, Path | None], object]:
    return lambda folder, source: prepare(DATASETS[name], folder, source=source)


def _simulated(seed: int, n_customers: int, years: float) -> Callable[[Path, Path | None], object]:
    return lambda folder, _: simulate(folder, n_customers=n_customers, seed=seed, as_of=date(2026, 1, 1), years=years)


_SIMULATED = partial(Base, kind="simulated", first_day=date(2023, 1, 1))

BASES = {
    base.name: base
    for base in (
        Base("cdnow", "real", date(1997, 1, 1), _published("cdnow")),
        Base("complete-journey", "real", date(2017, 1, 1), _published("complete-journey")),
        Base("online-retail", "real", date(2010, 12, 1), _published("online-retail")),
        Base("starbucks", "provider", date(2018, 8, 1), _published("starbucks")),
        *(_SIMULATED(f"simulated-{seed}", build=_simulated(seed, 20_000, 3.0)) for seed in (1, 2, 3, 11)),
        Base("tiny", "simulated", date(2024, 7, 1), _simulated(5, 800, 1.5)),
    )
}


def _cases(base: str, role: Role, *windows: tuple[str, int]) -> list[Case]:
    return [Case(base, date.fromisoformat(as_of), horizon_days, role) for as_of, horizon_days in windows]


# Windows of dev end no later than the first test window of their base begins, but where a month of history is all there is.
CASES = [
    *_cases("cdnow", "test", ("1998-01-01", 181), ("1997-10-01", 91), ("1998-01-01", 91), ("1998-04-01", 91)),
    *_cases("cdnow", "dev", ("1997-06-01", 91), ("1997-07-01", 91), ("1997-08-01", 61)),
    *_cases("complete-journey", "test", ("2017-06-05", 90), ("2017-07-05", 90), ("2017-10-03", 90)),
    *_cases("complete-journey", "dev", ("2017-04-05", 60), ("2017-05-05", 30)),
    *_cases("online-retail", "test", ("2011-06-11", 90), ("2011-07-21", 90), ("2011-09-10", 90)),
    *_cases("online-retail", "dev", ("2011-03-27", 45), ("2011-04-11", 61)),
    *_cases("starbucks", "test", ("2018-08-16", 7), ("2018-08-20", 7), ("2018-08-24", 7)),
    *_cases("starbucks", "dev", ("2018-08-10", 5), ("2018-08-11", 5)),
    *_cases("simulated-1", "test", ("2025-01-03", 181), ("2025-04-03", 181), ("2025-07-04", 181)),
    *_cases("simulated-2", "test", ("2025-07-04", 181)),
    *_cases("simulated-3", "test", ("2025-07-04", 181)),
    *_cases("simulated-11", "dev", ("2024-07-05", 181), ("2025-01-03", 181)),
    *_cases("tiny", "dev", ("2025-10-01", 90)),
]


def chosen_cases(role: Role, names: Sequence[str]) -> list[Case]:
    """Cases of one role whose name begins with one of these, all without names; ``tiny`` only where it is named."""
    wanted = tuple(names) or tuple(name for name in BASES if name != "tiny")
    return [case for case in CASES if case.role == role and case.name.startswith(wanted)]
