"""What a ranking finds from its top down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvm.evaluation.calibration import reliability
from cvm.evaluation.ranking import by_rank

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lift:
    """Groups of equal size by falling score, likeliest first: arrays of shape (n_groups,).

    Attributes
    ----------
    n_customers
    rate
        Of those in the group, to how many it happened.
    lift
        ``rate`` over the rate of all.
    found
        Share of all to whom it happened that this group and those before it hold.
    """

    n_customers: NDArray[np.int64]
    rate: Floats
    lift: Floats
    found: Floats


def lift_by_group(happened: Floats, score: Floats, *, n_groups: int = 10) -> Lift:
    """Lift by decile; NaN where it happened to nobody.

    Customers with the same score share the outcome mean of their tie, so groups do not depend on the order of rows.

    Parameters
    ----------
    happened : array of shape (n_customers,)
        1 or 0.
    score : array of shape (n_customers,)
        Higher means likelier.
    n_groups : int
        With fewer customers than this, each is a group.
    """
    groups = reliability(happened, -score, n_groups=n_groups)
    n, rate, total = groups.n_customers, groups.happened, float(happened.sum())
    if total == 0:
        return Lift(n, rate, np.full(len(n), np.nan), np.full(len(n), np.nan))
    return Lift(n, rate, rate * len(happened) / total, np.cumsum(rate * n) / total)


def cumulative_gains(happened: Floats, score: Floats, *, n_points: int = 101) -> tuple[Floats, Floats]:
    """Share of customers, likeliest first, and the share of all to whom it happened that they hold.

    Parameters
    ----------
    happened : array of shape (n_customers,)
        1 or 0, not all 0.
    score : array of shape (n_customers,)
    n_points : int

    Returns
    -------
    two arrays of shape (n_points,)
        From (0, 0) to (1, 1).
    """
    share = np.linspace(0, 1, n_points)
    found = np.append(0.0, np.cumsum(by_rank(happened, score)) / happened.sum())
    return share, np.interp(share, np.linspace(0, 1, len(found)), found)
