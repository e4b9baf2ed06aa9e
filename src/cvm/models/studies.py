"""A stored search for settings: Optuna's TPE proposes, folds judge, losers stop early, and a study goes on where it stopped.

Every proposal follows from the seed and the trials before it, so a study that was interrupted and resumed is the same as one
that was not, and the first ``n`` trials of a longer study are a study of ``n``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from cvm.errors import TuningError
from cvm.models.search import Trial

_FOLD_LOSSES = "fold_losses"
# With less to compare with, the median prunes by luck: complete trials, folds.
_MIN_TRIALS, _MIN_FOLDS = 5, 2
_LOCK_WAIT_S = 5.0


@dataclass(frozen=True)
class Range:
    """Where a setting is searched, ends included; ``log`` searches evenly by factors, ``whole`` among whole numbers."""

    low: float
    high: float
    whole: bool = False
    log: bool = False

    def propose(self, trial: optuna.Trial, name: str) -> float:
        """A value of the range."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Objective:
    """What is searched.

    Attributes
    ----------
    study : str
        Trials on file under this name are taken for trials of the same losses.
    space : mapping of str to Range
    defaults : mapping of str to number
        The first trial; a value for each name of ``space``.
    loss_of_fold : callable
        Loss of a fold, counted from 0, under some settings; always the same for the same.
    n_folds : int, > 0
    """

    study: str
    space: Mapping[str, Range]
    defaults: Mapping[str, Any]
    loss_of_fold: Callable[[Mapping[str, Any], int], float]
    n_folds: int


def run_trials(
    objective: Objective,
    *,
    trials: int,
    timeout_s: float | None,
    seed: int,
    file: Path | None,
    progress: Callable[[str], None],
) -> list[Trial]:
    """The first ``trials`` trials of a study, those on file and, where they are fewer, new ones.

    Parameters
    ----------
    objective : Objective
    trials : int, > 0
    timeout_s : float or None
        No fold is begun later; the trial it would belong to is forgotten, and fewer are returned.
    seed : int
    file : Path or None
        SQLite database of studies, made if there is none; ``None`` keeps the study in memory.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    TuningError
        If the file cannot be used.
    """
    deadline = time.monotonic() + timeout_s if timeout_s else float("inf")
    with _quiet(), _study(objective.study, file) as study:
        if not all(_FOLD_LOSSES in trial.user_attrs for trial in _finished(study)):
            raise TuningError.from_file(file or Path(), "its trials lack their losses")
        known = len(_finished(study))
        for number in range(known, trials):
            progress(f"trial {number + 1} of {trials}" + (f", {known} on file" if known else ""))
            if not _run_trial(study, objective, number, seed=seed, deadline=deadline):
                break
        return [_recorded(trial) for trial in _finished(study)[:trials]]


def _run_trial(study: optuna.Study, objective: Objective, number: int, *, seed: int, deadline: float) -> bool:
    """Whether there was time for the trial. Its folds are set against the same under the defaults: some are harder."""
    study.sampler = _sampler(seed, number)
    if number == 0 and not study.get_trials(states=(TrialState.WAITING,)):
        study.enqueue_trial(dict(objective.defaults))
    trial = study.ask()
    settings = {name: span.propose(trial, name) for name, span in objective.space.items()}
    losses: list[float] = []
    for fold in range(objective.n_folds):
        if time.monotonic() >= deadline:
            study.tell(trial, state=TrialState.FAIL)
            return False
        losses.append(objective.loss_of_fold(settings, fold))
        of_defaults = _finished(study)[0].user_attrs[_FOLD_LOSSES] if number else losses
        trial.report(float(np.mean(np.subtract(losses, of_defaults[: len(losses)]))), step=fold)
        if fold + 1 < objective.n_folds and trial.should_prune():
            break
    trial.set_user_attr(_FOLD_LOSSES, losses)
    if len(losses) < objective.n_folds:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, float(np.mean(losses)))
    return True


def _sampler(seed: int, number: int) -> optuna.samplers.TPESampler:
    """A sampler for one trial, whose state needs no storing; blind to trials that a dead process left running."""
    own_seed = np.random.SeedSequence((seed, number)).generate_state(1)[0]
    return optuna.samplers.TPESampler(seed=int(own_seed), constant_liar=False)


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that count, in order: neither one that a dead process left running nor one that ran out of time."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _recorded(trial: FrozenTrial) -> Trial:
    duration = trial.duration
    return Trial(
        settings=dict(trial.params),
        losses=tuple(trial.user_attrs[_FOLD_LOSSES]),
        pruned=trial.state == TrialState.PRUNED,
        seconds=duration.total_seconds() if duration else 0.0,
    )


@contextmanager
def _study(name: str, file: Path | None) -> Iterator[optuna.Study]:
    """The study of that name on file, a new one if there is none; the file's troubles become ours."""
    pruner = optuna.pruners.MedianPruner(n_startup_trials=_MIN_TRIALS, n_warmup_steps=_MIN_FOLDS - 1)
    if file is None:
        yield optuna.create_study(study_name=name, pruner=pruner)
        return
    storage = None
    try:
        storage = _storage(file)
        yield optuna.create_study(storage=storage, study_name=name, pruner=pruner, load_if_exists=True)
    except (SQLAlchemyError, StorageInternalError) as error:
        raise TuningError.from_file(file, _reason(error)) from error
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()


def _storage(file: Path) -> optuna.storages.RDBStorage:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return optuna.storages.RDBStorage(f"sqlite:///{file}", engine_kwargs={"connect_args": {"timeout": _LOCK_WAIT_S}})
    except OSError as error:
        raise TuningError.from_file(file, error.strerror or str(error)) from error
    except RuntimeError as error:  # what Optuna raises for tables of another version
        raise TuningError.from_file(file, "another version of Optuna wrote it") from error


def _reason(error: Exception) -> str:
    """What the database said, without the statement."""
    cause = error.__cause__ or error
    return str(getattr(cause, "orig", None) or cause).strip().splitlines()[0].rstrip(".")


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna's chatter turned down; afterwards it is as loud as it was."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
