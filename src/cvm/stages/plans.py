"""Planning campaigns: a draft that anybody may look at, and the approval that makes it a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from cvm.campaigns.audiences import write_audiences
from cvm.campaigns.customer_lists import as_stored
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
    write_holdout_file,
    write_ledger_file,
    write_summary,
)
from cvm.campaigns.plan_result import PlanSummary
from cvm.campaigns.plan_settings import PlanError, PlanInputs, PlanSettings
from cvm.engines import DuckDBEngine
from cvm.engines.sql import local_day, parquet
from cvm.errors import MissingOutputError
from cvm.features.stage import history_days
from cvm.params import Params
from cvm.stages.context import Progress, engine_trouble, fingerprint, silent, workspace_of, writes
from cvm.stages.inputs import audience_settings_of, plan_settings_of, pseudonyms_of
from cvm.stages.warehouse import check_duckdb, open_duckdb
from cvm.workspace import Workspace, replaced_directory


@writes("cvm plan")
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

    Returns
    -------
    PlanSummary
        What the draft comes to: everybody's fate in counts, the draws, what is spent.

    Raises
    ------
    PlanError
        If the plan cannot be made as asked, its name was used before, scores are older than the warehouse, or nobody is
        left to be contacted.
    MissingOutputError
        If there are no scores.

    Examples
    --------
    >>> draft = cvm.plan_campaign(params, "spring", exclude=["c119"])  # doctest: +SKIP
    >>> draft.n_contacts, draft.spent  # doctest: +SKIP
    """
    check_duckdb(params, step="cvm plan")
    settings, workspace = plan_settings_of(params, name), workspace_of(params)
    with engine_trouble(), open_duckdb(params, step="cvm plan") as engine:
        key = pseudonyms_of(params)
        inputs = replace(
            _plan_inputs(params, workspace, engine), included=as_stored(include, key), excluded=as_stored(exclude, key)
        )
        check_new(engine, settings, inputs.ledgers)
        basis = Basis.of(settings, inputs, warehouse=fingerprint(engine))
        with replaced_directory(workspace.audience_of(settings.name)) as folder:
            summary = make_plan(engine, settings, inputs, folder / PLAN_FILE, progress=progress)
            write_summary(folder, summary, basis, {"included": inputs.included, "excluded": inputs.excluded})
    return summary


@writes("cvm plan --approve")
def approve_plan(params: Params, name: str | None = None, *, progress: Progress = silent) -> Approved:
    """Make the draft of a campaign its ledger, for good, and write the files for those who send it.

    The ledger is ``outputs/ledger/<name>.parquet``; the next ``cvm ingest`` reads it into ``assignments``.

    Raises
    ------
    PlanError
        If there is no draft, anything it rests on has changed since, or it was approved before.
    """
    check_duckdb(params, step="cvm plan")
    settings, workspace = plan_settings_of(params, name), workspace_of(params)
    folder, ledger = workspace.audience_of(settings.name), workspace.ledger_of(settings.name)
    files = folder / AUDIENCE_FOLDER
    with engine_trouble(), open_duckdb(params, step="cvm plan") as engine:
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
            _write_holdout(engine, workspace, settings, inputs, drawn=ledger)
        progress("writing the audience files")
        written = write_audiences(treated_rows(engine, ledger), files, audience_settings_of(params))
        return Approved(settings.name, ledger, written, **counted(engine, ledger))


def _write_holdout(
    engine: DuckDBEngine, workspace: Workspace, settings: PlanSettings, inputs: PlanInputs, *, drawn: Path
) -> None:
    """The first campaign in a period of the global holdout writes that period down, to be evaluated like any other."""
    day = local_day("min(assigned_at)", settings.timezone)
    on = engine.row(f"SELECT {day} AS day FROM {parquet([drawn])}")["day"]
    period = settings.holdout.period(on) if settings.holdout else None
    if settings.holdout is None or period is None or workspace.ledger_of(period.campaign_id).exists():
        return
    path = workspace.ledger_of(period.campaign_id)
    write_holdout_file(engine, inputs.scores, settings.holdout, path, on=on, salt=settings.salt, timezone=settings.timezone)


def _plan_inputs(params: Params, workspace: Workspace, engine: DuckDBEngine) -> PlanInputs:
    """Scores of ``windows.as_of``, by default the latest there are, if nothing has been ordered since."""
    asked = params.windows.as_of
    found = sorted(workspace.score_files())
    if asked == "latest" and not found:
        raise MissingOutputError.from_stage(workspace.scores, command="cvm score")
    as_of = found[-1] if asked == "latest" else asked
    _, last_day = history_days(engine, timezone=params.business.timezone)
    if asked == "latest" and as_of < last_day + timedelta(days=1):
        raise PlanError(
            f"The scores are of {as_of}, and the warehouse holds orders up to {last_day}: they do not know who has bought "
            f"since. Run `cvm features` and `cvm score` first, or plan as of then with --set windows.as_of={as_of}."
        )
    check_ledgers(engine, workspace.ledgers)
    uplift: Path = workspace.uplift_of(as_of)
    return PlanInputs(as_of, workspace.scores_of(as_of), uplift if uplift.exists() else None, workspace.ledgers)
