"""Judging candidates on the test snapshot, and fitting the winner again on everything labelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from cvm.evaluation import (
    area_under_roc,
    average_precision,
    brier_score,
    calibration_error,
    decile_error,
    lift_at,
    mean_absolute_error,
    normalised_gini,
    ratio,
    root_mean_squared_error,
    spearman,
    tweedie_deviance,
    value_share_at,
)
from cvm.features.churn import ChurnDefinition
from cvm.models.btyd import BTYD_COLUMNS
from cvm.models.churn import CHURN_BASELINES, ChurnModel, anchor_alone
from cvm.models.churn_blend import BlendedChurn, churn_seen_at, fit_blended_churn, refit_blended_churn
from cvm.models.clv import VALUE_BASELINES, BtydValue, ValueModel
from cvm.models.clv_blend import BlendedValue, fit_blended_value, refit_blended_value, value_seen_at
from cvm.models.intervals import Forecast
from cvm.models.samples import Floats, Sample, Snapshot

# Fewer customers of either kind than this teach a booster noise.
_MIN_PER_CLASS = 50

Metrics = dict[str, float]

# Ranking and calibration of churn probabilities, of (churned, probability).
CHURN_METRICS: Mapping[str, Callable[[Floats, Floats], float]] = {
    "auc": area_under_roc,
    "average_precision": average_precision,
    "brier": brier_score,
    "calibration_error": calibration_error,
    "lift_top_decile": partial(lift_at, share=0.1),
    "mean_predicted": lambda _, p_churn: float(p_churn.mean()),
    "mean_actual": lambda churned, _: float(churned.mean()),
}

# Level, error and ranking of expected revenue, of (revenue, predicted); money relative to its actual mean.
VALUE_METRICS: Mapping[str, Callable[[Floats, Floats], float]] = {
    "ratio": ratio,
    "mae": mean_absolute_error,
    "rmse": root_mean_squared_error,
    "tweedie_deviance": tweedie_deviance,
    "spearman": spearman,
    "ngini": normalised_gini,
    "decmape": decile_error,
    "value_share_top_10": partial(value_share_at, share=0.1),
    "value_share_top_20": partial(value_share_at, share=0.2),
}


@dataclass(frozen=True)
class Recipe:
    """How candidates are fitted; the same for the judgement and for the final fit.

    Attributes
    ----------
    columns : tuple of str
        Catalogue columns offered to trees.
    seed : int
    horizon_days : int
        Outcome window of the samples it is fitted on.
    definition : ChurnDefinition
        What churn means.
    churn_settings, value_settings : mapping
        LightGBM settings that differ from the defaults.
    """

    columns: tuple[str, ...]
    seed: int
    horizon_days: int
    definition: ChurnDefinition = field(default_factory=ChurnDefinition)
    churn_settings: Mapping[str, Any] = field(default_factory=dict)
    value_settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def offered(self) -> list[str]:
        """Columns offered to trees: the catalogue's and BTYD's quantities."""
        return [*self.columns, *BTYD_COLUMNS]


def fit_churn_models(
    samples: Sequence[Sample], ahead: Snapshot, recipe: Recipe, *, progress: Callable[[str], None]
) -> list[ChurnModel]:
    """All churn candidates these samples can teach, baselines first; without samples, the anchor alone."""
    models: list[ChurnModel] = [anchor_alone(recipe.definition)]
    samples = [sample.of_churn for sample in samples if len(sample.of_churn.churned)]
    if not samples:
        return models
    baselines = [one for one in CHURN_BASELINES.values() if recipe.definition.definition in one.definitions]
    models = [*(baseline.fit(samples) for baseline in baselines), *models]
    if can_teach_churn(samples):
        progress("churn: blended LightGBM")
        given: dict[str, Any] = {"columns": recipe.offered, "settings": recipe.churn_settings, "seed": recipe.seed}
        models.append(fit_blended_churn(samples, ahead.of_churn, **given))
    return models


@dataclass(frozen=True)
class ValueCandidate:
    """A value model, and what it expected of the training rows without having learned from them."""

    model: ValueModel
    out_of_fold: Forecast


def fit_value_models(
    samples: Sequence[Sample], ahead: Snapshot, recipe: Recipe, *, progress: Callable[[str], None]
) -> list[ValueCandidate]:
    """All value candidates these samples can teach, baselines first; without samples, those that need no outcome."""
    samples = [sample for sample in samples if sample.revenue.sum() > 0]
    models: list[ValueModel] = [baseline.over(recipe.horizon_days) for baseline in VALUE_BASELINES.values()]
    candidates = [ValueCandidate(one, Forecast.join([forecast(one, sample) for sample in samples])) for one in models]
    if can_teach_value(samples):
        progress("CLV: blended LightGBM")
        given: dict[str, Any] = {"columns": recipe.offered, "settings": recipe.value_settings, "seed": recipe.seed}
        fit = fit_blended_value(samples, ahead, **given)
        actual = np.concatenate([sample.revenue for sample in samples])
        candidates.append(ValueCandidate(fit.model, Forecast(fit.out_of_fold, actual)))
    return candidates


def forecast(model: ValueModel, sample: Sample) -> Forecast:
    """What the model expects of a snapshot it has not learned from, beside what happened."""
    return Forecast(model.expected_revenue(sample.features), sample.revenue)


def can_teach_churn(samples: Sequence[Sample]) -> bool:
    """Whether these samples hold enough customers of either kind for a churn booster."""
    n_churned = sum(float(sample.churned.sum()) for sample in samples)
    return min(n_churned, sum(len(sample.churned) for sample in samples) - n_churned) >= _MIN_PER_CLASS


def can_teach_value(samples: Sequence[Sample]) -> bool:
    """Whether these samples hold enough customers who spent for a value booster."""
    return sum(int((sample.revenue > 0).sum()) for sample in samples) >= _MIN_PER_CLASS


def churn_metrics(churned: Floats, p_churn: Floats) -> Metrics:
    """``CHURN_METRICS`` on one snapshot; NaN where it has no customer to judge."""
    if len(churned) == 0:
        return dict.fromkeys(CHURN_METRICS, float("nan"))
    return {name: metric(churned, p_churn) for name, metric in CHURN_METRICS.items()}


def value_metrics(revenue: Floats, predicted: Floats) -> Metrics:
    """``VALUE_METRICS`` on one snapshot.

    Without any revenue in the window nothing is comparable and every figure is NaN.
    """
    if revenue.sum() <= 0:
        return dict.fromkeys(VALUE_METRICS, float("nan"))
    return {name: metric(revenue, predicted) for name, metric in VALUE_METRICS.items()}


@dataclass(frozen=True)
class Judgement:
    """Metrics of every candidate on the test snapshot, and who won.

    Churn is won by the lowest Brier score, value by the lowest Tweedie deviance: both are proper, so neither a sharp model
    with a wrong level nor a level without sharpness can win.
    """

    churn: dict[str, Metrics]
    value: dict[str, Metrics]
    churn_winner: str
    value_winner: str


@dataclass(frozen=True)
class Judged:
    """A judgement with the recipe and the predictions behind it, for the record and for figures."""

    judgement: Judgement
    recipe: Recipe
    churn_models: list[ChurnModel]
    value_candidates: list[ValueCandidate]
    p_churn: dict[str, Floats]
    revenue: dict[str, Floats]

    @property
    def value_models(self) -> list[ValueModel]:
        """Models of the candidates."""
        return [candidate.model for candidate in self.value_candidates]

    @property
    def winners(self) -> tuple[ChurnModel, ValueModel]:
        """The winning models, as judged."""
        churn = next(model for model in self.churn_models if model.name == self.judgement.churn_winner)
        return churn, self.winning_candidate.model

    @property
    def winning_candidate(self) -> ValueCandidate:
        """Of value."""
        return next(found for found in self.value_candidates if found.model.name == self.judgement.value_winner)

    def winning_forecast(self, test: Sample) -> Forecast:
        """What the winner of value expected at the test snapshot, beside what happened."""
        return Forecast(self.revenue[self.judgement.value_winner], test.revenue)


def judge(training: Sequence[Sample], test: Sample, recipe: Recipe, *, progress: Callable[[str], None]) -> Judged:
    """Fit every candidate on the training snapshots and compare them on the test snapshot.

    Parameters
    ----------
    training : sequence of Sample
        Their outcome windows end before ``test.as_of``; may be empty.
    test : Sample
        Used for nothing but this comparison.
    recipe : Recipe
    progress : callable
        Told in words what is being done.
    """
    churn_models = fit_churn_models(training, test.ahead, recipe, progress=progress)
    value_candidates = fit_value_models(training, test.ahead, recipe, progress=progress)
    p_churn = {model.name: model.p_churn(test.of_churn.features) for model in churn_models}
    revenue = {found.model.name: found.model.expected_revenue(test.features) for found in value_candidates}
    churn = {name: churn_metrics(test.of_churn.churned, p) for name, p in p_churn.items()}
    value = {name: value_metrics(test.revenue, predicted) for name, predicted in revenue.items()}
    judgement = Judgement(
        churn=churn,
        value=value,
        churn_winner=_lowest(churn, "brier", default=anchor_alone(recipe.definition).name),
        value_winner=_lowest(value, "tweedie_deviance", default=BtydValue.name),
    )
    return Judged(judgement, recipe, churn_models, value_candidates, p_churn, revenue)


def after_the_test(judged: Judged, test: Sample) -> tuple[ChurnModel, ValueModel]:
    """The winners, with what their levels lacked at the test snapshot among what they know."""
    churn, value = judged.winners
    if isinstance(churn, BlendedChurn):
        churn = churn_seen_at(churn, test.of_churn)
    if isinstance(value, BlendedValue):
        value = value_seen_at(value, test)
    return churn, value


def fit_winners(
    samples: Sequence[Sample],
    ahead: Snapshot,
    recipe: Recipe,
    *,
    churn: ChurnModel,
    value: ValueModel,
    progress: Callable[[str], None],
) -> tuple[ChurnModel, ValueModel]:
    """The winning recipes, fitted on all labelled snapshots; BTYD where these cannot teach the winner.

    Parameters
    ----------
    samples : sequence of Sample
        Labelled snapshots, the test snapshot among them: the judgement is over.
    ahead : Snapshot
        The one to be scored.
    recipe : Recipe
        The judged one, over the horizon of ``samples``.
    churn, value : ChurnModel, ValueModel
        The winners as judged; boosters keep their number of rounds.
    progress : callable
        Told in words what is being done.
    """
    refitted = _refit_churn(samples, ahead, recipe, churn, progress)
    return refitted, _refit_value(samples, ahead, recipe, value, progress)


def _refit_churn(
    samples: Sequence[Sample], ahead: Snapshot, recipe: Recipe, judged: ChurnModel, progress: Callable[[str], None]
) -> ChurnModel:
    samples = [sample.of_churn for sample in samples if len(sample.of_churn.churned)]
    if judged.name in CHURN_BASELINES and samples:
        return CHURN_BASELINES[judged.name].fit(samples)
    if isinstance(judged, BlendedChurn) and can_teach_churn(samples):
        progress("churn: final fit")
        settings = recipe.churn_settings
        return refit_blended_churn(
            judged, samples, ahead.of_churn, columns=recipe.offered, settings=settings, seed=recipe.seed
        )
    return anchor_alone(recipe.definition)


def _refit_value(
    samples: Sequence[Sample], ahead: Snapshot, recipe: Recipe, judged: ValueModel, progress: Callable[[str], None]
) -> ValueModel:
    samples = [sample for sample in samples if sample.revenue.sum() > 0]
    if judged.name in VALUE_BASELINES:
        return VALUE_BASELINES[judged.name].over(recipe.horizon_days)
    if isinstance(judged, BlendedValue) and can_teach_value(samples):
        progress("CLV: final fit")
        settings = recipe.value_settings
        return refit_blended_value(judged, samples, ahead, columns=recipe.offered, settings=settings, seed=recipe.seed)
    return BtydValue()


def _lowest(metrics: Mapping[str, Metrics], criterion: str, *, default: str) -> str:
    comparable = {name: values[criterion] for name, values in metrics.items() if np.isfinite(values[criterion])}
    return min(comparable, key=lambda name: comparable[name]) if comparable else default
