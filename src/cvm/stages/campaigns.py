"""What is done about campaigns, each step alone: params and workspace in, a result out.

They stand beside the stages of the pipeline: a campaign is planned, runs, and is evaluated weeks later.
"""

from __future__ import annotations

import json
from pathlib import Path

from cvm.campaigns.effect import evaluate
from cvm.campaigns.effect_campaign import only_campaign
from cvm.campaigns.effect_cells import cells_of, evaluate_together
from cvm.campaigns.effect_result import CampaignEffect, CellsEffect
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.campaigns.effect_table import write_effect_table
from cvm.campaigns.outcome_history import OutcomeHistory, SegmentHistory, outcome_history, segment_histories
from cvm.campaigns.power import Outcome
from cvm.campaigns.power_groups import segment_relation
from cvm.params import Params
from cvm.stages.context import Progress, engine_trouble, silent, workspace_of, writes
from cvm.stages.inputs import economics_of, evaluation_settings_of
from cvm.stages.warehouse import open_duckdb, open_warehouse
from cvm.workspace import Workspace, replaced_file


def past_outcomes(params: Params, outcome: Outcome, *, days: int, progress: Progress = silent) -> OutcomeHistory:
    """Level and spread of an outcome per customer in past windows of the warehouse, to plan a campaign with."""
    with engine_trouble(), open_duckdb(params, step="cvm power") as engine:
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
    scores = max(workspace.score_files().values(), default=None)
    with engine_trouble(), open_duckdb(params, step="cvm power") as engine:
        return segment_histories(
            engine,
            whole,
            segment_relation(engine, column, scores=scores),
            active_days=params.business.active_days,
            timezone=params.business.timezone,
            progress=progress,
        )


@writes("cvm evaluate")
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

    Returns
    -------
    CampaignEffect
        ``effect(arm, metric)`` has the figures, ``verdicts`` say what to make of them, ``to_dict`` is for JSON.

    Raises
    ------
    ExperimentError
        If the campaign was not randomised against a control arm, is not over, or is unknown.
    InsufficientDataError
        If an arm has fewer than two customers.

    Examples
    --------
    >>> effect = cvm.evaluate_campaign(params, "winter")  # doctest: +SKIP
    >>> effect.effect("letter", "revenue")  # doctest: +SKIP
    """
    workspace = workspace_of(params)
    settings = _settings(params, workspace)
    with engine_trouble(), open_warehouse(params) as engine:
        found = evaluate(engine, campaign_id or only_campaign(engine), settings, progress=progress)
    _write(found, workspace.effect_of(found.campaign_id))
    write_effect_table(workspace.effects)
    return found


@writes("cvm evaluate")
def evaluate_cells(params: Params, campaign_id: str, *, progress: Progress = silent) -> CellsEffect:
    """The same of a campaign drawn in cells, and what they earned together; all of it written to ``outputs/effects``.

    Parameters
    ----------
    params : Params
    campaign_id : str
        Of the whole: the cells are those campaigns of the ledger whose name continues it after a dot, and that of its very
        name, if there is one.
    progress : callable

    Raises
    ------
    ExperimentError, InsufficientDataError
        As ``evaluate_campaign``, of the first cell that cannot be evaluated.
    """
    workspace = workspace_of(params)
    settings = _settings(params, workspace)
    with engine_trouble(), open_warehouse(params) as engine:
        found = evaluate_together(engine, campaign_id, settings, progress=progress)
    for cell in found.cells:
        _write(cell, workspace.effect_of(cell.campaign_id))
    _write(found, workspace.cells_effect_of(campaign_id))
    write_effect_table(workspace.effects)
    return found


def campaign_cells(params: Params, campaign_id: str | None) -> list[str]:
    """Campaigns of the ledger that are cells of one, its own name among them where it is such a campaign, too."""
    with engine_trouble(), open_warehouse(params) as engine:
        return cells_of(engine, campaign_id) if campaign_id else []


def _settings(params: Params, workspace: Workspace) -> EvaluationSettings:
    return evaluation_settings_of(params, score_files=workspace.score_files())


def _write(found: CampaignEffect | CellsEffect, target: Path) -> None:
    with replaced_file(target) as path:
        path.write_text(json.dumps(found.to_dict(), indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")
