"""Where the outputs of a run live, and how they are written: whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cvm.errors import WorkspaceError

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]  # Windows has no such module, and gets no lock

# What ``_beside`` names, and what the engine puts beside such a file.
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<process>\d{1,9})\.(?P<ending>tmp|old)(\.(wal|tmp))?")


@dataclass(frozen=True)
class Workspace:
    """Paths of every output below ``outputs`` and of the exported champion."""

    outputs: Path
    champion: Path

    @property
    def warehouse(self) -> Path:
        """Clean canonical tables."""
        return self.outputs / "warehouse.duckdb"

    @property
    def quarantine(self) -> Path:
        """Rejected rows, one Parquet file per table, each row with its reason."""
        return self.outputs / "quarantine"

    @property
    def identity(self) -> Path:
        """Who was merged with whom, and why."""
        return self.outputs / "identity.parquet"

    @property
    def ingested(self) -> Path:
        """Checked rows of every export so far, and the ledger that names them."""
        return self.outputs / "ingested"

    @property
    def quality(self) -> Path:
        """What the checks of the data found, one row per finding."""
        return self.outputs / "quality.parquet"

    @property
    def sufficiency(self) -> Path:
        """Whether the data is enough for churn, CLV and uplift."""
        return self.outputs / "sufficiency.json"

    @property
    def effects(self) -> Path:
        """What every campaign was found to have earned, one JSON file each, and the table of all."""
        return self.outputs / "effects"

    def effect_of(self, campaign_id: str) -> Path:
        """What a campaign was found to have earned."""
        return self.effects / f"{_file_name(campaign_id)}.json"

    def ledger_of(self, plan: str) -> Path:
        """Who was drawn for which arm by one approved plan; never changed."""
        return self.outputs / "ledger" / f"{_file_name(plan)}.parquet"

    @property
    def ledgers(self) -> tuple[Path, ...]:
        """Those of all approved plans, by name."""
        return tuple(sorted(path for path in (self.outputs / "ledger").glob("*.parquet") if not path.name.startswith(".")))

    def audience_of(self, plan: str) -> Path:
        """Folder of one plan: its draft, and once it is approved the files for those who send it."""
        return self.outputs / "audiences" / _file_name(plan)

    def cells_effect_of(self, campaign_id: str) -> Path:
        """The same of all cells of a campaign."""
        return self.effects / "cells" / f"{_file_name(campaign_id)}.json"

    @property
    def features(self) -> Path:
        """Snapshots and their outcomes, one folder per ``as_of``."""
        return self.outputs / "features"

    @property
    def experiments(self) -> Path:
        """Draws, features and outcomes of past campaigns, to learn effects from."""
        return self.outputs / "experiments"

    @property
    def studies(self) -> Path:
        """Database of tuning trials, in Optuna's own form."""
        return self.outputs / "tuning" / "studies.db"

    @property
    def scores(self) -> Path:
        """Scores, one folder per ``as_of``."""
        return self.outputs / "scores"

    def scores_of(self, as_of: date) -> Path:
        """File that holds the scores of one ``as_of``."""
        return self.scores / f"as_of={as_of.isoformat()}" / "scores.parquet"

    def segments_of(self, as_of: date) -> Path:
        """Folder of what one ``as_of`` tells of segments: who moved since the scores before, growth potential, clusters."""
        return self.outputs / "segments" / f"as_of={as_of.isoformat()}"

    def score_files(self) -> dict[date, Path]:
        """Files with scores, by their ``as_of``."""
        found = {}
        for path in self.scores.glob("as_of=*/scores.parquet"):
            with suppress(ValueError):  # not a folder of ours
                found[date.fromisoformat(path.parent.name.removeprefix("as_of="))] = path
        return found

    @property
    def kpis(self) -> Path:
        """KPIs, cohorts and how far goals have come, as Parquet and CSV."""
        return self.outputs / "kpis"

    def uplift_of(self, as_of: date) -> Path:
        """File with the effect of each treatment expected for each customer at one ``as_of``."""
        return self.outputs / "uplift" / f"as_of={as_of.isoformat()}" / "uplift.parquet"

    def actions_of(self, as_of: date) -> Path:
        """Folder of what is suggested for each customer at one ``as_of``."""
        return self.outputs / "actions" / f"as_of={as_of.isoformat()}"

    @property
    def triggers(self) -> Path:
        """Lists of customers to whom something happened, as of the last run."""
        return self.outputs / "triggers"

    @property
    def report(self) -> Path:
        """The page with everything, which opens offline."""
        return self.outputs / "report.html"

    @property
    def model_card(self) -> Path:
        """What the model is, and for whom it does how well, as Markdown."""
        return self.outputs / "model_card.md"

    @property
    def monitoring(self) -> Path:
        """What each run of monitoring found, one JSON file per date, and one table of all."""
        return self.outputs / "monitoring"

    def check_writable(self) -> None:
        """Refuse before any work is done when nothing could be written.

        Raises
        ------
        WorkspaceError
            If a folder cannot be created, or a file in it cannot be written.
        """
        for folder in (self.outputs, self.champion.parent):
            probe = folder / f".write-test-{os.getpid()}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                probe.touch()
                probe.unlink()
            except OSError as error:
                raise WorkspaceError(
                    f"Cannot write to {folder}: {error.strerror or error}. "
                    "Free the path or grant write access, or set another folder under outputs in params.yaml."
                ) from error


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it onto ``path`` only if the block succeeds.

    Raises
    ------
    WorkspaceError
        If the file system refuses.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(path, "tmp")
        _discard(temporary)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            _discard(temporary)


@contextmanager
def replaced_directory(path: Path) -> Iterator[Path]:
    """Give a temporary directory beside ``path``; put it in the place of ``path`` only if the block succeeds.

    Raises
    ------
    WorkspaceError
        If the file system refuses.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, old = _beside(path, "tmp"), _beside(path, "old")
        _discard(temporary)
        _discard(old)
        temporary.mkdir()
        try:
            yield temporary
            if path.exists():
                path.rename(old)
            temporary.rename(path)
        finally:
            if old.exists() and not path.exists():
                old.rename(path)
            _discard(temporary)
            _discard(old)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for the same out of ``folder``, and tidy up after those that were killed.

    Raises
    ------
    WorkspaceError
        If another process is at work there.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        with _writing(folder):
            for left_over in folder.glob(".*"):
                _settle(left_over)
        yield


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise WorkspaceError(
                    f"Another cvm command is writing to {folder}. Wait until it has ended, "
                    "or set another folder under outputs in params.yaml."
                ) from None
        yield
    finally:
        os.close(handle)


def _settle(left_over: Path) -> None:
    """Remove what a killed process left half done; what it had moved aside comes back where nothing took its place."""
    found = _TEMPORARY.fullmatch(left_over.name)
    if found is None or _is_another(int(found["process"])):
        return
    path = left_over.with_name(found["name"])
    if found["ending"] == "old" and not path.exists():
        left_over.rename(path)
    else:
        _discard(left_over)


def _is_another(process: int) -> bool:
    """Whether it is running and not this one, whose number may have been that of a process killed before."""
    if process == os.getpid():
        return False
    if fcntl is None:  # elsewhere to ask is to kill
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkspaceError(
            f"{path} could not be written: {error.strerror or error}. What was there before is unchanged. "
            "Free the path or disk space, or set another folder under outputs in params.yaml."
        ) from error


def _file_name(name: str) -> str:
    """A name that any file system takes, and that stays in its folder; two names never share one."""
    readable = re.sub(r"[^\w.-]+", "_", name)[:80].lstrip(".")
    return readable if readable == name else f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{ending}")


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
