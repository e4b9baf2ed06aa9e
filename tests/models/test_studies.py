from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from cvm.errors import TuningError
from cvm.models import studies
from cvm.models.studies import Objective, Range, run_trials
from simulated import silent

SPACE = {"x": Range(0.1, 10.0, log=True), "leaves": Range(2, 40, whole=True, log=True)}
FOLDS = 5


def loss(settings, fold):
    """Lowest at x = 2, leaves = 5; later folds are harder for everybody."""
    return fold + abs(settings["x"] - 2) + abs(settings["leaves"] - 5) / 10


OBJECTIVE = Objective("toy", SPACE, {"x": 5.0, "leaves": 15}, loss, FOLDS)


def run(n, *, file=None, objective=OBJECTIVE, seed=1, timeout_s=None, progress=silent):
    return run_trials(objective, trials=n, timeout_s=timeout_s, seed=seed, file=file, progress=progress)


def told(trials):
    return [(trial.settings, trial.losses, trial.pruned) for trial in trials]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tuning" / "studies.db"


def test_the_defaults_come_first_and_proposals_stay_in_their_ranges():
    trials = run(15)
    assert trials[0].settings == OBJECTIVE.defaults
    assert trials[0].losses == tuple(loss(OBJECTIVE.defaults, fold) for fold in range(FOLDS))
    assert all(0.1 <= trial.settings["x"] <= 10 and 2 <= trial.settings["leaves"] <= 40 for trial in trials)
    assert all(isinstance(trial.settings["leaves"], int) for trial in trials)
    assert min(trial.loss for trial in trials if not trial.pruned) < trials[0].loss


def test_those_behind_the_median_stop_early_however_hard_their_folds_are():
    trials = run(30)
    pruned = [trial for trial in trials if trial.pruned]
    assert 3 <= len(pruned) <= 25
    assert all(2 <= len(trial.losses) < FOLDS for trial in pruned)
    assert all(len(trial.losses) == FOLDS for trial in trials if not trial.pruned)
    lead = [trial.losses[0] for trial in trials if not trial.pruned]
    assert max(trial.losses[0] for trial in pruned) > min(lead)
    assert not any(trial.pruned for trial in trials[:5])


def test_the_seed_decides_what_is_tried():
    assert told(run(6)) == told(run(6))
    assert told(run(6)) != told(run(6, seed=2))


def test_a_resumed_study_is_the_one_that_was_not_interrupted(file):
    run(7, file=file)
    asked = []

    def counted(settings, fold):
        asked.append(fold)
        return loss(settings, fold)

    said: list[str] = []
    resumed = run(14, file=file, objective=replace(OBJECTIVE, loss_of_fold=counted), progress=said.append)
    assert told(resumed) == told(run(14))
    assert asked.count(0) == 7
    assert said[0] == "trial 8 of 14, 7 on file"
    assert said[-1] == "trial 14 of 14, 7 on file"


def test_fewer_trials_than_are_on_file_are_a_study_of_fewer(file):
    run(6, file=file)
    assert told(run(4, file=file)) == told(run(4))


def test_studies_of_other_names_share_a_file_and_nothing_else(file):
    first = run(3, file=file)
    other = run(3, file=file, objective=replace(OBJECTIVE, study="other", defaults={"x": 1.0, "leaves": 3}))
    assert other[0].settings == {"x": 1.0, "leaves": 3}
    assert told(run(3, file=file)) == told(first)


def test_a_trial_that_runs_out_of_time_is_forgotten(file, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(studies.time, "monotonic", lambda: now[0])

    def slow(settings, fold):
        now[0] += 1.0
        return loss(settings, fold)

    slowly = replace(OBJECTIVE, loss_of_fold=slow)
    assert run(3, file=file, objective=slowly, timeout_s=3) == []
    assert len(run(3, file=file, objective=slowly, timeout_s=8)) == 1
    assert told(run(3, file=file)) == told(run(3))


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_studies as here
def loss(settings, fold):
    loss.calls += 1
    if loss.calls == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return here.loss(settings, fold)
loss.calls = 0
here.run(12, file=Path(sys.argv[1]), objective=here.replace(here.OBJECTIVE, loss_of_fold=loss))
"""


@pytest.mark.slow
def test_a_killed_run_loses_the_running_trial_and_nothing_else(file):
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(here.parent)])}
    for call in (1, 23):  # in the first trial, then in the fifth
        done = subprocess.run(
            [sys.executable, "-c", KILLED, file, here, str(call)],
            env=environment,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
    asked = []

    def counted(settings, fold):
        asked.append(fold)
        return loss(settings, fold)

    assert told(run(12, file=file, objective=replace(OBJECTIVE, loss_of_fold=counted))) == told(run(12))
    assert asked.count(0) == 8


class TestFileThatCannotBeUsed:
    def test_no_database(self, tmp_path):
        path = tmp_path / "studies.db"
        path.write_bytes(b"not a database at all" * 100)
        with pytest.raises(TuningError, match=r"studies\.db cannot be used: file is not a database\. .* or delete it"):
            run(1, file=path)

    def test_another_program_holds_it(self, file, monkeypatch):
        run(1, file=file)
        monkeypatch.setattr(studies, "_LOCK_WAIT_S", 0.1)
        holder = sqlite3.connect(file)
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TuningError, match=r"database is locked\. Close the program that holds the file"):
            run(2, file=file)
        holder.close()

    def test_it_is_locked_while_trials_run(self, file, monkeypatch):
        monkeypatch.setattr(studies, "_LOCK_WAIT_S", 0.1)
        run(1, file=file)
        holder = sqlite3.connect(file)

        def locks(settings, fold):
            if not holder.in_transaction:
                holder.execute("BEGIN EXCLUSIVE")
            return loss(settings, fold)

        with pytest.raises(TuningError, match="database is locked"):
            run(3, file=file, objective=replace(OBJECTIVE, loss_of_fold=locks))
        holder.close()
        assert told(run(3, file=file)) == told(run(3))

    def test_another_version_of_optuna_wrote_it(self, file):
        run(1, file=file)
        database = sqlite3.connect(file)
        database.execute("UPDATE alembic_version SET version_num = 'v99'")
        database.commit()
        database.close()
        with pytest.raises(TuningError, match="another version of Optuna wrote it"):
            run(1, file=file)

    def test_tables_of_something_else(self, tmp_path):
        database = sqlite3.connect(tmp_path / "other.db")
        database.execute("CREATE TABLE studies (x INT)")
        database.commit()
        database.close()
        with pytest.raises(TuningError, match=r"other\.db cannot be used: .*studies.*"):
            run(1, file=tmp_path / "other.db")

    def test_a_folder_lies_there(self, tmp_path):
        with pytest.raises(TuningError, match="unable to open database file"):
            run(1, file=tmp_path)

    def test_a_file_lies_where_the_folder_should(self, tmp_path):
        (tmp_path / "tuning").write_text("")
        with pytest.raises(TuningError, match=r"cannot be used: File exists"):
            run(1, file=tmp_path / "tuning" / "studies.db")

    def test_trials_without_their_losses(self, file):
        run(2, file=file)
        database = sqlite3.connect(file)
        database.execute("DELETE FROM trial_user_attributes")
        database.commit()
        database.close()
        with pytest.raises(TuningError, match=r"cannot be used: its trials lack their losses"):
            run(3, file=file)


def test_an_error_of_the_loss_is_not_blamed_on_the_file(file):
    def fails(settings, fold):
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        run(1, file=file, objective=replace(OBJECTIVE, loss_of_fold=fails))


def test_optunas_verbosity_is_left_as_it_was():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        run(1)
        assert optuna.logging.get_verbosity() == optuna.logging.ERROR
    finally:
        optuna.logging.set_verbosity(before)


def test_what_is_stored_holds_no_pickle(file):
    run(3, file=file)
    database = sqlite3.connect(file)
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    values = [value for table in tables for row in database.execute(f"SELECT * FROM {table}") for value in row]
    database.close()
    assert values
    assert not any(isinstance(value, bytes) for value in values)
