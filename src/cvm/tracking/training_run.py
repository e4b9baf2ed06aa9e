"""A training in the words of the store: params, metrics, tags, figures, nested runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from cvm.features.files import CATALOGUE_FILE, PLAN_FILE, QUERY_FILE
from cvm.features.snapshots import SnapshotPlan
from cvm.models.boosting import DEFAULTS
from cvm.models.churn import AnchoredChurn, ChurnModel
from cvm.models.clv import AnchoredValue, ValueModel
from cvm.models.stage import Trained
from cvm.models.training import Judged
from cvm.reports.figures import gains_figure, importance_figure, reliability_figure, value_calibration_figure
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
        metrics=dict(_winning_metrics(judged)) if judged else {},
        tags={
            "model_version": bundle.model_version,
            "data_fingerprint": bundle.evidence["data_fingerprint"],
            "as_of": str(plan.score),
            "test_snapshot": str(plan.test),
            "churn_winner": bundle.churn.name,
            "value_winner": bundle.value.name,
            "notes": " ".join(trained.notes),
        },
        models=[*_churn_runs(judged), *_value_runs(judged)] if judged else [],
        figures=dict(_figures(trained)),
        files=[features / name for name in (CATALOGUE_FILE, QUERY_FILE, PLAN_FILE)],
    )


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in params.items():
        # Categories and types of events are the user's words; the store takes few signs in a name.
        if isinstance(value, Mapping) and all(re.fullmatch(r"\w+", name, re.ASCII) for name in value):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def _winning_metrics(judged: Judged) -> Iterator[tuple[str, float]]:
    judgement = judged.judgement
    for name, value in judgement.churn[judgement.churn_winner].items():
        yield f"churn.{name}", value
    for name, value in judgement.value[judgement.value_winner].items():
        yield f"value.{name}", value


def _churn_runs(judged: Judged) -> Iterator[ModelRun]:
    for model in judged.churn_models:
        yield ModelRun(
            f"churn: {model.name}",
            _model_params(model, judged.recipe.churn_settings),
            judged.judgement.churn[model.name],
            dict(_importance(model)),
        )


def _value_runs(judged: Judged) -> Iterator[ModelRun]:
    for model in judged.value_models:
        yield ModelRun(
            f"value: {model.name}",
            _model_params(model, judged.recipe.value_settings),
            judged.judgement.value[model.name],
            dict(_importance(model)),
        )


def _model_params(model: ChurnModel | ValueModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in model.state().items() if name != "encoder"}
    if isinstance(model, AnchoredChurn | AnchoredValue):
        own |= {**DEFAULTS, **settings, "rounds": model.boosted.rounds, "columns": len(model.boosted.encoder.columns)}
    return own


def _importance(model: ChurnModel | ValueModel) -> Iterator[tuple[str, dict[str, float]]]:
    if isinstance(model, AnchoredChurn | AnchoredValue):
        yield "importance", model.boosted.importance()


def _figures(trained: Trained) -> Iterator[tuple[str, Figure]]:
    judged, test = trained.judged, trained.test
    if judged is None or test is None:
        return
    judgement = judged.judgement
    yield "churn_reliability", reliability_figure(test.of_churn.churned, judged.p_churn, winner=judgement.churn_winner)
    if test.revenue.sum() > 0:
        yield "revenue_gains", gains_figure(test.revenue, judged.revenue, winner=judgement.value_winner)
        yield "value_calibration", value_calibration_figure(test.revenue, judged.revenue, winner=judgement.value_winner)
    for what, models in (("churn", judged.churn_models), ("value", judged.value_models)):
        for model in models:
            if isinstance(model, AnchoredChurn | AnchoredValue):
                title = f"What the trees of the {what} model add to BTYD"
                yield f"{what}_importance", importance_figure(model.boosted.importance(), title=title)
