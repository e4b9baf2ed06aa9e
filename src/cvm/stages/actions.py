"""What to do next: the playbook's action per customer, what is due, what goes together, and lists of what happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import pyarrow as pa

from cvm.actions.also_bought import also_bought
from cvm.actions.evidence import evidence_by_arm
from cvm.actions.files import ACTIONS, ALSO_BOUGHT, RECOMMENDATIONS, REPLENISHMENT, write_table, write_tables, write_triggers
from cvm.actions.next_best import ActionSettings, NextBest, implied_rules, next_best, scores_of_the_model, written_scores
from cvm.actions.purchase_history import PurchaseHistory
from cvm.actions.recommendations import recommendations
from cvm.actions.replenishment import replenishment
from cvm.actions.result import Actions
from cvm.actions.triggers import trigger_lists
from cvm.campaigns.plan_settings import PlanError, PlanInputs
from cvm.engines import DuckDBEngine
from cvm.errors import FeatureMismatchError
from cvm.params import Params
from cvm.reports.actions import actions_tables
from cvm.scoring.files import read_scores, replace_columns, were_made_by_others
from cvm.stages.context import (
    Progress,
    StageOutcome,
    engine_trouble,
    scoring_date,
    silent,
    workspace_of,
    writes,
)
from cvm.stages.inputs import known_until, playbook_of, reach_settings_of, treatments_of, trigger_settings_of
from cvm.stages.publish import publish_scores
from cvm.stages.warehouse import check_duckdb, open_duckdb
from cvm.workspace import Workspace

# Columns of the scores that are decided here, and whose they are.
_DECIDED = ("customer_id", "next_best_action", "expected_uplift", "expected_net_value")


@writes("cvm actions")
def run_actions(params: Params, *, progress: Progress = silent) -> StageOutcome:
    """Next best actions, what is due, what goes together, and lists of what happened, told in one line and in tables."""
    found = find_actions(params, progress=progress)
    publish_scores(params, found.as_of, progress=progress)
    figures = {
        "as_of": found.as_of,
        "n_actions": found.decided.actions.num_rows if found.decided else 0,
        "triggers": {one.name: None if one.rows is None else one.n_customers for one in found.lists},
        "folder": found.folder,
    }
    return StageOutcome("actions", found.sentence, found.notes, tables=tuple(actions_tables(found)), figures=figures)


@writes("cvm actions")
def find_actions(params: Params, *, progress: Progress = silent) -> Actions:
    """Next best actions, replenishment, also bought, triggers; written to ``outputs/actions`` and ``outputs/triggers``.

    Parameters
    ----------
    params : Params
        ``playbook``, ``triggers`` and ``actions``; ``campaigns`` says who may be contacted.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    MissingOutputError
        If there are no scores.
    PlanError
        If a rule contacts by a channel of which nobody knows who agreed to it.
    """
    check_duckdb(params, step="cvm actions")
    workspace = workspace_of(params)
    as_of = scoring_date(params, workspace)
    with engine_trouble(), open_duckdb(params, step="cvm actions") as engine:
        history = PurchaseHistory.of(engine, as_of=as_of, timezone=params.business.timezone)
        progress("who gets what next")
        decided = decide(params, workspace, engine, as_of=as_of)
        progress("what is due")
        due = replenishment(engine, history)
        progress("what goes together")
        pairs = also_bought(engine, history)
        progress("what comes next" if params.actions.recommendations else "what happened")
        items = recommendations(engine, history, pairs) if params.actions.recommendations else None
        lists = trigger_lists(engine, history, trigger_settings_of(params), due)
    has_items = bool(history.item_kinds())
    tables = {REPLENISHMENT: due.rows, ALSO_BOUGHT: pairs, RECOMMENDATIONS: items} if has_items else {}
    folder = workspace.actions_of(as_of)
    write_tables({ACTIONS: decided.actions, **tables}, folder)
    decided.write_scores(workspace.scores_of(as_of))
    write_triggers(lists, workspace.triggers, as_of=as_of)
    return Actions(
        as_of,
        params.business.currency,
        decided.found,
        has_items,
        due,
        pairs,
        lists,
        folder,
        workspace.triggers,
        decided.notes,
    )


def decide_actions(params: Params, *, progress: Progress = silent) -> int:
    """What ``cvm score`` and ``cvm segment`` end with, so that scores and the actions on file agree; for how many customers.

    Nothing is done where there is neither a playbook nor a list of actions of an earlier run.

    Raises
    ------
    MissingOutputError, PlanError
        As ``find_actions``.
    """
    workspace = workspace_of(params)
    as_of = scoring_date(params, workspace)
    target = workspace.actions_of(as_of) / ACTIONS
    if not params.playbook and not target.is_file():
        return 0
    progress("next best actions")
    with engine_trouble(), open_duckdb(params, step="playbook") as engine:
        decided = decide(params, workspace, engine, as_of=as_of)
    write_table(decided.actions, target)
    decided.write_scores(workspace.scores_of(as_of))
    return decided.found.actions.num_rows if decided.found else 0


@dataclass(frozen=True)
class Decided:
    """What is next for everybody, not yet written.

    Attributes
    ----------
    found : NextBest or None
        None where there is neither a playbook nor an expected effect, or nobody knows whom a channel may reach.
    scores : Table or None
        The columns of the scores that say the same: of the playbook, or without one of the model alone; None where those on
        file do.
    notes : tuple of str
    """

    found: NextBest | None
    scores: pa.Table | None
    notes: tuple[str, ...] = ()

    @property
    def actions(self) -> pa.Table | None:
        """Rows of ``actions.parquet``."""
        return self.found.actions if self.found else None

    def write_scores(self, path: Path) -> None:
        """Replace the scores on file where they say something else."""
        if self.scores is not None:
            replace_columns(path, self.scores)


def decide(params: Params, workspace: Workspace, engine: DuckDBEngine, *, as_of: date) -> Decided:
    """The next best action of everybody, and the scores that name it."""
    path = workspace.scores_of(as_of)
    scores = read_scores(path, columns=list(_DECIDED))
    if params.playbook and were_made_by_others(params.segments.rule_set, scores):
        raise FeatureMismatchError(
            f"The scores of {as_of} are segmented by other rules than segments.rules of params.yaml, so the playbook would "
            "look for segments that nobody is in. Run `cvm segment` first."
        )
    uplift = workspace.uplift_of(as_of)
    inputs = PlanInputs(as_of, path, uplift if uplift.exists() else None, workspace.ledgers)
    found, notes = _next_best(params, workspace, engine, inputs)
    after = written_scores(scores, found) if params.playbook and found else scores_of_the_model(scores, inputs.uplift)
    return Decided(found, None if after.equals(scores) else after, notes)


def _next_best(
    params: Params, workspace: Workspace, engine: DuckDBEngine, inputs: PlanInputs
) -> tuple[NextBest | None, tuple[str, ...]]:
    rules = playbook_of(params)
    if not rules and inputs.uplift:
        rules = implied_rules(treatments_of(params))
    if not rules:
        return None, ()

    # The latest as_of is the day after the last order; events, and so evaluations, may reach a little further.
    evidence = evidence_by_arm(workspace.effects, until=known_until(params))
    try:
        found = next_best(engine, ActionSettings(rules, partial(reach_settings_of, params), evidence), inputs)
    except PlanError as error:
        if params.playbook:
            raise
        return None, (f"no list of actions: {error}",)
    return found, found.notes
