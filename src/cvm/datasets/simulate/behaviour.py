"""What customers do beside buying, and what is sent to them, up to ``as_of``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from cvm.datasets.simulate.calendar import DAYS_PER_YEAR
from cvm.datasets.simulate.chance import Codes, Floats, Ints, draw_level
from cvm.datasets.simulate.columns import Columns
from cvm.datasets.simulate.customers import Customers
from cvm.datasets.simulate.lives import Lives
from cvm.datasets.simulate.phases import kept, phase_of, phased_events
from cvm.datasets.simulate.purchases import Orders
from cvm.datasets.simulate.traits import Traits
from cvm.datasets.simulate.world import World

EVENT_TYPES = (
    "visit", "app_open", "login", "cart_add", "ad_click", "complaint", "support_ticket", "nps",
    "email_sent", "email_open", "email_click", "push_sent", "unsubscribe", "coupon_redeemed",
)  # fmt: skip
EVENT_CHANNELS = ("web", "app", "email", "push", "phone", "chat")
DEVICES = ("mobile", "desktop", "tablet")

# What a moment of activity is, as shares of the first five event types.
_ACTIVITY_SHARES = (0.48, 0.18, 0.14, 0.12, 0.08)
_NONE = -1
# Mail goes out at this part of the (opening) day and is opened within a day.
_MAIL_TIME, _OPEN_DAYS = 0.1, 0.8


@dataclass(frozen=True)
class Events(Columns):
    """Events: arrays of shape (n_events,); codes are -1 and values NaN where there is none.

    Attributes
    ----------
    customer : position in the chunk
    day : days since ``as_of``
    type, channel, device : positions in the tuples above
    value : minutes of a visit, score of an answer, money of a voucher
    product : category and product number in one code
    campaign : position in ``World.campaigns``
    """

    day: Floats
    type: Codes
    channel: Codes
    device: Codes
    value: Floats
    product: Ints
    campaign: Codes

    def of_type(self, *names: str) -> Self:
        """Events of these types."""
        return self.take(np.isin(self.type, [EVENT_TYPES.index(name) for name in names]))


def draw_events(
    world: World, rng: np.random.Generator, customers: Customers, traits: Traits, lives: Lives, orders: Orders
) -> Events:
    """Draw all events of a chunk, up to ``as_of``."""
    parts = [
        _activity(world, rng, customers, traits, lives),
        *_troubles(world, rng, customers, lives),
        *_mail(world, rng, customers, traits, lives),
        _pushes(world, rng, customers),
        _unsubscribes(world, customers, lives),
        _redemptions(orders),
    ]
    events = Events.joined(*parts)
    return events.take(events.day < 0)


def _rows(
    kind: str,
    customer: Ints,
    day: Floats,
    *,
    channel: str = "",
    value: Floats | None = None,
    campaign: Codes | None = None,
) -> Events:
    n = len(customer)
    return Events(
        customer=customer,
        day=day,
        type=np.full(n, EVENT_TYPES.index(kind), dtype=np.int8),
        channel=np.full(n, EVENT_CHANNELS.index(channel) if channel else _NONE, dtype=np.int8),
        device=np.full(n, _NONE, dtype=np.int8),
        value=np.full(n, np.nan) if value is None else value,
        product=np.full(n, _NONE),
        campaign=np.full(n, _NONE, dtype=np.int8) if campaign is None else campaign,
    )


def _activity(world: World, rng: np.random.Generator, customers: Customers, traits: Traits, lives: Lives) -> Events:
    """Browsing at the personal rate; which form it takes tells nothing about leaving."""
    customer, day = phased_events(
        world, rng, traits.activity_per_day, world.activity_curve,
        start=customers.signed_up, end=np.zeros(len(customers)), gone_at=lives.gone_at,
    )  # fmt: skip
    n = len(customer)
    kind = draw_level(rng, _ACTIVITY_SHARES, n)
    visit, app_open, cart_add = (EVENT_TYPES.index(name) for name in ("visit", "app_open", "cart_add"))
    has_app = customers.consents_to(world, "push")[customer]
    kind = np.where((kind == app_open) & ~has_app, visit, kind).astype(np.int8)
    by_app = (kind == app_open) | (has_app & (rng.random(n) < 0.3))
    free = len(world.free_categories) * world.products_per_category
    return Events(
        customer=customer,
        day=day,
        type=kind,
        channel=np.where(by_app, EVENT_CHANNELS.index("app"), EVENT_CHANNELS.index("web")).astype(np.int8),
        device=np.where(by_app, 0, draw_level(rng, (0.5, 0.4, 0.1), n)).astype(np.int8),
        # Minutes on the site: six in the median, sometimes an hour.
        value=np.where(kind == visit, np.round(np.exp(rng.normal(1.8, 0.8, n)), 1), np.nan),
        product=np.where(kind == cart_add, rng.integers(0, free, n), _NONE),
        campaign=np.full(n, _NONE, dtype=np.int8),
    )


def _troubles(world: World, rng: np.random.Generator, customers: Customers, lives: Lives) -> Iterator[Events]:
    """Complaints, support tickets and answers to the recommendation question."""
    for kind, channel, per_year, curve in (
        ("complaint", "phone", world.complaints_per_year, world.complaint_curve),
        ("support_ticket", "chat", world.support_tickets_per_year, world.support_ticket_curve),
        ("nps", "email", world.nps_per_year, world.nps_curve),
    ):
        customer, day = phased_events(
            world, rng, per_year / DAYS_PER_YEAR, curve,
            start=customers.signed_up, end=np.zeros(len(customers)), gone_at=lives.gone_at,
        )  # fmt: skip
        score = _scores(world, rng, lives.gone_at[customer] - day) if kind == "nps" else None
        yield _rows(kind, customer, day, channel=channel, value=score)


def _scores(world: World, rng: np.random.Generator, days_left: Floats) -> Floats:
    settled = phase_of(world, days_left) == len(world.nps_curve) - 1
    mean, spread = np.where(settled[:, None], world.nps_settled, world.nps_leaving).T
    return np.clip(np.round(rng.normal(mean, spread)), 0, 10)


def _mail(world: World, rng: np.random.Generator, customers: Customers, traits: Traits, lives: Lives) -> Iterator[Events]:
    """Newsletters and campaign mail to those who agreed and have not unsubscribed; opened by habit while interested."""
    start = int(np.floor(customers.signed_up.min()))
    days = np.arange(-3.0, start, -world.newsletter_days) + _MAIL_TIME
    gets = customers.consents_to(world, "email")[:, None] & (customers.signed_up[:, None] < days)
    gets &= days < lives.unsubscribed_at[:, None]
    customer, issue = np.nonzero(gets)
    sent = [_rows("email_sent", customer, days[issue], channel="email")]
    for position, campaign in enumerate(world.campaigns):
        if "email" in campaign.arms:
            by_mail = lives.arm[:, position] == 1 + campaign.arms.index("email")
            mailed = np.flatnonzero(by_mail & lives.is_exposed[:, position])
            when = np.full(len(mailed), -campaign.days_before_as_of + _MAIL_TIME)
            named = np.full(len(mailed), position, dtype=np.int8)
            sent.append(_rows("email_sent", mailed, when, channel="email", campaign=named))
    mail = Events.joined(*sent)
    p_open = np.array([reader.p_open for reader in world.readers])[traits.reader[mail.customer]]
    interested = kept(world, rng, world.open_curve, lives.gone_at[mail.customer] - mail.day, highest=1.0)
    opened = mail.take(interested & (rng.random(len(mail)) < p_open))
    n = len(opened)
    opened = replace(
        opened,
        day=opened.day + _OPEN_DAYS * rng.random(n),
        type=np.full(n, EVENT_TYPES.index("email_open"), dtype=np.int8),
        device=draw_level(rng, (0.6, 0.35, 0.05), n),
    )
    clicked = opened.take(rng.random(n) < world.p_click)
    clicked = replace(clicked, type=np.full(len(clicked), EVENT_TYPES.index("email_click"), dtype=np.int8))
    yield from (mail, opened, clicked)


def _pushes(world: World, rng: np.random.Generator, customers: Customers) -> Events:
    start = int(np.floor(customers.signed_up.min()))
    days = np.arange(-10.0, start, -world.push_days) + rng.random()
    gets = customers.consents_to(world, "push")[:, None] & (customers.signed_up[:, None] < days)
    customer, issue = np.nonzero(gets)
    return _rows("push_sent", customer, days[issue], channel="push")


def _unsubscribes(world: World, customers: Customers, lives: Lives) -> Events:
    """Only who once agreed to mail can unsubscribe from it."""
    customer = np.flatnonzero((lives.unsubscribed_at < 0) & customers.consents_to(world, "email"))
    return _rows("unsubscribe", customer, lives.unsubscribed_at[customer], channel="email")


def _redemptions(orders: Orders) -> Events:
    used = np.flatnonzero((orders.discount_share > 0) & (orders.day < 0))
    value = np.round(orders.value[used] * orders.discount_share[used], 2)
    return _rows("coupon_redeemed", orders.customer[used], orders.day[used], value=value, campaign=orders.campaign[used])
