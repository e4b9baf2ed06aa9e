from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from cvm.engines import DuckDBEngine, QueryError
from cvm.errors import HistoryError
from cvm.features.raw_rows import RawTable

TRANSACTIONS = RawTable(
    "transactions",
    {
        "customer_id": "VARCHAR",
        "occurred_at": "TIMESTAMP",
        "amount": "DECIMAL(18,4)",
        "channel": "VARCHAR",
        "quantity": "DOUBLE",
    },
    "EUR",
)
CUSTOMERS = RawTable(
    "customers",
    {
        "customer_id": "VARCHAR",
        "signed_up_at": "TIMESTAMP",
        "age": "BIGINT",
        "vip": "BOOLEAN",
        "born": "DATE",
        "city": "VARCHAR",
    },
    "EUR",
)
LINE = {"occurred_at": "2024-02-03T10:00:00Z", "amount": 5}


@pytest.fixture(scope="module")
def module_engine() -> Iterator[DuckDBEngine]:
    with DuckDBEngine() as engine:
        engine.execute(TRANSACTIONS.definition())
        engine.execute(CUSTOMERS.definition())
        yield engine


@pytest.fixture
def engine(module_engine: DuckDBEngine) -> Iterator[DuckDBEngine]:
    module_engine.execute("BEGIN TRANSACTION")
    yield module_engine
    module_engine.execute("ROLLBACK")


def loaded(engine, table, cells):
    table.load(engine, cells)
    return engine.table(f"SELECT * FROM {table.name}").to_pylist()


def test_lines_are_read_as_ingest_reads_them(engine):
    line = {"occurred_at": "2024-02-03T10:00:00+02:00", "amount": "12.50", "channel": " web ", "quantity": 2}
    (found,) = loaded(engine, TRANSACTIONS, {7: [line]})
    assert found == {
        "customer_id": "7",
        "occurred_at": datetime(2024, 2, 3, 8, 0),
        "amount": Decimal("12.5000"),
        "channel": "web",
        "quantity": 2.0,
    }


@pytest.mark.parametrize("moment", ["2024-02-03", "2024-02-03 00:00", "2024-02-03T00:00:00Z", "2024-02-02T22:00:00-02:00"])
def test_times_are_utc_unless_they_carry_an_offset(engine, moment):
    (found,) = loaded(engine, TRANSACTIONS, {0: [{**LINE, "occurred_at": moment}]})
    assert found["occurred_at"] == datetime(2024, 2, 3)


def test_values_of_frames_and_of_spark_are_read_too(engine):
    line = {"occurred_at": datetime(2024, 2, 3, tzinfo=UTC), "amount": Decimal("1.10"), "quantity": np.float64(3)}
    (found,) = loaded(engine, TRANSACTIONS, {0: np.array([line], dtype=object)})
    assert (found["occurred_at"], found["amount"], found["quantity"]) == (datetime(2024, 2, 3), Decimal("1.1000"), 3.0)


def test_attributes_take_the_types_of_training(engine):
    (found,) = loaded(engine, CUSTOMERS, {0: {"age": 41, "vip": True, "born": "1980-05-06", "city": "Kyiv"}})
    assert (found["age"], found["vip"], str(found["born"]), found["city"]) == (41, True, "1980-05-06", "Kyiv")


@pytest.mark.parametrize("cells", [{}, {0: None}, {0: float("nan")}, {0: []}])
def test_who_has_no_rows_has_none(engine, cells):
    assert loaded(engine, TRANSACTIONS, cells) == []


def test_test_orders_are_left_out(engine):
    assert loaded(engine, TRANSACTIONS, {0: [{**LINE, "is_test": True}, LINE]})[0]["customer_id"] == "0"
    assert len(loaded(engine, TRANSACTIONS, {})) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"occurred_at": "soon"}, r"Row 4: transactions\[1\]\.occurred_at is no date; 1 row is faulty in transactions"),
        ({"occurred_at": None}, r"occurred_at is missing"),
        ({"occurred_at": "1800-01-01"}, r"occurred_at lies before 1901"),
        ({"occurred_at": 1.5}, r"occurred_at is no date"),
        ({"amount": None}, r"amount is missing"),
        ({"amount": "five"}, r"amount is no amount of money"),
        ({"amount": float("inf")}, r"amount is no amount of money"),
        ({"amount": float("nan")}, r"amount is missing"),
        ({"amount": True}, r"amount is no amount of money"),
        ({"amount": 10**15}, r"amount is no amount of money"),
        ({"quantity": "many"}, r"quantity is no number"),
        ({"channel": {"a": 1}}, r"transactions\[1\]\.channel is neither text nor a number"),
        ({"channel": "\ud800"}, r"channel is neither text nor a number"),
        ({"currency": "USD"}, r"currency is not EUR"),
        ({"chanel": "web"}, r"transactions holds \['chanel'\], which the model does not know; did you mean \['channel'\]"),
    ],
)
def test_what_cannot_be_read_is_refused_by_row_and_column(engine, change, message):
    with pytest.raises(HistoryError, match=message):
        TRANSACTIONS.load(engine, {4: [LINE, {**LINE, **change}]})


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("x", "Row 0: transactions must be an array"),
        ({"a": 1}, "must be an array"),
        ([5], r"transactions\[0\] must be an object"),
    ],
)
def test_what_is_no_array_of_objects_is_refused(engine, cell, message):
    with pytest.raises(HistoryError, match=message):
        TRANSACTIONS.load(engine, {0: cell})


def test_a_fault_of_an_attribute_names_the_object(engine):
    with pytest.raises(HistoryError, match=r"Row 2: customer\.age is no number"):
        CUSTOMERS.load(engine, {2: {"age": "old"}})


def test_what_was_sent_is_let_go_once_it_is_read(engine):
    loaded(engine, TRANSACTIONS, {0: [LINE]})
    with pytest.raises(QueryError, match="given_rows"):
        engine.table("SELECT * FROM given_rows")


def test_messages_hold_no_values(engine):
    with pytest.raises(HistoryError) as refused:
        TRANSACTIONS.load(engine, {0: [{**LINE, "amount": "olena@example.org"}]})
    assert "olena" not in str(refused.value)
