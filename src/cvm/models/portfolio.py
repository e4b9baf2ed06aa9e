"""The interval of a total: what all customers together are worth, or will spend in the outcome window.

Over many customers chance averages out, and what remains is that windows differ: a season, a campaign, a price, a trend no
model knew. How much they do shows out of time, in how far the actual total of each past window was from the one expected of
it. So the log of actual over expected is taken to have two variances:

* what the histories leave open: parameters of purchase and spend, and the customers' own futures
  (``simulate.log_spread_of_total``);
* how windows differ: the mean square of the log ratios of past windows, less the chance in them, against a typical value.
  Windows overlap, so they count by the days they cover and not one each.

Both together, with the quantile of Student's t for as many windows as there were, give the bounds. (Own derivation; measured
coverage in ``docs/models.md``.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from cvm.models.btyd import Btyd
from cvm.models.btyd.simulate import log_spread_of_total
from cvm.models.samples import Floats, Sample

# Typical log ratio of actual over expected total where the season is known and where it is not, and for how many windows it
# counts. On a two-year retail base six windows missed by .09 with season and .23 without it (root mean squares); the first
# of these is a small sample of one business, so it is met half way to the .2 that hindsight takes for typical.
_TYPICAL, _TYPICAL_WITHOUT_SEASON = 0.15, 0.25
_TYPICAL_WINDOWS = 4.0
# No bound is further away than a factor of e: beyond that nothing was foretold.
_LARGEST = 1.0


@dataclass(frozen=True)
class PastWindow:
    """A past outcome window and how far its total was from the one expected.

    Attributes
    ----------
    as_of : date
    days : int
    log_ratio : float
        Log of actual over expected revenue of all customers judged.
    noise : float
        Standard error of it that chance among customers alone makes.
    """

    as_of: date
    days: int
    log_ratio: float
    noise: float


@dataclass(frozen=True)
class Bounds:
    """Bounds of a total, as factors of what is expected."""

    lower: float
    upper: float


@dataclass(frozen=True)
class PortfolioInterval:
    """Bounds of the totals over all customers, and what they rest on.

    Attributes
    ----------
    clv, revenue : Bounds
        Of CLV over ``clv_days``, and of revenue in the outcome window.
    level : float
        Share of totals that the bounds are to hold.
    between_windows : float
        Standard deviation of the log of actual over expected from one window to another.
    windows_seen : float
        Past windows behind it, overlaps counted once.
    """

    clv: Bounds
    revenue: Bounds
    level: float
    between_windows: float
    windows_seen: float

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def portfolio_interval(
    btyd: Btyd,
    features: pd.DataFrame,
    *,
    past: Sequence[PastWindow],
    knows_season: bool,
    horizon_days: int,
    lead_days: int,
    clv_days: int,
    as_of: date,
    level: float = 0.9,
    seed: int = 7,
) -> PortfolioInterval:
    """Intervals of what all customers together are worth and will spend.

    Parameters
    ----------
    btyd : Btyd
        Fitted to ``features``.
    features : DataFrame of shape (n_customers, ...)
        As in ``Btyd.fit``.
    past : sequence of PastWindow
        Totals foretold before they were known; may be empty.
    knows_season : bool
        Whether season is corrected at ``as_of``.
    horizon_days, lead_days, clv_days : int
        Outcome window, and the days that CLV counts.
    as_of : date
        Snapshot of the features.
    level : float between 0 and 1
    seed : int
    """
    n_seen = windows_covered(past)
    between = spread_between_windows(past, knows_season=knows_season)
    quantile = float(t.ppf((1 + level) / 2, _TYPICAL_WINDOWS + n_seen))
    buyers = features[features["n_orders"] > 0]

    def bounds(days: int, lead: int) -> Bounds:
        within = log_spread_of_total(btyd, buyers, horizon_days=days, lead_days=lead, as_of=as_of, seed=seed)
        reach = float(np.fmin(quantile * np.hypot(within, between), _LARGEST))
        return Bounds(float(np.exp(-reach)), float(np.exp(reach)))

    return PortfolioInterval(bounds(clv_days, 0), bounds(horizon_days, lead_days), level, between, n_seen)


def past_windows(samples: Sequence[Sample], expected_revenue: Sequence[Floats], *, days: int) -> list[PastWindow]:
    """What each labelled snapshot says of the level; those without revenue, expected or actual, say nothing.

    Parameters
    ----------
    samples : sequence of Sample
        Outcome windows of ``days``.
    expected_revenue : sequence of arrays, one per sample, of shape (n_customers,)
        Said by a model that did not know the outcome.
    days : int
    """
    found = []
    for sample, expected in zip(samples, expected_revenue, strict=True):
        actual_total, expected_total = float(sample.revenue.sum()), float(expected.sum())
        if min(actual_total, expected_total) <= 0:
            continue
        left_over = sample.revenue - expected * (actual_total / expected_total)
        noise = float(np.sqrt(np.sum(left_over**2))) / actual_total
        found.append(PastWindow(sample.as_of, days, float(np.log(actual_total / expected_total)), noise))
    return found


def spread_between_windows(past: Sequence[PastWindow], *, knows_season: bool) -> float:
    """Standard deviation of the log of actual over expected from one window to another."""
    typical = _TYPICAL if knows_season else _TYPICAL_WITHOUT_SEASON
    n_seen = windows_covered(past)
    seen = max(float(np.mean([window.log_ratio**2 - window.noise**2 for window in past])), 0.0) if past else 0.0
    return float(np.sqrt((_TYPICAL_WINDOWS * typical**2 + n_seen * seen) / (_TYPICAL_WINDOWS + n_seen)))


def windows_covered(past: Sequence[PastWindow]) -> float:
    """Days that the windows cover together, over the mean length of one."""
    if not past:
        return 0.0
    covered = {day for window in past for day in range(window.as_of.toordinal(), window.as_of.toordinal() + window.days)}
    return len(covered) / float(np.mean([window.days for window in past]))
