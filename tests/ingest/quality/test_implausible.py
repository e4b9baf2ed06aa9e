from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pytest

from inspected import findings_of
from shop import event, order

DAY = "2024-01-05"
EARLY, LATE = datetime(2024, 1, 3), datetime(2024, 1, 7)
# Of DAY, in UTC.
KYIV_MIDNIGHT = datetime(2024, 1, 4, 22)


def sale(amount: float = 10.0, **columns: Any) -> dict[str, Any]:
    return order("a", on=DAY, amount=amount, **columns)


@pytest.mark.parametrize(
    ("check", "faulty", "sound"),
    [
        ("amount is zero", sale(0), sale(0.01)),
        ("quantity is zero", sale(quantity=0.0), sale(quantity=1.0)),
        ("signs contradict", sale(quantity=-1.0), sale(quantity=1.0)),
        ("signs contradict", sale(-5, quantity=2.0), sale(-5, quantity=-2.0)),
        ("margin above amount", sale(10, margin=11.0), sale(10, margin=10.0)),
        ("return earns margin", sale(-10, margin=4.0), sale(-10, margin=-4.0)),
        ("negative discount", sale(discount=-1.0), sale(discount=1.0)),
        ("discount above price", sale(-1, quantity=1.0, discount=11.0), sale(-1, quantity=-1.0, discount=11.0)),
        ("another currency", sale(currency="EUR"), sale(currency="usd")),
        ("currency is blank", sale(currency=None), sale(currency="USD")),
        ("order_id is blank", sale(order_id=None), sale(order_id="1")),
        ("recorded before it happened", sale(recorded_at=EARLY), sale(recorded_at=LATE)),
        ("recorded before it happened", sale(recorded_at=EARLY), sale(recorded_at=datetime(2024, 1, 5))),
    ],
)
def test_a_line_that_cannot_be_is_found_and_one_that_can_is_not(
    check: str, faulty: dict[str, Any], sound: dict[str, Any]
) -> None:
    # A second, sound line gives the columns their types where a value is missing.
    usual = {"currency": "USD", "order_id": "9"}
    usual = sale(**{name: value for name, value in usual.items() if name in faulty})
    found = findings_of(transactions=[faulty, faulty | {"customer_id": "b"}, usual | {"customer_id": "c"}])[check]
    assert (found.table, found.n, found.share, found.examples) == ("transactions", 2, 2 / 3, ("a", "b"))
    assert check not in findings_of(transactions=[sound, usual])


@pytest.mark.parametrize("column", ["quantity", "margin", "discount", "currency", "order_id", "recorded_at"])
def test_a_column_that_is_not_there_is_not_checked(column: str) -> None:
    assert not [check for check in findings_of(transactions=[sale()]) if column in check]


@pytest.mark.parametrize(
    ("table", "check", "faulty", "sound"),
    [
        ("events", "NPS outside of 0 to 10", event("a", "nps", on=DAY, value=11.0), event("a", "nps", on=DAY, value=10.0)),
        ("events", "NPS outside of 0 to 10", event("a", "nps", on=DAY, value=-1.0), event("a", "visit", on=DAY, value=-1.0)),
        (
            "events",
            "recorded before it happened",
            event("a", "visit", on=DAY, recorded_at=EARLY),
            event("a", "visit", on=DAY, recorded_at=LATE),
        ),
        (
            "customers",
            "negative acquisition cost",
            {"customer_id": "a", "acquisition_cost": -1.0},
            {"customer_id": "a", "acquisition_cost": 0.0},
        ),
        (
            "subscriptions",
            "ended before it started",
            {"customer_id": "a", "started_at": LATE, "ended_at": EARLY},
            {"customer_id": "a", "started_at": EARLY, "ended_at": LATE},
        ),
        (
            "subscriptions",
            "negative price",
            {"customer_id": "a", "price_per_month": -1.0},
            {"customer_id": "a", "price_per_month": 0.0},
        ),
        (
            "assignments",
            "exposed before assigned",
            {"campaign_id": "x", "arm": "mail", "customer_id": "a", "assigned_at": LATE, "exposed_at": EARLY},
            {"campaign_id": "x", "arm": "mail", "customer_id": "a", "assigned_at": EARLY, "exposed_at": LATE},
        ),
        (
            "assignments",
            "propensity is no probability",
            {"campaign_id": "x", "arm": "mail", "customer_id": "a", "assigned_at": EARLY, "propensity": 1.2},
            {"campaign_id": "x", "arm": "mail", "customer_id": "a", "assigned_at": EARLY, "propensity": 1.0},
        ),
    ],
)
def test_a_row_of_another_table_likewise(table: str, check: str, faulty: dict[str, Any], sound: dict[str, Any]) -> None:
    found = findings_of(transactions=[sale()], **{table: [faulty]})[check]
    assert (found.table, found.n, found.examples) == (table, 1, ("a",))
    assert check not in findings_of(transactions=[sale()], **{table: [sound]})


@pytest.mark.parametrize(
    ("check", "tables"),
    [
        ("recorded before it happened", {"transactions": [sale(recorded_at=KYIV_MIDNIGHT)]}),
        (
            "recorded before it happened",
            {"transactions": [sale()], "events": [event("a", "visit", on=DAY, recorded_at=KYIV_MIDNIGHT)]},
        ),
        (
            "exposed before assigned",
            {
                "transactions": [sale()],
                "assignments": [
                    {
                        "campaign_id": "x",
                        "arm": "mail",
                        "customer_id": "a",
                        "assigned_at": datetime(2024, 1, 5, 12),
                        "exposed_at": KYIV_MIDNIGHT,
                    }
                ],
            },
        ),
    ],
)
def test_a_time_without_a_clock_is_of_the_day_of_the_business(check: str, tables: dict[str, Any]) -> None:
    assert check not in findings_of(timezone="Europe/Kyiv", **tables)
    assert findings_of(timezone="UTC", **tables)[check].n == 1


def test_a_customer_in_two_arms_of_one_campaign_is_found() -> None:
    drawn = [
        {"campaign_id": campaign, "arm": arm, "customer_id": "a", "assigned_at": EARLY}
        for campaign, arm in (("x", "control"), ("x", "mail"), ("y", "mail"))
    ]
    assert findings_of(transactions=[sale()], assignments=drawn)["customer in several arms"].n == 1
    merged = [drawn[0] | {"arm": "mixed"}]
    assert findings_of(transactions=[sale()], assignments=merged)["customer in several arms"].n == 1
    assert "customer in several arms" not in findings_of(transactions=[sale()], assignments=drawn[1:])


def test_a_return_without_an_order_is_counted_in_rows_and_money() -> None:
    rows = [
        order("never", on=DAY, amount=-7.5),
        order("later", on="2024-01-04", amount=-2.5),
        order("later", on=DAY, amount=9.0),
        order("earlier", on="2024-01-04", amount=9.0),
        order("earlier", on=DAY, amount=-9.0),
    ]
    found = findings_of(transactions=rows)["return without an order"]
    assert (found.n, found.share, found.examples) == (2, 0.4, ("later", "never"))
    assert "-10.00 in all" in found.meaning
    assert "return without an order" not in findings_of(transactions=rows[3:])


def test_a_return_that_names_its_order_has_one_even_if_nothing_is_left_of_it() -> None:
    rows = [sale(9, order_id="1"), order("a", on="2024-01-08", amount=-9.0, order_id="1")]
    assert "return without an order" not in findings_of(transactions=rows)


def test_an_order_a_thousand_times_the_usual_is_out_of_all_proportion() -> None:
    rng = np.random.default_rng(5)
    usual = [order(f"c{k}", on=DAY, amount=round(float(amount), 2)) for k, amount in enumerate(rng.lognormal(3, 0.8, 2000))]
    check = "order value out of all proportion"
    assert check not in findings_of(transactions=usual)
    found = findings_of(transactions=[*usual, order("x", on=DAY, amount=20_000.0)])[check]
    assert (found.n, found.examples, found.severity) == (1, ("x",), "info")
    assert "20,000.00 in all" in found.meaning


def test_a_price_list_of_a_few_prices_has_no_outlier() -> None:
    rows = [order(f"c{k}", on=DAY, amount=(9.99, 19.99, 9.99, 9.99)[k % 4]) for k in range(200)]
    assert "order value out of all proportion" not in findings_of(transactions=rows)


def test_converted_amounts_are_told_as_such() -> None:
    found = findings_of(transactions=[sale(currency="EUR"), sale(currency="USD")], is_converted=True)
    assert "another currency" not in found
    assert (found["converted currency"].n, found["converted currency"].action) == (1, "converted")
    assert found["converted currency"].severity == "info"
