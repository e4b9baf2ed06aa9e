"""What contacting the best of a ranking earns, and how many of them to contact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvm.errors import ExperimentError
from cvm.evaluation.area_interval import Estimate
from cvm.evaluation.uplift_bootstrap import quantile_estimate, replicated_curves

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ContactCurve:
    """Net value by the share contacted, best first: arrays of shape (n_points,) from nobody to all.

    Attributes
    ----------
    share : array
        Of customers contacted.
    value, lower, upper : arrays
        Net value per customer of the base, with the interval at each share.
    best_share : Estimate
        At which the curve is highest; 0 where no contact pays.
    best_value : float
        Net value per customer of the base there. It was picked as the highest, so it flatters: judge it on other customers.
    """

    share: Floats
    value: Floats
    lower: Floats
    upper: Floats
    best_share: Estimate
    best_value: float


def contact_curve(
    outcome: ArrayLike,
    treated: ArrayLike,
    score: ArrayLike,
    *,
    outcome_value: float,
    contact_cost: float,
    n_points: int = 50,
    n_replicates: int = 1000,
    level: float = 0.95,
    seed: int = 7,
) -> ContactCurve:
    """Net value of contacting the first of a ranking, for every share of the customers.

    Parameters
    ----------
    outcome, treated, score : arrays of shape (n_customers,)
        See ``uplift_curve``.
    outcome_value : float
        Money that one unit of the outcome is worth: 1 for margin, the margin rate for revenue.
    contact_cost : float, >= 0
        Money per customer contacted.
    n_points, n_replicates, level, seed
        See ``bootstrap_qini``; fewer points where ties leave fewer.

    Raises
    ------
    ExperimentError
        If the cost is negative, a number is missing, or the experiment is none.
    """
    if not (np.isfinite(outcome_value) and np.isfinite(contact_cost) and contact_cost >= 0):
        raise ExperimentError(
            f"outcome_value is {outcome_value} and contact_cost {contact_cost}: both have to be numbers, and the cost at "
            "least 0."
        )
    found, replicates = replicated_curves(outcome, treated, score, n_replicates=n_replicates, n_bins=n_points, seed=seed)
    value = outcome_value * found.height[0] - contact_cost * found.share[0]
    values = outcome_value * replicates.height - contact_cost * replicates.share
    best = int(value.argmax())
    bests = np.take_along_axis(replicates.share, values.argmax(axis=1)[:, None], axis=1)[:, 0]
    lower, upper = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    share = quantile_estimate(float(found.share[0, best]), bests, level=level)
    return ContactCurve(found.share[0], value, lower, upper, share, float(value[best]))
