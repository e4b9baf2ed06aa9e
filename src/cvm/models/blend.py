"""Two opinions of every customer, how far each is believed, and the level of both.

Trees that start from BTYD know what a purchase process makes of a history; trees that start from nothing rank better where
customers do not behave like one. Customers whom neither has learned from say how to weigh them. The level is another
question: BTYD foretells one, the windows seen so far are another forecast, and each counts for as much as its errors are
small (Bates and Granger 1969, "The combination of forecasts", Operational Research Quarterly 20, 451-468).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit

Floats = NDArray[np.float64]

# Neither is ever silenced: a mean of two ranks better than the better of them.
_LEAST_WEIGHT = 0.15
# Error, as a log ratio or a shift of logits, that a forecast of a level is credited with beside what is seen of it.
_USUAL_ERROR = 0.1


def learn_weight(loss: Callable[[float], float]) -> float:
    """Weight of the anchored opinion under which the loss is lowest, on customers that neither opinion learned from."""
    bounds = (_LEAST_WEIGHT, 1 - _LEAST_WEIGHT)
    return float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3}).x)


def trust_in_windows(missed: Floats, levels: Floats, days: Floats) -> float:
    """Weight of the mean level of the windows seen, against BTYD's.

    Parameters
    ----------
    missed : array of shape (n_snapshots,)
        What BTYD's level lacked at each training snapshot, as a log ratio or a shift of logits.
    levels : array of shape (n_snapshots,)
        Level of each window on the same scale. How steadily it moves says how far it will have gone.
    days : array of shape (n_snapshots,)
        From each snapshot to the one that is asked for.

    Returns
    -------
    float between 0 and 1
        Inverse to the squared errors of both.
    """
    of_btyd = float(np.mean(missed**2)) + _USUAL_ERROR**2
    steady = np.polyfit(days, levels, 1)[0] if len(np.unique(days)) > 1 else 0.0
    of_windows = float((steady * days.mean()) ** 2) + _USUAL_ERROR**2
    return of_btyd / (of_btyd + of_windows)


def shift_to(margin: Floats, rate: float) -> float:
    """What has to be added to logits to make their mean probability ``rate``, which must lie between 0 and 1."""
    return float(brentq(lambda shift: expit(margin + shift).mean() - rate, -50, 50))
