"""From the user's tables to features."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq

from cvm.features.experiments import write_experiments
from cvm.features.snapshots import plan_snapshots
from cvm.features.stage import history_days, write_features
from cvm.ingest.assessment import read_assessment
from cvm.ingest.identity import read_identity_outcome
from cvm.ingest.origins import with_plans
from cvm.ingest.protection import NEVER_STORED
from cvm.ingest.stage import ingest
from cvm.params import Params
from cvm.privacy.retention import expired_outputs, remove_expired
from cvm.privacy.suppression import read_forgotten
from cvm.stages.context import Progress, StageOutcome, engine_trouble, silent, utc_now, workspace_of, writes
from cvm.stages.inputs import churn_definition_of, economics_of, protection_of, rules_of, sources_of
from cvm.stages.lake import draw_sample, ingest_on_spark
from cvm.stages.retention import kept_outputs, too_short
from cvm.stages.warehouse import open_warehouse, warehouse_path
from cvm.workspace import Workspace

# Between the machines that share a folder, say.
_CLOCKS_DIFFER = timedelta(hours=1)


@writes("cvm ingest")
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
    clock = _clock_went_back(workspace)
    progress("reading and checking rows")
    protection = protection_of(params, read_forgotten(workspace.privacy))
    with engine_trouble():
        if params.engine == "spark":
            ingested = ingest_on_spark(params, tables or {}, protection, now=now or utc_now())
        else:
            ingested = ingest(
                with_plans(sources_of(params, tables or {}), workspace.ledgers, folder=params.root),
                workspace,
                rules_of(params),
                now=now or utc_now(),
                full=full,
                protection=protection,
            )
    parts, warnings = [], [*clock, *ingested.notes]
    for outcome in ingested.outcomes:
        parts.append(f"{outcome.table} {outcome.n_kept:,} rows kept, {outcome.n_rejected:,} rejected")
        if outcome.n_exact_duplicates:
            parts[-1] += f", {outcome.n_exact_duplicates:,} exact duplicates kept"
        never = {reason: n for reason, n in outcome.n_by_reason.items() if reason in NEVER_STORED}
        parts[-1] += "".join(f", {n:,} {reason}" for reason, n in never.items())
        left_out = {reason: n for reason, n in outcome.n_by_reason.items() if reason not in never}
        if left_out:
            reasons = "; ".join(f"{reason}: {n:,}" for reason, n in left_out.items())
            where = _quarantined(workspace.quarantine / f"{outcome.table}.parquet", sum(left_out.values()))
            warnings.append(f"{outcome.table}: left out: {reasons} ({where})")
    identity = read_identity_outcome(workspace.identity)
    if identity:
        parts.append(identity.message)
        warnings += identity.warnings(workspace.identity)
    if not ingested.n_read:
        parts.append(f"nothing new: {ingested.n_known} known")
    elif ingested.n_known:
        parts.append(f"{ingested.n_read} read, {ingested.n_known} known")
    expired = expired_outputs(workspace, kept_outputs(params), now=now or utc_now())
    remove_expired(expired)
    if expired:
        parts.append(f"{len(expired)} outputs past privacy.keep_days removed")
    warnings += too_short(params)
    counts = {outcome.table: {"n_kept": outcome.n_kept, "n_rejected": outcome.n_rejected} for outcome in ingested.outcomes}
    figures = {"tables": counts, "n_read": ingested.n_read, "n_known": ingested.n_known, "warehouse": warehouse_path(params)}
    return StageOutcome("ingest", "; ".join(parts), tuple(warnings), read_assessment(workspace), figures=figures)


def _quarantined(path: Path, n_left_out: int) -> str:
    """Where rows left out are; those of ``privacy.keep_days.quarantine`` are nowhere any more."""
    if path.with_suffix("").is_dir():  # which Spark wrote
        return str(path.with_suffix(""))
    n_on_file = pq.read_metadata(path).num_rows if path.is_file() else 0
    return str(path) if n_on_file >= n_left_out else f"{n_on_file:,} of them still in {path}"


def _clock_went_back(workspace: Workspace) -> list[str]:
    """That the warehouse is of a time to come, if so: rows younger than the clock count as faulty."""
    if not workspace.warehouse.is_file():
        return []
    written, clock = datetime.fromtimestamp(workspace.warehouse.stat().st_mtime, UTC), datetime.now(UTC)
    if written - clock < _CLOCKS_DIFFER:
        return []
    return [
        f"The clock of this machine says {clock:%Y-%m-%d %H:%M} UTC, the warehouse was written at {written:%Y-%m-%d %H:%M}: "
        "one of the two is wrong. Rows dated after the clock are left out; set it right, then run `cvm ingest` again."
    ]


@writes("cvm features")
def run_features(params: Params, *, progress: Progress = silent) -> StageOutcome:
    """Clean tables to snapshots and outcomes."""
    workspace = workspace_of(params)
    windows, business = params.windows, params.business
    folder = workspace.all_features if params.engine == "spark" else workspace.features
    with engine_trouble(), open_warehouse(params) as engine:
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
            folder,
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
    drawn_notes: tuple[str, ...] = ()
    if params.engine == "spark":
        with engine_trouble():
            sampled = draw_sample(params, plan, progress=progress)
        drawn_notes = (sampled.note,) if sampled.note else ()
    drawn = sum(campaign.n_customers for campaign in learned_from.campaigns)
    return StageOutcome(
        "features",
        f"{len(outcome.features)} features of {outcome.n_customers[plan.score]:,} customers at {plan.score}; "
        f"{len(plan.as_of) - 1} earlier snapshots to learn from"
        + (f", and {len(learned_from.campaigns)} campaigns that drew {drawn:,}" if drawn else ""),
        (*outcome.notes, *learned_from.notes, *drawn_notes),
        figures={
            "as_of": plan.score,
            "n_features": len(outcome.features),
            "n_customers": outcome.n_customers[plan.score],
            "n_snapshots": len(plan.as_of),
            "folder": folder,
        },
    )
