"""From a challenger to the champion, and back: decided on files, then told to the registry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import takewhile

from cvm.errors import BundleError, MissingOutputError, TrackingError
from cvm.features.files import read_features, read_plan
from cvm.models.bundle import Bundle, bundle_version, read_bundle
from cvm.params import Params
from cvm.promotion.comparison import compare, nothing_compared
from cvm.promotion.decision import Decision, decide, first_champion
from cvm.promotion.gates import (
    DRIFT,
    ROLLBACK,
    Gate,
    calibrated,
    differences,
    fair_to_groups,
    knows_no_less,
    no_worse_than_baselines,
    no_worse_than_champion,
    predicted,
    same_signature,
    same_thing,
    scores_hold,
)
from cvm.promotion.history import decision_tags, read_decisions
from cvm.promotion.score_change import score_change
from cvm.promotion.settings import PromotionSettings
from cvm.promotion.shelf import carry_out, retired_of, settle, version_to_restore
from cvm.reports.promotion import decision_tables
from cvm.stages.context import Progress, StageOutcome, silent, workspace_of, writes
from cvm.stages.inputs import prediction_of, promotion_settings_of, train_settings_of
from cvm.stages.store import store_of
from cvm.stages.warehouse import learned_features
from cvm.workspace import Workspace


@writes("cvm promote", with_models=True)
def run_promote(
    params: Params,
    *,
    force: str | None = None,
    accept_drift: str | None = None,
    now: datetime | None = None,
    progress: Progress = silent,
) -> StageOutcome:
    """Compare the challenger with the champion, and promote it or say why not.

    Parameters
    ----------
    params : Params
    force : str, optional
        Reason to promote it whatever the gates say.
    accept_drift : str, optional
        Reason to let the scores of today's customers change.
    now : datetime, optional
        UTC; by default the clock's.
    progress : callable

    Raises
    ------
    MissingOutputError
        If there is neither a challenger nor a champion, or the features were made anew since training.
    BundleError
        If the challenger cannot be read.
    """
    workspace, settings = workspace_of(params), promotion_settings_of(params)
    newest = bundle_version(workspace.challenger)
    finished = settle(workspace, keep=settings.keep)
    if bundle_version(workspace.challenger) is None:
        return _nothing_to_decide(params, workspace, finished, newest, progress)
    challenger = read_bundle(workspace.challenger)
    champion, why = _comparable_champion(params, challenger)
    now = now or datetime.now(UTC)
    if champion is None or why:
        gates = [
            no_worse_than_baselines(challenger, None),
            calibrated((), challenger, settings),
            fair_to_groups(challenger, None, settings),
            *(_taken_out_before(challenger, workspace) if champion else []),  # else a refusal would leave nobody to score
        ]
        before = bundle_version(workspace.champion)
        decision = first_champion(challenger, before, why=why, gates=gates, now=now, force=force)
    else:
        decision = _decided(
            params, challenger, champion, settings, force=force, accept_drift=accept_drift, now=now, progress=progress
        )
    carry_out(decision, workspace, keep=settings.keep)
    warnings = _follow(params, workspace, {challenger.model_version: decision_tags(decision)}, progress)
    return _outcome("promote", decision, challenger, warnings)


@writes("cvm rollback", with_models=True)
def run_rollback(
    params: Params,
    *,
    to: str | None = None,
    reason: str = "",
    now: datetime | None = None,
    progress: Progress = silent,
) -> StageOutcome:
    """Bring a former champion back.

    Parameters
    ----------
    params : Params
    to : str, optional
        Its version; by default the champion before the one in use.
    reason : str
        Goes into the history.
    now : datetime, optional
        UTC; by default the clock's.
    progress : callable

    Raises
    ------
    BundleError
        If there is nothing to go back to, or it cannot be read.
    """
    workspace, keep = workspace_of(params), promotion_settings_of(params).keep
    finished = settle(workspace, keep=keep)
    before = bundle_version(workspace.champion)
    if finished and finished.verdict == "rolled back" and to in (None, before):  # it was cut short, and is done now
        tags = {finished.champion_after: decision_tags(finished)} if finished.champion_after else {}
        return _outcome("rollback", finished, read_bundle(workspace.champion), _follow(params, workspace, tags, progress))
    version = version_to_restore(workspace, to)
    restored = read_bundle(retired_of(workspace, version))
    decision = Decision(
        now or datetime.now(UTC), "rolled back", version, champion_before=before, champion_after=version, reason=reason
    )
    carry_out(decision, workspace, keep=keep)
    tags = {version: decision_tags(decision)}
    if before is not None:
        tags[before] = {**decision_tags(decision), "decision": "rolled back from", "compared_with": version}
    return _outcome("rollback", decision, restored, _follow(params, workspace, tags, progress))


def has_usable_champion(params: Params, challenger: Bundle) -> bool:
    """Whether there is a champion that this version of cvm can score with, and params do not ask for another prediction."""
    return not _comparable_champion(params, challenger)[1]


def _comparable_champion(params: Params, challenger: Bundle) -> tuple[Bundle | None, str]:
    """The champion if it can be read, and why the challenger is not compared with it.

    Params that ask for what the challenger alone foretells decide.
    """
    folder = workspace_of(params).champion
    if not folder.is_dir():
        return None, "there was no champion"
    try:
        champion = read_bundle(folder)
    except BundleError as error:
        return None, f"the champion could not be used: {error}"
    asked, old = prediction_of(params), predicted(champion)
    if predicted(challenger) == asked != old:
        return champion, f"params ask for another prediction: {differences(asked, old)}"
    return champion, ""


def _decided(
    params: Params,
    challenger: Bundle,
    champion: Bundle,
    settings: PromotionSettings,
    *,
    force: str | None,
    accept_drift: str | None,
    now: datetime,
    progress: Progress,
) -> Decision:
    workspace = workspace_of(params)
    comparison, gates = nothing_compared("the two predict different things"), [same_thing(challenger, champion)]
    if gates[0].passed:
        features = learned_features(params)
        plan = read_plan(features)
        comparison = compare(
            challenger, champion, workspace, plan, train_settings_of(params), seed=settings.seed, progress=progress
        )
        gates += [
            same_signature(challenger, champion),
            knows_no_less(challenger, champion),
            no_worse_than_baselines(challenger, champion),
            no_worse_than_champion(comparison, settings),
            calibrated(comparison.figures, challenger, settings),
            fair_to_groups(challenger, champion, settings),
        ]
        progress("scores of today's customers by both")
        today = read_features(features, plan.score)
        change = score_change(challenger, champion, today, as_of=plan.score, seed=settings.seed)
        gates.append(scores_hold(change, settings))
    gates += _taken_out_before(challenger, workspace)
    return decide(
        challenger.model_version,
        champion.model_version,
        comparison=comparison,
        gates=gates,
        days_newer=(challenger.trained_as_of - champion.trained_as_of).days,
        now=now,
        force=force,
        accept_drift=accept_drift,
    )


def _taken_out_before(challenger: Bundle, workspace: Workspace) -> list[Gate]:
    """A model that somebody took out of use does not come back by itself, nor does the same made from other data.

    The latter holds until a challenger is promoted after the rollback, or the one promoted last is brought back.
    """
    changes = [decision for decision in read_decisions(workspace.decisions) if decision.changes_champion]
    promotions = [decision for decision in changes if decision.verdict != "rolled back"]
    rollbacks = [decision for decision in changes if decision.verdict == "rolled back"]
    latest = list(takewhile(lambda decision: decision.verdict == "rolled back", reversed(changes)))
    is_undone = bool(promotions) and promotions[-1].champion_after == changes[-1].champion_after
    this = [decision for decision in rollbacks if decision.champion_before == challenger.model_version]
    alike = [
        decision for decision in latest if not is_undone and _is_made_alike(challenger, decision.champion_before, workspace)
    ]
    for found, what in ((this[-1:], "this very model"), (alike[:1], "a model of the same recipe")):
        for decision in found:
            when, why = decision.decided_at.date(), decision.reason or "no reason was given"
            return [Gate(ROLLBACK, False, f"{what} was taken out of use on {when} ({why})")]
    return []


def _is_made_alike(challenger: Bundle, version: str | None, workspace: Workspace) -> bool:
    """Whether a former champion, if it is still on file, had the recipe of the challenger and foretold the same."""
    recipe = challenger.evidence.get("recipe")
    if recipe is None or version is None:
        return False
    try:
        former = read_bundle(retired_of(workspace, version))
    except BundleError:
        return False
    return former.evidence.get("recipe") == recipe and predicted(former) == predicted(challenger)


def _nothing_to_decide(
    params: Params, workspace: Workspace, finished: Decision | None, newest: str | None, progress: Progress
) -> StageOutcome:
    """No challenger waits: what was unfinished is finished by now, and the registry hears of it."""
    version = bundle_version(workspace.champion)
    if version is None:
        raise MissingOutputError.from_stage(workspace.challenger, command="cvm train")
    read_bundle(workspace.champion)  # one that is damaged is no champion to keep
    tags = {finished.challenger: decision_tags(finished)} if finished and finished.challenger else {}
    warnings = _follow(params, workspace, tags, progress)
    if finished:
        message = f"finished what was interrupted: champion {version} ({finished.verdict})"
    elif newest == version:
        message = f"champion {version} stays: training anew gave the same model"
    else:
        message = f"champion {version} {_unchallenged(workspace, version)}"
    figures = {"decision": finished.verdict if finished else "none", "champion_after": version}
    return StageOutcome("promote", message, warnings, figures=figures)


def _unchallenged(workspace: Workspace, version: str) -> str:
    """That there is nothing to compare the champion with, and since when, as the end of a sentence."""
    changes = [decision for decision in read_decisions(workspace.decisions) if decision.changes_champion]
    if not changes or changes[-1].champion_after != version:
        return "stays: no challenger waits"
    latest = changes[-1]
    if latest.champion_before is None:
        return f"is the first model: promoted at {latest.decided_at:%Y-%m-%d %H:%M} UTC, when there was no other"
    why = f" ({latest.reason})" if latest.reason else ""
    return f"stays: {latest.verdict} at {latest.decided_at:%Y-%m-%d %H:%M} UTC{why}, since then no challenger waits"


def _follow(
    params: Params, workspace: Workspace, tags: Mapping[str, Mapping[str, str]], progress: Progress
) -> tuple[str, ...]:
    """Aliases and tags after the folders; a store that is out of reach hears of it at the next decision."""
    progress("telling the MLflow store")
    challenger = workspace.challenger if bundle_version(workspace.challenger) else None
    try:
        store_of(params).follow(champion=workspace.champion, challenger=challenger, tags=tags)
    except (TrackingError, BundleError) as error:
        return (f"{error} The decision stands on file; aliases and tags follow at the next `cvm promote`.",)
    return ()


def _outcome(stage: str, decision: Decision, bundle: Bundle, warnings: tuple[str, ...]) -> StageOutcome:
    before = decision.champion_before or "none"
    gates = tuple(f"{gate.name}: {gate.found}" for gate in decision.failed)
    if decision.verdict == "kept":
        closed = [gate.name for gate in decision.failed]
        message = f"champion {before} stays; challenger {decision.challenger} does not pass {', '.join(closed)}"
        option = "--accept-drift" if closed == [DRIFT] else "--force"
        gates = (*gates, f'To promote it all the same: `cvm promote {option} "reason"`.')
    elif decision.verdict == "rolled back":
        message = f"champion {decision.champion_after} is back in the place of {before}; `cvm score` makes its scores"
    else:
        known = f"{bundle.model_version} (trained at {bundle.trained_as_of})"
        message = f"{decision.verdict}: champion {known} in the place of {before}"
    tables = tuple(decision_tables(decision))
    return StageOutcome(stage, message, (*gates, *warnings), tables=tables, figures=decision.state())
