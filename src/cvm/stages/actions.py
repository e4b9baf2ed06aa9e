"""What to do next: the playbook's action per customer, what is due, what goes together, and lists of what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from cvm.actions.also_bought import also_bought
from cvm.actions.evidence import evidence_by_arm
from cvm.actions.files import ACTIONS, ALSO_BOUGHT, RECOMMENDATIONS, REPLENISHMENT, write_table, write_triggers
from cvm.actions.history import History, midnight
from cvm.actions.next_best import ActionSettings, NextBest, implied_rules, next_best, written_scores
from cvm.actions.playbook import Rule
from cvm.actions.recommendations import recommendations
from cvm.actions.replenishment import replenishment
from cvm.actions.result import Actions
from cvm.actions.triggers import TriggerSettings, trigger_lists
from cvm.campaigns.plan_choice import Treatment
from cvm.campaigns.plan_settings import Consent, ContactPolicy, PlanError, PlanInputs, PlanSettings
from cvm.engines import DuckDBEngine
from cvm.params import Params
from cvm.reports.actions import actions_tables
from cvm.scoring.batch import read_scores, write_scores
from cvm.segments.conditions import Condition
from cvm.stages.context import Progress, StageOutcome, engine_trouble, open_warehouse, scoring_date, silent, workspace_of
from cvm.stages.inputs import economics_of, global_holdout_of
from cvm.workspace import Workspace


def run_actions(params: Params, *, progress: Progress = silent) -> StageOutcome:
    """Next best actions, what is due, what goes together, and lists of what happened, told in one line and in tables."""
    found = find_actions(params, progress=progress)
    return StageOutcome("actions", found.sentence, found.notes, tables=tuple(actions_tables(found)))


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
    workspace = workspace_of(params)
    workspace.check_writable()
    as_of = scoring_date(params, workspace)
    folder = workspace.actions_of(as_of)
    with engine_trouble(), open_warehouse(workspace) as engine:
        history = History.of(engine, as_of=as_of, timezone=params.business.timezone)
        progress("who gets what next")
        decided, notes = decide(params, workspace, engine, as_of=as_of)
        progress("what is due")
        due = replenishment(engine, history)
        progress("what goes together")
        pairs = also_bought(engine, history)
        progress("what comes next" if params.actions.recommendations else "what happened")
        items = recommendations(engine, history, pairs) if params.actions.recommendations else None
        lists = trigger_lists(engine, history, _trigger_settings(params), due)
    has_items = bool(history.item_kinds())
    write_table(due.rows if has_items else None, folder / REPLENISHMENT)
    write_table(pairs if has_items else None, folder / ALSO_BOUGHT)
    write_table(items if has_items else None, folder / RECOMMENDATIONS)
    write_triggers(lists, workspace.triggers, as_of=as_of)
    return Actions(as_of, params.business.currency, decided, has_items, due, pairs, lists, folder, workspace.triggers, notes)


def decide_actions(params: Params) -> int:
    """What ``cvm score`` ends with where there is a playbook: scores name its actions; for how many customers.

    Raises
    ------
    MissingOutputError, PlanError
        As ``find_actions``.
    """
    workspace = workspace_of(params)
    as_of = scoring_date(params, workspace)
    with engine_trouble(), open_warehouse(workspace) as engine:
        found, _ = decide(params, workspace, engine, as_of=as_of)
    return found.actions.num_rows if found else 0


def decide(
    params: Params, workspace: Workspace, engine: DuckDBEngine, *, as_of: date
) -> tuple[NextBest | None, tuple[str, ...]]:
    """The next best action of everybody, written to ``actions.parquet``, and with a playbook into the scores as well."""
    path = workspace.scores_of(as_of)
    scores = read_scores(path)
    uplift = workspace.uplift_of(as_of)
    inputs = PlanInputs(as_of, path, uplift if uplift.is_file() else None, workspace.ledgers)
    rules = _rules(params)
    if not rules and inputs.uplift:
        rules = implied_rules(_treatments(params))
    target = workspace.actions_of(as_of) / ACTIONS
    if not rules:
        write_table(None, target)
        return None, ()

    def reach(contacts: Sequence[Treatment]) -> PlanSettings:
        return _reach(params, contacts)

    # The latest as_of is the day after the last order; events, and so evaluations, may reach a little further.
    until = None if params.windows.as_of == "latest" else midnight(as_of, params.business.timezone)
    settings = ActionSettings(rules, reach, evidence_by_arm(workspace.effects, until=until))
    try:
        found = next_best(engine, settings, inputs)
    except PlanError as error:
        if params.playbook:
            raise
        write_table(None, target)
        return None, (f"no list of actions: {error}",)
    write_table(found.actions, target)
    if params.playbook:
        after = written_scores(scores, found)
        if not after.equals(scores):
            write_scores(after, path)
    return found, found.notes


def _rules(params: Params) -> tuple[Rule, ...]:
    """The playbook, with channel and cost of each treatment."""
    found = []
    for rule in params.playbook:
        treatment = params.campaigns.treatments.get(rule.treatment or "")
        found.append(
            Rule(
                name=rule.name,
                when=Condition(**rule.when.condition()),
                goal=rule.goal,
                offer=rule.offer,
                treatment=rule.treatment,
                channel=treatment.channel if treatment else rule.channel,
                cost=treatment.cost if treatment else rule.cost or 0.0,
                cap=rule.cap,
            )
        )
    return tuple(found)


def _treatments(params: Params) -> list[Treatment]:
    return [Treatment(name, one.channel, one.cost) for name, one in params.campaigns.treatments.items()]


def _reach(params: Params, contacts: Sequence[Treatment]) -> PlanSettings:
    """As a plan of these contacts would settle who may be reached."""
    campaigns = params.campaigns
    return PlanSettings(
        name="playbook",
        treatments=tuple(contacts),
        consent=Consent(**campaigns.consent.model_dump()),
        policy=ContactPolicy(**campaigns.contact_policy.model_dump()),
        suppression=tuple(params.resolve(path) for path in campaigns.suppression),
        holdout=global_holdout_of(params),
        salt=campaigns.salt,
        outcome_days=campaigns.outcome_days,
        timezone=params.business.timezone,
        economics=economics_of(params),
    )


def _trigger_settings(params: Params) -> TriggerSettings:
    given = params.triggers.model_dump()
    return replace(TriggerSettings(**given), without=tuple(given["without"]))
