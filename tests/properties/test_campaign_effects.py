"""What no campaign may change: the order of rows, rows written twice, and the sum of the money."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_ledger import STARTS, drawn, judged, line

thorough = settings(derandomize=True, deadline=None, database=None, max_examples=8)

CUSTOMERS = [f"c{number}" for number in range(8)]
ARMS = {name: ("control", "mail", "call")[number % 3] for number, name in enumerate(CUSTOMERS)}
LINES = st.lists(
    st.builds(
        lambda customer, hours, cents: line(customer, days=hours / 24, amount=cents / 100),
        st.sampled_from(CUSTOMERS),
        st.integers(-40 * 24, 70 * 24),
        st.integers(-5_000, 20_000),
    ),
    max_size=40,
)


def tables(lines):
    ledger = [drawn(name, arm, cost=1.0, propensity=1 / 3) for name, arm in ARMS.items()]
    return {"assignments": ledger, "transactions": [*lines, line("z", days=90, amount=1.0)]}


def numbers(found):
    """All figures of an evaluation, in one row."""

    def flat(value):
        if isinstance(value, dict):
            return [number for inner in value.values() for number in flat(inner)]
        if isinstance(value, list):
            return [number for inner in value for number in flat(inner)]
        return [value]

    return flat(found.to_dict())


def assert_same(one, other):
    for before, after in zip(numbers(one), numbers(other), strict=True):
        if isinstance(before, float) and isinstance(after, float):
            assert after == pytest.approx(before, rel=1e-6, abs=1e-6)


@thorough
@given(lines=LINES, shuffle=st.randoms(use_true_random=False), twice=st.lists(st.sampled_from(range(8)), max_size=6))
def test_neither_order_nor_rows_written_twice_matter_and_money_is_conserved(lines, shuffle, twice):
    given_tables = tables(lines)
    found = judged(given_tables)
    assert_money_is_conserved(lines, found)
    shuffled = judged({name: shuffle.sample(rows, len(rows)) for name, rows in given_tables.items()})
    assert_same(found, shuffled)
    assert [verdict.word for verdict in found.verdicts] == [verdict.word for verdict in shuffled.verdicts]
    ledger = given_tables["assignments"]
    assert_same(found, judged({**given_tables, "assignments": [*ledger, *(ledger[number] for number in twice)]}))


def assert_money_is_conserved(lines, found):
    for metric, first in (("revenue", 0), ("revenue_after", 30)):
        total = sum(arm.n * arm.means[metric] for arm in found.arms if arm.arm != "any treatment")
        start, stop = (STARTS + timedelta(days=days) for days in (first, first + 30))
        assert total == pytest.approx(sum(row["amount"] for row in lines if start <= row["occurred_at"] < stop), abs=1e-6)
    assert sum(arm.n for arm in found.arms) == len(CUSTOMERS)
