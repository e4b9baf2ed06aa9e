"""From features to a judged, registered model and to scores: where stages meet tracking."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvm.errors import FeatureMismatchError
from cvm.features.files import read_churn_definition, read_plan
from cvm.features.snapshots import SnapshotPlan
from cvm.models.bundle import Bundle, read_bundle
from cvm.models.stage import Trained, train
from cvm.params import Params
from cvm.scoring.batch import features_gone, score_batch
from cvm.scoring.score import predict_money
from cvm.stages.actions import decide_actions
from cvm.stages.context import Progress, StageOutcome, fingerprint, open_warehouse, scoring_date, silent, workspace_of
from cvm.stages.inputs import churn_definition_of, segmentation_of, train_settings_of
from cvm.workspace import Workspace, replaced_directory

if TYPE_CHECKING:
    from cvm.tracking.store import Store

_SQLITE = "sqlite:///"


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
        predictions_of=lambda bundle, features: predict_money(bundle, features, as_of=plan.score),
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
    as_of = scoring_date(params, workspace)
    progress(f"scoring {as_of}")
    model = store_of(params).bundle(alias) if alias else read_bundle(bundle or workspace.champion)
    _check_windows(model, params)
    scores = score_batch(model, workspace, as_of=as_of, segmentation=segmentation_of(params))
    total = scores["clv"].to_pandas().sum()
    gone = features_gone(model, workspace, as_of=as_of)
    n_moved = scores.num_rows - scores["next_best_action"].null_count
    acts = f"; a contact pays with {n_moved:,}" if model.uplift else ""
    n_named = decide_actions(params, progress=progress)
    acts += f"; the playbook names an action for {n_named:,}" if params.playbook else ""
    return StageOutcome(
        "score",
        f"{scores.num_rows:,} customers at {as_of} by {model.model_version}, CLV {total:,.0f} {model.currency} in all{acts}",
        (f"The model was trained with {', '.join(gone)}, which the features lack now: counted as missing.",) if gone else (),
    )


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


def _check_windows(bundle: Bundle, params: Params) -> None:
    if bundle.horizon_days != params.windows.horizon_days:
        raise FeatureMismatchError(
            f"The bundle predicts {bundle.horizon_days} days, windows.horizon_days == {params.windows.horizon_days}. "
            "Train again with `cvm train`, or set the horizon back."
        )
    churn_definition_of(params).check_same(
        bundle.churn_anchor.definition, what="The bundle predicts", fix="Run `cvm features` and `cvm train` again."
    )


def store_of(params: Params) -> Store:
    """The MLflow store that params name."""
    from cvm.tracking.store import Store  # MLflow takes seconds to import; only stages that track pay for it

    database, names = database_of(params), (params.tracking.experiment, params.tracking.model)
    if database is None:
        return Store(params.tracking.uri, None, *names)
    return Store(f"{_SQLITE}{database}", database.parent / "artifacts", *names)


def database_of(params: Params) -> Path | None:
    """File of the MLflow store, where it is one."""
    uri = params.tracking.uri
    return params.resolve(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def _log(params: Params, workspace: Workspace, plan: SnapshotPlan, trained: Trained) -> str:
    from cvm.tracking.training_run import training_run

    run = training_run(logged_params(params), plan, trained, features=workspace.features)
    return store_of(params).log(run, trained.bundle, workspace.champion)


def logged_params(params: Params) -> dict[str, Any]:
    """All but the salt: whoever has it and the report, which is kept beside them, can undo the hashes of customer ids."""
    return params.model_dump(mode="json", exclude={"campaigns": {"salt"}})
