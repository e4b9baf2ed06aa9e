"""What a competitor hands in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class UnavailableError(Exception):
    """A competitor cannot take part; the message says why."""


@dataclass(frozen=True)
class Forecast:
    """Predictions for the customers of the test snapshot, in their order.

    Attributes
    ----------
    revenue, p_churn : array of shape (n_customers,), or None
        ``None`` where the competitor does not predict it.
    note : str
        What had to be done to get them.
    """

    revenue: Floats | None = None
    p_churn: Floats | None = None
    note: str = ""
