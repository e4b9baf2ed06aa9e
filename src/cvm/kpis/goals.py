"""How far goals have come: a metric of everybody or of one segment, from its baseline towards its target.

A segment is that of the customers at the start of each period, told by the scores of that time. The segment of today would
flatter or blame itself: nobody who is in vip today has been lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from cvm.engines import Engine, literal
from cvm.evaluation import REPLICATES, middle, wilson_interval
from cvm.evaluation.bootstrap import MIN_BINS
from cvm.kpis.catalogue import KPIS
from cvm.kpis.cells import scored_rows, snapshot_of
from cvm.kpis.coverage import Coverage
from cvm.kpis.definition import Kpi, formula, ratio
from cvm.kpis.periods import Period, calendar_periods
from cvm.kpis.settings import Goal, Scores
from cvm.kpis.table import START_SEGMENT_DAYS, fill, hold_calendar, relation_rows, runs_of

LEVEL = 0.95
_SEED = 7
_DAY = timedelta(days=1)
# Of a goal whose baseline has a figure and no date.
_YEAR = timedelta(days=365)
SCHEMA = pa.schema(
    {
        "as_of": pa.date32(), "goal": pa.string(), "metric": pa.string(), "segment": pa.string(), "period": pa.string(),
        "baseline": pa.float64(), "baseline_from": pa.date32(), "target": pa.float64(), "deadline": pa.date32(),
        "value": pa.float64(), "lower": pa.float64(), "upper": pa.float64(), "measured_until": pa.date32(),
        "progress": pa.float64(), "status": pa.string(), "unit": pa.string(), "reason": pa.string(),
    }
)  # fmt: skip


@dataclass(frozen=True)
class GoalProgress:
    """A goal at ``as_of``; ``progress`` is 0 at the baseline and 1 at the target, and may leave these bounds."""

    as_of: date
    goal: str
    metric: str
    segment: str | None
    period: str
    unit: str
    deadline: date
    baseline: float | None
    baseline_from: date | None
    target: float | None
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    measured_until: date | None = None
    progress: float | None = None
    status: str = "not_measured"
    reason: str | None = None


def goal_progress(engine: Engine, goals: Sequence[Goal], scores: Scores, coverage: Coverage) -> list[GoalProgress]:
    """Where every goal stands.

    Parameters
    ----------
    engine : Engine
        Within ``base_tables``.
    goals : sequence of Goal
    scores : Scores
        Up to ``coverage.as_of``.
    coverage : Coverage
    """
    found: dict[str, GoalProgress] = {}
    for kind in dict.fromkeys(map(_kind, goals)):
        own = [goal for goal in goals if _kind(goal) == kind]
        told = _periods(kind, scores, coverage)
        for by_segment in (False, True):
            asked = [goal for goal in own if (goal.segment is not None) == by_segment]
            measurable = [goal for goal in asked if not coverage.missing & set(KPIS[goal.metric].needs)]
            if measurable and told:
                _fill(engine, measurable, told, scores, coverage, by_segment=by_segment)
            for goal in asked:
                found[goal.name] = _progress(engine, goal, told if goal in measurable else {}, coverage)
    return [found[goal.name] for goal in goals]


def _kind(goal: Goal) -> str:
    return "snapshot" if KPIS[goal.metric].is_snapshot else goal.period


def _periods(kind: str, scores: Scores, coverage: Coverage) -> dict[int, Period]:
    """Those that are over, by number."""
    if kind == "snapshot":
        return dict(enumerate(map(snapshot_of, scores.files)))
    periods = calendar_periods([kind], first=coverage.orders.first, end=coverage.as_of)
    return {number: period for number, period in enumerate(periods) if period.end <= coverage.as_of}


def _fill(
    engine: Engine,
    goals: Sequence[Goal],
    periods: Mapping[int, Period],
    scores: Scores,
    coverage: Coverage,
    *,
    by_segment: bool,
) -> None:
    """Make ``kpi_goal`` hold the cells of what goals of one kind measure, by bins of customers."""
    relations = {measure.relation for goal in goals for measure in KPIS[goal.metric].measures}
    if _kind(goals[0]) == "snapshot":
        rows = {"scored": scored_rows(runs_of(scores, list(periods)))}
        segment = "segment"
    else:
        hold_calendar(engine, periods, scores)
        rows = {name: query for name, query in relation_rows(coverage).items() if name in relations}
        segment = "segment_at_start"
    fill(engine, "kpi_goal", rows, by={"bin": "bin"} | ({"segment": segment} if by_segment else {}))


def _progress(engine: Engine, goal: Goal, periods: Mapping[int, Period], coverage: Coverage) -> GoalProgress:
    kpi = KPIS[goal.metric]
    asked = {name: getattr(goal, name) for name in ("metric", "segment", "baseline", "baseline_from", "deadline")}
    target = None if goal.is_relative else goal.target
    blank = GoalProgress(as_of=coverage.as_of, goal=goal.name, period=_kind(goal), target=target, unit=kpi.unit, **asked)
    lacking = [need for need in kpi.needs if need in coverage.missing]
    if lacking:
        return replace(blank, reason=f"needs {' and '.join(lacking)}, and there is none")
    is_any_over = bool(periods)
    periods = {number: period for number, period in periods.items() if period.end <= goal.deadline + _DAY}
    reasons = {number: coverage.reason(kpi, period) for number, period in periods.items()}
    values = _values(engine, kpi, goal, periods) if periods else {}
    known = {number: value for number, value in values.items() if value is not None and reasons.get(number, "") is None}
    last = max(periods, default=None)
    if last is None:
        by = f" that ends by the deadline {goal.deadline}" if is_any_over else ""
        return replace(blank, reason=f"no {_kind(goal)}{by} is over yet")
    if last not in known:
        without = kpi.without if last in values else _absent(engine, goal, last, periods[last])
        return replace(blank, reason=reasons[last] or without)
    value, until = known[last], periods[last].end
    lower, upper = _interval(engine, kpi, goal, number=last, value=value)
    found = replace(blank, value=value, lower=lower, upper=upper, measured_until=until)
    if goal.baseline is not None:
        since = goal.baseline_from or goal.deadline - _YEAR
        return _judged(found, goal, baseline=goal.baseline, since=since, value=value, until=until)
    after = [number for number in known if goal.baseline_from is None or periods[number].start >= goal.baseline_from]
    if not after:
        return replace(found, reason=f"no {_kind(goal)} measured begins on {goal.baseline_from} or later")
    first = min(after)
    since = goal.baseline_from or periods[first].end
    if first == last:
        only = f"{periods[first].label} is the baseline, and the only value so far"
        if _target(goal, value) == value:
            only = _no_way(goal, value)
        return replace(found, baseline=value, baseline_from=since, target=_target(goal, value), reason=only)
    return _judged(found, goal, baseline=known[first], since=since, value=value, until=until)


def _absent(engine: Engine, goal: Goal, number: int, period: Period) -> str:
    """Why there is nobody to measure."""
    if goal.segment is None:
        return f"nobody in {period.label}"
    if period.kind == "snapshot":
        return f"nobody is in segment {goal.segment!r} in the scores of {period.start}"
    scored = engine.row(f"SELECT count(*) AS n FROM kpi_start_segment WHERE period = {number}")["n"]
    if scored:
        return f"nobody was in segment {goal.segment!r} in the last scores before {period.start}"
    return (
        f"no scores of the {START_SEGMENT_DAYS} days before {period.start} tell who was in segment {goal.segment!r} then; "
        "score at the start of each period"
    )


def _judged(found: GoalProgress, goal: Goal, *, baseline: float, since: date, value: float, until: date) -> GoalProgress:
    """With progress, and status against the straight line from the baseline to the target."""
    target = _target(goal, baseline)
    found = replace(found, baseline=baseline, baseline_from=since, target=target)
    if target == baseline:
        return replace(found, reason=_no_way(goal, baseline))
    # Sums of floats miss by less; and no -0.0.
    progress = round((baseline - value) / (baseline - target), 12) + 0.0
    passed = (until - since).days / max((goal.deadline - since).days, 1)
    if progress >= 1:
        status = "reached"
    elif found.as_of > goal.deadline:  # so its last period is over
        status = "missed"
    else:
        status = "on_track" if progress >= passed else "behind"
    return replace(found, progress=progress, status=status)


def _no_way(goal: Goal, baseline: float) -> str:
    if goal.is_relative and not baseline:
        return "the baseline is 0, and a change of it in per cent is none; give a figure as target, or choose another metric"
    return f"the target is the baseline, {baseline:g}: there is no way to go"


def _target(goal: Goal, baseline: float) -> float:
    return baseline * (1 + goal.target) if goal.is_relative else goal.target


def _values(engine: Engine, kpi: Kpi, goal: Goal, periods: Collection[int]) -> dict[int, float | None]:
    """By number of the period, where there is anybody to measure; null where the denominator is 0."""
    rows = engine.table(f"SELECT period, {ratio(kpi)} AS value FROM kpi_goal WHERE {_of(goal)} GROUP BY period")
    found: dict[int, float | None] = dict(zip(rows["period"].to_pylist(), rows["value"].to_pylist(), strict=True))
    # Of people who did nothing there are no rows, and sums of nothing are 0.
    nothing: float | None = 0.0 if kpi.denominator is None else None
    return dict.fromkeys(_peopled(engine, kpi, goal, periods), nothing) | found


def _peopled(engine: Engine, kpi: Kpi, goal: Goal, periods: Collection[int]) -> Collection[int]:
    """Periods of the calendar in which there is somebody to measure, whether or not they did anything."""
    if kpi.is_snapshot:
        return ()
    if goal.segment is None:
        return periods
    began = engine.table(f"SELECT DISTINCT period FROM kpi_start_segment WHERE {_of(goal)}")["period"].to_pylist()
    return set(began) & set(periods)


def _interval(engine: Engine, kpi: Kpi, goal: Goal, *, number: int, value: float) -> tuple[float | None, float | None]:
    """Wilson's for a share of customers, else the bootstrap of bins of customers; none with too few bins."""
    where = f"{_of(goal)} AND period = {number}"
    if kpi.is_share and kpi.denominator:
        n = engine.row(f"SELECT {formula(kpi.denominator)} AS n FROM kpi_goal WHERE {where}")["n"]
        lower, upper = wilson_interval(np.array([value]), np.array([int(n)]), level=LEVEL)
        return float(lower[0]), float(upper[0])
    sums = ", ".join(f"coalesce(sum({measure.name}), 0) AS {measure.name}" for measure in kpi.measures)
    bins = engine.table(f"SELECT bin, {sums} FROM kpi_goal WHERE {where} GROUP BY bin ORDER BY bin")
    if bins.num_rows < MIN_BINS:
        return None, None
    table = np.column_stack([bins[measure.name].to_numpy() for measure in kpi.measures])
    weights = np.random.default_rng(_SEED).poisson(1.0, (REPLICATES, len(table))).astype(float)
    drawn = dict(zip((measure.name for measure in kpi.measures), (weights @ table).T, strict=True))
    engine.register("kpi_drawn", pa.table({"draw": np.arange(REPLICATES), **drawn}))
    values = engine.table(f"SELECT {ratio(kpi)} AS value FROM kpi_drawn GROUP BY draw")["value"].drop_null().to_numpy()
    if len(values) < REPLICATES:  # some draws have nothing to divide by: no upper end
        return None, None
    bounds = middle(values, level=LEVEL)
    return bounds.lower, bounds.upper


def _ratio(kpi: Kpi) -> str:
    if kpi.denominator is None:
        return formula(kpi.numerator)
    below = formula(kpi.denominator)
    return f"CASE WHEN {below} > 0 THEN ({formula(kpi.numerator)}) / ({below}) END"


def _of(goal: Goal) -> str:
    return "TRUE" if goal.segment is None else f"segment = {literal(goal.segment)}"


def goal_table(found: Sequence[GoalProgress]) -> pa.Table:
    """A row per goal."""
    return pa.Table.from_pylist([{name: getattr(row, name) for name in SCHEMA.names} for row in found], schema=SCHEMA)
