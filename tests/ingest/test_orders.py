from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

import shop
from cvm.ingest.orders import order_tables


def orders_of(rows: list[dict[str, Any]], *, timezone: str = "UTC") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    engine = shop.warehouse(transactions=rows)
    with order_tables(engine, timezone=timezone):
        names = "customer_id, order_id, placed_at, amount, n_lines, is_order"
        placed = engine.table(f"SELECT {names} FROM placed_order ORDER BY customer_id, placed_at").to_pylist()
        buyers = engine.table("SELECT * FROM buyer ORDER BY customer_id").to_pylist()
    assert engine.tables() == {"transactions"}
    return placed, buyers


def line(customer_id: str, at: datetime, amount: float, **columns: Any) -> dict[str, Any]:
    return {"customer_id": customer_id, "occurred_at": at, "amount": amount, **columns}


def test_lines_of_one_order_id_are_one_order_of_each_customer() -> None:
    at = datetime(2024, 1, 5, 10)
    rows = [line("a", at, 2.0, order_id="1"), line("a", at, 3.0, order_id="1"), line("b", at, 4.0, order_id="1")]
    placed, buyers = orders_of(rows)
    assert [(row["customer_id"], row["amount"], row["n_lines"]) for row in placed] == [
        ("a", Decimal(5), 2),
        ("b", Decimal(4), 1),
    ]
    assert [(row["customer_id"], row["n_orders"]) for row in buyers] == [("a", 1), ("b", 1)]


def test_lines_without_order_id_are_one_order_of_the_local_day() -> None:
    rows = [line("a", datetime(2024, 1, 5, 21), 2.0, order_id=None), line("a", datetime(2024, 1, 5, 23), 3.0, order_id=None)]
    rows.append(line("a", datetime(2024, 1, 5, 23), 4.0, order_id="1"))
    assert [row["n_lines"] for row in orders_of(rows)[0]] == [2, 1]
    # In Kyiv the second one is of the next day.
    assert [row["n_lines"] for row in orders_of(rows, timezone="Europe/Kyiv")[0]] == [1, 1, 1]


def test_what_was_taken_back_as_a_whole_is_no_order() -> None:
    at, later = datetime(2024, 1, 5, 10), datetime(2024, 1, 9, 10)
    rows = [line("a", at, 2.0, order_id="1"), line("a", later, -2.0, order_id="1"), line("b", at, 0.0, order_id="2")]
    rows += [line("c", at, 5.0, order_id="3"), line("c", later, -2.0, order_id="3")]
    placed, buyers = orders_of(rows)
    assert [row["is_order"] for row in placed] == [False, True, True]
    assert [row["customer_id"] for row in buyers] == ["b", "c"]


def test_the_tables_are_gone_after_a_failure_too() -> None:
    engine = shop.warehouse(transactions=[line("a", datetime(2024, 1, 5), 2.0)])
    with pytest.raises(RuntimeError, match="stop"), order_tables(engine, timezone="UTC"):
        raise RuntimeError("stop")
    assert engine.tables() == {"transactions"}
