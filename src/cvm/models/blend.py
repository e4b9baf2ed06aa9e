"""Two opinions of every customer, how far each is believed, and their level.

Trees that start from BTYD know what a purchase process makes of a history; trees that start from nothing rank better where
customers do not behave like one. Customers whom neither has learned from say how to weigh them. The level is the anchored
opinion's: free trees only know that of windows gone by, in which the season and the ages of customers were others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Floats = NDArray[np.float64]

# Neither is ever silenced: a mean of two ranks better than the better of them.
_LEAST_WEIGHT = 0.15
# A level may miss by so much, as a log ratio or a shift of logits, without any fault of the model.
_USUAL_MISS = 0.1


def learn_weight(loss: Callable[[float], float]) -> float:
    """Weight of the anchored opinion under which the loss is lowest, on customers that neither opinion learned from."""
    bounds = (_LEAST_WEIGHT, 1 - _LEAST_WEIGHT)
    return float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3}).x)


def consistent_miss(missed: Floats) -> float:
    """What a level lacked at every snapshot, as far as it is no accident.

    One window better than expected says nothing of the next: that is its season. A level that lacks the same at all of them
    is wrong. So the mean ``m`` of what was missed counts by ``m^2 / (m^2 + variance between snapshots + .1^2)``.

    Parameters
    ----------
    missed : array of shape (n_snapshots,)
        What the level lacked at each, as a log ratio or a shift of logits; at least one.
    """
    mean = float(missed.mean())
    variance = float(missed.var(ddof=1)) if len(missed) > 1 else 0.0
    return mean**3 / (mean**2 + variance + _USUAL_MISS**2)
