"""Whether the champion can still be trusted: what came true since, what moved, what stopped."""

from __future__ import annotations

from collections.abc import Iterator, Set
from datetime import date, timedelta
from pathlib import Path

from cvm.engines import DuckDBEngine
from cvm.errors import FeatureMismatchError
from cvm.features.files import read_features, read_plan
from cvm.features.stage import history_days
from cvm.ingest.assessment import read_assessment
from cvm.models.bundle import Bundle, read_bundle
from cvm.models.profiles import profiles_from_state
from cvm.monitoring.backtest import SCORED, Backtest, backtest
from cvm.monitoring.history import write_monitored
from cvm.monitoring.level import LEAST_KNOWN, months_until, signals
from cvm.monitoring.movement import Moved, movements
from cvm.monitoring.verdict import Monitored, judge
from cvm.params import Params
from cvm.scoring.files import foresaw, read_scores
from cvm.stages.context import Progress, damaged_scores, engine_trouble, silent, workspace_of, writes
from cvm.stages.prediction import unlike_params
from cvm.stages.publish import publish_monitoring
from cvm.stages.warehouse import check_duckdb, learned_features, open_duckdb
from cvm.workspace import Workspace

# Of a shorter stretch of an outcome window nothing can be said.
_LEAST_DAYS = 28
_MOST_MONTHS = 24
_STALE = "stale source"


@writes("cvm monitor")
def monitor(params: Params, *, progress: Progress = silent) -> Monitored:
    """Look at everything, write it to ``outputs/monitoring`` and say what to do.

    Raises
    ------
    MissingOutputError
        If there is no warehouse or no champion yet.
    FeatureMismatchError
        If the champion was trained by a version that kept no profiles.
    """
    check_duckdb(params, step="cvm monitor")
    workspace = workspace_of(params)
    bundle, timezone = read_bundle(workspace.champion), params.business.timezone
    profiles = bundle.evidence.get("profiles")
    if not profiles:
        raise FeatureMismatchError(
            "The champion keeps no profile of its features to compare with: another version of cvm trained it. "
            "Run `cvm train` once."
        )
    notes = [*damaged_scores(workspace)]
    if differing := unlike_params(bundle, params):
        notes.append(
            f"The champion foretells something else than params.yaml asks for: {differing}. What follows is about the "
            "champion; features made by these params may look changed to it."
        )
    with engine_trouble(), open_duckdb(params, step="cvm monitor") as engine:
        first_day, last_day = history_days(engine, timezone=timezone)
        as_of = params.windows.as_of if params.windows.as_of != "latest" else last_day + timedelta(days=1)
        progress("orders of each month against those expected")
        months = months_until(
            engine, bundle.btyd, as_of=as_of, trained_as_of=bundle.trained_as_of, first_day=first_day, timezone=timezone
        )
        n_known = sum(month.is_known for month in months)
        if n_known == len(months):
            notes.append(f"No full month since training ({bundle.trained_as_of}): nothing can have come true yet.")
        elif n_known < LEAST_KNOWN:
            notes.append(
                f"{n_known} months of history before training say too little of what is usual; it takes {LEAST_KNOWN}."
            )
        progress("earlier scores against what followed")
        tested = list(_backtests(engine, bundle, workspace, as_of=as_of, timezone=timezone, notes=notes))
    progress("features and scores against those of training")
    features, scores = _moved(workspace, learned_features(params), profiles, as_of=as_of, notes=notes)
    assessment = read_assessment(workspace)
    stale = [finding.meaning for finding in assessment.findings if finding.check == _STALE] if assessment else []
    found = signals(months)
    verdict = judge(
        signals=found,
        backtests=tested,
        features=features,
        scores=scores,
        stale=stale,
        model_version=bundle.model_version,
        evidence=bundle.evidence,
    )
    monitored = Monitored(
        as_of, bundle.model_version, verdict, tuple(found), tuple(tested), tuple(features), tuple(scores), tuple(notes)
    )
    write_monitored(workspace.monitoring, monitored)
    publish_monitoring(params, as_of, progress=progress)
    return monitored


def _backtests(
    engine: DuckDBEngine, bundle: Bundle, workspace: Workspace, *, as_of: date, timezone: str, notes: list[str]
) -> Iterator[Backtest]:
    """Of every run of scores whose window is at least a month in."""
    if bundle.churn_anchor.definition.definition != "no_order":
        notes.append("Earlier scores are compared with orders, and churn means something else here: not done.")
        return
    before = as_of - timedelta(days=_LEAST_DAYS + bundle.lead_days)
    hindsight = {day for day, path in workspace.score_files().items() if day <= before and foresaw(path, day)}
    if hindsight:
        notes.append(
            f"Scores by a model that was trained after their date and so knew what came: {len(hindsight):,}, the latest of "
            f"{max(hindsight)}. They are no evidence of how well it foretells, and are left out."
        )
    for day, path in _monthly(workspace, before=before, without=hindsight):
        table = read_scores(path, columns=[*SCORED, "horizon_days", "model_version"])
        if not table.num_rows:
            continue
        yield backtest(
            engine,
            table.select(SCORED).to_pandas(),
            bundle.btyd,
            as_of=day,
            until=as_of,
            model_version=str(table["model_version"][0]),
            horizon_days=int(table["horizon_days"][0].as_py()),
            lead_days=bundle.lead_days,
            timezone=timezone,
        )


def _monthly(workspace: Workspace, *, before: date, without: Set[date]) -> list[tuple[date, Path]]:
    """Scores of up to so many months, the last of each: daily scores would say the same of the same days."""
    found = [(day, path) for day, path in sorted(workspace.score_files().items()) if day <= before and day not in without]
    last = {(day.year, day.month): (day, path) for day, path in found}
    return list(last.values())[-_MOST_MONTHS:]


def _moved(
    workspace: Workspace, folder: Path, profiles: dict[str, dict[str, object]], *, as_of: date, notes: list[str]
) -> tuple[list[Moved], list[Moved]]:
    """Of the latest features, in ``folder``, and scores on file, and how old they are."""
    day = read_plan(folder).score
    features = movements(profiles_from_state(profiles["features"]), read_features(folder, day))
    files = {day: path for day, path in workspace.score_files().items() if day <= as_of}
    latest = max(files, default=None)
    if latest is None:
        notes.append("There are no scores yet. Run `cvm score`.")
        return features, []
    for what, found in (("features", day), ("scores", latest)):
        if found < as_of:
            notes.append(f"The latest {what} on file are of {found}, the data end before {as_of}.")
    expected = profiles_from_state(profiles["scores"])
    return features, movements(expected, read_scores(files[latest], columns=list(expected)).to_pandas())
