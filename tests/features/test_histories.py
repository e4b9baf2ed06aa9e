"""Histories come grouped, and say what the customers' own rows say."""

from __future__ import annotations

from datetime import date

import pytest

import shop
from cvm.features.histories import customer_histories_query, histories_query
from cvm.features.query import Schema

AS_OF = date(2024, 3, 1)
LINES = [
    shop.order("a", on="2024-01-10", amount=10.0),
    shop.order("a", on="2024-02-10", amount=20.0),
    shop.order("b", on="2024-01-10", amount=20.0),
    shop.order("b", on="2024-02-10", amount=10.0),
    shop.order("c", on="2024-02-01", amount=0.0),
    shop.order("d", on="2024-03-01", amount=5.0),  # not known yet
]


@pytest.fixture(scope="module")
def engine():
    return shop.warehouse(transactions=LINES)


def test_customers_who_cannot_be_told_apart_are_one_row(engine):
    query = histories_query(Schema.of(engine), [AS_OF], timezone="UTC")
    rows = engine.table(f"SELECT * EXCLUDE (as_of) FROM ({query}) ORDER BY n_orders").to_pylist()
    assert rows == [
        {"n_orders": 1, "recency_days": 29, "tenure_days": 29, "n_customers": 1},
        {"n_orders": 2, "recency_days": 20, "tenure_days": 51, "n_customers": 2},
    ]


def test_own_histories_tell_what_orders_were_worth(engine):
    schema = Schema.of(engine)
    own = engine.table(customer_histories_query(schema, AS_OF, timezone="UTC")).to_pylist()
    assert {row["customer_id"]: row["mean_order_value"] for row in own} == {"a": 15.0, "b": 15.0, "c": 0.0}
