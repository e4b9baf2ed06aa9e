"""Behaviour precedes churn, and does not give it away."""

from __future__ import annotations

import numpy as np
import pytest

from cvm.datasets.simulate.behaviour import EVENT_TYPES, Events
from cvm.datasets.simulate.calendar import DAYS_PER_YEAR
from cvm.datasets.simulate.chance import Floats
from cvm.datasets.simulate.history import history_of
from cvm.datasets.simulate.phases import N_PHASES, days_in_phases, first_event, phase_of
from cvm.datasets.simulate.subscriptions import subscriptions_of
from cvm.datasets.simulate.world import World
from simulated_base import Base

ACTIVITY = ("visit", "app_open", "login", "cart_add", "ad_click")


def per_day_by_phase(base: Base, events: Events, weight: Floats) -> tuple[Floats, Floats]:
    """Events per weighted day in each phase, and their standard error."""
    gone_at, customers = base.chunk.lives.gone_at, base.chunk.customers
    spent = days_in_phases(base.world, customers.signed_up, np.zeros(len(customers)), gone_at) * weight[:, None]
    n = np.bincount(phase_of(base.world, gone_at[events.customer] - events.day), minlength=N_PHASES)
    return n / spent.sum(axis=0), np.sqrt(np.maximum(n, 1)) / spent.sum(axis=0)


@pytest.mark.parametrize(
    ("names", "per_year", "curve"),
    [
        (ACTIVITY, None, "activity_curve"),
        (("complaint",), "complaints_per_year", "complaint_curve"),
        (("support_ticket",), "support_tickets_per_year", "support_ticket_curve"),
        (("nps",), "nps_per_year", "nps_curve"),
    ],
)
def test_rates_follow_their_curve(base: Base, names: tuple[str, ...], per_year: str | None, curve: str) -> None:
    traits, world = base.chunk.traits, base.world
    weight = traits.activity_per_day if per_year is None else np.ones(len(traits.kind))
    found, error = per_day_by_phase(base, base.chunk.events.of_type(*names), weight)
    base_rate = 1.0 if per_year is None else getattr(world, per_year) / DAYS_PER_YEAR
    # Poisson counts: four standard errors, because twenty-four are compared.
    assert np.all(np.abs(found - base_rate * np.array(getattr(world, curve))) < 4 * error)


def test_visits_fall_and_complaints_rise_before_leaving_and_some_visits_remain(base: Base) -> None:
    n = len(base.chunk.customers)
    visits, _ = per_day_by_phase(base, base.chunk.events.of_type(*ACTIVITY), base.chunk.traits.activity_per_day)
    assert visits[1] < 0.5 * visits[5]
    assert visits[0] > 0.2 * visits[5]
    complaints, _ = per_day_by_phase(base, base.chunk.events.of_type("complaint"), np.ones(n))
    assert complaints[1] > 4 * complaints[5]


def test_answers_are_noisy_and_lower_before_leaving(base: Base) -> None:
    events = base.chunk.events.of_type("nps")
    settled = phase_of(base.world, base.chunk.lives.gone_at[events.customer] - events.day) == N_PHASES - 1
    assert set(np.unique(events.value)) <= set(range(11))
    assert events.value[settled].mean() - events.value[~settled].mean() > 1
    assert events.value[settled].std() > 1


def test_mail_goes_to_those_who_agreed_until_they_unsubscribe_and_is_opened_less_before_leaving(base: Base) -> None:
    chunk = base.chunk
    sent = chunk.events.of_type("email_sent")
    assert chunk.customers.consents_to(base.world, "email")[sent.customer].all()
    assert (sent.day < chunk.lives.unsubscribed_at[sent.customer]).all()
    mail = history_of(base.world, chunk, base.lines).mail
    assert mail.code.sum() == len(chunk.events.of_type("email_open"))
    phase = phase_of(base.world, chunk.lives.gone_at[mail.customer] - mail.day)
    opened = np.array([mail.code[phase == p].mean() for p in range(N_PHASES)])
    assert opened[1] < 0.7 * opened[5]
    # Three kinds of readers: 0.35 x 5 % + 0.40 x 22 % + 0.25 x 50 % = 23 % while settled.
    assert opened[5] == pytest.approx(0.23, abs=0.015)


def test_unsubscribing_is_rare_and_happens_once(base: Base) -> None:
    left = base.chunk.events.of_type("unsubscribe")
    assert len(np.unique(left.customer)) == len(left)
    assert 0.05 < len(left) / len(base.chunk.customers) < 0.2


def test_every_type_of_event_occurs(base: Base) -> None:
    assert set(np.unique(base.chunk.events.type)) == set(range(len(EVENT_TYPES)))


def test_contracts_shrink_before_and_end_after_leaving(base: Base) -> None:
    contracts, gone_at = base.chunk.contracts, base.chunk.lives.gone_at
    leaves = gone_at[contracts.customer]
    for has, end, drops in (
        (contracts.has_add_on[:, 0], contracts.add_on_ended_at[:, 0], 8.0),
        (contracts.plan == len(base.world.plans) - 1, contracts.downgraded_at, 6.0),
    ):
        ended = has & (end < np.minimum(contracts.ended_at, 0.0))
        n = np.bincount(phase_of(base.world, leaves[ended] - end[ended]), minlength=N_PHASES)
        watched = np.minimum(np.minimum(contracts.ended_at, end), 0.0)
        spent = days_in_phases(base.world, contracts.started_at, watched, leaves)[has].sum(axis=0)
        rate = n / spent
        # The last four weeks against settled times; some sixty events, so within forty per cent.
        assert (n[1:3].sum() / spent[1:3].sum()) / rate[5] == pytest.approx(drops, rel=0.4)
    gone = leaves < -365
    assert (contracts.ended_at[gone] < 0).mean() > 0.8
    assert (contracts.ended_at[leaves > 0] < 0).mean() < 0.3


def test_add_ons_end_with_their_plan_and_a_downgrade_is_two_rows(base: Base) -> None:
    contracts, rows = base.chunk.contracts, subscriptions_of(base.world, base.chunk.contracts)
    assert (contracts.add_on_ended_at <= contracts.ended_at[:, None]).all()
    n_downgraded = int((contracts.downgraded_at < 0).sum())
    assert len(rows.customer) == len(contracts.customer) + n_downgraded + contracts.has_add_on.sum()
    assert n_downgraded > 0
    assert (rows.started_at < np.where(np.isfinite(rows.ended_at), rows.ended_at, 0.0)).all()


def test_first_events_follow_a_hazard_that_changes_with_the_phase() -> None:
    rng, world, n = np.random.default_rng(5), World(), 40_000
    gone_at = rng.uniform(-400, 300, n)
    start = np.full(n, -500.0)
    curve = (5.0, 3.0, 2.0, 1.0, 0.0, 1.0)
    at = first_event(world, rng.exponential(1.0, n), start, gone_at, per_day=0.002, curve=curve)
    happened = at < 0
    spent = days_in_phases(world, start, np.minimum(at, 0.0), gone_at).sum(axis=0)
    n_by_phase = np.bincount(phase_of(world, (gone_at - at)[happened]), minlength=N_PHASES)
    # Four standard errors of a Poisson count, one at least.
    expected = 0.002 * np.array(curve) * spent
    assert np.all(np.abs(n_by_phase - expected) <= 4 * np.sqrt(expected))


def test_days_in_phases_add_up() -> None:
    start, end, gone_at = np.array([-100.0, -100, -100, -10]), np.array([0.0, 0, 0, -20]), np.array([-70.0, 7, 900, 0])
    spent = days_in_phases(World(), start, end, gone_at)
    # Gone at -70: 30 of the 56 last days lie in the window, in order 14, 14 and 2, then 70 days gone.
    assert spent[0] == pytest.approx([70, 14, 14, 2, 0, 0])
    # Gone at 7: seven days of the last fortnight are past, 51 days settled.
    assert spent[1] == pytest.approx([0, 7, 14, 14, 14, 51])
    assert spent[2] == pytest.approx([0, 0, 0, 0, 0, 100])
    assert spent[3] == pytest.approx([0] * 6)
