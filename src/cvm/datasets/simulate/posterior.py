"""The exact posterior: what the true hyper-parameters and all observables say of every customer.

Purchase rate, dropout hazard, order value, browsing rate and pace of habits are integrated out in closed form; the moment
of leaving by quadrature; kind and reader by summation. Approximations, all small: quadrature over the moment of leaving;
habits' future renewals (``expected_renewals``); one hazard posterior for all who leave within ``World.leaving_days``;
for who has only registered, average habits. The observer has clean tables: no late rows, identities known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from cvm.datasets.simulate.calendar import Calendar
from cvm.datasets.simulate.chance import Floats, sums
from cvm.datasets.simulate.customers import HABIT_QUANTITY_SHARES
from cvm.datasets.simulate.expectation import (
    EDGES,
    contact_effect,
    expected_renewals,
    hazard_days,
    late_renewals,
    late_weights_of,
    weighted,
    weights_of,
)
from cvm.datasets.simulate.history import History
from cvm.datasets.simulate.likelihood import (
    LeavingMoments,
    behaviour_log_likelihood,
    candidates_after,
    habit_log_likelihood,
    habit_posterior,
    hazard_exposure,
    kind_log_likelihood,
    leaving_prior,
    mail_log_likelihood,
    purchase_exposure,
    purchase_log_likelihood,
)
from cvm.datasets.simulate.truth import Expectation
from cvm.datasets.simulate.world import World


@dataclass(frozen=True)
class Posterior:
    """Joint posterior of a chunk.

    Attributes
    ----------
    world, calendar, history : what it was computed from
    candidates : LeavingMoments
    weight : array of shape (n_customers, n_candidates, n_kinds)
        Posterior probability of each pair; sums to 1 per customer.
    """

    world: World
    calendar: Calendar
    history: History
    candidates: LeavingMoments
    weight: Floats

    @property
    def p_alive(self) -> Floats:
        """Probability of not having left by ``as_of``; 1 for who has only registered: array of shape (n_customers,)."""
        p_alive = self.weight[:, self.candidates.is_alive].sum(axis=(1, 2))
        return np.where(self.history.has_ordered, p_alive, 1.0)


def posterior_of(world: World, calendar: Calendar, history: History) -> Posterior:
    """Posterior given everything observed."""
    candidates = candidates_after(world, history.last_order)
    by_kind = (
        leaving_prior(world, history, candidates)
        + purchase_log_likelihood(world, calendar, history, candidates)
        + kind_log_likelihood(world, history)[:, None, :]
    )
    shared = behaviour_log_likelihood(world, history, candidates) + habit_log_likelihood(world, history, candidates)
    weight = _normalised(by_kind + _by_reader(world, history, candidates) + shared[..., None])
    return Posterior(world, calendar, history, candidates, weight)


def p_alive_by_behaviour(world: World, history: History) -> Floats:
    """Probability of being alive given attributes, behaviour and contracts, but no purchase after the first."""
    candidates = candidates_after(world, history.first_order)
    by_kind = leaving_prior(world, history, candidates) + kind_log_likelihood(world, history)[:, None, :]
    shared = behaviour_log_likelihood(world, history, candidates)
    weight = _normalised(by_kind + _by_reader(world, history, candidates) + shared[..., None])
    p_alive = weight[:, candidates.is_alive].sum(axis=(1, 2))
    return np.where(history.has_ordered, p_alive, 1.0)


def expected_truth(posterior: Posterior, *, horizon_days: int) -> Expectation:
    """Best prediction of ``true_expectation``, which knows the state at ``as_of`` but not when it ends."""
    return _expectation(posterior, _survival_given_state(posterior, [EDGES] * len(posterior.world.kinds)), horizon_days)


def expected_future(posterior: Posterior, *, horizon_days: int) -> Expectation:
    """Best prediction of what happens: signs that a customer is about to leave count too."""
    return _expectation(posterior, _survival(posterior), horizon_days)


def expected_effects(posterior: Posterior, *, days: int) -> dict[str, Floats]:
    """Margin that assigning each arm of a next campaign at ``as_of`` adds within ``days``: best prediction of the truth."""
    world, history = posterior.world, posterior.history
    habits = history.habits
    weights = weights_of(world, posterior.calendar, start=0, days=days)
    rate, value = _orders_per_day(posterior), _order_value(world, history)
    margin_rate = _margin_rate(world, history)
    shape, scale = habit_posterior(world, history)
    habit_margin = habits.price * _habit_margin_rates(world)[habits.category] * shape / (scale * world.interval_shape)
    habit_margin_per_day = sums(habits.customer, habit_margin, n=len(history))
    survival = _survival_given_state(posterior, [EDGES] * len(world.kinds))
    effects = {}
    for treatment in world.treatments:
        answers = [getattr(kind, treatment.name) for kind in world.kinds]
        hastened = [hazard_days(answer.hazard, effect_days=world.effect_days) for answer in answers]
        treated_survival = _survival_given_state(posterior, hastened)
        effect = np.zeros(len(history))
        for position, answer in enumerate(answers):
            effect += contact_effect(
                weights,
                treatment=treatment,
                effect_days=world.effect_days,
                rate=answer.rate,
                survival=survival[position],
                treated_survival=treated_survival[position],
                margin_per_day=rate[:, position] * value * margin_rate,
                value_per_day=rate[:, position] * value,
                habit_margin_per_day=habit_margin_per_day,
            )
        effects[treatment.name] = np.where(history.has_ordered, world.p_delivered * effect, np.nan)
    return effects


def _by_reader(world: World, history: History, candidates: LeavingMoments) -> Floats:
    """Log prior of the kind and log-likelihood of the mail, the reader summed out: (n_customers, n_candidates, n_kinds)."""
    mail = mail_log_likelihood(world, history, candidates)
    prior = history.prior
    log_joint = np.log(prior.p_reader[:, None] * prior.p_kind)
    kinds = range(len(world.kinds))
    return np.stack([logsumexp(mail + log_joint[:, None, :, kind], axis=2) for kind in kinds], axis=2)


def _normalised(log_weight: Floats) -> Floats:
    log_weight -= log_weight.max(axis=(1, 2), keepdims=True)
    weight = np.exp(log_weight)
    return weight / weight.sum(axis=(1, 2), keepdims=True)


def _orders_per_day(posterior: Posterior) -> Floats:
    """Expected free purchase rate if alive, by kind: (n_customers, n_kinds)."""
    world, history = posterior.world, posterior.history
    scale = world.orders_shape / (history.prior.orders_per_day[:, None] * np.array([kind.rate for kind in world.kinds]))
    today = np.zeros((len(history), 1))
    exposure = purchase_exposure(world, posterior.calendar, history, today)[:, 0]
    return (world.orders_shape + history.n_repeats[:, None]) / (scale + exposure)


def _order_value(world: World, history: History) -> Floats:
    """Posterior mean of the own mean order value (Fader and Hardie 2013, The Gamma-Gamma model, eq. 5)."""
    p, q = world.order_value_shape, world.order_value_mean_shape
    return (history.prior.order_value * (q - 1) + p * history.sum_values) / (p * history.n_values + q - 1)


def _margin_rate(world: World, history: History) -> Floats:
    """Posterior mean of the own margin rate, through which category is the favourite."""
    shares, rates = (np.array([getattr(c, name) for c in world.free_categories]) for name in ("share", "margin_rate"))
    shares = shares / shares.sum()
    own = world.favourite_share
    log_weight = np.log(shares) + history.n_lines_by_category * np.log1p(own / ((1 - own) * shares))
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    return own * (weight @ rates) / weight.sum(axis=1) + (1 - own) * float(shares @ rates)


def _habit_margin_rates(world: World) -> Floats:
    return np.array([category.margin_rate for category in world.categories])


def _survival(posterior: Posterior) -> list[Floats]:
    """Probability of kind and of being alive at ``EDGES``: one array of shape (n_customers, n_edges) per kind."""
    world, is_alive = posterior.world, posterior.candidates.is_alive
    soon = posterior.weight[:, is_alive][:, :-1]
    moments = posterior.candidates.day[0, is_alive][:-1]
    _, later_scale = _hazard_scales(posterior)
    beyond = np.maximum(EDGES - world.leaving_days, 0.0)
    still = (moments[:, None] > EDGES).astype(float)
    return [
        soon[:, :, kind] @ still
        + posterior.weight[:, -1, kind, None] * _laplace(later_scale[:, kind], beyond, world.dropout_shape)
        for kind in range(len(world.kinds))
    ]


def _survival_given_state(posterior: Posterior, hazard_days_by_kind: list[Floats]) -> list[Floats]:
    """The same as if the future depended on the hazard alone, at these equivalent days per kind."""
    world = posterior.world
    soon = posterior.weight[:, posterior.candidates.is_alive][:, :-1].sum(axis=1)
    soon_scale, later_scale = _hazard_scales(posterior)
    shape = world.dropout_shape
    return [
        soon[:, kind, None] * _laplace(soon_scale[:, kind], days, shape + 1)
        + posterior.weight[:, -1, kind, None] * _laplace(later_scale[:, kind], days, shape)
        for kind, days in enumerate(hazard_days_by_kind)
    ]


def _hazard_scales(posterior: Posterior) -> tuple[Floats, Floats]:
    """Rate of the gamma posterior of the hazard, for who leaves soon and for who leaves later: (n_customers, n_kinds)."""
    world, history = posterior.world, posterior.history
    days = np.tile([world.leaving_days / 2, world.leaving_days], (len(history), 1))
    exposure = hazard_exposure(world, history, days)
    scale = (world.dropout_shape / history.prior.dropouts_per_day)[:, None]
    return scale + exposure[:, 0], scale + exposure[:, 1]


def _laplace(scale: Floats, days: Floats, shape: float) -> Floats:
    """E[exp(-mu t)] of mu ~ Gamma(shape, scale): (n, n_days)."""
    return np.exp(-shape * np.log1p(days / scale[:, None]))


def _expectation(posterior: Posterior, survival: list[Floats], horizon_days: int) -> Expectation:
    world, history = posterior.world, posterior.history
    habits = history.habits
    weights = weights_of(world, posterior.calendar, start=0, days=horizon_days)
    rate, value = _orders_per_day(posterior), _order_value(world, history)
    orders = sum((rate[:, k] * weighted(alive, weights.orders) for k, alive in enumerate(survival)), np.zeros(len(history)))
    money = sum((rate[:, k] * weighted(alive, weights.money) for k, alive in enumerate(survival)), np.zeros(len(history)))
    shape, scale = habit_posterior(world, history)
    renewals = expected_renewals(
        world,
        cycle_days=world.interval_shape * scale / (shape - 1),
        cycle_precision=shape,
        age_days=-habits.last,
        horizon_days=horizon_days,
        survival=np.sum(survival, axis=0)[habits.customer],
    )
    bought = renewals * habits.price

    def total(habit_values: Floats) -> Floats:
        return sums(habits.customer, habit_values, n=len(history))

    late = _late_expectation(posterior, horizon_days)
    has_ordered = history.has_ordered
    free_margin = money * value * _margin_rate(world, history)
    return Expectation(
        orders=np.where(has_ordered, orders + total(renewals), late.orders),
        revenue=np.where(has_ordered, money * value + total(bought), late.revenue),
        margin=np.where(has_ordered, free_margin + total(bought * _habit_margin_rates(world)[habits.category]), late.margin),
    )


def _late_expectation(posterior: Posterior, horizon_days: int) -> Expectation:
    """Expectation for those who have only registered, with the habits of an average customer."""
    world, prior = posterior.world, posterior.history.prior
    weights = late_weights_of(world, posterior.calendar, days=horizon_days)
    kind_rate = np.array([kind.rate for kind in world.kinds])
    rate = prior.orders_per_day * (np.einsum("nqk,q->nk", prior.p_kind, prior.p_reader) @ kind_rate)
    survival = _laplace(world.dropout_shape / prior.dropouts_per_day, EDGES, world.dropout_shape)
    orders = weights.first_orders + rate * weighted(survival, weights.later.orders)
    money = (weights.first_money + rate * weighted(survival, weights.later.money)) * prior.order_value
    cycles = world.habit_categories
    first, renewals = late_renewals(
        world,
        horizon_days=horizon_days,
        cycle_days=np.array([category.cycle_days for category in cycles]),
        dropouts_per_day=np.full(len(cycles), float(prior.dropouts_per_day.mean())),
    )
    n_habits = float(np.arange(len(world.habit_shares)) @ np.array(world.habit_shares))
    per_customer = n_habits * np.array([category.share for category in cycles])
    mean_quantity = 1 + float(np.arange(len(HABIT_QUANTITY_SHARES)) @ np.array(HABIT_QUANTITY_SHARES))
    bought = (first + renewals) * per_customer * mean_quantity * np.array([category.unit_price for category in cycles])
    margins = bought @ np.array([category.margin_rate for category in cycles])
    margin = money * _margin_rate(world, posterior.history)
    return Expectation(orders + renewals @ per_customer, money + bought.sum(), margin + margins)
