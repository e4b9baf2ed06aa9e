"""Which settings of which boosters are tuned, on folds by customer of the training snapshots only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from cvm.evaluation import brier_score, tweedie_deviance
from cvm.models.boosting import DEFAULTS
from cvm.models.churn_blend import churn_task
from cvm.models.clv_blend import value_task
from cvm.models.fold_losses import FoldLosses
from cvm.models.samples import Sample
from cvm.models.search import Search
from cvm.models.studies import Objective, Range, run_trials
from cvm.models.training import Recipe, can_teach_churn, can_teach_value

# Few settings, within bounds where none of them can do much harm: how fine trees are, and how much they are held back.
SPACE = {
    "learning_rate": Range(0.02, 0.1, log=True),
    "num_leaves": Range(4, 63, whole=True, log=True),
    "min_data_in_leaf": Range(20, 500, whole=True, log=True),
    "feature_fraction": Range(0.3, 1.0),
    "lambda_l2": Range(0.1, 100.0, log=True),
}


def tune_settings(
    training: Sequence[Sample],
    recipe: Recipe,
    *,
    trials: int,
    timeout_s: float | None,
    file: Path | None = None,
    progress: Callable[[str], None],
) -> tuple[Recipe, list[Search]]:
    """The recipe with the settings that did best out of fold, and the searches that found them.

    A booster that these samples cannot teach is not searched for. The churn model is tuned for the Brier score and the value
    model for the Tweedie deviance, by which they are judged.

    Parameters
    ----------
    training : sequence of Sample
        Training snapshots; the test snapshot is never seen here.
    recipe : Recipe
        What it does not say of the boosters is kept. The defaults are the first trial, so tuning never ends below them.
    trials : int, > 0
        Per model.
    timeout_s : float or None
        Per model.
    file : Path or None
        Where studies are stored, and resumed by whoever asks for more trials on the very same rows.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    TuningError
        If the file cannot be used.
    """
    judged = [sample.of_churn for sample in training if len(sample.of_churn.churned)]
    with_revenue = [sample for sample in training if sample.revenue.sum() > 0]

    def search(model: str, metric: str, losses: FoldLosses) -> Search:
        objective = Objective(
            study=f"{model} {_study_key(losses)}",
            space=SPACE,
            defaults={name: DEFAULTS[name] for name in SPACE},
            loss_of_fold=losses.loss_of_fold,
            n_folds=losses.n_folds,
        )
        done = run_trials(
            objective,
            trials=trials,
            timeout_s=timeout_s,
            seed=recipe.seed,
            file=file,
            progress=lambda text: progress(f"{model}: {text}"),
        )
        return Search(model, metric, tuple(done), wanted=trials)

    searches = []
    if can_teach_churn(judged):
        task = churn_task(judged, columns=recipe.offered, settings={}, seed=recipe.seed)
        searches.append(search("churn", "Brier score", FoldLosses(task, brier_score)))
        recipe = replace(recipe, churn_settings={**recipe.churn_settings, **searches[-1].chosen})
    if can_teach_value(with_revenue):
        task = value_task(with_revenue, columns=recipe.offered, settings={}, seed=recipe.seed)
        searches.append(search("CLV", "Tweedie deviance", FoldLosses(task, tweedie_deviance)))
        recipe = replace(recipe, value_settings={**recipe.value_settings, **searches[-1].chosen})
    return recipe, searches


def _study_key(losses: FoldLosses) -> str:
    """What keeps a study from being resumed on other data, other code or another space."""
    space = json.dumps({name: asdict(span) for name, span in SPACE.items()}, sort_keys=True)
    return hashlib.sha256(f"{losses.digest} {space}".encode()).hexdigest()[:16]
