"""Nothing that became known on or after ``as_of`` may show in a feature; everything known before must."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

import shop

AS_OF = date(2024, 3, 1)
TRANSACTION_COLUMNS = {
    "order_id": st.sampled_from(["o1", "o2", "o3", "o4", None]),
    "product_id": st.sampled_from(["A", "B", None]),
    "category": st.sampled_from(["x", "y", None]),
    "quantity": st.sampled_from([-1.0, 0.5, 2.0, None]),
    "margin": st.sampled_from([-3.0, 0.0, 4.25, None]),
    "discount": st.sampled_from([0.0, 1.5, None]),
    "channel": st.sampled_from(["web", "app", None]),
    "payment_method": st.sampled_from(["card", "cash", None]),
    "store_id": st.sampled_from(["s1", "s2", None]),
}
EVENT_COLUMNS = {
    "channel": st.sampled_from(["web", "app", None]),
    "device": st.sampled_from(["phone", "laptop", None]),
    "value": st.sampled_from([0.0, 7.0, 10.0, None]),
}
CUSTOMERS = ("ann", "ben", "cleo", "dora")
STRANGERS = (*CUSTOMERS, "eve")
SECONDS = st.one_of(st.just(0), st.integers(0, 86_400), st.integers(0, 400 * 86_400))
CENTS = st.one_of(st.integers(-5_000, 10_000), st.sampled_from([0, -1, 1]))

thorough = settings(derandomize=True, deadline=None, database=None, max_examples=40)
bounded = settings(thorough, max_examples=20)

Row = dict[str, Any]


@st.composite
def moments(draw: st.DrawFn, *, zone: str, before: bool) -> datetime:
    """A UTC time on one side of the midnight that begins ``AS_OF`` in ``zone``, often right at it."""
    midnight = datetime(AS_OF.year, AS_OF.month, AS_OF.day, tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)
    seconds = draw(SECONDS)
    return midnight - timedelta(seconds=seconds + 1) if before else midnight + timedelta(seconds=seconds)


@st.composite
def moments_of_row(draw: st.DrawFn, *, zone: str, known: bool, has_recorded_at: bool) -> Row:
    """``occurred_at`` and ``recorded_at`` of a row that is known at ``AS_OF``, or is not."""
    before, after = moments(zone=zone, before=True), moments(zone=zone, before=False)
    if known:
        times = {"occurred_at": draw(before), "recorded_at": draw(st.one_of(st.none(), before))}
    elif has_recorded_at and draw(st.booleans()):
        times = {"occurred_at": draw(before), "recorded_at": draw(after)}
    else:
        times = {"occurred_at": draw(after), "recorded_at": draw(st.one_of(st.none(), before, after))}
    return times if has_recorded_at else {"occurred_at": times["occurred_at"]}


@st.composite
def shops(draw: st.DrawFn) -> tuple[str, dict[str, list[Row]], dict[str, list[Row]]]:
    """A time zone, tables of rows known at ``AS_OF``, and rows of the same columns that are not."""
    zone = draw(st.sampled_from(["UTC", "Europe/Kyiv", "America/New_York"]))
    has_recorded_at = draw(st.booleans())
    bought_with = draw(st.sets(st.sampled_from(sorted(TRANSACTION_COLUMNS))))
    seen_with = draw(st.sets(st.sampled_from(sorted(EVENT_COLUMNS))))

    def transactions(known: bool) -> Row:
        row = {"customer_id": draw(st.sampled_from(CUSTOMERS if known else STRANGERS)), "amount": Decimal(draw(CENTS)) / 100}
        more = {name: draw(TRANSACTION_COLUMNS[name]) for name in sorted(bought_with)}
        return row | more | draw(moments_of_row(zone=zone, known=known, has_recorded_at=has_recorded_at))

    def events(known: bool) -> Row:
        types = ["visit", "nps", "it's"] if known else ["visit", "nps", "never seen before"]
        row = {"customer_id": draw(st.sampled_from(STRANGERS)), "event_type": draw(st.sampled_from(types))}
        more = {name: draw(EVENT_COLUMNS[name]) for name in sorted(seen_with)}
        return row | more | draw(moments_of_row(zone=zone, known=known, has_recorded_at=has_recorded_at))

    known = {
        "transactions": [transactions(True) for _ in range(draw(st.integers(1, 12)))],
        "events": [events(True) for _ in range(draw(st.integers(1, 8)))],
    }
    unknown = {
        "transactions": [transactions(False) for _ in range(draw(st.integers(1, 5)))],
        "events": [events(False) for _ in range(draw(st.integers(0, 3)))],
    }
    if draw(st.booleans()):
        times = {
            name: draw(st.one_of(st.none(), moments(zone=zone, before=True), moments(zone=zone, before=False)))
            for name in ("ann", "fay")
        }
        known["customers"] = [{"customer_id": name, "signed_up_at": time, "age": 30} for name, time in times.items()]
    return zone, known, unknown


def features(tables: dict[str, list[Row]], *, zone: str) -> dict[str, Row]:
    return shop.features_at(shop.typed_warehouse(**tables), AS_OF, timezone=zone, margin_rate=0.25)[AS_OF]


def joined(tables: dict[str, list[Row]], more: dict[str, list[Row]]) -> dict[str, list[Row]]:
    return {name: [*rows, *more.get(name, [])] for name, rows in tables.items()}


@thorough
@given(shops())
def test_rows_not_known_at_as_of_change_nothing_and_features_add_up(given_shop):
    zone, known, unknown = given_shop
    before, after = features(known, zone=zone), features(joined(known, unknown), zone=zone)
    assert_nothing_changed(before, after)
    assert_netting_conserves_money_to_the_cent(known["transactions"], after)
    assert_orders_hold_no_more_money_than_was_spent_on_them(known["transactions"], before)
    assert_shares_and_trends_are_possible(before)


def assert_nothing_changed(before: dict[str, Row], after: dict[str, Row]) -> None:
    assert set(after) == set(before)
    for customer, row in before.items():
        assert {name: after[customer][name] for name in row} == row
        # A type of event first seen later has columns, but they are as empty as if it did not exist.
        assert all(not value for name, value in after[customer].items() if name not in row)


def assert_netting_conserves_money_to_the_cent(known: list[Row], found: dict[str, Row]) -> None:
    total = sum(row["amount"] for row in known)
    assert round(sum(row["spend"] for row in found.values()), 2) == float(total)


def assert_orders_hold_no_more_money_than_was_spent_on_them(known: list[Row], found: dict[str, Row]) -> None:
    bought: dict[str, Decimal] = {}
    for row in known:
        bought[row["customer_id"]] = bought.get(row["customer_id"], Decimal(0)) + max(row["amount"], Decimal(0))
    for customer, row in found.items():
        in_orders = row["n_orders"] * (row["mean_order_value"] or 0.0)
        assert 0 <= in_orders <= float(bought.get(customer, 0)) + 0.01


def assert_shares_and_trends_are_possible(found: dict[str, Row]) -> None:
    for row in found.values():
        for name, value in row.items():
            if value is None:
                continue
            if name.startswith("share_") and name != "share_returned":  # returns of older purchases have no bound
                assert 0 <= value <= 1, name
            if name.startswith("trend_"):
                assert -1 <= value <= 1, name


@bounded
@given(shops(), st.integers(1, 10_000), st.booleans(), st.data())
def test_a_row_known_before_as_of_changes_the_spend_and_orders_of_its_customer_alone(given_shop, cents, returned, data):
    zone, known, _ = given_shop
    amount = Decimal(-cents if returned else cents) / 100
    customer = data.draw(st.sampled_from(CUSTOMERS))
    columns = known["transactions"][0]
    times = data.draw(moments_of_row(zone=zone, known=True, has_recorded_at="recorded_at" in columns))
    row = dict.fromkeys(columns) | {"customer_id": customer, "amount": amount} | times
    if "order_id" in columns:
        row["order_id"] = "never used before"
    before, after = features(known, zone=zone), features(joined(known, {"transactions": [row]}), zone=zone)
    empty = {"spend": 0.0, "n_orders": 0.0, "n_returns": 0.0}
    own = before.get(customer, empty)
    assert round(after[customer]["spend"] - own["spend"], 2) == float(amount)
    assert after[customer]["n_returns"] - own["n_returns"] == returned
    if "order_id" in columns:
        # What came back without a sale of its own comes out of the customer's latest orders, and may eat some of them whole:
        # a return takes orders away, and a sale may take such a return upon itself.
        more = after[customer]["n_orders"] - own["n_orders"]
        has_returns = any(line["customer_id"] == customer and line["amount"] < 0 for line in known["transactions"])
        assert more <= 0 if returned else more >= 0 if has_returns else more == 1
    assert {name: found for name, found in after.items() if name != customer} == {
        name: found for name, found in before.items() if name != customer
    }
