from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from cvm.engines import DuckDBEngine
from cvm.errors import ColumnTypeError, MissingColumnsError, ParamsError
from cvm.ingest.clean import REPLACED, SKIPPED, TableOutcome
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.reading import Origin, Reading, column_origins
from memory import Memory
from shop import clean_table

NOW = datetime(2024, 6, 1)
Row = dict[str, str | None]


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    with Memory() as opened:
        yield opened


def cleaned(engine: DuckDBEngine, table: str, rows: list[Row] | pa.Table, **reading: Any) -> TableOutcome:
    names = list(dict.fromkeys(name for row in rows for name in row)) if isinstance(rows, list) else []
    frame = pa.table({n: pa.array([row.get(n) for row in rows], pa.string()) for n in names}) if names else rows
    given = frame
    return clean_table(engine, CONTRACTS[table], Reading(**{"timezone": "UTC", **reading}), given, now=NOW)


def values(engine: DuckDBEngine, table: str, column: str) -> list[Any]:
    found: list[Any] = engine.table(f"SELECT {column} FROM {table} ORDER BY ALL").column(0).to_pylist()
    return found


def sale(**columns: str | None) -> Row:
    return {"customer_id": "c1", "occurred_at": "2024-05-01", "amount": "10", **columns}


# --- several columns for one of ours ---------------------------------------------------------------------------------


def test_of_several_columns_the_first_that_says_anything_counts(engine: DuckDBEngine) -> None:
    rows = [{"user": user, "device": device, "occurred_at": "2024-05-01", "event_type": "visit"}
            for user, device in (("u1", "d1"), (" ", "d2"), (None, "d3"), ("u4", None))]  # fmt: skip
    outcome = cleaned(engine, "events", rows, columns={"customer_id": ["user", "device"]})
    assert (outcome.n_kept, values(engine, "events", "customer_id")) == (4, ["d2", "d3", "u1", "u4"])


def test_a_row_that_no_column_says_anything_of_is_rejected(engine: DuckDBEngine) -> None:
    outcome = cleaned(engine, "transactions", [sale(customer_id="", mail=None), sale()],
                      columns={"customer_id": ["customer_id", "mail"]})  # fmt: skip
    assert outcome.n_by_reason == {"customer_id is missing": 1}


def test_columns_of_different_types_are_each_read_by_their_own(engine: DuckDBEngine) -> None:
    frame = pa.table(
        {
            "customer_id": [17850.0, None],
            "mail": ["x", "a@b.c"],
            "occurred_at": ["2024-05-01"] * 2,
            "net": pa.array([None, 2.5]),
            "gross": ["7", "8"],
        }
    )
    cleaned(engine, "transactions", frame, columns={"customer_id": ["customer_id", "mail"], "amount": ["net", "gross"]})
    assert engine.table("SELECT customer_id, amount FROM transactions ORDER BY 1").to_pylist() == [
        {"customer_id": "17850", "amount": Decimal(7)},
        {"customer_id": "a@b.c", "amount": Decimal("2.5")},
    ]


def test_an_attribute_may_come_from_several_columns_too(engine: DuckDBEngine) -> None:
    frame = pa.table({"customer_id": ["a", "b", "c"], "town": ["Kyiv", "", None], "zip": [1001, 79000, None]})
    cleaned(engine, "customers", frame, columns={"place": ["town", "zip"]})
    assert values(engine, "customers", "place") == ["79000", "Kyiv", None]
    assert list(engine.columns("customers")) == ["customer_id", "place"]


def test_a_faulty_value_is_not_replaced_by_the_next_column(engine: DuckDBEngine) -> None:
    outcome = cleaned(engine, "transactions", [sale(net="x", gross="7"), sale(net="5", gross="7")],
                      columns={"amount": ["net", "gross"]})  # fmt: skip
    assert outcome.n_by_reason == {"amount is no amount of money": 1}


def test_every_column_that_the_user_names_must_be_there() -> None:
    reading = Reading("UTC", {"customer_id": ["id", "mail"]})
    with pytest.raises(MissingColumnsError, match=r"columns points at \['mail'\]; the file has \['amount', 'id'"):
        column_origins(CONTRACTS["transactions"], reading, found=["id", "occurred_at", "amount"])


# --- presets ---------------------------------------------------------------------------------------------------------


def test_a_preset_takes_what_is_there_and_the_users_columns_win() -> None:
    preset = {"customer_id": ["Email", "Phone"], "amount": "Total", "occurred_at": "Created at", "channel": "Source"}
    reading = Reading("UTC", {"amount": "Subtotal"}, preset=preset)
    origins = column_origins(
        CONTRACTS["transactions"], reading, found=["Phone", "Total", "Subtotal", "Created at", "store_id"]
    )
    assert origins == {
        "customer_id": Origin(("Phone",)),
        "occurred_at": Origin(("Created at",)),
        "amount": Origin(("Subtotal",)),
        "store_id": Origin(("store_id",)),
    }


def test_a_file_that_is_none_of_the_preset_lacks_columns() -> None:
    reading = Reading("UTC", preset={"customer_id": "Email", "amount": "Total", "occurred_at": "Created at"})
    with pytest.raises(
        MissingColumnsError, match=r"lacks columns \['customer_id', 'occurred_at'\]; it has \['Total', 'id'\]"
    ):
        column_origins(CONTRACTS["transactions"], reading, found=["id", "Total"])


# --- defaults --------------------------------------------------------------------------------------------------------


def test_a_default_stands_where_a_row_says_nothing(engine: DuckDBEngine) -> None:
    rows = [sale(channel="web"), sale(channel=" "), sale(channel=None)]
    cleaned(engine, "transactions", rows, defaults={"channel": "shop", "quantity": "1", "recorded_at": "2024-05-02"})
    assert values(engine, "transactions", "channel") == ["shop", "shop", "web"]
    assert values(engine, "transactions", "quantity") == [1.0] * 3
    assert values(engine, "transactions", "recorded_at") == [datetime(2024, 5, 2)] * 3


def test_a_default_may_fill_a_required_column_and_does_not_mend_a_fault(engine: DuckDBEngine) -> None:
    rows: list[Row] = [
        {"customer_id": "a", "occurred_at": "2024-05-01", "event_type": ""},
        {"customer_id": "b", "occurred_at": "x", "event_type": "login"},
    ]
    outcome = cleaned(engine, "events", rows, defaults={"event_type": "it's a visit", "occurred_at": "2024-01-01"})
    assert values(engine, "events", "event_type") == ["it's a visit"]
    assert outcome.n_by_reason == {"occurred_at is no date": 1}


@pytest.mark.parametrize(("key", "named"), [("defaults", {"colour": "red"}), ("skip_without", ["colour"])])
def test_defaults_and_skips_are_of_columns_of_the_contract(key: str, named: Any) -> None:
    with pytest.raises(ParamsError, match=rf"data.transactions.{key} names \['colour'\], which no transactions table has"):
        column_origins(CONTRACTS["transactions"], Reading("UTC", **{key: named}), found=list(sale()))


# --- lines that are no rows, columns that are no attributes ----------------------------------------------------------


def test_a_line_that_says_nothing_where_it_must_is_skipped_without_being_a_fault(engine: DuckDBEngine) -> None:
    rows = [sale(order_id="1"), sale(order_id="1", amount=""), {"order_id": "1"}, sale(amount="x")]
    outcome = cleaned(engine, "transactions", rows, skip_without=["amount"])
    assert outcome.n_by_reason == {SKIPPED: 2, "amount is no amount of money": 1}
    assert (outcome.n_kept, outcome.n_rejected) == (1, 1)


def test_what_decides_about_a_line_must_be_there() -> None:
    with pytest.raises(MissingColumnsError, match=r"data.transactions.skip_without names \['order_id'\]"):
        column_origins(CONTRACTS["transactions"], Reading("UTC", skip_without=["order_id"]), found=list(sale()))


def test_ignored_columns_are_no_attributes_case_aside(engine: DuckDBEngine) -> None:
    rows: list[Row] = [{"customer_id": "a", "First Name": "A", "Work Phone": "1", "City": "Kyiv", "Ім'я": "B", "x": "[z]"}]
    cleaned(engine, "customers", rows, ignore=["*name", "WORK PHONE", "ім'я"], columns={"phone": "Work Phone"})
    assert list(engine.columns("customers")) == ["customer_id", "phone", "City", "x"]


# --- sources of ids --------------------------------------------------------------------------------------------------


def test_rows_of_different_systems_never_replace_each_other(engine: DuckDBEngine) -> None:
    rows: list[Row] = [
        {"customer_id": "5", "source": "shop", "city": "Kyiv"},
        {"customer_id": "5", "source": "crm", "city": "Lviv"},
        {"customer_id": "5", "source": "shop", "city": "Odesa"},
        {"customer_id": "5", "source": None, "city": "Sumy"},
        {"customer_id": "5", "source": "", "city": "Rivne"},
    ]
    outcome = cleaned(engine, "customers", rows, key=["customer_id"])
    assert values(engine, "customers", "city") == ["Lviv", "Odesa", "Rivne"]
    assert outcome.n_by_reason == {REPLACED: 2}


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_declared_marks_hold_for_amounts_numbers_and_attributes_alike(engine: DuckDBEngine) -> None:
    rows = [sale(amount="1.234,56", quantity="2,5"), sale(amount="1234.56")]
    outcome = cleaned(engine, "transactions", rows, decimal=",", thousands=".")
    assert engine.table("SELECT amount, quantity FROM transactions").to_pylist() == [
        {"amount": Decimal("1234.56"), "quantity": 2.5}
    ]
    assert outcome.n_by_reason == {"amount is no amount of money": 1}
    customers: list[Row] = [{"customer_id": "a", "score": "1,5", "ratio": "1.5"}]
    cleaned(engine, "customers", customers, decimal=",")
    assert engine.table("SELECT score, ratio FROM customers").to_pylist() == [{"score": 1.5, "ratio": "1.5"}]


# --- a product of columns ---------------------------------------------------------------------------------------------


def test_an_amount_can_be_the_product_of_columns(engine: DuckDBEngine) -> None:
    lines = [("6", "2,55"), ("-3", "1"), ("1,5", ""), ("2", "free")]
    rows: list[Row] = [
        {"customer_id": "c1", "occurred_at": "2024-05-01", "units": units, "price": price} for units, price in lines
    ]
    columns = {"amount": {"product": ["units", "price"]}, "quantity": "units"}
    outcome = cleaned(engine, "transactions", rows, columns=columns, decimal=",")
    assert values(engine, "transactions", "amount") == [Decimal("-3.0000"), Decimal("15.3000")]
    assert values(engine, "transactions", "quantity") == [-3, 6]
    assert outcome.n_by_reason == {"amount is missing": 1, "amount is no amount of money": 1}


def test_a_product_of_typed_columns_with_gaps_takes_the_default(engine: DuckDBEngine) -> None:
    units, prices = pa.array([2, 3, None], pa.int64()), pa.array([0.355, float("nan"), 1.0], pa.float64())
    frame = pa.table({"customer_id": ["a", "b", "c"], "occurred_at": [datetime(2024, 5, 1)] * 3, "n": units, "p": prices})
    cleaned(engine, "transactions", frame, columns={"amount": {"product": ["n", "p"]}}, defaults={"amount": "9"})
    assert values(engine, "transactions", "amount") == [Decimal("0.7100"), Decimal("9.0000"), Decimal("9.0000")]


def test_a_product_needs_all_its_factors() -> None:
    reading = Reading("UTC", columns={"amount": {"product": ["n", "p"]}})
    with pytest.raises(MissingColumnsError, match=r"data.transactions.columns points at \['p'\]"):
        column_origins(CONTRACTS["transactions"], reading, found=["customer_id", "occurred_at", "n"])


def test_what_is_no_number_is_no_product() -> None:
    reading = Reading("UTC", columns={"order_id": {"product": ["n", "p"]}})
    with pytest.raises(ParamsError, match=r"columns.order_id is a product of \['n', 'p'\]; only \['amount', 'quantity'"):
        column_origins(CONTRACTS["transactions"], reading, found=["n", "p"])


def test_a_factor_that_holds_no_numbers_is_refused(engine: DuckDBEngine) -> None:
    frame = pa.table({"customer_id": ["a"], "occurred_at": ["2024-05-01"], "n": [True], "p": [1.0]})
    with pytest.raises(ColumnTypeError, match=r"column 'n' \(a factor of amount\) is of type BOOLEAN, which is no number"):
        cleaned(engine, "transactions", frame, columns={"amount": {"product": ["n", "p"]}})
