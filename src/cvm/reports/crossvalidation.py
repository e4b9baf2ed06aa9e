"""The tables of a cross-validation: models against each other, whether probabilities hold, what they rest on."""

from __future__ import annotations

from itertools import islice

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cvm.evaluation import Estimate
from cvm.models.crossvalidation import BOOSTED, LOGISTIC, CrossValidation
from cvm.reports.tables import titled_table

_HEADERS = {
    "auc": "AUC",
    "lift_top_decile": "lift top 10 %",
    "calibration_error": "calibration error",
    "brier": "Brier",
    "average_precision": "avg precision",
}
_MOST_FEATURES = 10


def crossvalidation_tables(found: CrossValidation) -> list[RenderableType]:
    """Everything that is printed of a cross-validation."""
    return [_models_table(found), Text(_sentence(found)), _reliability_table(found), _features_table(found)]


def _models_table(found: CrossValidation) -> Table:
    draws = "draw" if found.repeats == 1 else "draws"
    table = titled_table(f"Churn, every customer judged out of fold ({found.folds} folds, {found.repeats} {draws})")
    table.add_column("model")
    for header in _HEADERS.values():
        table.add_column(header, justify="right")
    for name, metrics in found.metrics.items():
        table.add_row(name, *(f"{metrics[key]:.3f}" for key in _HEADERS))
    return table


def _sentence(found: CrossValidation) -> str:
    gain = found.area_over_logistic
    if gain.lower > 0:
        verdict = "so the trees find what a straight line does not"
    elif gain.upper < 0:
        verdict = "so a straight line does better here; more customers or fewer columns may help the trees"
    else:
        verdict = "which these customers are too few to tell from none"
    return (
        f"AUC of {BOOSTED} {_interval(found.area)} with 95 % confidence; over the {LOGISTIC} "
        f"{_interval(gain, sign='+')}, {verdict}."
    )


def _interval(estimate: Estimate, *, sign: str = "") -> str:
    return f"{estimate.value:{sign}.3f} ({estimate.lower:{sign}.3f} to {estimate.upper:{sign}.3f})"


def _reliability_table(found: CrossValidation) -> Table:
    table = titled_table(f"Reliability of {BOOSTED}, by tenths of its probability")
    for header in ("customers", "predicted", "left"):
        table.add_column(header, justify="right")
    groups = found.reliability
    for n, predicted, happened in zip(groups.n_customers, groups.predicted, groups.happened, strict=True):
        table.add_row(f"{n:,}", f"{predicted:.1%}", f"{happened:.1%}")
    return table


def _features_table(found: CrossValidation) -> Table:
    table = titled_table("What the trees rest on")
    table.add_column("column", no_wrap=True)
    table.add_column("share of the gain", justify="right")
    for name, share in islice(found.model.boosted.importance().items(), _MOST_FEATURES):
        table.add_row(name, f"{share:.1%}")
    return table
