"""What an observed history says about when a customer left: log-likelihoods over candidate moments.

Rows are customers, columns candidates: before ``as_of``, within ``World.leaving_days`` after it (behaviour may already be
changing), and one column for "later than that". Whatever depends on neither candidate, kind nor reader is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, ndtr

from cvm.datasets.simulate.calendar import DAYS_PER_YEAR, Calendar
from cvm.datasets.simulate.chance import Bools, Floats, sums
from cvm.datasets.simulate.history import STREAMS, History, Signals, Watch
from cvm.datasets.simulate.lives import factors
from cvm.datasets.simulate.phases import N_PHASES, days_in_phases, phase_of
from cvm.datasets.simulate.traits import cycle_rate_scale
from cvm.datasets.simulate.world import World

N_BEFORE, N_AFTER = 64, 14
_MUCH_LATER = 1e6
_NEVER = -1e30


@dataclass(frozen=True)
class LeavingMoments:
    """When each customer may have left: candidate moments, and how much time each stands for in an integral over all.

    Attributes
    ----------
    day : array of shape (n_customers, n_candidates)
        Days since ``as_of``; the last column means "later".
    log_width : array of shape (n_customers, n_candidates)
        Logarithm of the days each candidate stands for; 0 in the last column, whose prior is a probability.
    is_alive : array of shape (n_candidates,)
        Whether the candidate lies after ``as_of``.
    """

    day: Floats
    log_width: Floats
    is_alive: Bools


def candidates_after(world: World, earliest: Floats) -> LeavingMoments:
    """Midpoints from ``earliest`` to ``as_of``, dense at both ends, then even ones until behaviour is settled."""
    n = len(earliest)
    u = (np.arange(N_BEFORE) + 0.5) / N_BEFORE
    before = earliest[:, None] * (1 - (3 * u**2 - 2 * u**3))
    width_before = -earliest[:, None] * 6 * u * (1 - u) / N_BEFORE
    step = world.leaving_days / N_AFTER
    after = (np.arange(N_AFTER) + 0.5) * step
    return LeavingMoments(
        day=np.concatenate([before, np.tile(after, (n, 1)), np.full((n, 1), _MUCH_LATER)], axis=1),
        log_width=np.concatenate([np.log(width_before), np.full((n, N_AFTER), np.log(step)), np.zeros((n, 1))], axis=1),
        is_alive=np.arange(N_BEFORE + N_AFTER + 1) >= N_BEFORE,
    )


def hazard_exposure(world: World, history: History, day: Floats) -> Floats:
    """Days since the first order, those under a contact weighted by its factor on the hazard.

    Parameters
    ----------
    day : array of shape (n_customers, n_days)

    Returns
    -------
    array of shape (n_customers, n_days, n_kinds)
    """
    exposure = np.repeat((day - history.first_order[:, None])[..., None], len(world.kinds), axis=2)
    for position, campaign in enumerate(world.campaigns):
        since = np.clip(day + campaign.days_before_as_of, 0.0, world.effect_days)
        exposure += since[..., None] * (_factors(world, history, position, "hazard") - 1)[:, None, :]
    return exposure


def purchase_exposure(world: World, calendar: Calendar, history: History, day: Floats) -> Floats:
    """Season-weighted days since the first order, those under a contact weighted by its factor on the purchase rate."""
    elapsed = calendar.exposure(day)
    own = elapsed - calendar.exposure(history.first_order)[:, None]
    exposure = np.repeat(own[..., None], len(world.kinds), axis=2)
    for position, campaign in enumerate(world.campaigns):
        start = -float(campaign.days_before_as_of)
        first, last = calendar.exposure(np.array([start, start + world.effect_days]))
        since = np.clip(elapsed, first, last) - first
        exposure += since[..., None] * (_factors(world, history, position, "rate") - 1)[:, None, :]
    return exposure


def leaving_prior(world: World, history: History, candidates: LeavingMoments) -> Floats:
    """Log prior probability of each candidate, the hazard integrated out: (n_customers, n_candidates, n_kinds).

    Source: a Pareto distribution of the second kind (Schmittlein, Morrison and Colombo 1987, eq. 4) on the clock of the
    hazard exposure.
    """
    shape = world.dropout_shape
    scale = (shape / history.prior.dropouts_per_day)[:, None, None]
    day = candidates.day.copy()
    day[:, -1] = world.leaving_days
    exposure = hazard_exposure(world, history, day)
    log_prior = np.log(shape) + shape * np.log(scale) - (shape + 1) * np.log(scale + exposure)
    for position, campaign in enumerate(world.campaigns):
        since = day + campaign.days_before_as_of
        at_work = ((since >= 0) & (since < world.effect_days))[..., None]
        log_prior += np.where(at_work, np.log(_factors(world, history, position, "hazard"))[:, None, :], 0.0)
    later = shape * (np.log(scale[:, 0]) - np.log(scale[:, 0] + exposure[:, -1]))
    log_prior[:, -1] = later
    return log_prior + candidates.log_width[..., None]


def purchase_log_likelihood(world: World, calendar: Calendar, history: History, candidates: LeavingMoments) -> Floats:
    """Free purchases, the rate integrated out: (n_customers, n_candidates, n_kinds).

    Source: gamma-mixed Poisson process (Schmittlein, Morrison and Colombo 1987) on the season's clock.
    """
    kind_rate = np.array([kind.rate for kind in world.kinds])
    scale = world.orders_shape / (history.prior.orders_per_day[:, None] * kind_rate)
    exposure = purchase_exposure(world, calendar, history, np.minimum(candidates.day, 0.0))
    shape = world.orders_shape + history.n_repeats[:, None, None]
    log_likelihood = -shape * np.log(scale[:, None, :] + exposure)
    log_likelihood += (world.orders_shape * np.log(scale))[:, None, :]
    for position in range(len(world.campaigns)):
        log_rate = np.log(_factors(world, history, position, "rate"))
        log_likelihood += (history.n_repeats_at_work[:, position, None] * log_rate)[:, None, :]
    return log_likelihood


def habit_log_likelihood(world: World, history: History, candidates: LeavingMoments) -> Floats:
    """No renewal since the last one, the pace integrated out: (n_customers, n_candidates).

    Source: own derivation. A gamma interval whose rate is Gamma(A, B) exceeds y with the probability that a
    Beta(interval_shape, A) variable exceeds y / (y + B).
    """
    habits = history.habits
    shape, scale = habit_posterior(world, history)
    log_likelihood = np.zeros(candidates.day.shape)
    for column in range(len(candidates.is_alive)):
        waited = np.maximum(np.minimum(candidates.day[habits.customer, column], 0.0) - habits.last, 0.0)
        silent = 1 - betainc(world.interval_shape, shape, waited / (waited + scale))
        log_silent = np.where(silent > 0, np.log(np.maximum(silent, 1e-300)), _NEVER)
        log_likelihood[:, column] = sums(habits.customer, log_silent, n=len(history))
    return log_likelihood


def habit_posterior(world: World, history: History) -> tuple[Floats, Floats]:
    """Shape and rate of the gamma posterior of ``interval_shape / cycle`` of each habit: arrays of shape (n_habits,)."""
    habits = history.habits
    scale = cycle_rate_scale(world, habits.category.astype(np.int8))
    return world.cycle_shape + world.interval_shape * habits.n_intervals.astype(float), scale + habits.interval_days


def behaviour_log_likelihood(world: World, history: History, candidates: LeavingMoments) -> Floats:
    """Activity, complaints, tickets, answers, contracts, consent: (n_customers, n_candidates)."""
    n_active = np.bincount(history.activity.customer, minlength=len(history))[:, None]
    scale = (world.activity_shape / history.prior.activity_per_day)[:, None]
    activity_curve, common = np.array(world.activity_curve), _common_rates(world)
    tables = {name: _log_table(world, name) for name in STREAMS}
    log_likelihood = np.empty(candidates.day.shape)
    for column in range(len(candidates.is_alive)):
        gone_at = candidates.day[:, column]
        spent = days_in_phases(world, history.signed_up, np.zeros(len(history)), gone_at)
        total = -(world.activity_shape + n_active[:, 0]) * np.log(scale[:, 0] + spent @ activity_curve) - spent @ common
        total += _log_at(world, history.activity, gone_at, np.log(activity_curve)[None], coded=False)
        for name, table in tables.items():
            total += _log_at(world, history.streams[name], gone_at, table, coded=name == "nps")
        for watch in history.watches:
            total += sums(watch.customer, _watched(world, watch, gone_at), n=len(history))
        log_likelihood[:, column] = total
    return log_likelihood


def mail_log_likelihood(world: World, history: History, candidates: LeavingMoments) -> Floats:
    """Mail opened or not: (n_customers, n_candidates, n_readers)."""
    mail, curve = history.mail, np.array(world.open_curve)
    log_likelihood = np.empty((*candidates.day.shape, len(world.readers)))
    p_open = np.array([reader.p_open for reader in world.readers])[:, None] * curve
    for column in range(len(candidates.is_alive)):
        phase = phase_of(world, candidates.day[mail.customer, column] - mail.day)
        cell = mail.code * N_PHASES + phase
        for reader, chance in enumerate(p_open):
            table = np.log(np.concatenate([1 - chance, chance]))
            log_likelihood[:, column, reader] = sums(mail.customer, table[cell], n=len(history))
    return log_likelihood


def kind_log_likelihood(world: World, history: History) -> Floats:
    """Unsubscribed at once after a delivered contact, or not: (n_customers, n_kinds)."""
    p = np.array([kind.p_unsubscribe for kind in world.kinds])
    n_left = (history.is_exposed & history.unsubscribed_by).sum(axis=1)[:, None]
    n_stayed = (history.is_exposed & ~history.unsubscribed_by).sum(axis=1)[:, None]
    return n_left * np.log(p) + n_stayed * np.log(1 - p)


def _factors(world: World, history: History, position: int, quantity: str) -> Floats:
    arm = history.arm[:, position].astype(np.int8)
    return factors(world, world.campaigns[position], arm, history.is_exposed[:, position], quantity)


def _common_rates(world: World) -> Floats:
    """Events per day, by phase, of the streams whose rate is the same for everyone."""
    streams = (
        (world.complaints_per_year, world.complaint_curve),
        (world.support_tickets_per_year, world.support_ticket_curve),
        (world.nps_per_year, world.nps_curve),
    )
    return sum((per_year / DAYS_PER_YEAR * np.array(curve) for per_year, curve in streams), np.zeros(N_PHASES))


def _log_table(world: World, stream: str) -> Floats:
    """Log-likelihood of one event by code and phase."""
    if stream != "nps":
        return np.log(np.array(world.complaint_curve if stream == "complaint" else world.support_ticket_curve))[None]
    phases = [world.nps_leaving] * (N_PHASES - 1) + [world.nps_settled]
    borders = np.concatenate([[-np.inf], np.arange(10) + 0.5, [np.inf]])
    scores = np.stack([np.diff(ndtr((borders - mean) / spread)) for mean, spread in phases], axis=1)
    return np.log(scores * np.array(world.nps_curve))


def _log_at(world: World, signals: Signals, gone_at: Floats, table: Floats, *, coded: bool) -> Floats:
    phase = phase_of(world, gone_at[signals.customer] - signals.day)
    weights = table[signals.code, phase] if coded else table[0, phase]
    return sums(signals.customer, weights, n=len(gone_at))


def _watched(world: World, watch: Watch, gone_at: Floats) -> Floats:
    """Log-likelihood of what became of each watched thing."""
    curve, leaves = np.array(watch.curve), gone_at[watch.customer]
    spent = days_in_phases(world, watch.start, watch.until, leaves) @ curve
    ended = np.log(curve)[phase_of(world, leaves - watch.until)]
    return np.where(watch.ended, ended, 0.0) - watch.per_day * spent
