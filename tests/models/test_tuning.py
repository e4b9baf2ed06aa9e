from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cvm.evaluation import brier_score
from cvm.models import tuning
from cvm.models.boosting import DEFAULTS
from cvm.models.training import Recipe
from cvm.models.tuning import SPACE, tune_settings
from simulated import sample, silent

PLAIN = Recipe(columns=("n_orders", "recency_days", "noise", "colour"), seed=3, horizon_days=90)


@pytest.fixture(scope="module")
def training():
    return [sample(n_customers=300, seed=seed) for seed in (1, 2)]


@pytest.fixture
def asked(monkeypatch):
    """Losses that are lower the nearer the learning rate is to .1; records what was asked."""
    seen = []

    def loss_of_fold(losses, settings, fold):
        seen.append((losses, settings))
        return fold + abs(settings["learning_rate"] - 0.1)

    monkeypatch.setattr(tuning.FoldLosses, "loss_of_fold", loss_of_fold)
    return seen


def tuned(training, *, trials=3, recipe=PLAIN, progress=silent, file=None):
    return tune_settings(training, recipe, trials=trials, timeout_s=None, file=file, progress=progress)


def test_the_defaults_are_in_the_space_and_the_first_trial(training, asked):
    recipe, searches = tuned(training, trials=1)
    assert recipe == PLAIN
    assert [search.trials[0].settings for search in searches] == [{name: DEFAULTS[name] for name in SPACE}] * 2
    assert all(span.low <= DEFAULTS[name] <= span.high for name, span in SPACE.items())


def test_the_best_trial_out_of_fold_decides(training, asked):
    recipe, searches = tuned(training, trials=12)
    assert [search.model for search in searches] == ["churn", "CLV"]
    for search, best in zip(searches, (recipe.churn_settings, recipe.value_settings), strict=True):
        tried = [trial.settings for trial in search.trials]
        assert len(tried) == 12
        assert best == min(tried, key=lambda settings: abs(settings["learning_rate"] - 0.1))
        assert set(best) == set(SPACE)


def test_it_asks_for_the_training_snapshots_and_the_offered_columns_only(training, asked):
    tuned(training)
    for losses, _ in asked:
        assert all(given is wanted.features for given, wanted in zip(losses.task.rows.frames, training, strict=True))
        assert (losses.task.rows.columns, losses.task.seed) == (PLAIN.offered, PLAIN.seed)


def test_everything_but_the_settings_is_kept(training, asked):
    assert replace(tuned(training)[0], churn_settings={}, value_settings={}) == PLAIN


def test_progress_counts_trials(training, asked):
    said = []
    tuned(training, trials=2, progress=said.append)
    assert said == ["churn: trial 1 of 2", "churn: trial 2 of 2", "CLV: trial 1 of 2", "CLV: trial 2 of 2"]


def test_snapshots_that_cannot_teach_a_booster_leave_its_settings_alone(training, asked):
    quiet = [replace(part, n_orders=np.zeros(300), revenue=np.zeros(300)) for part in training]
    assert tuned(quiet) == (PLAIN, [])
    assert asked == []


def test_a_snapshot_without_revenue_does_not_spoil_the_search(training):
    quiet = replace(training[0], n_orders=np.zeros(300), revenue=np.zeros(300))
    _, searches = tuned([quiet, training[1], sample(n_customers=300, seed=5)], trials=1)
    assert np.isfinite(searches[1].trials[0].losses).all()


def test_a_study_on_file_is_resumed_by_the_same_rows_and_by_no_others(training, asked, tmp_path):
    file = tmp_path / "studies.db"
    first, _ = tuned(training, trials=4, file=file)
    n_asked = len(asked)
    assert tuned(training, trials=4, file=file)[0] == first
    assert len(asked) == n_asked
    others = [training[:1], [training[0], replace(training[1], n_orders=training[1].n_orders * 0)]]
    for other in others:
        tuned(other, trials=1, file=file)
        assert len(asked) > n_asked
        n_asked = len(asked)
    tuned(training, trials=1, recipe=replace(PLAIN, columns=PLAIN.columns[:2]), file=file)
    assert len(asked) > n_asked


def test_another_space_is_another_study(training, asked, tmp_path, monkeypatch):
    tuned(training, trials=2, file=tmp_path / "studies.db")
    n_asked = len(asked)
    monkeypatch.setattr(tuning, "SPACE", {"learning_rate": tuning.Range(0.01, 0.1)})
    _, searches = tuned(training, trials=2, file=tmp_path / "studies.db")
    assert len(asked) == 2 * n_asked
    assert set(searches[0].trials[1].settings) == {"learning_rate"}


def test_a_search_over_real_boosters_is_deterministic_and_never_below_the_defaults(training, tmp_path):
    recipe, searches = tuned(training, trials=3)
    again, resumed = tuned(training, trials=3, file=tmp_path / "studies.db")
    assert recipe == again
    assert [search.state() for search in searches] == [search.state() for search in resumed]
    for search in searches:
        assert search.lowest.loss <= search.trials[0].loss
    anchor = np.concatenate([part.features["btyd_p_no_order"] for part in training])
    churned = np.concatenate([part.churned for part in training])
    assert searches[0].lowest.loss < 1.1 * brier_score(churned, anchor)
