"""What is done about campaigns, each step alone: params and workspace in, a result out.

They stand beside the stages of the pipeline: a campaign is planned, runs, and is evaluated weeks later.
"""

from __future__ import annotations

import json

from cvm.campaigns.effect import evaluate
from cvm.campaigns.effect_result import CampaignEffect
from cvm.campaigns.effect_table import write_effect_table
from cvm.campaigns.effect_trial import only_campaign
from cvm.campaigns.history import OutcomeHistory, SegmentHistory, outcome_history, segment_histories
from cvm.campaigns.power import Outcome
from cvm.campaigns.power_groups import segment_relation
from cvm.params import Params
from cvm.pipeline import Progress, engine_trouble, open_warehouse, silent, workspace_of
from cvm.stage_inputs import economics_of, evaluation_settings_of
from cvm.workspace import replaced_file


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
