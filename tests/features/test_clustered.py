"""Clustered copies of the warehouse: the same answers, by number, and nothing left behind."""

from __future__ import annotations

from datetime import date

import pyarrow.parquet as pq
import pytest

import shop
from cvm.engines import QueryError
from cvm.features.clustered import clustered_tables
from cvm.features.economics import Economics
from cvm.features.query import Schema, features_query

AS_OF = date(2024, 3, 1)
ROWS = [
    shop.order("zoë", on="2024-01-05", amount=10.0),
    shop.order("a1", on="2024-02-01", amount=20.0),
    shop.order("A1", on="2024-01-20", amount=5.0),
    shop.order("a1", on="2024-01-03", amount=7.0),
    shop.order("zoë", on="2024-02-05", amount=-4.0),
]


@pytest.fixture
def engine():
    return shop.typed_warehouse(transactions=ROWS)


def test_customers_are_numbered_in_the_order_of_their_ids_and_lie_side_by_side(engine):
    with clustered_tables(engine, Schema.of(engine)):
        found = engine.table("SELECT customer_id, amount FROM transactions").to_pydict()
    assert found["customer_id"] == [1, 2, 2, 3, 3]
    assert [float(amount) for amount in found["amount"]] == [5, 7, 20, 10, -4]


def test_features_are_those_of_the_tables_as_they_came(engine):
    schema = Schema.of(engine)
    query = features_query(schema, [AS_OF], timezone="UTC", economics=Economics())
    plain = engine.table(f"SELECT * FROM ({query}) ORDER BY customer_id")
    with clustered_tables(engine, schema) as clustered:
        (whole,) = clustered.queries(query)
        assert engine.table(whole).equals(plain)


@pytest.mark.parametrize("limit", ["CUSTOMERS_AT_ONCE", "ROWS_AT_ONCE"])
def test_a_base_in_parts_is_the_base_as_a_whole(engine, monkeypatch, tmp_path, limit):
    monkeypatch.setattr(f"cvm.features.clustered.{limit}", 2)
    schema = Schema.of(engine)
    query = features_query(schema, [AS_OF], timezone="UTC", economics=Economics())
    plain = engine.table(f"SELECT * FROM ({query}) ORDER BY customer_id")
    with clustered_tables(engine, schema) as clustered:
        assert len(clustered.parts) > 1
        clustered.write(query, tmp_path / "features.parquet")
        assert pq.read_table(tmp_path / "features.parquet").equals(plain)
        assert engine.row("SELECT count(*) AS n FROM transactions")["n"] == len(ROWS)
    assert [path.name for path in tmp_path.iterdir()] == ["features.parquet"]


def test_a_part_that_fails_leaves_all_customers_and_no_piece(engine, monkeypatch, tmp_path):
    monkeypatch.setattr("cvm.features.clustered.CUSTOMERS_AT_ONCE", 1)
    fails_at_last = "SELECT customer_id, CASE WHEN customer_id = 3 THEN error('full') END AS x FROM transactions"
    with clustered_tables(engine, Schema.of(engine)) as clustered:
        with pytest.raises(QueryError, match="full"):
            clustered.write(fails_at_last, tmp_path / "features.parquet")
        assert engine.row("SELECT count(*) AS n FROM transactions")["n"] == len(ROWS)
    assert list(tmp_path.iterdir()) == []


def test_the_tables_of_the_warehouse_come_back_when_a_query_fails(engine):
    before = engine.table("SELECT * FROM transactions")
    with pytest.raises(ZeroDivisionError, match="division"), clustered_tables(engine, Schema.of(engine)):
        1 / 0  # noqa: B018 - any failure
    assert engine.table("SELECT * FROM transactions").equals(before)
    assert engine.tables() == {"transactions"}
