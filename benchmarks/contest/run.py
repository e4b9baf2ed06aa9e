"""One case from start to end: forecasts of everybody, then the figures."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from contest.bases import Case
from contest.forecasts import Forecast, UnavailableError, read_forecasts, write_forecasts
from contest.measure import Difference, Measured, measure, noise_floor
from contest.ours import OURS, our_forecasts
from contest.peers import PEERS
from contest.scored import IntervalFigures, interval_figures, score_case
from contest.snapshots import Contest, read_contest


@dataclass(frozen=True)
class Outcome:
    """What a case showed.

    Attributes
    ----------
    case : str
    n_customers, n_training : int
    active : float
        Share of customers with an order in the window.
    season_break : str
        The reason, or empty.
    measured : dict of str to Measured
        By competitor.
    missing : dict of str to str
        Competitors who could not take part, and why.
    floors : dict of str to float
        What ``decmape`` and ``calibration`` of ours would be if every group of ten were foretold exactly.
    intervals : IntervalFigures or None
        Of the scores; ``None`` where they have no interval.
    seconds : dict of str to float
        By competitor, fit and forecast.
    """

    case: str
    base: str
    n_customers: int
    n_training: int
    active: float
    season_break: str
    measured: dict[str, Measured]
    missing: dict[str, str] = field(default_factory=dict)
    floors: dict[str, float] = field(default_factory=dict)
    intervals: IntervalFigures | None = None
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """How cases are run.

    Attributes
    ----------
    work : Path
        Receives warehouses, features and the forecasts of others.
    n_resamples : int
        Of the paired bootstrap.
    with_scores : bool
        Also run the whole product at the snapshot, for its promoted models and intervals.
    reuse_peers : bool
        Take the forecasts of others from an earlier run, where there is one.
    """

    work: Path
    n_resamples: int = 200
    with_scores: bool = True
    reuse_peers: bool = False


def run_case(case: Case, settings: Settings) -> Outcome:
    """Everybody on one case."""
    work = settings.work
    contest = read_contest(case, work)
    kept = work / case.base / case.name / "peers.parquet"
    started = time.perf_counter()
    ours = our_forecasts(contest)
    seconds = {OURS: time.perf_counter() - started}
    if settings.reuse_peers and kept.is_file():
        theirs, missing = read_forecasts(kept)
    else:
        theirs, missing = _peers(contest, seconds)
        write_forecasts(kept, theirs, missing)
    intervals = None
    if settings.with_scores:
        scored = score_case(case, work, contest.test.features["customer_id"])
        ours[f"{OURS}: as scored"] = scored.forecast
        intervals = interval_figures(contest.test.revenue, scored)
    return _outcome(contest, ours | theirs, missing, seconds, intervals, settings.n_resamples)


def _peers(contest: Contest, seconds: dict[str, float]) -> tuple[dict[str, Forecast], dict[str, str]]:
    forecasts, missing = {}, {}
    for name, peer in PEERS.items():
        started = time.perf_counter()
        try:
            forecasts[name] = peer(contest)
        except UnavailableError as reason:
            missing[name] = str(reason)
        seconds[name] = time.perf_counter() - started
    return forecasts, missing


def _outcome(
    contest: Contest,
    forecasts: dict[str, Forecast],
    missing: dict[str, str],
    seconds: dict[str, float],
    intervals: IntervalFigures | None,
    n_resamples: int,
) -> Outcome:
    test = contest.test
    revenue, churned = np.maximum(test.revenue, 0.0), test.churned
    ours = forecasts[OURS]
    return Outcome(
        case=contest.case.name,
        base=contest.case.base,
        n_customers=len(revenue),
        n_training=len(contest.training),
        active=float(1 - churned.mean()),
        season_break=contest.case.season_break,
        measured=measure(revenue, churned, forecasts, n_resamples=n_resamples),
        missing=missing,
        floors={
            "decmape": noise_floor(revenue, ours.revenue) / revenue.mean(),
            "calibration": noise_floor(churned, ours.p_churn),
        },
        intervals=intervals,
        seconds=seconds,
    )


def to_json(outcomes: Sequence[Outcome]) -> str:
    """Outcomes as JSON."""
    return json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + "\n"


def from_json(text: str) -> list[Outcome]:
    """Outcomes of an earlier run."""
    return [
        Outcome(
            **entry
            | {
                "measured": {name: _measured(**found) for name, found in entry["measured"].items()},
                "intervals": IntervalFigures(**entry["intervals"]) if entry["intervals"] else None,
            }
        )
        for entry in json.loads(text)
    ]


def _measured(metrics: dict[str, float], differences: dict[str, dict[str, float]], note: str) -> Measured:
    return Measured(metrics, {metric: Difference(**one) for metric, one in differences.items()}, note)
