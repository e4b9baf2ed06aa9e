"""Bundles on file: the challenger, the champion, and former champions; moved so that a kill at any point does no harm.

A decision is written to the history first. Then folders follow it: the champion before is copied to the retired ones, the
new one is put in its place in one step, and where it came from is removed last. A small file says meanwhile which decision
is being followed; it is written before the history and removed when all is done. So whoever finds it, and the champion
before still in place, and the new one still where it came from, can finish the move, and why it was decided is not lost.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from cvm.errors import BundleError, WorkspaceError
from cvm.models.bundle import bundle_version
from cvm.promotion.decision import Decision
from cvm.promotion.history import add_decision, read_decisions
from cvm.workspace import Workspace, replaced_directory, replaced_file


def carry_out(decision: Decision, workspace: Workspace, *, keep: int) -> None:
    """Write a decision to the history and let the folders follow.

    Parameters
    ----------
    decision : Decision
    workspace : Workspace
    keep : int
        Former champions that stay on file.
    """
    with replaced_file(workspace.unsettled) as temporary:
        temporary.write_text(str(len(read_decisions(workspace.decisions)) + 1), encoding="utf-8")
    add_decision(workspace.decisions, decision)
    settle(workspace, keep=keep)


def settle(workspace: Workspace, *, keep: int) -> Decision | None:
    """Finish what the latest decision asks of the folders, if it was interrupted.

    A champion that no decision has put there, such as one copied by hand, is left alone.

    Returns
    -------
    Decision or None
        The one that was unfinished; None where there was none.
    """
    decisions = read_decisions(workspace.decisions)
    is_followed = bool(decisions) and _followed(workspace) == len(decisions)
    unfinished = decisions[-1] if is_followed and _is_unfinished(decisions[-1], workspace) else None
    if unfinished is not None and unfinished.champion_after is not None:
        before = bundle_version(workspace.champion)
        if before is not None:
            _copy(workspace.champion, retired_of(workspace, before))
        source = _where(workspace, unfinished.champion_after)
        if source is not None:
            _copy(source, workspace.champion)
    champion = bundle_version(workspace.champion)
    if champion is not None:
        _remove_doubles(workspace, champion)
        _forget_oldest(workspace, decisions, keep=keep)
    workspace.unsettled.unlink(missing_ok=True)
    return unfinished


def retired_of(workspace: Workspace, version: str) -> Path:
    """Folder of a former champion."""
    return workspace.retired / version


def retired_versions(workspace: Workspace) -> list[str]:
    """Former champions on file, the latest first."""
    order = {decision.champion_before: position for position, decision in enumerate(read_decisions(workspace.decisions))}
    found = [path.name for path in workspace.retired.glob("[!.]*") if bundle_version(path) == path.name]
    return sorted(found, key=lambda version: -order.get(version, -1))


def version_to_restore(workspace: Workspace, wanted: str | None) -> str:
    """The former champion to go back to: the one before the champion in use, by the history, or the one asked for.

    Raises
    ------
    BundleError
        If there is none, or it is no longer on file.
    """
    champion, on_file = bundle_version(workspace.champion), retired_versions(workspace)
    if champion is None and not on_file:
        raise BundleError(
            f"There is neither a champion nor a former one in {workspace.champion.parent}. Run `cvm train` first."
        )
    if wanted is None:
        promotions = [d for d in read_decisions(workspace.decisions) if d.changes_champion and d.verdict != "rolled back"]
        changes = [decision for decision in promotions if decision.champion_after == champion]
        wanted = changes[-1].champion_before if changes else None
        if wanted is None:
            fix = f"Name one with --to; on file are {on_file}." if on_file else "Train another with `cvm train`."
            raise BundleError(f"{workspace.decisions} knows no champion before {champion}: nothing to go back to. {fix}")
    if wanted == champion:
        raise BundleError(f"{wanted} is the champion already. Former champions on file: {on_file or 'none'}.")
    if wanted not in on_file:
        raise BundleError(
            f"{wanted} is not among the former champions in {workspace.retired}: {on_file or 'there are none'}. "
            "Name one of them with --to; promotion.keep in params.yaml says how many are kept."
        )
    return wanted


def _followed(workspace: Workspace) -> int | None:
    """Which decision, counted from 1, folders are following or were when they were interrupted."""
    try:
        return int(workspace.unsettled.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _is_unfinished(decision: Decision, workspace: Workspace) -> bool:
    """Whether the champion before is still in place, or nobody is, and the new one still where it came from."""
    if not decision.changes_champion or decision.champion_after is None:
        return False
    return (
        bundle_version(workspace.champion) in (decision.champion_before, None)
        and _where(workspace, decision.champion_after) is not None
    )


def _where(workspace: Workspace, version: str) -> Path | None:
    places = (workspace.challenger, retired_of(workspace, version))
    return next((place for place in places if bundle_version(place) == version), None)


def _copy(source: Path, target: Path) -> None:
    with replaced_directory(target) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)


def _remove_doubles(workspace: Workspace, champion: str) -> None:
    for place in (workspace.challenger, retired_of(workspace, champion)):
        if bundle_version(place) == champion:
            _remove(place)


def _forget_oldest(workspace: Workspace, decisions: list[Decision], *, keep: int) -> None:
    known = {decision.champion_before for decision in decisions}
    for version in [version for version in retired_versions(workspace) if version in known][keep:]:
        _remove(retired_of(workspace, version))


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise WorkspaceError(
            f"{folder} could not be removed: {error.strerror or error}. "
            "The champion is in place; grant write access to the folder and run again."
        ) from error
