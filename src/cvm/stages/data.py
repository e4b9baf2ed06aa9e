"""From the user's tables to features."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from cvm.features.experiments import write_experiments
from cvm.features.snapshots import plan_snapshots
from cvm.features.stage import history_days, write_features
from cvm.ingest.assessment import read_assessment
from cvm.ingest.identity import read_identity_outcome
from cvm.ingest.origins import with_plans
from cvm.ingest.stage import ingest
from cvm.params import Params
from cvm.stages.context import Progress, StageOutcome, engine_trouble, open_warehouse, silent, workspace_of
from cvm.stages.inputs import churn_definition_of, economics_of, rules_of, sources_of


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
