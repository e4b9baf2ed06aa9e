from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from inspected import findings_of
from shop import event, order

DAY = "2024-01-05"
SALE = order("a", on=DAY, amount=5.0)


def people(*names: str, **columns: Any) -> list[dict[str, Any]]:
    return [{"customer_id": name, **columns} for name in names]


def crowd(customer_id: str, n: int) -> list[dict[str, Any]]:
    return [order(customer_id, on=date(2023, 1, 1) + timedelta(days=k), amount=5.0) for k in range(n)]


def test_an_id_under_which_everyone_buys_is_nobody() -> None:
    others = [row for k in range(200) for row in crowd(f"c{k}", 2)]
    found = findings_of(transactions=[*others, *crowd("7001", 100)])["id of nobody"]
    assert (found.n, found.share, found.unit, found.examples) == (100, 0.2, "orders", ("7001",))
    assert found.severity == "serious"


def test_a_heavy_buyer_is_a_person() -> None:
    others = [row for k in range(200) for row in crowd(f"c{k}", 2 + (k % 20 == 0) * 15)]
    assert "id of nobody" not in findings_of(transactions=[*others, *crowd("big", 90)])
    assert "id of nobody" not in findings_of(transactions=crowd("only", 200))


def test_an_id_that_is_called_guest_is_nobody_however_little_it_buys() -> None:
    found = findings_of(transactions=[SALE, order("Guest", on=DAY, amount=1.0)])["id of nobody"]
    assert (found.n, found.examples) == (1, ("Guest",))
    assert "id of nobody" not in findings_of(transactions=[SALE, order("Guestrin", on=DAY, amount=1.0)])


def test_buyers_without_a_row_in_customers_are_told() -> None:
    found = findings_of(transactions=[SALE, order("b", on=DAY, amount=1.0)], customers=people("b"))[
        "buyer without a profile"
    ]
    assert (found.table, found.n, found.share, found.examples) == ("customers", 1, 0.5, ("a",))
    assert "buyer without a profile" not in findings_of(transactions=[SALE], customers=people("a", "b"))
    assert "buyer without a profile" not in findings_of(transactions=[SALE])


def test_who_bought_on_a_day_before_signing_up_is_told() -> None:
    late = people("a", signed_up_at=datetime(2024, 1, 6, 8))
    assert findings_of(transactions=[SALE], customers=late)["bought before signing up"].n == 1
    same_day = people("a", signed_up_at=datetime(2024, 1, 5, 23))
    assert "bought before signing up" not in findings_of(transactions=[SALE], customers=same_day)
    evening = people("a", signed_up_at=datetime(2024, 1, 6, 2))
    assert "bought before signing up" not in findings_of(timezone="America/New_York", transactions=[SALE], customers=evening)


def test_profiles_without_any_contact_are_told() -> None:
    customers = [
        {"customer_id": "a", "email": None, "phone": None},
        {"customer_id": "b", "email": "b@example.com", "phone": None},
        {"customer_id": "c", "email": None, "phone": "1"},
    ]
    found = findings_of(transactions=[SALE], customers=customers)["no way to contact"]
    assert (found.n, found.examples, found.severity) == (1, ("a",), "warning")
    assert "no way to contact" not in findings_of(transactions=[SALE], customers=customers[1:])


def test_a_table_that_keeps_no_contacts_lacks_none() -> None:
    assert "no way to contact" not in findings_of(transactions=[SALE], customers=people("a", age=30))


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("events", event("x", "visit", on=DAY)),
        ("subscriptions", {"customer_id": "x", "started_at": datetime(2024, 1, 5)}),
        ("assignments", {"customer_id": "x", "campaign_id": "1", "arm": "mail", "assigned_at": datetime(2024, 1, 5)}),
    ],
)
def test_customers_nobody_knows_are_told(table: str, row: dict[str, Any]) -> None:
    rows = [row, row, row | {"customer_id": "a"}]
    found = findings_of(transactions=[SALE], customers=people("b"), **{table: rows})["unknown customer"]
    assert (found.table, found.n, found.share, found.examples) == (table, 1, 0.5, ("x",))
    assert "unknown customer" not in findings_of(transactions=[SALE], customers=people("x"), **{table: rows})
    assert "unknown customer" not in findings_of(transactions=[SALE], **{table: rows})


def test_attributes_that_most_rows_leave_empty_are_named_without_their_values() -> None:
    customers = [{"customer_id": str(k), "age": None if k else 30.0, "city": "Kyiv" if k < 2 else None} for k in range(3)]
    found = findings_of(transactions=[SALE], customers=customers)["attribute mostly empty"]
    assert (found.n, found.share, found.unit, found.examples) == (1, 0.5, "columns", ("age",))
    assert "attribute mostly empty" not in findings_of(transactions=[SALE], customers=customers[:2])
