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
        top_cut, high_cut, medium_cut = (_cut(clv, share) for share in np.cumsum((top, high, medium)))
        return cls((top_cut, high_cut, medium_cut), tuple(np.quantile(clv, np.linspace(0, 1, 101)).tolist()))

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def _cut(clv: Floats, share: float) -> float:
    """Lowest CLV of the best ``share``; equal CLVs stay together, on the side that comes nearer to that share."""
    if share <= 0:
        return float(np.finfo(float).max)  # out of reach
    cut = float(np.quantile(clv, 1 - share))
    n_above, n_with_ties = int((clv > cut).sum()), int((clv >= cut).sum())
    are_too_many = n_with_ties - n_above > 1 and abs(n_above - share * len(clv)) < abs(n_with_ties - share * len(clv))
    return float(np.nextafter(cut, np.inf)) if are_too_many else cut


def value_tier(clv: Floats, cuts: ValueCuts) -> NDArray[np.str_]:
    """Tier of each CLV: array of shape (n_customers,)."""
    top, high, medium = cuts.tiers
    return np.select([clv >= top, clv >= high, clv >= medium], VALUE_TIERS[:3], VALUE_TIERS[3])


def value_percentile(clv: Floats, cuts: ValueCuts) -> Floats:
    """Percentile, 0 to 100, of each CLV in the base the cut points were frozen on; null where CLV is.

    A CLV that many share has the percentile in the middle of them.
    """
    percentiles = np.asarray(cuts.percentiles)
    first, beyond = (np.searchsorted(percentiles, clv, side=side) for side in ("left", "right"))
    return np.where(np.isnan(clv), np.nan, np.clip((first + beyond - 1) // 2, 0, 100))
