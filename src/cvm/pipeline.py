"""The stages in order, and the only place where they meet params, workspace and tracking.

Each stage reads what the stage before it left on disk, so each can also be run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cvm.engines import DuckDBEngine, QueryError
from cvm.errors import CvmError, FeatureMismatchError, MissingOutputError
from cvm.features.experiments import write_experiments
from cvm.features.files import read_churn_definition, read_plan
from cvm.features.snapshots import SnapshotPlan, plan_snapshots
from cvm.features.stage import history_days, write_features
from cvm.ingest.assessment import Assessment, read_assessment
from cvm.ingest.identity import read_identity_outcome
from cvm.ingest.origins import with_plans
from cvm.ingest.stage import ingest
from cvm.models.bundle import Bundle, read_bundle
from cvm.models.stage import Trained, train
from cvm.params import Params
from cvm.scoring.batch import features_gone, read_scores, score_batch, segment_batch
from cvm.scoring.score import predict_money
from cvm.stage_inputs import (
    churn_definition_of,
    economics_of,
    rules_of,
    sources_of,
    train_settings_of,
)
from cvm.workspace import Workspace, replaced_directory

if TYPE_CHECKING:
    from cvm.tracking.store import Store

_SQLITE = "sqlite:///"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class StageOutcome:
    """One line about what a stage did, what a reader should be warned of, and what ingest found in the data."""

    stage: str
    message: str
    warnings: tuple[str, ...] = ()
    assessment: Assessment | None = None


def silent(_: str) -> None:
    """Progress that nobody reads."""


def workspace_of(params: Params) -> Workspace:
    """Where the outputs of these params live."""
    return Workspace(outputs=params.resolve(params.outputs), champion=params.resolve(params.models) / "champion")


def run_ingest(
    params: Params,
    *,
    tables: Mapping[str, object] | None = None,
    full: bool = False,
    now: datetime | None = None,
    progress: Progress = silent,
) -> StageOutcome:
    """Sources to clean tables; ``tables`` as in ``run``; ``full`` forgets what was ingested before."""
    workspace = workspace_of(params)
    workspace.check_writable()
    progress("reading and checking rows")
    with engine_trouble():
        ingested = ingest(
            with_plans(sources_of(params, tables or {}), workspace.ledgers, folder=params.root),
            workspace,
            rules_of(params),
            now=now or datetime.now(UTC).replace(tzinfo=None),
            full=full,
        )
    parts, warnings = [], list(ingested.notes)
    for outcome in ingested.outcomes:
        parts.append(f"{outcome.table} {outcome.n_kept:,} rows kept, {outcome.n_rejected:,} rejected")
        if outcome.n_exact_duplicates:
            parts[-1] += f", {outcome.n_exact_duplicates:,} exact duplicates kept"
        if outcome.n_by_reason:
            reasons = "; ".join(f"{reason}: {n:,}" for reason, n in outcome.n_by_reason.items())
            warnings.append(f"{outcome.table}: left out {reasons} ({workspace.quarantine / f'{outcome.table}.parquet'})")
    identity = read_identity_outcome(workspace.identity)
    if identity:
        parts.append(identity.message)
        warnings += identity.warnings(workspace.identity)
    if not ingested.n_read:
        parts.append(f"nothing new: {ingested.n_known} known")
    elif ingested.n_known:
        parts.append(f"{ingested.n_read} read, {ingested.n_known} known")
    return StageOutcome("ingest", "; ".join(parts), tuple(warnings), read_assessment(workspace))


def run_features(params: Params, *, progress: Progress = silent) -> StageOutcome:
    """Clean tables to snapshots and outcomes."""
    workspace = workspace_of(params)
    workspace.check_writable()
    windows, business = params.windows, params.business
    with engine_trouble(), open_warehouse(workspace) as engine:
        first_day, last_day = history_days(engine, timezone=business.timezone)
        plan = plan_snapshots(
            first_day=first_day,
            last_day=last_day,
            as_of=None if windows.as_of == "latest" else windows.as_of,
            horizon_days=windows.horizon_days,
            lead_days=windows.lead_days,
            snapshots=params.train.snapshots,
            step_days=params.train.step_days,
        )
        outcome = write_features(
            engine,
            workspace.features,
            plan,
            timezone=business.timezone,
            economics=economics_of(params),
            churn=churn_definition_of(params),
            progress=progress,
        )
        learned_from = write_experiments(
            engine,
            workspace.experiments,
            as_of=plan.score,
            outcome_days=params.campaigns.outcome_days,
            wanted=params.campaigns.learn_from,
            timezone=business.timezone,
            economics=economics_of(params),
            progress=progress,
        )
    drawn = sum(campaign.n_customers for campaign in learned_from.campaigns)
    return StageOutcome(
        "features",
        f"{len(outcome.features)} features of {outcome.n_customers[plan.score]:,} customers at {plan.score}; "
        f"{len(plan.as_of) - 1} earlier snapshots to learn from"
        + (f", and {len(learned_from.campaigns)} campaigns that drew {drawn:,}" if drawn else ""),
        (*outcome.notes, *learned_from.notes),
    )


def run_train(params: Params, *, progress: Progress = silent) -> StageOutcome:
    """Snapshots to a judged, registered bundle."""
    workspace = workspace_of(params)
    workspace.check_writable()
    plan = _plan_for(params, workspace)
    with open_warehouse(workspace) as engine:
        warehouse = fingerprint(engine)
    trained = train(
        workspace.features,
        plan,
        train_settings_of(params),
        fingerprint=warehouse,
        cuts_from=lambda bundle, features: predict_money(bundle, features, as_of=plan.score)["clv"].to_numpy(float),
        progress=progress,
        studies=workspace.studies,
        experiments=workspace.experiments,
    )
    with replaced_directory(workspace.champion) as folder:
        trained.bundle.write(folder)
    progress("logging to MLflow")
    version = _log(params, workspace, plan, trained)
    bundle = trained.bundle
    return StageOutcome(
        "train",
        f"champion {params.tracking.model} version {version} ({bundle.model_version}): "
        f"churn by {bundle.churn.name}, CLV by {bundle.value.name}",
        tuple(trained.notes),
    )


def run_score(
    params: Params, *, alias: str | None = None, bundle: Path | None = None, progress: Progress = silent
) -> StageOutcome:
    """Features to scores, by the exported champion, a registry alias or a bundle directory."""
    workspace = workspace_of(params)
    workspace.check_writable()
    as_of = _scoring_date(params, workspace)
    progress(f"scoring {as_of}")
    model = _store(params).bundle(alias) if alias else read_bundle(bundle or workspace.champion)
    _check_windows(model, params)
    scores = score_batch(model, workspace, as_of=as_of)
    total = scores["clv"].to_pandas().sum()
    gone = features_gone(model, workspace, as_of=as_of)
    n_moved = scores.num_rows - scores["next_best_action"].null_count
    acts = f"; a contact pays with {n_moved:,}" if model.uplift else ""
    return StageOutcome(
        "score",
        f"{scores.num_rows:,} customers at {as_of} by {model.model_version}, CLV {total:,.0f} {model.currency} in all{acts}",
        (f"The model was trained with {', '.join(gone)}, which the features lack now: counted as missing.",) if gone else (),
    )


def run_segment(params: Params, *, bundle: Path | None = None, progress: Progress = silent) -> StageOutcome:
    """Segmentation applied again to the scores on file, and what changed since the scores before."""
    workspace = workspace_of(params)
    workspace.check_writable()
    as_of = _scoring_date(params, workspace)
    progress(f"segmenting {as_of}")
    scores, n_changed = segment_batch(read_bundle(bundle or workspace.champion), workspace, as_of=as_of)
    frame = scores.select(["segment", "previous_segment"]).to_pandas()
    both = frame.dropna()
    moved = int((both["segment"] != both["previous_segment"]).sum())
    since = f"{moved:,} of {len(both):,} moved since the scores before" if len(both) else "no earlier scores to compare with"
    changed = f"{n_changed:,} reassigned; " if n_changed else ""
    return StageOutcome("segment", f"{frame['segment'].nunique()} segments; {changed}{since}")


STAGES: dict[str, Callable[..., StageOutcome]] = {
    "ingest": run_ingest,
    "features": run_features,
    "train": run_train,
    "score": run_score,
    "segment": run_segment,
}


def run(params: Params, *, tables: Mapping[str, object] | None = None, progress: Progress = silent) -> list[StageOutcome]:
    """The whole loop: every stage in order.

    Parameters
    ----------
    params : Params
        Of ``load_params``, or made in Python: ``Params(data={"transactions": {"timezone": "UTC"}})``.
    tables : mapping of str to frame, optional
        Canonical table to a pandas, Polars or Arrow table (anything with ``__arrow_c_stream__``). It takes the place
        of the table's files or database; column mapping, zone and formats are those of ``data.<table>`` all the same.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    CvmError
        If a stage refuses; what earlier stages wrote stays.
    """
    options = {"ingest": {"tables": tables}}
    return [stage(params, progress=progress, **options.get(name, {})) for name, stage in STAGES.items()]


@dataclass(frozen=True)
class Summary:
    """What the last table of a run shows."""

    as_of: date
    scores: pd.DataFrame
    bundle: Bundle
    files: dict[str, Path]


def summarise(params: Params) -> Summary:
    """Scores and evidence on file, for the closing tables."""
    workspace = workspace_of(params)
    as_of = _scoring_date(params, workspace)
    columns = ["segment", "clv", "p_churn", "expected_orders", "expected_order_value"]
    files = {
        "scores": workspace.scores_of(as_of),
        "warehouse": workspace.warehouse,
        "quality": workspace.quality,
        "features": workspace.features,
        "champion": workspace.champion,
    }
    database = _database(params)
    if database:
        files["MLflow"] = database
    if workspace.quarantine.exists() and any(workspace.quarantine.iterdir()):
        files["quarantine"] = workspace.quarantine
    scores = read_scores(workspace.scores_of(as_of)).select(columns).to_pandas()
    return Summary(as_of, scores, read_bundle(workspace.champion), files)


def open_warehouse(workspace: Workspace) -> DuckDBEngine:
    """The clean tables, to be read only.

    Raises
    ------
    CvmError
        If there are none yet, or another program holds them.
    """
    if not workspace.warehouse.is_file():
        raise MissingOutputError.from_stage(workspace.warehouse, command="cvm ingest")
    try:
        return DuckDBEngine(workspace.warehouse, read_only=True)
    except QueryError as error:
        raise CvmError(
            f"The warehouse {workspace.warehouse} cannot be opened: {error}. "
            "Close the program that holds it, or run `cvm ingest`."
        ) from None


@contextmanager
def engine_trouble() -> Iterator[None]:
    """Nothing a user supplies should make a query fail; a full disk or memory may."""
    try:
        yield
    except QueryError as error:
        raise CvmError(
            f"The engine gave up: {error}. Nothing was replaced. Free disk space and memory and run again; "
            "if neither was short, this is a fault of cvm: please report it with this message."
        ) from error


def fingerprint(engine: DuckDBEngine) -> str:
    """Hash of all clean rows, whatever their order."""
    query = "SELECT count(*) AS n, coalesce(sum(hash(t)::HUGEINT), 0)::VARCHAR AS h FROM {} AS t"
    rows = {table: engine.row(query.format(table)) for table in sorted(engine.tables())}
    return "; ".join(f"{table} {row['n']} {int(row['h']) % 2**64:016x}" for table, row in rows.items())


def _plan_for(params: Params, workspace: Workspace) -> SnapshotPlan:
    """The plan of the features on file, refused when params now ask for other windows."""
    plan = read_plan(workspace.features)
    wanted = {"horizon_days": params.windows.horizon_days, "lead_days": params.windows.lead_days}
    found = {"horizon_days": plan.horizon_days, "lead_days": plan.lead_days}
    if wanted != found:
        raise FeatureMismatchError(
            f"The features on file are for {found}, params.yaml says {wanted}. Run `cvm features` again."
        )
    found_churn = read_churn_definition(workspace.features)
    churn_definition_of(params).check_same(found_churn, what="The features on file hold", fix="Run `cvm features` again.")
    return plan


def _scoring_date(params: Params, workspace: Workspace) -> date:
    return read_plan(workspace.features).score if params.windows.as_of == "latest" else params.windows.as_of


def _check_windows(bundle: Bundle, params: Params) -> None:
    if bundle.horizon_days != params.windows.horizon_days:
        raise FeatureMismatchError(
            f"The bundle predicts {bundle.horizon_days} days, windows.horizon_days == {params.windows.horizon_days}. "
            "Train again with `cvm train`, or set the horizon back."
        )
    churn_definition_of(params).check_same(
        bundle.churn_anchor.definition, what="The bundle predicts", fix="Run `cvm features` and `cvm train` again."
    )


def _store(params: Params) -> Store:
    from cvm.tracking.store import Store  # MLflow takes seconds to import; only stages that track pay for it

    database, names = _database(params), (params.tracking.experiment, params.tracking.model)
    if database is None:
        return Store(params.tracking.uri, None, *names)
    return Store(f"{_SQLITE}{database}", database.parent / "artifacts", *names)


def _database(params: Params) -> Path | None:
    """File of the MLflow store, where it is one."""
    uri = params.tracking.uri
    return params.resolve(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def _log(params: Params, workspace: Workspace, plan: SnapshotPlan, trained: Trained) -> str:
    from cvm.tracking.training_run import training_run

    run = training_run(params.model_dump(mode="json"), plan, trained, features=workspace.features)
    return _store(params).log(run, trained.bundle, workspace.champion)
