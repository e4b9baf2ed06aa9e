"""Money is neither made nor lost on its way into features, and returns count from the day they are known, no earlier."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import shop
from cvm.engines import DuckDBEngine
from cvm.features.economics import Economics
from cvm.features.query import Schema, features_query, unmatched_returns_query
from cvm.ingest.currencies import convert_currencies

AS_OF = date(2024, 3, 1)
MIDNIGHT = datetime(2024, 3, 1)
ECONOMICS = Economics(
    margin_rate=0.25,
    margin_rate_by_category={"x": 0.4, "y": -0.1},
    cost_per_return=3.5,
    cost_per_event={"call": 4.0, "cashback": "value"},
)
CENTS = st.one_of(st.integers(-5_000, 10_000), st.sampled_from([0, -1, 1]))
BEFORE = st.builds(lambda hours: MIDNIGHT - timedelta(hours=hours), st.integers(1, 24 * 60))
AFTER = st.builds(lambda hours: MIDNIGHT + timedelta(hours=hours), st.integers(0, 24 * 60))

thorough = settings(derandomize=True, deadline=None, database=None, max_examples=40)

Row = dict[str, Any]


def money(cents: int) -> Decimal:
    return Decimal(cents) / 100


@st.composite
def lines(draw: st.DrawFn, *, occurred: st.SearchStrategy[datetime], recorded: st.SearchStrategy[datetime | None]) -> Row:
    """A line of one of two customers, of one of three orders or of none."""
    return {
        "customer_id": draw(st.sampled_from(["ann", "ben"])),
        "order_id": draw(st.sampled_from(["1", "2", "3", None])),
        "occurred_at": draw(occurred),
        "recorded_at": draw(recorded),
        "amount": money(draw(CENTS)),
        "category": draw(st.sampled_from(["x", "y", "z", None])),
        "margin": draw(st.sampled_from([None, None, Decimal("2.50")])),
    }


KNOWN_LINES = st.lists(lines(occurred=BEFORE, recorded=st.one_of(st.none(), BEFORE)), min_size=1, max_size=14)
# Recorded on or after as_of, however early they happened; or not even happened.
LATE_RETURNS = st.lists(
    st.one_of(lines(occurred=BEFORE, recorded=AFTER), lines(occurred=AFTER, recorded=st.one_of(st.none(), AFTER))).map(
        lambda row: {**row, "amount": -abs(row["amount"]) - money(1)}
    ),
    min_size=1,
    max_size=5,
)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "customer_id": st.sampled_from(["ann", "ben"]),
            "event_type": st.sampled_from(["call", "cashback", "visit"]),
            "occurred_at": BEFORE,
            "recorded_at": st.none(),
            "value": st.one_of(st.none(), st.integers(0, 10_000).map(lambda cents: cents / 100)),
        }
    ),
    min_size=1,
    max_size=6,
)


def features(engine: DuckDBEngine) -> dict[str, Row]:
    query = features_query(Schema.of(engine), [AS_OF], timezone="UTC", economics=ECONOMICS)
    return {row["customer_id"]: row for row in engine.table(query).to_pylist()}


@thorough
@given(KNOWN_LINES, LATE_RETURNS, EVENTS)
def test_returns_known_later_change_no_feature_and_every_cent_is_accounted_for(known, late, events):
    with (
        shop.typed_warehouse(transactions=known, events=events) as then,
        shop.typed_warehouse(transactions=[*known, *late], events=events) as now,
    ):
        found = features(now)
        assert found == features(then)
        unmatched = now.row(unmatched_returns_query(Schema.of(now), AS_OF, timezone="UTC"))
    assert_orders_less_unmatched_returns_are_net_spend_to_the_cent(known, found, unmatched)
    for customer, row in found.items():
        lines_of, events_of = ([row for row in rows if row["customer_id"] == customer] for rows in (known, events))
        assert_historic_value_is_the_margin_of_lines_less_the_cost_of_returns_and_events(lines_of, events_of, row)


def assert_orders_less_unmatched_returns_are_net_spend_to_the_cent(
    known: list[Row], found: dict[str, Row], unmatched: Row
) -> None:
    in_orders = sum(row["n_orders"] * (row["mean_order_value"] or 0) for row in found.values())
    assert (unmatched["amount"] > 0) == (unmatched["n_returns"] > 0)
    net = sum((row["amount"] for row in known), Decimal(0))
    assert Decimal(str(round(in_orders - unmatched["amount"], 2))) == net
    assert Decimal(str(round(sum(row["spend"] for row in found.values()), 2))) == net


def assert_historic_value_is_the_margin_of_lines_less_the_cost_of_returns_and_events(
    own: list[Row], events: list[Row], found: Row
) -> None:
    rates = {"x": Decimal("0.4"), "y": Decimal("-0.1")}
    by_rate = (line["amount"] * rates.get(line["category"], Decimal("0.25")) for line in own)
    margin = sum(rated if line["margin"] is None else line["margin"] for line, rated in zip(own, by_rate, strict=True))
    cost = Decimal("3.5") * len({line["occurred_at"].date() for line in own if line["amount"] < 0})
    for happened in events:
        if happened["event_type"] != "visit":
            cost += 4 if happened["event_type"] == "call" else Decimal(str(happened["value"] or 0))
    assert round(found["cost_to_serve"] - float(cost), 6) == 0
    assert round(found["historic_value"] - float(margin - cost), 6) == 0


@thorough
@given(
    st.lists(
        st.tuples(st.sampled_from(["USD", "EUR", "UAH", None]), st.integers(-1_000_000, 1_000_000), AFTER),
        min_size=1,
        max_size=15,
    ),
    st.lists(
        st.tuples(st.sampled_from(["EUR", "UAH"]), BEFORE | AFTER, st.integers(1, 9_999).map(lambda rate: rate / 100)),
        max_size=8,
        unique_by=lambda rate: rate[:2],
    ),
)
def test_every_amount_is_worth_its_rate_and_the_whole_is_the_sum_of_its_parts(amounts, rates):
    early = [(code, datetime(2023, 1, 1), 1.5) for code in ("EUR", "UAH")]
    engine = shop.typed_warehouse(
        transactions=[
            {"customer_id": str(n), "occurred_at": at, "amount": money(cents), "currency": code}
            for n, (code, cents, at) in enumerate(amounts)
        ],
        exchange_rates=[{"currency": code, "valid_from": at, "rate": rate} for code, at, rate in early + rates],
    )
    assert convert_currencies(engine, currency="USD") is None
    found = {int(row["customer_id"]): row["amount"] for row in engine.table("SELECT * FROM transactions").to_pylist()}
    for n, (code, cents, at) in enumerate(amounts):
        valid = [(since, rate) for other, since, rate in early + rates if other == code and since <= at]
        rate = max(valid)[1] if valid else 1.0
        assert abs(found[n] - money(cents) * Decimal(str(rate))) <= Decimal("0.0001")
