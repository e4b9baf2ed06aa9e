"""How far the area under the ROC curve may be off because it was measured on these customers and not on others.

Every customer's influence on the area is known in closed form (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44(3),
837-845), so intervals need no resampling, and those of a difference take account of both scores judging the same customers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval."""

    value: float
    lower: float
    upper: float


def area_estimate(happened: Floats, scores: Floats, *, customer: NDArray[np.intp], level: float = 0.95) -> Estimate:
    """Mean area under the ROC curve of several scores of the same rows.

    Parameters
    ----------
    happened : array of shape (n_rows,)
        1 or 0, both of them there.
    scores : array of shape (n_scores, n_rows)
    customer : array of shape (n_rows,)
        Number of the customer whose row it is, from 0 on; rows of one customer are not taken for independent.
    level : float, 0 to 1
        Of the interval.
    """
    area, influence = _mean_area(happened, scores)
    return _estimate(area, influence, customer, level, lowest=0.0)


def area_difference(
    happened: Floats, scores: Floats, others: Floats, *, customer: NDArray[np.intp], level: float = 0.95
) -> Estimate:
    """Mean area of ``scores`` less that of ``others``, each as in ``area_estimate``."""
    area, influence = _mean_area(happened, scores)
    other_area, other_influence = _mean_area(happened, others)
    return _estimate(area - other_area, influence - other_influence, customer, level, lowest=-1.0)


def _mean_area(happened: Floats, scores: Floats) -> tuple[float, Floats]:
    found = [_area(happened, score) for score in scores]
    return float(np.mean([area for area, _ in found])), np.mean([influence for _, influence in found], axis=0)


def _area(happened: Floats, score: Floats) -> tuple[float, Floats]:
    """The area, and by how much each row moves it; the influences sum to 0."""
    yes = happened == 1
    n_yes, n_no = int(yes.sum()), int((~yes).sum())
    rank = rankdata(score)
    # Share of the other kind that a row is on the right side of, ties by half.
    share = np.empty(len(score))
    share[yes] = (rank[yes] - rankdata(score[yes])) / n_no
    share[~yes] = 1 - (rank[~yes] - rankdata(score[~yes])) / n_yes
    area = float(share[yes].mean())
    return area, (share - area) / np.where(yes, n_yes, n_no)


def _estimate(value: float, influence: Floats, customer: NDArray[np.intp], level: float, *, lowest: float) -> Estimate:
    error = float(np.sqrt((np.bincount(customer, weights=influence) ** 2).sum()))
    width = error * float(norm.ppf(0.5 + level / 2))
    return Estimate(value, max(lowest, value - width), min(1.0, value + width))
