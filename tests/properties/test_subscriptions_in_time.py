"""What became of subscriptions on or after ``as_of`` shows in no feature and in no retention curve known at it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import shop
from cvm.features.query import Schema, renewals_query

AS_OF = date(2024, 3, 1)
MIDNIGHT = datetime(2024, 3, 1)
EMPTY: list[dict[str, Any]] = [shop.order("buyer", on="2023-01-01", amount=1.0)]

bounded = settings(derandomize=True, deadline=None, database=None, max_examples=40)


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Subscriptions on both sides of the snapshot, often right at its midnight."""
    hours = st.one_of(st.integers(-36, 36), st.integers(-400 * 24, 200 * 24))
    rows = []
    for _ in range(draw(st.integers(1, 10))):
        started = MIDNIGHT + timedelta(hours=draw(hours))
        length = draw(st.one_of(st.none(), st.integers(-48, 500 * 24)))
        rows.append(
            {
                "customer_id": draw(st.sampled_from(["ann", "ben", "cleo"])),
                "started_at": started,
                "ended_at": None if length is None else started + timedelta(hours=length),
                "price_per_month": draw(st.sampled_from([0.0, 5.0, 9.5, None])),
                "plan": draw(st.sampled_from(["basic", "extra", None])),
            }
        )
    return rows


def known_then(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table as it stood at the midnight, under the rule that an end before the start lies on the day of the start."""
    known = []
    for row in rows:
        end = row["ended_at"]
        if row["started_at"] < MIDNIGHT:
            known.append({**row, "ended_at": end if end is not None and end < MIDNIGHT else None})
    return known


def seen(rows: list[dict[str, Any]]) -> tuple[Any, Any]:
    blank = {"customer_id": "zoe", "started_at": MIDNIGHT + timedelta(days=900), "ended_at": None}
    rows = [*rows, {**blank, "price_per_month": 1.0, "plan": "basic"}]
    engine = shop.typed_warehouse(transactions=EMPTY, subscriptions=rows)
    spells = engine.table(renewals_query(Schema.of(engine), AS_OF, timezone="UTC")).to_pylist()
    return shop.features_at(engine, AS_OF)[AS_OF], sorted(tuple(row.values()) for row in spells)


@bounded
@given(histories())
def test_features_and_spells_are_those_of_the_table_as_it_stood_and_possible(rows):
    found = seen(rows)
    assert found == seen(known_then(rows))
    assert_possible(found[0])


def assert_possible(features: dict[str, dict[str, Any]]) -> None:
    for row in features.values():
        assert (
            row["n_subscriptions"] + row["n_subscriptions_dropped_365d"] + row["n_subscription_changes_365d"]
            <= row["n_subscriptions_ever"]
        )
        if row["n_subscriptions"]:
            assert row["subscription_tenure_days"] >= row["oldest_subscription_days"] >= 1
        else:
            assert row["subscription_tenure_days"] is None
