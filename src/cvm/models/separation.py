"""Columns that alone tell who churned: as a rule not insight but a leak, something written down after the outcome."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from cvm.evaluation import area_under_roc

Floats = NDArray[np.float64]

# No behaviour before the outcome window foretells it as well as this.
LEAST_AUC = 0.99
# Rows of either kind that are looked at; an area near 1 is as plain in these as in millions.
_MAX_PER_CLASS = 20_000
# A number of so few values may be a code, of which some in the middle may stand for the outcome.
_MAX_CODES = 50
_N_FOLDS = 5
# Rows of the mean outcome that every category is credited with, so that rare ones say little.
_PRIOR_ROWS = 10.0


def separating_columns(
    features: pd.DataFrame, label: Floats, *, least_auc: float = LEAST_AUC, seed: int = 7
) -> list[tuple[str, float]]:
    """Columns that alone separate the two kinds of label almost perfectly, the strongest first.

    Parameters
    ----------
    features : DataFrame of shape (n_rows, n_columns)
        Numbers, truth values and dates count by their order, everything else as categories. Nulls may be anywhere.
    label : array of shape (n_rows,)
        1 or 0. With one kind only nothing can be told, and nothing is returned.
    least_auc : float, 0.5 to 1
    seed : int
        Draws the rows looked at and the folds.

    Returns
    -------
    list of (str, float)
        Name and area under the ROC curve, see ``separation``, where it is ``least_auc`` or more.
    """
    rows = _rows_looked_at(np.asarray(label, dtype=float), seed=seed)
    known = np.asarray(label, dtype=float)[rows]
    areas = ((str(name), separation(features[name].iloc[rows], known, seed=seed)) for name in features.columns)
    found = [(name, area) for name, area in areas if area >= least_auc]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def separation(column: pd.Series, label: Floats, *, seed: int = 7) -> float:
    """How well one column alone separates the label: 0.5 not at all, 1 perfectly.

    A number is judged by its order, in either direction and with nulls below or above everything, and by being null.
    Categories, and numbers of few values, are judged by the mean label of their value in the other folds, so that ids,
    each of which is seen once, separate nothing.

    Parameters
    ----------
    column : Series of shape (n_rows,)
    label : array of shape (n_rows,)
        1 or 0.
    seed : int
        Draws the folds.

    Returns
    -------
    float
        Area under the ROC curve, 0.5 to 1; NaN if the label is of one kind.
    """
    if not 0 < label.sum() < len(label):
        return float("nan")
    values = _as_number(column)
    if values is None:
        return max(0.5, _area_of_categories(column, label, seed))
    missing = np.isnan(values)
    scores = [missing.astype(float), np.where(missing, -np.inf, values), np.where(missing, np.inf, values)]
    areas = [_area(label, score) for score in scores]
    area = max(0.5, *areas, *(1 - found for found in areas))
    return max(area, _area_of_categories(column, label, seed)) if column.nunique() <= _MAX_CODES else area


def _as_number(column: pd.Series) -> Floats | None:
    """Values whose order means something, or ``None``."""
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        return np.where(column.isna(), np.nan, column.astype("int64").to_numpy(float))
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=float, na_value=np.nan)
    return None


def _area_of_categories(column: pd.Series, label: Floats, seed: int) -> float:
    code = pd.factorize(column, use_na_sentinel=False)[0]
    n_codes, mean = int(code.max()) + 1, float(label.mean())
    fold = np.random.default_rng(seed).permutation(len(label)) % min(_N_FOLDS, len(label))
    score = np.empty(len(label))
    for k in range(int(fold.max()) + 1):
        other = fold != k
        n = np.bincount(code[other], minlength=n_codes)
        total = np.bincount(code[other], weights=label[other], minlength=n_codes)
        score[~other] = ((total + _PRIOR_ROWS * mean) / (n + _PRIOR_ROWS))[code[~other]]
    return _area(label, score)


def _area(label: Floats, score: Floats) -> float:
    return area_under_roc(label, rankdata(score))  # ranks, because infinite scores are no figures to the metric


def _rows_looked_at(label: Floats, *, seed: int) -> NDArray[np.intp]:
    """Row numbers, at most so many of either kind: the area does not depend on how common a kind is."""
    rng = np.random.default_rng(seed)
    kinds = [np.flatnonzero(label == kind) for kind in (0.0, 1.0)]
    return np.sort(np.concatenate([rng.permutation(kind)[:_MAX_PER_CLASS] for kind in kinds]))
