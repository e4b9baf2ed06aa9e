"""A training in the words of the store: params, metrics, tags, figures, nested runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from cvm.errors import without_password
from cvm.evaluation import ContactDecision
from cvm.features.files import CATALOGUE_FILE, PLAN_FILE, QUERY_FILE
from cvm.features.snapshots import SnapshotPlan
from cvm.models.boosting import DEFAULTS
from cvm.models.churn import ChurnModel
from cvm.models.clv import ValueModel
from cvm.models.judged_tables import lift_table, profit_table, reliability_table
from cvm.models.search import Search
from cvm.models.stage import Trained
from cvm.models.training import Judged
from cvm.reports.churn_figures import lift_figure, profit_figure, reliability_figure
from cvm.reports.figures import drivers_figure, gains_figure, importance_figure, value_calibration_figure
from cvm.tracking.store import ModelRun, TrainingRun


def training_run(params: Mapping[str, Any], plan: SnapshotPlan, trained: Trained, *, features: Path) -> TrainingRun:
    """Everything the store should know of one training.

    Parameters
    ----------
    params : mapping
        The checked ``params.yaml``, as plain values.
    plan : SnapshotPlan
    trained : Trained
    features : Path
        Folder of the features stage.
    """
    bundle, judged = trained.bundle, trained.judged
    return TrainingRun(
        params=dict(_flat(params)),
        metrics={**(dict(_winning_metrics(judged)) if judged else {}), **dict(_decision_metrics(trained.decision))},
        tags={
            "model_version": bundle.model_version,
            "data_fingerprint": bundle.evidence["data_fingerprint"],
            "as_of": str(plan.score),
            "test_snapshot": str(plan.test),
            "churn_winner": bundle.churn.name,
            "value_winner": bundle.value.name,
            "notes": " ".join(trained.notes),
        },
        models=[*_churn_runs(judged, trained), *_value_runs(judged), *_trial_runs(trained.searches)] if judged else [],
        figures=dict(_figures(trained)),
        files=[features / name for name in (CATALOGUE_FILE, QUERY_FILE, PLAN_FILE)],
    )


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in params.items():
        # Categories and types of events are the user's words; the store takes few signs in a name.
        if isinstance(value, Mapping) and all(re.fullmatch(r"\w+", name, re.ASCII) for name in value):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", without_password(str(value))


def _winning_metrics(judged: Judged) -> Iterator[tuple[str, float]]:
    judgement = judged.judgement
    for name, value in judgement.churn[judgement.churn_winner].items():
        yield f"churn.{name}", value
    for name, value in judgement.value[judgement.value_winner].items():
        yield f"value.{name}", value


def _decision_metrics(decision: ContactDecision | None) -> Iterator[tuple[str, float]]:
    if decision is None:
        return
    if decision.threshold is not None:
        yield "contact.threshold", decision.threshold
    for name in ("by_threshold", "by_customer", "everybody"):
        reach = getattr(decision, name)
        yield f"contact.{name}.profit", reach.profit
        yield f"contact.{name}.share", reach.n_contacted / decision.n_customers


def _churn_runs(judged: Judged, trained: Trained) -> Iterator[ModelRun]:
    bundle = trained.bundle
    for model in judged.churn_models:
        is_winner = model.name == bundle.churn.name
        drivers = {"churn_drivers": bundle.evidence["churn_drivers"]} if is_winner else {}
        yield ModelRun(
            f"churn: {model.name}",
            _model_params(model, judged.recipe.churn_settings),
            judged.judgement.churn[model.name],
            {**dict(_importance(model)), **dict(_curves(model, judged, trained)), **drivers},
        )


def _curves(model: ChurnModel, judged: Judged, trained: Trained) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    test = trained.test
    if test is None or len(test.of_churn.churned) == 0:
        return
    yield "reliability", reliability_table(test.of_churn.churned, judged.p_churn[model.name])
    yield "lift", lift_table(test.of_churn.churned, judged.p_churn[model.name])
    if trained.decision and model.name == judged.judgement.churn_winner:
        yield "contact_profit", profit_table(trained.decision)


def _value_runs(judged: Judged) -> Iterator[ModelRun]:
    for model in judged.value_models:
        yield ModelRun(
            f"value: {model.name}",
            _model_params(model, judged.recipe.value_settings),
            judged.judgement.value[model.name],
            dict(_importance(model)),
        )


def _trial_runs(searches: Sequence[Search]) -> Iterator[ModelRun]:
    for search in searches:
        for number, trial in enumerate(search.trials):
            yield ModelRun(
                f"tune {search.model}: trial {number}",
                trial.settings,
                {"loss": trial.loss, "seconds": trial.seconds, "folds": len(trial.losses)},
                tags={"metric": search.metric, "state": "pruned" if trial.pruned else "complete"},
            )


def _model_params(model: ChurnModel | ValueModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in model.state().items() if name != "encoders"}
    if model.boosters:
        own |= {**DEFAULTS, **settings}
    for part, boosted in model.boosters.items():
        own |= {f"{part}.rounds": boosted.rounds, f"{part}.columns": len(boosted.encoder.columns)}
    return own


def _importance(model: ChurnModel | ValueModel) -> Iterator[tuple[str, dict[str, float]]]:
    for part, boosted in model.boosters.items():
        yield f"importance_{part}", boosted.importance()


def _figures(trained: Trained) -> Iterator[tuple[str, Figure]]:
    judged, test = trained.judged, trained.test
    if judged is None or test is None:
        return
    judgement = judged.judgement
    if len(test.of_churn.churned):
        yield "churn_reliability", reliability_figure(test.of_churn.churned, judged.p_churn, winner=judgement.churn_winner)
    if test.of_churn.churned.sum() > 0:
        yield "churn_lift", lift_figure(test.of_churn.churned, judged.p_churn, winner=judgement.churn_winner)
    if trained.decision:
        yield "contact_profit", profit_figure(trained.decision, currency=trained.bundle.currency)
    if test.revenue.sum() > 0:
        yield "revenue_gains", gains_figure(test.revenue, judged.revenue, winner=judgement.value_winner)
        yield "value_calibration", value_calibration_figure(test.revenue, judged.revenue, winner=judgement.value_winner)
    yield "churn_drivers", drivers_figure(trained.bundle.evidence["churn_drivers"])
    for what, models in (("churn", judged.churn_models), ("value", judged.value_models)):
        for model in models:
            for part, boosted in model.boosters.items():
                title = f"{what.capitalize()}: what the {part!r} trees look at"
                yield f"{what}_importance_{part}", importance_figure(boosted.importance(), title=title)
