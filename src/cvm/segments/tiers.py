"""Value tiers and percentiles of CLV, at cut points frozen when the model was trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

VALUE_TIERS = ("top", "high", "medium", "low")


@dataclass(frozen=True)
class ValueCuts:
    """Cut points in CLV.

    Attributes
    ----------
    tiers : tuple of three floats
        Lowest CLV of ``top``, ``high`` and ``medium``.
    percentiles : tuple of 101 floats
        CLV at each percentile of the base.
    """

    tiers: tuple[float, float, float]
    percentiles: tuple[float, ...]

    @classmethod
    def fit(cls, clv: Floats, *, top: float, high: float, medium: float) -> ValueCuts:
        """Cut points that put these shares of the customers at hand into the tiers.

        Parameters
        ----------
        clv : array of shape (n_customers,), n_customers >= 1
        top, high, medium : float
            Shares; what remains is ``low``. A tier of share 0 is empty.
        """
        # The quantile 1 is the largest value, which is in the tier; out of reach is the largest number there is.
        top_cut, high_cut, medium_cut = (
            float(np.quantile(clv, 1 - share)) if share > 0 else float(np.finfo(float).max)
            for share in np.cumsum((top, high, medium))
        )
        return cls((top_cut, high_cut, medium_cut), tuple(np.quantile(clv, np.linspace(0, 1, 101)).tolist()))

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def value_tier(clv: Floats, cuts: ValueCuts) -> NDArray[np.str_]:
    """Tier of each CLV: array of shape (n_customers,)."""
    top, high, medium = cuts.tiers
    return np.select([clv >= top, clv >= high, clv >= medium], VALUE_TIERS[:3], VALUE_TIERS[3])


def value_percentile(clv: Floats, cuts: ValueCuts) -> Floats:
    """Percentile, 0 to 100, of each CLV in the base the cut points were frozen on; null where CLV is."""
    at_most = np.searchsorted(np.asarray(cuts.percentiles), clv, side="right") - 1
    return np.where(np.isnan(clv), np.nan, np.clip(at_most, 0, 100))
