"""How far revenue may lie from its expectation: conformal bands by value group.

What happened is put over what had been expected, for customers no model had learned from. Within groups of like expectation,
quantiles of that ratio make the band (split conformal prediction within groups: Vovk, Gammerman and Shafer 2005, chapter 4;
Lei et al. 2018). Whole windows are better or worse than expected as well, so every ratio counts three times: as it was, and
with the window a usual error better and worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.evaluation import interval_score
from cvm.models.btyd import Btyd, btyd_revenue
from cvm.models.btyd.simulate import simulate

Floats = NDArray[np.float64]

LEVEL = 0.9
_MAX_GROUPS = 20
_MIN_PER_GROUP = 200
# Usual error of the level of a whole window, as a log ratio: where season is known, and where it is not.
_WINDOW_ERROR = {True: 0.1, False: 0.2}


@dataclass(frozen=True)
class Forecast:
    """What was expected of customers and what happened: arrays of shape (n_customers,)."""

    expected: Floats
    actual: Floats

    @classmethod
    def join(cls, parts: Sequence[Forecast]) -> Forecast:
        """All customers of all parts."""
        expected, actual = ([getattr(part, name) for part in parts] for name in ("expected", "actual"))
        return cls(np.concatenate([np.empty(0), *expected]), np.concatenate([np.empty(0), *actual]))


@dataclass(frozen=True)
class ValueBands:
    """Bands as multiples of the expectation, at the middle of each group; linear in its logarithm between them.

    Attributes
    ----------
    expected : tuple of float
        Median expectation of each group, ascending.
    lower, upper : tuple of float
        Multiples of it.
    """

    expected: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def interval(self, expected: Floats) -> tuple[Floats, Floats]:
        """Lower and upper bound for each expectation: arrays of the shape given."""
        position, knots = (np.log(np.maximum(values, 1e-12)) for values in (expected, np.asarray(self.expected)))
        lower, upper = (np.interp(position, knots, multiples) for multiples in (self.lower, self.upper))
        return expected * lower, expected * upper

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ValueBands:
        """The bands ``state`` was taken from."""
        return cls(**{name: tuple(values) for name, values in state.items()})


def fit_bands(known: Forecast, *, knows_season: bool, level: float = LEVEL) -> ValueBands:
    """Bands that hold a share ``level`` of each group.

    Where a larger share did nothing at all than may be left out below, the band begins at 0 and all that is left out lies
    above.

    Parameters
    ----------
    known : Forecast
        Of customers, and at windows, that the expectation had not learned from; at least one.
    knows_season : bool
        Whether the level of the next window is known as far as season makes it.
    level : float between 0 and 1

    Returns
    -------
    ValueBands
        One group per 200 customers, at most 20.
    """
    expected, actual = np.maximum(known.expected, 1e-12), known.actual
    order = np.argsort(expected, kind="stable")
    groups = np.array_split(order, int(np.clip(len(order) // _MIN_PER_GROUP, 1, _MAX_GROUPS)))
    error = _WINDOW_ERROR[knows_season]
    found = [_band(actual[group] / expected[group], error=error, level=level) for group in groups]
    middles = [float(np.median(expected[group])) for group in groups]
    kept = [number for number, middle in enumerate(middles) if number == 0 or middle > middles[number - 1]]
    return ValueBands(
        tuple(middles[number] for number in kept),
        tuple(found[number][0] for number in kept),
        tuple(found[number][1] for number in kept),
    )


def _band(ratios: Floats, *, error: float, level: float) -> tuple[float, float]:
    n = len(ratios)
    spread = np.sort(np.concatenate([ratios * np.exp(shift) for shift in (-error, 0.0, error)]))
    below = (1 - level) / 2
    if float((ratios <= 0).mean()) > below:
        below = 0.0
    lower = float(_quantile(spread, below - (1 - below) / n)) if below else 0.0
    # The expectation itself is always inside, also of a group in which nine of ten did nothing.
    return min(lower, 1.0), max(float(_quantile(spread, (below + level) * (1 + 1 / n))), 1.0)


def _quantile(ascending: Floats, share: float) -> float:
    """The value that at least this share does not exceed; the extremes stand for what lies beyond them."""
    position = int(np.ceil(np.clip(share, 0.0, 1.0) * len(ascending))) - 1
    return float(ascending[max(position, 0)])


def simulated_forecast(
    btyd: Btyd, features: pd.DataFrame, *, horizon_days: int, lead_days: int, as_of: date, seed: int
) -> Forecast:
    """What BTYD expects of customers and one future drawn from it: for bands where no outcome is known yet.

    Parameters
    ----------
    btyd : Btyd
        Fitted at the snapshot.
    features : DataFrame of shape (n_customers, ...)
        Customers with at least one order.
    horizon_days, lead_days : int
        Outcome window.
    as_of : date
    seed : int
    """
    window: dict[str, Any] = {"horizon_days": horizon_days, "lead_days": lead_days, "as_of": as_of}
    expected = btyd_revenue(btyd.predict(features, **window))
    return Forecast(expected, simulate(btyd, features, rng=np.random.default_rng(seed), **window).revenue)


def judge_bands(bands: ValueBands, known: Forecast, test: Forecast, *, tiers: Mapping[str, float]) -> dict[str, Any]:
    """What bands are worth on a test snapshot, beside one band of the same width for everybody.

    Parameters
    ----------
    bands : ValueBands
        Fitted on ``known``.
    known, test : Forecast
    tiers : mapping of str to float
        Share of customers in each value tier, the dearest first; the rest is ``low``.

    Returns
    -------
    dict
        ``level``, ``coverage``, ``coverage_by_tier``, and ``score``, ``score_of_one_band``: interval scores over the mean
        of what happened, lower is better.
    """
    lower, upper = bands.interval(test.expected)
    inside = (test.actual >= lower) & (test.actual <= upper)
    order = np.argsort(-test.expected, kind="stable")
    edges = np.round(np.cumsum(list(tiers.values())) * len(order)).astype(int)
    parts = zip([*tiers, "low"], np.split(order, edges), strict=True)
    error = np.quantile(known.actual - known.expected, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    one_band = np.maximum(test.expected + error[0], 0.0), np.maximum(test.expected + error[1], 0.0)
    mean = float(test.actual.mean())
    return {
        "level": LEVEL,
        "coverage": float(inside.mean()),
        "coverage_by_tier": {tier: float(inside[part].mean()) for tier, part in parts if len(part)},
        "score": interval_score(test.actual, lower, upper, level=LEVEL) / mean,
        "score_of_one_band": interval_score(test.actual, *one_band, level=LEVEL) / mean,
    }
