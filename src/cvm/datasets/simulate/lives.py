"""How long customers stay, who is assigned to which campaign, who unsubscribes: what depends on each other in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvm.datasets.simulate.calendar import DAYS_PER_YEAR
from cvm.datasets.simulate.chance import Bools, Codes, Floats, draw_level
from cvm.datasets.simulate.customers import Customers
from cvm.datasets.simulate.phases import first_event
from cvm.datasets.simulate.traits import Traits
from cvm.datasets.simulate.world import Campaign, ContactEffect, World

NOT_ASSIGNED = -1
# Who unsubscribes because of a contact does so within a day.
_UNSUBSCRIBE_AFTER_DAYS = 0.4


@dataclass(frozen=True)
class Lives:
    """Leaving, and the campaigns lived through.

    Attributes
    ----------
    gone_at : array of shape (n_customers,)
        When the customer stops for good, days since ``as_of``; latent.
    unsubscribed_at : array of shape (n_customers,)
        Infinite where never.
    arm : array of shape (n_customers, n_campaigns)
        Position in (control, *arms) of the campaign; ``NOT_ASSIGNED`` where not eligible.
    is_exposed : array of shape (n_customers, n_campaigns)
        Treated, and the contact was delivered.
    unsubscribed_by : array of shape (n_customers, n_campaigns)
        Unsubscribed at once because of the contact.
    """

    gone_at: Floats
    unsubscribed_at: Floats
    arm: Codes
    is_exposed: Bools
    unsubscribed_by: Bools


def live(world: World, rng: np.random.Generator, customers: Customers, traits: Traits) -> Lives:
    """Go through the campaigns in time order.

    Eligible is who agreed to e-mail and post, has bought, and has not unsubscribed. Before a customer leaves, the wish to
    unsubscribe does not depend on when that will be, so eligibility never looks ahead.
    """
    n = len(customers)
    gone_at = customers.first_order + traits.patience / traits.dropouts_per_day
    patience = rng.exponential(1.0, n)
    contacted_out = np.full(n, np.inf)
    willing = customers.consents_to(world, "email", "post")
    arms, exposed, unsubscribed_by = [], [], []
    for campaign in world.campaigns:
        start = -float(campaign.days_before_as_of)
        unsubscribed_at = np.minimum(_unsubscribed_at(world, patience, customers, gone_at), contacted_out)
        eligible = willing & (customers.first_order < start) & (unsubscribed_at > start)
        arm = np.where(eligible, draw_level(rng, campaign.shares, n), NOT_ASSIGNED).astype(np.int8)
        is_exposed = (arm > 0) & (rng.random(n) < world.p_delivered)
        annoyed = is_exposed & (rng.random(n) < np.array([kind.p_unsubscribe for kind in world.kinds])[traits.kind])
        contacted_out = np.where(annoyed, start + _UNSUBSCRIBE_AFTER_DAYS, contacted_out)
        hazard = factors(world, campaign, arm, is_exposed, "hazard")[np.arange(n), traits.kind]
        gone_at = _hastened(gone_at, start=start, days=world.effect_days, hazard=hazard)
        arms.append(arm)
        exposed.append(is_exposed)
        unsubscribed_by.append(annoyed)
    unsubscribed_at = np.minimum(_unsubscribed_at(world, patience, customers, gone_at), contacted_out)
    return Lives(
        gone_at=gone_at,
        unsubscribed_at=unsubscribed_at,
        arm=np.stack(arms, axis=1),
        is_exposed=np.stack(exposed, axis=1),
        unsubscribed_by=np.stack(unsubscribed_by, axis=1),
    )


def factors(world: World, campaign: Campaign, arm: Codes, is_exposed: Bools, quantity: str) -> Floats:
    """Factor on the purchase ``rate`` or dropout ``hazard`` while the contact works, were the customer of each kind.

    Returns
    -------
    array of shape (n_customers, n_kinds)
        1 without a delivered contact.
    """
    table = np.ones((1 + len(campaign.arms), len(world.kinds)))
    for row, name in enumerate(campaign.arms, start=1):
        effects: list[ContactEffect] = [getattr(kind, name) for kind in world.kinds]
        table[row] = [getattr(effect, quantity) for effect in effects]
    return table[np.where(is_exposed, arm, 0)]


def _unsubscribed_at(world: World, patience: Floats, customers: Customers, gone_at: Floats) -> Floats:
    per_day = world.unsubscribes_per_year / DAYS_PER_YEAR
    return first_event(world, patience, customers.signed_up, gone_at, per_day=per_day, curve=world.unsubscribe_curve)


def _hastened(gone_at: Floats, *, start: float, days: float, hazard: Floats) -> Floats:
    """When customers leave if their hazard is multiplied by ``hazard`` during ``[start, start + days]``."""
    budget = gone_at - start
    hastened = np.where(budget < hazard * days, budget / hazard, budget - (hazard - 1) * days)
    return np.where(budget > 0, start + hastened, gone_at)
