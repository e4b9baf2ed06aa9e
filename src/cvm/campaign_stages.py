"""What is done about campaigns, each step alone: params and workspace in, a result out.

They stand beside the stages of the pipeline: a campaign is planned, runs, and is evaluated weeks later.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from cvm.campaigns.audiences import write_audiences
from cvm.campaigns.effect import evaluate
from cvm.campaigns.effect_result import CampaignEffect
from cvm.campaigns.effect_table import write_effect_table
from cvm.campaigns.effect_trial import only_campaign
from cvm.campaigns.history import OutcomeHistory, SegmentHistory, outcome_history, segment_histories
from cvm.campaigns.plan import make_plan
from cvm.campaigns.plan_files import (
    AUDIENCE_FOLDER,
    PLAN_FILE,
    Approved,
    Basis,
    check_ledgers,
    check_new,
    check_same,
    counted,
    read_draft,
    treated_rows,
    write_ledger_file,
    write_summary,
)
from cvm.campaigns.plan_result import PlanSummary
from cvm.campaigns.plan_settings import PlanError, PlanInputs
from cvm.campaigns.power import Outcome
from cvm.campaigns.power_groups import segment_relation
from cvm.engines import DuckDBEngine
from cvm.errors import MissingOutputError
from cvm.features.stage import history_days
from cvm.params import Params
from cvm.pipeline import Progress, engine_trouble, fingerprint, open_warehouse, silent, workspace_of
from cvm.stage_inputs import audience_settings_of, economics_of, evaluation_settings_of, plan_settings_of
from cvm.workspace import Workspace, only_writer, replaced_directory, replaced_file


def past_outcomes(params: Params, outcome: Outcome, *, days: int, progress: Progress = silent) -> OutcomeHistory:
    """Level and spread of an outcome per customer in past windows of the warehouse, to plan a campaign with."""
    with engine_trouble(), open_warehouse(workspace_of(params)) as engine:
        return outcome_history(
            engine,
            outcome,
            days=days,
            active_days=params.business.active_days,
            timezone=params.business.timezone,
            economics=economics_of(params),
            progress=progress,
        )


def past_outcomes_by_segment(
    params: Params, whole: OutcomeHistory, column: str, *, progress: Progress = silent
) -> list[SegmentHistory]:
    """The same within the segments that a column of the latest scores, else of ``customers``, tells apart."""
    workspace = workspace_of(params)
    scores = max(workspace.scores.glob("as_of=*/scores.parquet"), default=None)
    with engine_trouble(), open_warehouse(workspace) as engine:
        return segment_histories(
            engine,
            whole,
            segment_relation(engine, column, scores=scores),
            active_days=params.business.active_days,
            timezone=params.business.timezone,
            progress=progress,
        )


def evaluate_campaign(params: Params, campaign_id: str | None = None, *, progress: Progress = silent) -> CampaignEffect:
    """What a campaign really earned, against its holdout; written to ``outputs/effects`` as JSON and to its table.

    Parameters
    ----------
    params : Params
        ``campaigns.outcome_days`` and ``campaigns.evaluate`` say how it is judged.
    campaign_id : str, optional
        Of the ledger; may be left out where it has only one.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    ExperimentError
        If the campaign was not randomised against a control arm, is not over, or is unknown.
    InsufficientDataError
        If an arm has fewer than two customers.
    MissingOutputError
        If the stored evaluation of another campaign is damaged.
    """
    workspace = workspace_of(params)
    with engine_trouble(), open_warehouse(workspace) as engine:
        found = evaluate(engine, campaign_id or only_campaign(engine), evaluation_settings_of(params), progress=progress)
    path_of_effect = workspace.effect_of(found.campaign_id)
    with replaced_file(path_of_effect) as path:
        path.write_text(json.dumps(found.to_dict(), indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    write_effect_table(path_of_effect.parent)
    return found


def plan_campaign(
    params: Params,
    name: str | None = None,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    progress: Progress = silent,
) -> PlanSummary:
    """Draft a campaign from the scores on file: who is contacted, who is held out, who is left out and why.

    The draft is in ``outputs/audiences/<name>``: ``plan.parquet`` with everybody's fate, ``plan.json`` with what is
    returned. Nobody is in a campaign before ``approve_plan``.

    Parameters
    ----------
    params : Params
        ``campaigns.plans.<name>`` says who and how much, the other sections of ``campaigns`` what holds for all plans.
    name : str, optional
        May be left out where there is one plan.
    include, exclude : sequence of str
        Customers put in or left out by hand; those put in must still be allowed to be contacted, and never count in the
        campaign's effect.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    PlanError
        If the plan cannot be made as asked, its name was used before, scores are older than the warehouse, or nobody is
        left to be contacted.
    MissingOutputError
        If there are no scores.
    """
    settings, workspace = plan_settings_of(params, name), workspace_of(params)
    workspace.check_writable()
    with engine_trouble(), open_warehouse(workspace) as engine:
        inputs = replace(_plan_inputs(params, workspace, engine), included=tuple(include), excluded=tuple(exclude))
        check_new(engine, settings, inputs.ledgers)
        basis = Basis.of(settings, inputs, warehouse=fingerprint(engine))
        with replaced_directory(workspace.audience_of(settings.name)) as folder:
            summary = make_plan(engine, settings, inputs, folder / PLAN_FILE, progress=progress)
            write_summary(folder, summary, basis, {"included": inputs.included, "excluded": inputs.excluded})
    return summary


def approve_plan(params: Params, name: str | None = None, *, progress: Progress = silent) -> Approved:
    """Make the draft of a campaign its ledger, for good, and write the files for those who send it.

    The ledger is ``outputs/ledger/<name>.parquet``; the next ``cvm ingest`` reads it into ``assignments``.

    Raises
    ------
    PlanError
        If there is no draft, anything it rests on has changed since, or it was approved before.
    """
    settings, workspace = plan_settings_of(params, name), workspace_of(params)
    folder, ledger = workspace.audience_of(settings.name), workspace.ledger_of(settings.name)
    files = folder / AUDIENCE_FOLDER
    with engine_trouble(), only_writer(workspace.outputs), open_warehouse(workspace) as engine:
        # An approval that ended before its files were written is taken up again.
        if ledger.exists() and files.exists():
            raise PlanError(
                f"The plan {settings.name!r} was approved before: {ledger}. A ledger is never changed; plan a new campaign "
                "under another name."
            )
        if not ledger.exists():
            draft = read_draft(folder, settings.name)
            inputs = _plan_inputs(params, workspace, engine)
            check_new(engine, settings, inputs.ledgers)
            check_same(settings.name, draft, Basis.of(settings, inputs, warehouse=fingerprint(engine)))
            progress("writing the ledger")
            write_ledger_file(engine, folder / PLAN_FILE, ledger)
        progress("writing the audience files")
        written = write_audiences(treated_rows(engine, ledger), files, audience_settings_of(params))
        return Approved(settings.name, ledger, written, **counted(engine, ledger))


def _plan_inputs(params: Params, workspace: Workspace, engine: DuckDBEngine) -> PlanInputs:
    """Scores of ``windows.as_of``, by default the latest there are, if nothing has been ordered since."""
    asked = params.windows.as_of
    found = sorted(workspace.scores.glob("as_of=*/scores.parquet"))
    if asked == "latest" and not found:
        raise MissingOutputError.from_stage(workspace.scores, command="cvm score")
    as_of = date.fromisoformat(found[-1].parent.name.removeprefix("as_of=")) if asked == "latest" else asked
    _, last_day = history_days(engine, timezone=params.business.timezone)
    if asked == "latest" and as_of < last_day + timedelta(days=1):
        raise PlanError(
            f"The scores are of {as_of}, and the warehouse holds orders up to {last_day}: they do not know who has bought "
            f"since. Run `cvm features` and `cvm score` first, or plan as of then with --set windows.as_of={as_of}."
        )
    check_ledgers(engine, workspace.ledgers)
    uplift: Path = workspace.uplift_of(as_of)
    return PlanInputs(as_of, workspace.scores_of(as_of), uplift if uplift.is_file() else None, workspace.ledgers)
