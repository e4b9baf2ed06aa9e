"""Where the outputs of a run live, and who may write there."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cvm.errors import WorkspaceError
from cvm.locks import only_writer
from cvm.writing import removed, replaced_directory, replaced_file, temporary_file, tidy

__all__ = ["Workspace", "parquet_files", "removed", "replaced_directory", "replaced_file", "temporary_file"]

_PARQUET = b"PAR1"
# What Spark calls the files of a table.
_PARTS = "part-*.parquet"

# Of 255 that file systems take, less what is written before and behind a name; and names that Windows takes for devices.
_MAX_NAME_BYTES = 200
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


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
    def lake(self) -> Path:
        """Clean canonical tables that Spark wrote, a folder of Parquet files each."""
        return self.outputs / "warehouse"

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
    def privacy(self) -> Path:
        """Who asked to be forgotten, as hashes, and the key of these; its owner's alone."""
        return self.outputs / "privacy"

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

    def cells_effect_of(self, campaign_id: str) -> Path:
        """The same of all cells of a campaign."""
        return self.effects / "cells" / f"{_file_name(campaign_id)}.json"

    def ledger_of(self, plan: str) -> Path:
        """Who was drawn for which arm by one approved plan; never changed."""
        return self.outputs / "ledger" / f"{_file_name(plan)}.parquet"

    @property
    def ledgers(self) -> tuple[Path, ...]:
        """Those of all approved plans, by name."""
        return tuple(sorted(path for path in (self.outputs / "ledger").glob("*.parquet") if not path.name.startswith(".")))

    @property
    def audiences(self) -> Path:
        """Drafts of plans and files for senders, one folder per plan."""
        return self.outputs / "audiences"

    def audience_of(self, plan: str) -> Path:
        """Folder of one plan: its draft, and once it is approved the files for those who send it."""
        return self.audiences / _file_name(plan)

    @property
    def features(self) -> Path:
        """Snapshots and their outcomes, one folder per ``as_of``; with ``engine: spark`` of a sample of the customers."""
        return self.outputs / "features"

    @property
    def all_features(self) -> Path:
        """The same of all customers, with ``engine: spark``: folders of Parquet files."""
        return self.outputs / "all_features"

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
        """The scores of one ``as_of``: their file, or the folder of the files that Spark wrote."""
        file = self.scores_file_of(as_of)
        return file.parent if not file.exists() and any(file.parent.glob(_PARTS)) else file

    def scores_file_of(self, as_of: date) -> Path:
        """File in which one machine writes the scores of one ``as_of``."""
        return self.scores / f"as_of={as_of.isoformat()}" / "scores.parquet"

    @property
    def segments(self) -> Path:
        """What scores tell of segments, one folder per ``as_of``."""
        return self.outputs / "segments"

    def segments_of(self, as_of: date) -> Path:
        """Folder of what one ``as_of`` tells of segments: who moved since the scores before, growth potential, clusters."""
        return self.segments / f"as_of={as_of.isoformat()}"

    def score_files(self) -> dict[date, Path]:
        """Files with scores, by their ``as_of``; without those that were cut short."""
        return {day: path for day, path in self._score_files() if _is_whole(path)}

    def damaged_scores(self) -> dict[date, Path]:
        """Those that were cut short, as by a copy that failed, and that nobody can read."""
        return {day: path for day, path in self._score_files() if not _is_whole(path)}

    def _score_files(self) -> Iterator[tuple[date, Path]]:
        for folder in sorted(self.scores.glob("as_of=*")):
            with suppress(ValueError):  # not a folder of ours
                day = date.fromisoformat(folder.name.removeprefix("as_of="))
                path = self.scores_of(day)
                if path.exists():
                    yield day, path

    @property
    def kpis(self) -> Path:
        """KPIs, cohorts and how far goals have come, as Parquet and CSV."""
        return self.outputs / "kpis"

    @property
    def uplift(self) -> Path:
        """Expected effects of treatments, one folder per ``as_of``."""
        return self.outputs / "uplift"

    def uplift_of(self, as_of: date) -> Path:
        """File with the effect of each treatment expected for each customer at one ``as_of``."""
        return self.uplift / f"as_of={as_of.isoformat()}" / "uplift.parquet"

    @property
    def actions(self) -> Path:
        """What to do next with whom, one folder per ``as_of``."""
        return self.outputs / "actions"

    def actions_of(self, as_of: date) -> Path:
        """Folder of what is suggested for each customer at one ``as_of``."""
        return self.actions / f"as_of={as_of.isoformat()}"

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

    @property
    def challenger(self) -> Path:
        """The latest bundle trained, until `cvm promote` has made it champion."""
        return self.champion.parent / "challenger"

    @property
    def retired(self) -> Path:
        """Former champions, one folder per model version."""
        return self.champion.parent / "retired"

    @property
    def decisions(self) -> Path:
        """Who was promoted, kept or rolled back, when and why: one row per decision."""
        return self.champion.parent / "decisions.parquet"

    @property
    def unsettled(self) -> Path:
        """Number of the decision that folders are following; there only while they are, or were when they were killed."""
        return self.champion.parent / "unsettled"

    @property
    def judged(self) -> Path:
        """What judged models foretold of each customer at their test snapshot, beside what happened."""
        return self.outputs / "judged"

    def judged_of(self, as_of: date, model_version: str) -> Path:
        """That of one model."""
        return self.judged / f"as_of={as_of.isoformat()}" / f"{_file_name(model_version)}.parquet"

    def check_writable(self, *, with_models: bool = True) -> None:
        """Refuse before any work is done when ``outputs``, and if need be the folder of models, cannot be written to.

        Raises
        ------
        WorkspaceError
            If a folder cannot be created, or a file in it cannot be written.
        """
        for folder in (self.outputs, self.champion.parent) if with_models else (self.outputs,):
            error = _write_error(folder)
            if error:
                key = "outputs" if folder == self.outputs else "models"
                raise WorkspaceError(
                    f"Cannot write to {folder}: {error.strerror or error}. "
                    f"Free the path or grant write access, or set another folder under {key} in params.yaml."
                ) from error

    @contextmanager
    def writing(
        self,
        command: str,
        *,
        with_models: bool = False,
        wait_s: float = 0.0,
        tell: Callable[[str], None] = lambda _: None,
    ) -> Iterator[None]:
        """Be the only command that writes to ``outputs`` and the folder of models, which killed ones have left untidy.

        Parameters
        ----------
        command : str
            What others are told who want to write meanwhile.
        with_models : bool
            Whether the command writes models. One that only reads them keeps others out of their folder where it may, and
            goes on where it has no right to write there.
        wait_s : float, >= 0
            How long to wait for another command to end; it is refused after that.
        tell : callable
            Told once, in words, for whom this waits.

        Raises
        ------
        WorkspaceError
            If nothing could be written, or another command is at work.
        """
        self.check_writable(with_models=with_models)
        models = self.champion.parent
        folders = (self.outputs, models) if with_models or _write_error(models) is None else (self.outputs,)
        with only_writer(folders, command=command, wait_s=wait_s, tell=tell) as taken:
            for folder in taken:
                tidy(folder)
            yield


def _write_error(folder: Path) -> OSError | None:
    """Why no file can be written to a folder, which is made if there is none; None where one can."""
    probe = folder / f".write-test-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        return error
    return None


def parquet_files(path: Path) -> list[Path]:
    """The files of a table on file, in their order: itself, or those of the folder that Spark wrote."""
    return sorted(path.glob(_PARTS)) if path.is_dir() else [path]


def _is_whole(path: Path) -> bool:
    return all(_is_whole_parquet(file) for file in parquet_files(path))


def _is_whole_parquet(path: Path) -> bool:
    """Whether it begins and ends like one."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(_PARQUET))
            file.seek(-len(_PARQUET), os.SEEK_END)
            return begin == file.read() == _PARQUET
    except OSError:
        return False


def _file_name(name: str) -> str:
    """A name that any file system takes, and that stays in its folder; two names never share one."""
    readable = re.sub(r"[^\w.-]+", "_", name)[:80].encode()[:_MAX_NAME_BYTES].decode(errors="ignore").strip(".")
    readable = f"_{readable}" if not readable or _RESERVED.match(readable) else readable
    return readable if readable == name else f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
