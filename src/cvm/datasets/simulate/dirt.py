"""What is wrong with the exports: second accounts, late rows, test orders, rows twice, rows without a customer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cvm.datasets.simulate.behaviour import Events
from cvm.datasets.simulate.chance import Bools, Codes, Floats, Ints, draw_level
from cvm.datasets.simulate.chunk import Chunk
from cvm.datasets.simulate.lines import Lines
from cvm.datasets.simulate.world import Dirt, World

# Order numbers of test and guest orders, above those of real orders within the same chunk.
_INVENTED_ORDERS = 5_000_000
# Who has a second account uses it every other time.
_SECOND_USE = 0.5


@dataclass(frozen=True)
class SecondAccounts:
    """Customers who are in the tables twice: arrays of shape (n_second,), ascending in ``customer``.

    Attributes
    ----------
    customer : position in the chunk
    since : when the second account was opened, days since ``as_of``
    is_listed : whether ``identities`` knows; if not, only the contact data tell
    by_email : whether the accounts share the e-mail address, else the telephone; spelled differently
    arm : array of shape (n_second, n_campaigns)
        The account drew its own arm, -1 where it was not there yet; its contact never reaches the person.
    """

    customer: Ints
    since: Floats
    is_listed: Bools
    by_email: Bools
    arm: Codes


@dataclass(frozen=True)
class Export:
    """How rows of a table are exported: arrays of shape (n_rows,).

    Attributes
    ----------
    source : position of the row's content in the clean table
    has_id : whether the row says who
    is_second : whether it carries the second account
    lag_days : from what happened to its record
    is_test : a test order
    invented : number of the invented order, -1 for real ones
    """

    source: Ints
    has_id: Bools
    is_second: Bools
    lag_days: Floats
    is_test: Bools
    invented: Ints


def draw_second_accounts(world: World, rng: np.random.Generator, chunk: Chunk) -> SecondAccounts:
    """Draw who has a second account; nobody in the first month."""
    dirt, first_order = world.dirt, chunk.customers.first_order
    n = len(first_order)
    customer = np.flatnonzero((rng.random(n) < dirt.duplicated_identity_share) & (first_order < -30))
    since = first_order[customer] * rng.uniform(0.1, 0.9, len(customer))
    arms = []
    for position, campaign in enumerate(world.campaigns):
        there = (chunk.lives.arm[customer, position] >= 0) & (since < -campaign.days_before_as_of)
        arms.append(np.where(there, draw_level(rng, campaign.shares, len(customer)), -1).astype(np.int8))
    return SecondAccounts(
        customer=customer,
        since=since,
        is_listed=rng.random(len(customer)) < dirt.listed_identity_share,
        by_email=rng.random(len(customer)) < 0.6,
        arm=np.stack(arms, axis=1) if arms else np.zeros((len(customer), 0), dtype=np.int8),
    )


def export_lines(dirt: Dirt, rng: np.random.Generator, lines: Lines, second: SecondAccounts, n_customers: int) -> Export:
    """Spoil the export of order lines; the lines of one order, returns included, share their account."""
    n = len(lines)
    local_order = lines.order - (lines.order.min() if n else 0)
    chance = rng.random(int(local_order.max()) + 1 if n else 0)[local_order]
    is_second = _by_second_account(lines.customer, lines.placed, second, n_customers) & (chance < _SECOND_USE)
    clean = _clean(dirt, rng, is_second)
    n_test = rng.binomial(n, dirt.test_order_share)
    n_guest = rng.binomial(n, dirt.blank_id_share)
    copied = rng.integers(0, max(n, 1), n_test + n_guest)
    invented = _copies(clean, copied)
    invented = replace(
        invented,
        has_id=np.arange(len(copied)) < n_test,
        is_test=np.arange(len(copied)) < n_test,
        invented=_INVENTED_ORDERS + np.arange(len(copied)),
    )
    return _with_repeats(dirt, rng, clean, invented)


def export_events(dirt: Dirt, rng: np.random.Generator, events: Events, second: SecondAccounts, n_customers: int) -> Export:
    """Spoil the export of events; those without an id are extra, so nothing that happened is lost."""
    n = len(events)
    used = rng.random(n) < _SECOND_USE
    clean = _clean(dirt, rng, used & _by_second_account(events.customer, events.day, second, n_customers))
    nobody = _copies(clean, rng.integers(0, max(n, 1), rng.binomial(n, dirt.blank_id_share)))
    return _with_repeats(dirt, rng, clean, replace(nobody, has_id=np.zeros(len(nobody.source), dtype=bool)))


def _clean(dirt: Dirt, rng: np.random.Generator, is_second: Bools) -> Export:
    n = len(is_second)
    late = rng.random(n) < dirt.late_row_share
    lag = np.zeros(n)
    lag[late] = rng.exponential(dirt.late_mean_days, int(late.sum()))
    return Export(np.arange(n), np.ones(n, dtype=bool), is_second, lag, np.zeros(n, dtype=bool), np.full(n, -1))


def _copies(export: Export, rows: Ints) -> Export:
    return Export(**{name: values[rows] for name, values in vars(export).items()})


def _with_repeats(dirt: Dirt, rng: np.random.Generator, clean: Export, invented: Export) -> Export:
    """All rows; some of the real ones twice, exactly as they are."""
    n = len(clean.source)
    twice = _copies(clean, rng.integers(0, max(n, 1), rng.binomial(n, dirt.duplicated_row_share)))
    parts = [clean, invented, twice]
    return Export(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(clean)})


def _by_second_account(customer: Ints, day: Floats, second: SecondAccounts, n_customers: int) -> Bools:
    """Rows dated after their customer opened a second account."""
    since = np.full(n_customers, np.inf)
    since[second.customer] = second.since
    return day >= since[customer]
