from __future__ import annotations

from dataclasses import replace

import numpy as np
import optuna
import pytest

from cvm.models import tuning
from cvm.models.boosting import DEFAULTS
from cvm.models.training import Recipe
from cvm.models.tuning import _TUNED, tune_settings
from simulated import sample, silent

PLAIN = Recipe(columns=("n_orders", "recency_days", "noise", "colour"), seed=3, horizon_days=90)


@pytest.fixture(scope="module")
def training():
    return [sample(n_customers=300, seed=seed) for seed in (1, 2)]


@pytest.fixture
def losses(monkeypatch):
    """Out-of-fold predictions that are better the nearer the learning rate is to .1; records what was asked."""
    asked = []

    def churn(samples, *, columns, settings, seed):
        asked.append(("churn", samples, columns, settings, seed))
        return np.zeros(2), np.full(2, abs(settings["learning_rate"] - 0.1))

    def revenue(samples, *, columns, settings, seed):
        asked.append(("CLV", samples, columns, settings, seed))
        return np.ones(2), np.full(2, 1 + abs(settings["learning_rate"] - 0.1))

    monkeypatch.setattr(tuning, "out_of_fold_churn", churn)
    monkeypatch.setattr(tuning, "out_of_fold_revenue", revenue)
    return asked


DEFAULT_TRIAL = {name: DEFAULTS[name] for name in _TUNED}


def tuned(training, *, trials=3, recipe=PLAIN, progress=silent):
    return tune_settings(training, recipe, trials=trials, timeout_s=None, progress=progress)


def test_one_trial_gives_the_defaults(training, losses):
    recipe = tuned(training, trials=1)
    assert recipe.churn_settings == recipe.value_settings == DEFAULT_TRIAL


def test_the_best_trial_out_of_fold_decides(training, losses):
    recipe = tuned(training, trials=12)
    for what, best in (("churn", recipe.churn_settings), ("CLV", recipe.value_settings)):
        tried = [settings for name, _, _, settings, _ in losses if name == what]
        assert len(tried) == 12
        assert best == min(tried, key=lambda settings: abs(settings["learning_rate"] - 0.1))
        assert best != DEFAULT_TRIAL


def test_it_asks_for_the_training_snapshots_and_the_offered_columns_only(training, losses):
    tuned(training)
    for _, samples, columns, _, seed in losses:
        assert all(given is wanted for given, wanted in zip(samples, training, strict=True))
        assert columns == PLAIN.offered
        assert seed == PLAIN.seed


def test_everything_but_the_settings_is_kept(training, losses):
    assert replace(tuned(training), churn_settings={}, value_settings={}) == PLAIN


def test_the_seed_decides_what_is_tried(training, losses):
    first, second, other = tuned(training), tuned(training), tuned(training, recipe=replace(PLAIN, seed=4))
    assert first == second
    assert replace(other, seed=PLAIN.seed) != first


def test_progress_counts_trials(training, losses):
    said = []
    tuned(training, trials=2, progress=said.append)
    assert said == ["churn: trial 1 of 2", "churn: trial 2 of 2", "CLV: trial 1 of 2", "CLV: trial 2 of 2"]


def test_snapshots_that_cannot_teach_a_booster_leave_its_settings_alone(training, losses):
    quiet = [replace(part, n_orders=np.zeros(300), revenue=np.zeros(300)) for part in training]
    assert tuned(quiet) == PLAIN
    assert losses == []


def test_a_snapshot_without_revenue_does_not_spoil_the_search(training):
    quiet = replace(training[0], n_orders=np.zeros(300), revenue=np.zeros(300))
    recipe = tuned([quiet, training[1], sample(n_customers=300, seed=5)], trials=1)
    assert recipe.value_settings == DEFAULT_TRIAL


@pytest.fixture
def quiet_optuna():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


@pytest.mark.usefixtures("losses", "quiet_optuna")
def test_optunas_verbosity_is_left_as_it_was(training, monkeypatch):
    tuned(training, trials=1)
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR

    def fails(*_, **__):
        raise RuntimeError("no folds")

    monkeypatch.setattr(tuning, "out_of_fold_churn", fails)
    with pytest.raises(RuntimeError, match="no folds"):
        tuned(training, trials=1)
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR


def test_a_search_over_real_boosters_is_deterministic(training):
    recipe = tuned(training, trials=2)
    assert recipe == tuned(training, trials=2)
    assert set(recipe.churn_settings) == set(DEFAULT_TRIAL)
