"""From features to a judged, registered challenger: where training meets tracking."""

from __future__ import annotations

from typing import Any

from cvm.errors import FeatureMismatchError, TrackingError
from cvm.features.files import read_churn_definition, read_plan
from cvm.features.snapshots import SnapshotPlan
from cvm.models.stage import Trained, train
from cvm.params import Params
from cvm.promotion.comparison import write_judged
from cvm.promotion.shelf import settle
from cvm.scoring.score import predict_money
from cvm.stages.context import (
    Progress,
    StageOutcome,
    engine_trouble,
    fingerprint,
    silent,
    workspace_of,
    writes,
)
from cvm.stages.inputs import churn_definition_of, train_settings_of
from cvm.stages.promote import has_usable_champion, run_promote
from cvm.stages.store import database_of, store_of
from cvm.stages.warehouse import learned_features, open_warehouse
from cvm.workspace import Workspace, removed, replaced_directory


@writes("cvm train", with_models=True)
def run_train(params: Params, *, progress: Progress = silent) -> StageOutcome:
    """Snapshots to a judged, registered challenger; where there is no champion yet, it becomes the champion."""
    workspace = workspace_of(params)
    settle(workspace, keep=params.promotion.keep)
    plan = _plan_for(params, workspace)
    with engine_trouble(), open_warehouse(params) as engine:
        warehouse = fingerprint(engine)
    database = database_of(params)
    if database is None or database.exists():  # what is not there yet is made when there is something to log
        progress("checking the MLflow store")
        store_of(params).check()
    trained = train(
        learned_features(params),
        plan,
        train_settings_of(params),
        fingerprint=warehouse,
        predictions_of=lambda bundle, features: predict_money(bundle, features, as_of=plan.score),
        progress=progress,
        studies=workspace.studies,
        experiments=workspace.experiments,
    )
    bundle = trained.bundle
    _write(workspace, plan, trained)
    progress("logging to MLflow")
    version = _log(params, workspace, plan, trained)
    role, notes = "challenger", tuple(trained.notes)
    if not has_usable_champion(params, bundle):
        done = run_promote(params, progress=progress)
        role = "champion" if done.figures["champion_after"] == bundle.model_version else "challenger"
        if role == "champion" and done.figures["champion_before"]:  # that another one gave way must not pass unnoticed
            notes = (*notes, f"{done.message}: {done.figures['reason']}")
        notes = (*notes, *done.warnings)
    return StageOutcome(
        "train",
        f"{role} {params.tracking.model} version {version} ({bundle.model_version}): "
        f"churn by {bundle.churn.name}, CLV by {bundle.value.name}",
        notes,
        figures={
            "as_of": plan.score,
            "model_version": bundle.model_version,
            "model": params.tracking.model,
            "version": version,
            "role": role,
            "churn": bundle.churn.name,
            "value": bundle.value.name,
        },
    )


def _write(workspace: Workspace, plan: SnapshotPlan, trained: Trained) -> None:
    """The bundle, and beside it what its judged fit foretold of each customer; of other test snapshots nothing is kept."""
    version, judged = trained.bundle.model_version, trained.foretold
    if plan.test and judged is not None:
        path = write_judged(judged, workspace, as_of=plan.test, model_version=version)
        for other in workspace.judged.glob("as_of=*"):
            if other != path.parent:
                removed(other)
    with replaced_directory(workspace.challenger) as folder:
        trained.bundle.write(folder)


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


def _log(params: Params, workspace: Workspace, plan: SnapshotPlan, trained: Trained) -> str:
    from cvm.tracking.training_run import training_run

    run = training_run(logged_params(params), plan, trained, features=workspace.features)
    try:
        return store_of(params).log(run, trained.bundle)
    except TrackingError as error:
        raise TrackingError.from_unregistered(workspace.challenger, trained.bundle.model_version, str(error)) from error


def logged_params(params: Params) -> dict[str, Any]:
    """All but what is secret.

    Whoever has the salt and the report, which is kept beside them, can undo the hashes of customer ids; options of Spark may
    hold keys of a store.
    """
    return params.model_dump(mode="json", exclude={"campaigns": {"salt"}, "spark": {"settings"}})
