"""What an observer sees of a chunk by ``as_of``: no latent quantity enters here but through what it caused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvm.datasets.simulate.behaviour import Events
from cvm.datasets.simulate.calendar import DAYS_PER_YEAR
from cvm.datasets.simulate.chance import Bools, Floats, Ints, sums
from cvm.datasets.simulate.chunk import Chunk
from cvm.datasets.simulate.lines import Lines
from cvm.datasets.simulate.traits import Prior, prior_of
from cvm.datasets.simulate.truth import last_renewal
from cvm.datasets.simulate.world import Curve, World

STREAMS = ("complaint", "support_ticket", "nps")


@dataclass(frozen=True)
class Signals:
    """Events of one kind: ``customer`` and ``day`` of each, and a ``code`` (score of an answer, 1 for an opened mail)."""

    customer: Ints
    day: Floats
    code: Ints


@dataclass(frozen=True)
class Watch:
    """Something that may end once (a plan, an add-on, consent), watched from ``start`` until it ends or is out of sight.

    ``customer``, ``start``, ``until`` and ``ended`` are arrays of shape (n_watched,); the hazard is ``per_day`` times
    ``curve`` at the phase.
    """

    customer: Ints
    start: Floats
    until: Floats
    ended: Bools
    per_day: float
    curve: Curve


@dataclass(frozen=True)
class HabitHistory:
    """Replenishment seen so far, by habit: arrays of shape (n_habits,)."""

    customer: Ints
    category: Ints
    price: Floats
    last: Floats
    n_intervals: Ints
    interval_days: Floats


@dataclass(frozen=True)
class History:
    """Observed history of a chunk: arrays of shape (n_customers,) unless said otherwise.

    Attributes
    ----------
    prior : Prior
    has_ordered : whether there is a first order; the rest means little where there is none
    signed_up, first_order, last_order : days since ``as_of``, negative
    n_repeats : free orders after the first
    n_values, sum_values : number and sum of all free orders, before vouchers
    is_exposed : array of shape (n_customers, n_campaigns)
    arm : array of shape (n_customers, n_campaigns)
    unsubscribed_by : array of shape (n_customers, n_campaigns)
    n_repeats_at_work : array of shape (n_customers, n_campaigns)
        Free orders while a delivered contact was at work.
    n_lines_by_category : array of shape (n_customers, n_free_categories)
    activity : Signals
    streams : dict of str to Signals
    mail : Signals
    watches : list of Watch
    habits : HabitHistory
    """

    prior: Prior
    has_ordered: Bools
    signed_up: Floats
    first_order: Floats
    last_order: Floats
    n_repeats: Ints
    n_values: Ints
    sum_values: Floats
    arm: Ints
    is_exposed: Bools
    unsubscribed_by: Bools
    n_repeats_at_work: Ints
    n_lines_by_category: Ints
    activity: Signals
    streams: dict[str, Signals]
    mail: Signals
    watches: list[Watch]
    habits: HabitHistory

    def __len__(self) -> int:
        return len(self.signed_up)


def history_of(world: World, chunk: Chunk, lines: Lines) -> History:
    """The observed part of a chunk.

    Parameters
    ----------
    world : World
    chunk : Chunk
    lines : Lines
        Purchased lines of the chunk, before dirt.
    """
    customers, lives, orders, n = chunk.customers, chunk.lives, chunk.orders, len(chunk.customers)
    has_ordered = customers.first_order < 0
    past = orders.day < 0
    repeat = past & ~orders.is_first
    last_order = np.full(n, -np.inf)
    np.maximum.at(last_order, orders.customer[past], orders.day[past])
    habits = _habit_history(chunk, n_habits=len(customers.habits.customer))
    np.maximum.at(last_order, habits.customer, habits.last)
    bought = (lines.day < 0) & lines.is_free
    n_free = len(world.free_categories)
    cells = lines.customer[bought] * n_free + lines.category[bought]
    return History(
        prior=prior_of(world, customers),
        has_ordered=has_ordered,
        signed_up=customers.signed_up,
        first_order=np.where(has_ordered, customers.first_order, -1.0),
        last_order=np.where(has_ordered, last_order, -1.0),
        n_repeats=np.bincount(orders.customer[repeat], minlength=n),
        n_values=np.bincount(orders.customer[past], minlength=n),
        sum_values=sums(orders.customer[past], orders.value[past], n=n),
        arm=lives.arm.astype(np.int64),
        is_exposed=lives.is_exposed,
        unsubscribed_by=lives.unsubscribed_by,
        n_repeats_at_work=np.stack(
            [np.bincount(orders.customer[orders.campaign == c], minlength=n) for c in range(len(world.campaigns))], axis=1
        ),
        n_lines_by_category=np.bincount(cells, minlength=n * n_free).reshape(n, n_free),
        activity=_signals(chunk.events.of_type("visit", "app_open", "login", "cart_add", "ad_click")),
        streams={name: _signals(chunk.events.of_type(name)) for name in STREAMS},
        mail=_mail(chunk.events),
        watches=[_consent(world, chunk), *_contracts(world, chunk)],
        habits=habits,
    )


def _signals(events: Events) -> Signals:
    return Signals(events.customer, events.day, np.nan_to_num(events.value).astype(np.int64))


def _mail(events: Events) -> Signals:
    """Every mail sent; opened are those with an opening on the same day for the same campaign."""
    sent, opened = events.of_type("email_sent"), events.of_type("email_open")
    return Signals(sent.customer, sent.day, np.isin(_mail_key(sent), _mail_key(opened)).astype(np.int64))


def _mail_key(events: Events) -> Ints:
    days_back = -np.floor(events.day).astype(np.int64)
    return (events.customer * 100_000 + days_back) * 100 + events.campaign + 1


def _consent(world: World, chunk: Chunk) -> Watch:
    """Consent to e-mail, watched until it is withdrawn; withdrawal because of a contact tells of the kind instead."""
    customer = np.flatnonzero(chunk.customers.consents_to(world, "email"))
    end = chunk.lives.unsubscribed_at[customer]
    by_contact = chunk.lives.unsubscribed_by[customer].any(axis=1)
    return Watch(
        customer,
        chunk.customers.signed_up[customer],
        np.minimum(end, 0.0),
        (end < 0) & ~by_contact,
        world.unsubscribes_per_year / DAYS_PER_YEAR,
        world.unsubscribe_curve,
    )


def _contracts(world: World, chunk: Chunk) -> list[Watch]:
    contracts = chunk.contracts
    customer, start, plan_end = contracts.customer, contracts.started_at, np.minimum(contracts.ended_at, 0.0)
    can_shrink = np.flatnonzero((contracts.plan == len(world.plans) - 1) & (contracts.plan > 0))
    watches = [
        Watch(
            customer, start, plan_end, contracts.ended_at < 0,
            world.plan_ends_per_year / DAYS_PER_YEAR, world.plan_end_curve,
        ),
        Watch(
            customer[can_shrink],
            start[can_shrink],
            np.minimum(contracts.downgraded_at, plan_end)[can_shrink],
            (contracts.downgraded_at < plan_end)[can_shrink],
            world.downgrades_per_year / DAYS_PER_YEAR,
            world.downgrade_curve,
        ),
    ]  # fmt: skip
    for position in range(len(world.add_ons)):
        rows = np.flatnonzero(contracts.has_add_on[:, position])
        end = contracts.add_on_ended_at[rows, position]
        watches.append(
            Watch(
                customer[rows],
                start[rows],
                np.minimum(end, plan_end[rows]),
                end < plan_end[rows],
                world.add_on_ends_per_year / DAYS_PER_YEAR,
                world.add_on_end_curve,
            )
        )
    return watches


def _habit_history(chunk: Chunk, *, n_habits: int) -> HabitHistory:
    """Habits whose first purchase is past."""
    habits, renewals = chunk.customers.habits, chunk.renewals
    last = last_renewal(chunk)
    began = np.full(n_habits, np.inf)
    began[renewals.habit[renewals.number == 0]] = renewals.day[renewals.number == 0]
    n_past = np.bincount(renewals.habit[renewals.day < 0], minlength=n_habits)
    rows = np.flatnonzero(n_past > 0)
    return HabitHistory(
        customer=habits.customer[rows],
        category=habits.category[rows].astype(np.int64),
        price=habits.price[rows],
        last=last[rows],
        n_intervals=n_past[rows] - 1,
        interval_days=last[rows] - began[rows],
    )
