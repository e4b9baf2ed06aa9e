"""How long outputs about customers are kept: folders and files that are older are removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from cvm.workspace import Workspace, removed


@dataclass(frozen=True)
class Expired:
    """A folder or file of one kind of output that was kept long enough."""

    kind: str
    path: Path
    age_days: int


def expired_outputs(workspace: Workspace, keep_days: Mapping[str, int], *, now: datetime) -> list[Expired]:
    """What is past its time.

    Parameters
    ----------
    workspace : Workspace
    keep_days : mapping of str to int
        Of ``features``, ``scores`` (uplift and segments go with them), ``actions`` (and trigger lists) and ``audiences``:
        days. What ``as_of`` names is as old as that day; features, which every run makes anew for days long past, and what
        has no day in its name are as old as the newest file in them.
    now : datetime
        UTC, without zone.
    """
    found = []
    for kind, days in keep_days.items():
        for path in _outputs(workspace, kind):
            age_days = (now.date() - _day_of(path, kind)).days
            if age_days > days:
                found.append(Expired(kind, path, age_days))
    return found


def remove_expired(expired: list[Expired]) -> None:
    """Remove them all.

    Raises
    ------
    WorkspaceError
        If the file system refuses.
    """
    for one in expired:
        removed(one.path)


def _outputs(workspace: Workspace, kind: str) -> Iterator[Path]:
    folders = {
        "features": (workspace.features, workspace.all_features, workspace.experiments),
        "scores": (workspace.scores, workspace.uplift, workspace.segments),
        "actions": (workspace.actions,),
    }
    for folder in folders.get(kind, ()):
        yield from sorted(folder.glob("as_of=*"))
    if kind == "actions" and workspace.triggers.is_dir():
        yield workspace.triggers
    if kind == "audiences":
        yield from sorted(path for path in workspace.audiences.glob("*") if path.is_dir())


def _day_of(path: Path, kind: str) -> date:
    if kind != "features" and path.name.startswith("as_of="):
        with suppress(ValueError):  # not a folder of ours
            return date.fromisoformat(path.name.removeprefix("as_of="))
    files = [file for file in path.rglob("*") if file.is_file()] or [path]
    return datetime.fromtimestamp(max(file.stat().st_mtime for file in files), UTC).date()
