"""Which dates teach, which judge, which are scored.

``score`` is today. The ``test`` snapshot is the last whose outcome is complete. ``training`` snapshots roll back from
there in steps; their outcome windows end before the test window starts. After the judgement the winning recipe is
fitted again on the ``labelled`` snapshots, which may be as late as the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from cvm.errors import InsufficientDataError

# A training snapshot needs customers with some past: half a horizon of it.
_MIN_HISTORY_SHARE = 0.5
_MAX_STALE_DAYS = 31
_MIN_JUDGED_DAYS = 7
_YEAR = 365


@dataclass(frozen=True)
class Replay:
    """A snapshot on the same day of an earlier year, to see what was wrong in the same season.

    Attributes
    ----------
    as_of : date
    horizon_days : int
        Of the outcome window of interest.
    silence_days : int
        Of the outcome window that ends where the later snapshot begins: the longest known.
    history_days : int
        Behind ``as_of``.
    """

    as_of: date
    horizon_days: int
    silence_days: int
    history_days: int


@dataclass(frozen=True)
class SnapshotPlan:
    """Dates of one training and scoring run.

    Attributes
    ----------
    score : date
        ``as_of`` of the scores.
    horizon_days, lead_days : int
        Outcome window of the product.
    judged_days : int
        Horizon over which models are compared; shorter than ``horizon_days`` when history is short, 0 when
        nothing can be judged.
    test : date or None
        Test snapshot.
    training : tuple of date
        Snapshots that teach the models under judgement; empty when history affords none.
    labelled : tuple of date
        Snapshots for the final fit, outcome known over ``horizon_days``.
    first_day : date
        Day of the first transaction.
    """

    score: date
    horizon_days: int
    lead_days: int
    judged_days: int
    test: date | None
    training: tuple[date, ...]
    labelled: tuple[date, ...]
    first_day: date

    @property
    def as_of(self) -> list[date]:
        """All snapshot dates, each once, in order."""
        single = (self.score, self.test, *(replay.as_of for replay in self.replays))
        return sorted({*self.training, *self.labelled, *(day for day in single if day)})

    @property
    def outcomes(self) -> list[tuple[date, int]]:
        """All pairs of snapshot and horizon whose outcome is needed."""
        judged = [*self.training, *([self.test] if self.test else [])]
        pairs = {(as_of, self.judged_days) for as_of in judged} | {(d, self.horizon_days) for d in self.labelled}
        for replay in self.replays:
            pairs |= {(replay.as_of, replay.horizon_days), (replay.as_of, replay.silence_days)}
        return sorted(pairs)

    @property
    def replays(self) -> list[Replay]:
        """The years-ago counterparts of the scored and the tested snapshot, where season is known."""
        found = (self.replay(self.score, self.horizon_days), self.replay(self.test, self.judged_days))
        return [replay for replay in found if replay]

    def replay(self, day: date | None, horizon_days: int) -> Replay | None:
        """The same day of an earlier year, or ``None`` where season is not known."""
        if day is None or not self.knows_season(day):
            return None
        as_of = day - timedelta(days=self._years * _YEAR)
        return Replay(
            as_of,
            horizon_days=horizon_days,
            silence_days=self._years * _YEAR - self.lead_days,
            history_days=(as_of - self.first_day).days,
        )

    def knows_season(self, day: date) -> bool:
        """Whether the outcome window of the same day of an earlier year has a horizon of history behind it."""
        return (day - self.first_day).days >= self.season_history_days

    @property
    def season_history_days(self) -> int:
        """Days of history from which on season is known."""
        return self._years * _YEAR + self.horizon_days

    @property
    def _years(self) -> int:
        return -(-(self.horizon_days + self.lead_days) // _YEAR)


def plan_snapshots(
    *,
    first_day: date,
    last_day: date,
    as_of: date | None,
    horizon_days: int,
    lead_days: int,
    snapshots: int,
    step_days: int,
) -> SnapshotPlan:
    """Fit the snapshots into the history there is.

    Parameters
    ----------
    first_day, last_day : date
        Days of the first and the last transaction.
    as_of : date or None
        Scoring date; ``None`` means the day after ``last_day``.
    horizon_days, lead_days : int
        Outcome window.
    snapshots, step_days : int
        How many training snapshots, how far apart.

    Raises
    ------
    InsufficientDataError
        If ``as_of`` lies outside of the history.
    """
    score = as_of or last_day + timedelta(days=1)
    if score <= first_day:
        raise InsufficientDataError(
            f"windows.as_of == {score} is not after the first transaction ({first_day}): nothing is known before it. "
            f"Choose a date from {first_day + timedelta(days=1)} on, or latest."
        )
    if (score - last_day).days > _MAX_STALE_DAYS:
        raise InsufficientDataError(
            f"windows.as_of == {score} is {(score - last_day).days} days after the last transaction ({last_day}); "
            "the days between would count as days without orders. Ingest newer data, "
            f"or choose as_of <= {last_day + timedelta(days=1)}."
        )
    history = (score - first_day).days
    afford = _Affordable(first_day=first_day, snapshots=snapshots, step_days=step_days, lead_days=lead_days)
    judged_days = _judged_days(history, horizon_days=horizon_days, lead_days=lead_days)
    boosted = history >= 2 * (horizon_days + lead_days)
    test = score - timedelta(days=judged_days + lead_days) if judged_days else None
    return SnapshotPlan(
        score=score,
        horizon_days=horizon_days,
        lead_days=lead_days,
        judged_days=judged_days,
        test=test,
        training=afford.before(test, judged_days) if boosted and test else (),
        labelled=afford.before(score, horizon_days) if boosted else (),
        first_day=first_day,
    )


def check_in_history(dates: Sequence[date], *, first_day: date, last_day: date) -> None:
    """Refuse dates at which nothing is known, or so late that the days since the data end would count as silent.

    Raises
    ------
    InsufficientDataError
        Names the dates, and the range there is.
    """
    first, last = first_day + timedelta(days=1), last_day + timedelta(days=_MAX_STALE_DAYS)
    outside = [str(day) for day in dates if not first <= day <= last]
    if outside:
        shown = ", ".join(outside[:3]) + (f" and {len(outside) - 3:,} more" if len(outside) > 3 else "")
        raise InsufficientDataError(
            f"{len(outside):,} of {len(dates):,} dates to score lie outside of the history ({shown}). Transactions are of "
            f"{first_day} to {last_day}: choose dates from {first} to {last}, or ingest more."
        )


def _judged_days(history: int, *, horizon_days: int, lead_days: int) -> int:
    """Longest horizon, up to the product's, that the history can judge."""
    window = horizon_days + lead_days
    boosted = history >= 2 * window
    affordable = (history - 2 * lead_days) / (2 + _MIN_HISTORY_SHARE) if boosted else history / 2 - lead_days
    days = min(horizon_days, int(affordable))
    return days if days >= min(_MIN_JUDGED_DAYS, horizon_days) else 0


@dataclass(frozen=True)
class _Affordable:
    first_day: date
    snapshots: int
    step_days: int
    lead_days: int

    def before(self, end: date, horizon_days: int) -> tuple[date, ...]:
        """Snapshots whose outcome windows end by ``end``, latest first, each with enough history behind it."""
        latest = end - timedelta(days=horizon_days + self.lead_days)
        dates = (latest - timedelta(days=k * self.step_days) for k in range(self.snapshots))
        return tuple(d for d in dates if (d - self.first_day).days >= int(_MIN_HISTORY_SHARE * horizon_days))
