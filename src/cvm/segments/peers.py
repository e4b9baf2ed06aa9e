"""What the best peers of a customer do: in how many categories they buy, and how dear. Frozen when the model is trained.

Peers are customers with the same RFM scores of recency and frequency: they buy as often and as lately, but may make more of
it. The value tier is no part of it: among customers of the same value nobody has room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.segments.rfm import RfmCuts, rfm_scores

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# The best peers: a quarter of them does at least as much.
BEST = 0.75
# Fewer peers than this say little; then those of equal frequency count, then everybody.
MIN_PEERS = 50
MEASURES = ("n_categories", "price_level")
# What the measures and the margin so far are computed from.
FEATURES = ("n_categories", "spend", "quantity", "tenure_days", "historic_value")

_SCORES = range(1, 6)


@dataclass(frozen=True)
class Standard:
    """What the best peers do in one measure, and what it is worth.

    Attributes
    ----------
    best : tuple of five tuples of five floats
        Upper quartile of peers, by score of recency, then of frequency.
    elasticity : float, 0 to 1
        By how many percent margin per year was higher, among peers, per percent more of the measure.
    """

    best: tuple[tuple[float, ...], ...]
    elasticity: float

    @classmethod
    def fit(cls, values: Floats, per_year: Floats, recency: Ints, frequency: Ints) -> Self | None:
        """Of the customers at hand; none if nobody has the measure.

        The elasticity is the slope of log margin per year on the log measure within groups of peers (least squares on what
        differs from the means of the group). It tells who differs, not what would change; between 0 and 1 it is cautious.

        Parameters
        ----------
        values, per_year : arrays of shape (n_customers,)
            The measure, null where it is not known, and margin per year so far.
        recency, frequency : arrays of shape (n_customers,), 1 to 5
        """
        known = values > 0  # not where null either
        if not known.any():
            return None
        values, per_year = values[known], per_year[known]
        recency, frequency = recency[known], frequency[known]
        best = tuple(
            tuple(_best(values, (recency == r) & (frequency == f), frequency == f) for f in _SCORES) for r in _SCORES
        )
        return cls(best, _elasticity(values, per_year, 5 * recency + frequency))

    def of(self, recency: Ints, frequency: Ints) -> Floats:
        """What the best peers of each customer do: array of shape (n_customers,)."""
        return np.array(self.best)[recency - 1, frequency - 1]

    def room(self, values: Floats, best: Floats, expected_per_year: Floats) -> Floats:
        """Margin per year that a customer would bring beyond what is expected, if like the best peers in this.

        Parameters
        ----------
        values, best, expected_per_year : arrays of shape (n_customers,)
            The own measure, that of the best peers, and expected margin per year.

        Returns
        -------
        array of shape (n_customers,)
            0 for who is among the best; null where the own measure is not known.
        """
        ratio = np.divide(best, values, out=np.full(len(values), np.nan), where=values > 0)
        return np.maximum(expected_per_year, 0.0) * (np.maximum(ratio, 1.0) ** self.elasticity - 1)


@dataclass(frozen=True)
class Peers:
    """Standards by measure; without one that the data cannot tell."""

    standards: Mapping[str, Standard]

    @classmethod
    def fit(cls, buyers: pd.DataFrame, cuts: RfmCuts) -> Self:
        """Of the customers at hand, all of them with an order.

        Parameters
        ----------
        buyers : DataFrame of shape (n_customers, ...)
            Features.
        cuts : RfmCuts
        """
        recency, frequency, _ = rfm_scores(buyers, cuts)
        per_year = historic_per_year(buyers)
        found = {name: Standard.fit(measure(buyers, name), per_year, recency, frequency) for name in MEASURES}
        return cls({name: standard for name, standard in found.items() if standard is not None})

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: asdict(standard) for name, standard in self.standards.items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Back from ``state``."""
        return cls({name: Standard(tuple(map(tuple, s["best"])), s["elasticity"]) for name, s in state.items()})


def measure(features: pd.DataFrame, name: str) -> Floats:
    """A measure of each customer, null where it is not known: array of shape (n_customers,).

    ``n_categories`` counts categories bought so far; ``price_level`` is net spend per unit bought.
    """
    if name == "price_level":
        if "quantity" not in features:
            return np.full(len(features), np.nan)
        spend, quantity = features["spend"].to_numpy(float), features["quantity"].to_numpy(float)
        known = (quantity > 0) & (spend > 0)
        return np.divide(spend, quantity, out=np.full(len(features), np.nan), where=known)
    if name not in features:
        return np.full(len(features), np.nan)
    values = features[name].to_numpy(float)
    return np.where(values > 0, values, np.nan)


def historic_per_year(features: pd.DataFrame) -> Floats:
    """Margin so far per year since the first order, which counts as one year at least: array of shape (n_customers,)."""
    years = np.maximum(features["tenure_days"].fillna(0.0).to_numpy(float), 365.0) / 365
    return features["historic_value"].fillna(0.0).to_numpy(float) / years


def _best(values: Floats, peers: NDArray[np.bool_], of_equal_frequency: NDArray[np.bool_]) -> float:
    for group in (peers, of_equal_frequency):
        if group.sum() >= MIN_PEERS:
            return float(np.quantile(values[group], BEST, method="inverted_cdf"))
    return float(np.quantile(values, BEST, method="inverted_cdf"))


def _elasticity(values: Floats, per_year: Floats, group: Ints) -> float:
    earned = per_year > 0
    logs = pd.DataFrame({"x": np.log(values[earned]), "y": np.log(per_year[earned])})
    within = logs - logs.groupby(group[earned]).transform("mean")
    spread = float((within["x"] ** 2).sum())
    return float(np.clip((within["x"] * within["y"]).sum() / spread, 0.0, 1.0)) if spread > 1e-9 else 0.0
