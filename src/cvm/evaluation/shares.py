"""How sure an observed share is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]


def wilson_interval(rate: Floats, n: NDArray[np.int64], *, level: float = 0.95) -> tuple[Floats, Floats]:
    """Bounds of the true share behind an observed one; within 0 and 1 even where nobody or everybody was hit.

    Parameters
    ----------
    rate : array of shape (n_groups,)
        Observed share.
    n : array of shape (n_groups,), > 0
        Of how many.
    level : float, 0 to 1
        Coverage.

    Source
    ------
    Wilson (1927), Probable inference, the law of succession, and statistical inference. JASA 22.
    """
    z = float(ndtri((1 + level) / 2))
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)
