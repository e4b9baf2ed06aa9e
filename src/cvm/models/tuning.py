"""Optuna over the boosters' settings, on folds by customer of the training snapshots only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import optuna

from cvm.evaluation import brier_score, tweedie_deviance
from cvm.models.boosting import DEFAULTS
from cvm.models.churn import out_of_fold_churn
from cvm.models.clv import out_of_fold_revenue
from cvm.models.samples import Sample
from cvm.models.training import Recipe, can_teach_churn, can_teach_value


def tune_settings(
    training: Sequence[Sample], recipe: Recipe, *, trials: int, timeout_s: int | None, progress: Callable[[str], None]
) -> Recipe:
    """The recipe with the settings that did best out of fold; unchanged for a booster these samples cannot teach.

    Parameters
    ----------
    training : sequence of Sample
        Training snapshots; the test snapshot is never seen here.
    recipe : Recipe
        What it does not say of the boosters is kept. The defaults are the first trial, so tuning never ends below them.
    trials : int, > 0
        Per model.
    timeout_s : int or None
        Per model.
    progress : callable
        Told in words what is being done.
    """
    judged = [sample.of_churn for sample in training if len(sample.of_churn.churned)]
    with_revenue = [sample for sample in training if sample.revenue.sum() > 0]

    def churn_loss(settings: dict[str, Any]) -> float:
        churned, p = out_of_fold_churn(judged, columns=recipe.offered, settings=settings, seed=recipe.seed)
        return brier_score(churned, p)

    def value_loss(settings: dict[str, Any]) -> float:
        revenue, predicted = out_of_fold_revenue(with_revenue, columns=recipe.offered, settings=settings, seed=recipe.seed)
        return tweedie_deviance(revenue, predicted)

    def best(loss: Callable[[dict[str, Any]], float], what: str) -> dict[str, Any]:
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=recipe.seed))
        study.enqueue_trial({name: DEFAULTS[name] for name in _TUNED})

        def objective(trial: optuna.Trial) -> float:
            progress(f"{what}: trial {trial.number + 1} of {trials}")
            return loss(_suggest(trial))

        try:
            study.optimize(objective, n_trials=trials, timeout=timeout_s)
        finally:
            optuna.logging.set_verbosity(verbosity)
        return dict(study.best_params)

    if can_teach_churn(judged):
        recipe = replace(recipe, churn_settings=best(churn_loss, "churn"))
    if can_teach_value(with_revenue):
        recipe = replace(recipe, value_settings=best(value_loss, "CLV"))
    return recipe


_TUNED = ("learning_rate", "num_leaves", "min_data_in_leaf", "feature_fraction", "lambda_l2")


def _suggest(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.15, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 4, 63, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 20, 500, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.3, 1.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 0.1, 100.0, log=True),
    }
