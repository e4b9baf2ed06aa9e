"""From a rate and a survival curve to expected orders and money: the sums that truth and posterior share.

Survival curves are given at ``EDGES``, whole weeks after the start of a window; within a week they are taken as straight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtr

from cvm.datasets.simulate.calendar import FUTURE_DAYS, Calendar
from cvm.datasets.simulate.chance import Floats
from cvm.datasets.simulate.world import Treatment, World

HORIZONS = (90, 181, 365)
_WEEK = 7
EDGES = np.arange(0.0, FUTURE_DAYS + _WEEK, _WEEK)


@dataclass(frozen=True)
class Weights:
    """Season-weighted days of a window, by week since its start: arrays of shape (n_edges - 1,).

    ``orders`` leaves out orders sent back wholly within the window, ``money`` the money sent back within it.
    """

    orders: Floats
    money: Floats


@dataclass(frozen=True)
class LateWeights:
    """The same for who has only registered: first orders, and by week since the first order what follows."""

    first_orders: float
    first_money: float
    later: Weights


def weights_of(world: World, calendar: Calendar, *, start: int, days: int) -> Weights:
    """Weights of the window ``[start, start + days)``, in days since ``as_of``."""
    orders, money = _by_day(world, calendar, start=start, days=days)
    return Weights(_by_week(orders), _by_week(money))


def late_weights_of(world: World, calendar: Calendar, *, days: int) -> LateWeights:
    """Weights of ``[0, days)`` for who has not ordered yet: the wait is exponential, and does not follow the season."""
    orders, money = _by_day(world, calendar, start=0, days=days)
    kept_orders, kept_money = _not_returned(world, days=days)
    day = np.arange(days)
    starts = np.exp(-day / world.late_start_mean_days) - np.exp(-(day + 1) / world.late_start_mean_days)
    later_orders, later_money = (np.correlate(by_day, starts, "full")[days - 1 :] for by_day in (orders, money))
    return LateWeights(
        first_orders=float(starts @ kept_orders),
        first_money=float(starts @ kept_money),
        later=Weights(_by_week(later_orders), _by_week(later_money)),
    )


def weighted(survival: Floats, weights: Floats) -> Floats:
    """Sum over weeks of survival times weight.

    Parameters
    ----------
    survival : array of shape (n, n_edges)
    weights : array of shape (n_edges - 1,)
    """
    # No matrix product: its last digits depend on the number of threads.
    at_edges = (np.append(weights, 0.0) + np.insert(weights, 0, 0.0)) / 2
    return np.einsum("ij,j->i", survival, at_edges)


def hazard_days(hazard: float, *, effect_days: float) -> Floats:
    """Days at hazard 1 equivalent to ``EDGES`` when it is multiplied by ``hazard`` for the first ``effect_days``."""
    return EDGES + (hazard - 1) * np.minimum(EDGES, effect_days)


def contact_effect(
    weights: Weights,
    *,
    treatment: Treatment,
    effect_days: int,
    rate: float,
    survival: Floats,
    treated_survival: Floats,
    margin_per_day: Floats,
    value_per_day: Floats,
    habit_margin_per_day: Floats,
) -> Floats:
    """Expected margin that a delivered contact adds within the window of ``weights``; the cost of contact is apart.

    Parameters
    ----------
    weights : Weights
    treatment : Treatment
        Its vouchers cost margin on every free order, also on those that would have come anyway.
    effect_days : int
        A multiple of 7.
    rate : float
        Factor on the purchase rate while the contact works.
    survival, treated_survival : arrays of shape (n, n_edges)
    margin_per_day, value_per_day : arrays of shape (n,)
        Of free orders at season 1.
    habit_margin_per_day : array of shape (n,)
        Of habits, at their long-run pace: where in its cycle a habit stands is left out.

    Returns
    -------
    array of shape (n,)
    """
    works = np.arange(len(weights.money)) < effect_days // _WEEK
    working, after = np.where(works, weights.money, 0.0), np.where(works, 0.0, weights.money)
    given_away = treatment.discount_per_order * value_per_day
    treated = rate * (margin_per_day - given_away) * weighted(treated_survival, working)
    treated = treated + margin_per_day * weighted(treated_survival, after)
    lost_days = weighted(survival - treated_survival, np.where(weights.orders > 0, _WEEK, 0.0))
    return treated - margin_per_day * weighted(survival, weights.money) - habit_margin_per_day * lost_days


def expected_renewals(
    world: World,
    *,
    cycle_days: Floats,
    cycle_precision: Floats | float,
    age_days: Floats,
    horizon_days: int,
    survival: Floats,
) -> Floats:
    """Expected renewals of each habit within a horizon.

    Parameters
    ----------
    cycle_days : array of shape (n_habits,)
        Own cycle, or its expectation.
    cycle_precision : array of shape (n_habits,), or inf
        Shape of the gamma posterior of the pace; inf where the cycle is known.
    age_days : array of shape (n_habits,)
        Since the last renewal.
    horizon_days : int
    survival : array of shape (n_habits, n_edges)
        From now on.

    Notes
    -----
    Renewal times are taken as normal, the first one truncated to lie ahead, and survival is read at their means: own
    approximation. With intervals that vary by a tenth it errs by less than a hundredth of an order.
    """
    own, shared = 1 / world.interval_shape, 1 / np.asarray(cycle_precision, dtype=float)
    spread = cycle_days * np.sqrt(own + shared)
    overdue = (age_days - cycle_days) / spread
    mills = np.exp(-0.5 * overdue**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(-overdue))
    first = np.maximum(cycle_days + spread * mills - age_days, 0.0)
    first_variance = np.maximum(spread**2 * (1 + overdue * mills - mills**2), 1e-6)
    expected = np.zeros(len(cycle_days))
    # Beyond three times the horizon no renewal is in reach, however uncertain the cycle.
    n_most = int(np.ceil(3 * horizon_days / cycle_days.min())) if len(cycle_days) else 0
    for n in range(n_most + 1):
        mean = first + n * cycle_days
        rows = np.flatnonzero(mean < 3 * horizon_days)
        if not len(rows):
            break
        variance = first_variance + cycle_days**2 * (n * own + n**2 * shared)
        in_time = ndtr((horizon_days - mean[rows]) / np.sqrt(variance[rows]))
        expected[rows] += in_time * _survival_at(survival[rows], np.minimum(mean[rows], horizon_days))
    return expected


def late_renewals(world: World, *, horizon_days: int, cycle_days: Floats, dropouts_per_day: Floats) -> tuple[float, Floats]:
    """For habits of who has not ordered yet: expected first purchases, and renewals after them (intervals as exact).

    Parameters
    ----------
    cycle_days, dropouts_per_day : arrays of shape (n_habits,)
    """
    wait = world.late_start_mean_days
    renewals = np.zeros(len(cycle_days))
    day = cycle_days.copy()
    while (day < horizon_days).any():
        renewals += np.where(day < horizon_days, -np.expm1((day - horizon_days) / wait), 0.0) * np.exp(
            -dropouts_per_day * day
        )
        day = day + cycle_days
    return float(-np.expm1(-horizon_days / wait)), renewals


def _survival_at(survival: Floats, day: Floats) -> Floats:
    """Rows of ``survival`` read at one day each, by linear interpolation."""
    week = np.minimum(day / _WEEK, len(EDGES) - 1 - 1e-9)
    left = week.astype(np.int64)
    rows = np.arange(len(day))
    part = week - left
    return survival[rows, left] * (1 - part) + survival[rows, left + 1] * part


def _by_day(world: World, calendar: Calendar, *, start: int, days: int) -> tuple[Floats, Floats]:
    season = calendar.season[start - calendar.first_day :][:days]
    kept_orders, kept_money = _not_returned(world, days=days)
    return season * kept_orders, season * kept_money


def _not_returned(world: World, *, days: int) -> tuple[Floats, Floats]:
    """Share of orders, and of money, that has not come back by the end of the window, by day of the order."""
    n_lines = np.arange(1, len(world.lines_per_order_shares) + 1)
    shares = np.array(world.lines_per_order_shares)
    p_whole = np.where(n_lines == 1, 1.0, world.whole_return_share)
    returned = world.dirt.returned_order_share
    soonest, latest = world.return_days
    is_back = np.clip((days - (np.arange(days) + 0.5) - soonest) / (latest - soonest), 0.0, 1.0)
    orders = returned * float(shares @ p_whole)
    money = returned * float(shares @ (p_whole + (1 - p_whole) / n_lines))
    return 1 - orders * is_back, 1 - money * is_back


def _by_week(by_day: Floats) -> Floats:
    padded = np.zeros(_WEEK * (len(EDGES) - 1))
    padded[: len(by_day)] = by_day
    return padded.reshape(-1, _WEEK).sum(axis=1)
