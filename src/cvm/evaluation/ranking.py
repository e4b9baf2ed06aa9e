"""How well a prediction orders customers.

Ties never depend on the order of rows: tied customers share the mean outcome of their group.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

Floats = NDArray[np.float64]


def area_under_roc(happened: Floats, score: Floats) -> float:
    """Probability that a customer to whom it happened scores above one to whom it did not; NaN if only one kind is there.

    Parameters
    ----------
    happened : array of shape (n_customers,)
        1 or 0.
    score : array of shape (n_customers,)
    """
    return float(roc_auc_score(happened, score)) if 0 < happened.sum() < len(happened) else float("nan")


def average_precision(happened: Floats, score: Floats) -> float:
    """Precision averaged over recall; NaN if it happened to nobody."""
    return float(average_precision_score(happened, score)) if happened.sum() > 0 else float("nan")


def lift_at(happened: Floats, score: Floats, *, share: float) -> float:
    """Rate among the top ``share`` by score over the overall rate; NaN if it happened to nobody."""
    base = happened.mean()
    if base == 0:
        return float("nan")
    n_top = max(1, round(share * len(happened)))
    return float(by_rank(happened, score)[:n_top].mean() / base)


def value_share_at(actual: Floats, predicted: Floats, *, share: float) -> float:
    """Share of all actual value that the top ``share`` by prediction holds; NaN without value."""
    total = actual.sum()
    n_top = max(1, round(share * len(actual)))
    return float(by_rank(actual, predicted)[:n_top].sum() / total) if total > 0 else float("nan")


def normalised_gini(actual: Floats, predicted: Floats) -> float:
    """Area between the value captured by rank and the diagonal, over that of a perfect ranking; 1 is perfect, 0 is chance.

    Parameters
    ----------
    actual, predicted : arrays of shape (n_customers,), >= 0
    """
    if actual.sum() <= 0 or np.ptp(actual) == 0:
        return float("nan")
    return _gini(actual, predicted) / _gini(actual, actual)


def spearman(actual: Floats, predicted: Floats) -> float:
    """Rank correlation, ties by mean rank; 0 for a constant prediction."""
    if np.ptp(actual) == 0 or np.ptp(predicted) == 0:
        return 0.0
    return float(spearmanr(actual, predicted).statistic)


def _gini(actual: Floats, score: Floats) -> float:
    """Trapezoids from (0, 0): zero for a constant score."""
    captured = np.cumsum(by_rank(actual, score)) / actual.sum()
    return float((captured.sum() - captured[-1] / 2) / len(actual) - 0.5)


def by_rank(actual: Floats, score: Floats) -> Floats:
    """``actual`` by falling score; members of a tie each hold the tie's mean."""
    _, group, size = np.unique(-score, return_inverse=True, return_counts=True)
    mean = np.bincount(group, weights=actual) / size
    return np.repeat(mean, size)
