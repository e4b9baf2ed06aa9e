from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.engines import DuckDBEngine, identifier
from cvm.errors import ColumnTypeError, MissingColumnsError, ParamsError
from cvm.ingest.assembly import assemble_table
from cvm.ingest.changes import changes_of
from cvm.ingest.clean import REPLACED, TEST_ORDER, TableOutcome
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.origins import FrameSource
from cvm.ingest.parts import read_parts
from cvm.ingest.reading import Reading
from memory import Memory

NOW = datetime(2024, 6, 1, 12)
HOSTILE = [
    'a "quoted" name',
    "it's; DROP TABLE transactions; --",
    "ім'я\n клієнта",
    "reason",
    "source_row",
    "source_file",
    "checked.*",
]


@dataclass(frozen=True)
class Cleaned:
    """What becomes of one export."""

    outcome: TableOutcome
    rows: list[dict[str, Any]]
    types: dict[str, str]
    rejected: list[dict[str, Any]]

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]

    @property
    def reasons(self) -> list[tuple[int, str]]:
        return [(row["source_row"], row["reason"]) for row in self.rejected]


@cache
def shared_engine() -> DuckDBEngine:
    """One for all tests: opening one takes longer than most of them."""
    return Memory()


def cleaned(table: str, frame: pa.Table | list[dict[str, Any]], **reading: Any) -> Cleaned:
    """``frame`` after cleaning; a list of rows stands for a text file, so that all its values are text."""
    if isinstance(frame, list):
        names = list(dict.fromkeys(name for row in frame for name in row))
        frame = pa.table({name: pa.array([row.get(name) for row in frame], pa.string()) for name in names})
    engine = shared_engine()
    for left_over in engine.tables():
        engine.execute(f"DROP TABLE {left_over}")
    how, contract = Reading(**{"timezone": "UTC", **reading}), CONTRACTS[table]
    source = FrameSource(frame, "given", how)
    with TemporaryDirectory() as folder:
        parts = read_parts(engine, contract, source, changes_of(contract, source, None), Path(folder), now=NOW)
        outcome = assemble_table(engine, contract, how, parts, Path(folder))
    assert engine.tables() == {table, f"rejected_{table}"}
    return Cleaned(
        outcome,
        engine.table(f"SELECT * FROM {table}").to_pylist(),
        engine.columns(table),
        engine.table(f"SELECT * FROM rejected_{table} ORDER BY source_row").to_pylist(),
    )


def sale(**columns: str | None) -> dict[str, str | None]:
    return {"customer_id": "c1", "occurred_at": "2024-05-01", "amount": "10", **columns}


def typed_sales(**columns: pa.Array) -> pa.Table:
    """Sales as a typed file holds them; ``columns`` replace or join the required ones."""
    n = len(next(iter(columns.values())))
    required = {
        "customer_id": pa.array(["c1"] * n),
        "occurred_at": pa.array([date(2024, 5, 1)] * n),
        "amount": pa.array([10.0] * n),
    }
    return pa.table({**required, **columns})


def test_the_clean_table_has_the_types_of_the_contract() -> None:
    row = dict.fromkeys((column.name for column in CONTRACTS["transactions"].columns), "x") | {
        "occurred_at": "2024-05-01",
        "recorded_at": "2024-05-02",
        **dict.fromkeys(("amount", "margin", "discount", "quantity"), "1"),
        "is_test": "no",
    }
    found = cleaned("transactions", [row]).types
    assert found == {
        column.name: str(column.kind) for column in CONTRACTS["transactions"].columns if column.name != "is_test"
    }


def test_columns_no_contract_knows_are_left_out_of_transactions() -> None:
    assert list(cleaned("transactions", [sale(colour="red")]).types) == ["customer_id", "occurred_at", "amount"]


# --- ids -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["007", "1e5", "17850.0", "0x1F", "C-1", "ім'я", "-1", "a,b", "null1", "9" * 40, "a\nb", '"']
)
def test_an_id_in_a_text_file_is_kept_letter_by_letter(text: str) -> None:
    assert cleaned("transactions", [sale(customer_id=text)]).column("customer_id") == [text]


def test_blanks_around_an_id_are_no_part_of_it() -> None:
    rows = [sale(customer_id=text) for text in ("007", " 007", "007\t", "\u00a0007\r\n", "\ufeff007")]
    assert cleaned("transactions", rows).column("customer_id") == ["007"] * 5


@pytest.mark.parametrize(
    "text", [None, "", " ", "\t", "\u00a0", "null", "NULL", "None", "nan", "NaN", "N/A", "NA", "#N/A", "<NA>", "undefined"]
)
def test_a_row_without_an_id_is_rejected(text: str | None) -> None:
    found = cleaned("transactions", [sale(customer_id=text), sale()])
    assert found.reasons == [(1, "customer_id is missing")]
    assert found.outcome.n_kept == 1


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([17850.0, 17850.5, -3.0, 1e20]), ["17850", "17850.5", "-3", "1" + "0" * 20]),
        (pa.array([17850.0, 2.5], pa.float32()), ["17850", "2.5"]),
        (pa.array([Decimal("17850.00"), Decimal("2.50")]), ["17850", "2.50"]),
        (pa.array([17850, 0]), ["17850", "0"]),
        (pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)]),
        (pa.array(["007", "8"]).dictionary_encode(), ["007", "8"]),
        (pa.array([True, False]), ["true", "false"]),
    ],
)
def test_an_id_in_a_typed_file_becomes_the_text_a_person_would_write(ids: pa.Array, expected: list[str]) -> None:
    assert cleaned("transactions", typed_sales(customer_id=ids)).column("customer_id") == expected


def test_an_id_that_is_no_number_in_a_column_of_numbers_is_missing() -> None:
    ids = pa.array(np.array([1.0, np.nan, np.inf, -np.inf, 1e300]))
    found = cleaned("transactions", typed_sales(customer_id=ids))
    assert found.column("customer_id") == ["1", "1e+300"]
    assert found.reasons == [(row, "customer_id is missing") for row in (2, 3, 4)]


def test_a_nested_column_is_no_id() -> None:
    for ids in (pa.array([["a"]]), pa.array([{"a": 1}])):
        with pytest.raises(ColumnTypeError, match=r"column 'customer_id' \(customer_id\) is of type .* which is no text"):
            cleaned("transactions", typed_sales(customer_id=ids))


def test_blank_optional_text_is_null_so_that_it_joins_no_orders() -> None:
    found = cleaned("transactions", [sale(order_id=text) for text in ("", " ", None, "o1")])
    assert found.column("order_id") == [None, None, None, "o1"]
    gaps = pa.array(np.array([np.nan, 1.0]))
    assert cleaned("transactions", typed_sales(order_id=gaps)).column("order_id") == [None, "1"]


# --- amounts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("10", "10"),
        (" 10.50\t", "10.5"),
        ("-3.20", "-3.2"),
        ("+3", "3"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e3", "1000"),
        ("0", "0"),
        ("-0", "0"),
        ("007", "7"),
        ("0.00005", "0.0001"),
        ("99999999999999.9999", "99999999999999.9999"),
    ],
)
def test_a_plain_number_is_an_amount(text: str, amount: str) -> None:
    assert cleaned("transactions", [sale(amount=text)]).column("amount") == [Decimal(amount)]


@pytest.mark.parametrize(
    "text",
    ["1,5", "1,234.50", "1.234,50", "1_000", "$5", "5 €", "5 USD", "nan", "NaN", "inf", "-inf", "Infinity", "(5.00)",
     "5-", "--5", "1 000", "0x10", "abc", ".", "e5", "1e", "٣", "1e30", "99999999999999999", "true", "5\n6", "½"],
)  # fmt: skip
def test_an_amount_is_never_guessed(text: str) -> None:
    found = cleaned("transactions", [sale(amount=text), sale()])
    assert found.reasons == [(1, "amount is no amount of money")]
    assert found.column("amount") == [Decimal(10)]


@pytest.mark.parametrize("text", [None, "", "  ", "\t"])
def test_a_blank_amount_is_missing(text: str | None) -> None:
    assert cleaned("transactions", [sale(amount=text)]).reasons == [(1, "amount is missing")]


def test_amounts_of_typed_files_are_read_by_their_type() -> None:
    assert cleaned("transactions", typed_sales(amount=pa.array([0.1, -2.0]))).column("amount") == [
        Decimal("0.1"),
        Decimal(-2),
    ]
    assert cleaned("transactions", typed_sales(amount=pa.array([3]))).column("amount") == [Decimal(3)]
    exact = pa.array([Decimal("12345678901234.5678")])
    assert cleaned("transactions", typed_sales(amount=exact)).column("amount") == exact.to_pylist()


def test_typed_amounts_that_are_no_money_are_rejected() -> None:
    found = cleaned("transactions", typed_sales(amount=pa.array(np.array([np.nan, np.inf, -np.inf, 1e20, 1.0]))))
    assert found.reasons == [
        (1, "amount is missing"),
        *((row, "amount is no amount of money") for row in (2, 3, 4)),
    ]


@pytest.mark.parametrize(
    "amounts",
    [
        pa.array([date(2024, 1, 1)]),
        pa.array([datetime(2024, 1, 1)]),
        pa.array([True]),
        pa.array([[1.0]]),
        pa.array([b"1"]),
        pa.array([timedelta(1)]),
    ],
)
def test_a_column_of_another_type_is_no_amount(amounts: pa.Array) -> None:
    with pytest.raises(
        ColumnTypeError, match=r"'amount' \(amount\) is of type .*no amount of money.*data.transactions.columns"
    ):
        cleaned("transactions", typed_sales(amount=amounts))


def test_an_optional_number_may_be_absent_but_not_wrong() -> None:
    rows = [sale(quantity=text) for text in ("2", "", None, "two", "1e400", "inf")]
    found = cleaned("transactions", rows)
    assert found.column("quantity") == [2.0, None, None]
    assert found.reasons == [(row, "quantity is no number") for row in (4, 5, 6)]


def test_a_gap_in_an_optional_column_of_numbers_is_no_fault() -> None:
    found = cleaned("transactions", typed_sales(quantity=pa.array(np.array([2.0, np.nan, np.inf]))))
    assert found.column("quantity") == [2.0, None]
    assert found.reasons == [(3, "quantity is no number")]


def test_a_column_of_nothing_but_nulls_is_an_absent_one() -> None:
    found = cleaned(
        "transactions", typed_sales(margin=pa.nulls(2), recorded_at=pa.nulls(2), order_id=pa.nulls(2), is_test=pa.nulls(2))
    )
    assert found.outcome.n_kept == 2
    assert found.types["margin"] == "DECIMAL(18,4)"
    assert found.rows[0]["recorded_at"] is None


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-01-15", "2024-01-14 22:00:00"),
        ("2024-07-15", None),
        ("2023-07-15", "2023-07-14 21:00:00"),
        (" 2024-01-15 10:00 ", "2024-01-15 08:00:00"),
        ("2024-01-15T10:00:00", "2024-01-15 08:00:00"),
        ("2024-01-15 9:05:07.25", "2024-01-15 07:05:07.250000"),
        ("2024-01-15T10:00:00Z", "2024-01-15 10:00:00"),
        ("2024-01-15T10:00:00z", "2024-01-15 10:00:00"),
        ("2024-01-15 10:00:00 UTC", "2024-01-15 10:00:00"),
        ("2024-01-15T10:00:00+02:00", "2024-01-15 08:00:00"),
        ("2024-01-15T10:00:00.5-05:00", "2024-01-15 15:00:00.500000"),
        ("2024-01-15 10:00+0530", "2024-01-15 04:30:00"),
        ("2024-01-15 10:00:00 -0800", "2024-01-15 18:00:00"),
        ("2024-01-15 10:00:00-05", "2024-01-15 15:00:00"),
    ],
)
def test_local_times_are_moved_to_utc_and_offsets_are_honoured(text: str, utc: str | None) -> None:
    found = cleaned("transactions", [sale(occurred_at=text)], timezone="Europe/Kyiv")
    if utc is None:
        assert found.reasons == [(1, "occurred_at lies in the future")]
    else:
        assert found.column("occurred_at") == [datetime.fromisoformat(utc)]


MOMENTS = st.tuples(st.datetimes(datetime(1950, 1, 1), datetime(2024, 5, 1)), st.integers(-14 * 60, 14 * 60))


@given(st.lists(MOMENTS, min_size=1, max_size=50))
@settings(max_examples=10, deadline=None)
def test_an_iso_time_with_any_offset_is_the_moment_python_reads(moments: list[tuple[datetime, int]]) -> None:
    written = [moment.replace(tzinfo=timezone(timedelta(minutes=minutes))) for moment, minutes in moments]
    found = cleaned("transactions", [sale(occurred_at=moment.isoformat()) for moment in written], timezone="Asia/Tokyo")
    assert found.column("occurred_at") == [moment.astimezone(UTC).replace(tzinfo=None) for moment in written]


@pytest.mark.parametrize(
    "text",
    ["01.02.2024", "02/01/2024", "20240201", "1706745600", "yesterday", "2024-02-30", "2024-13-01", "2024-02-01 25:00",
     "24-02-01", "2024-2-1", "2024-02-01 1:00 PM", "2024-02-01 10:00:00 EST", "2024-02-01 10:00:00 Europe/Kyiv",
     "2024-02-01 (BC)", "2024-02-01 10:00:00 -infinity", "infinity", "epoch", "2024-02-01T10:00:00[UTC]", "2024-02-01 10+02",
     "2024-02-01,", "12024-02-01", "2024-02-01 10:00:00 +99:00"],
)  # fmt: skip
def test_a_time_that_is_not_fully_understood_is_rejected(text: str) -> None:
    assert cleaned("transactions", [sale(occurred_at=text)]).reasons == [(1, "occurred_at is no date")]


@pytest.mark.parametrize("text", [None, "", " "])
def test_a_blank_time_is_missing(text: str | None) -> None:
    assert cleaned("transactions", [sale(occurred_at=text)]).reasons == [(1, "occurred_at is missing")]


def test_a_row_from_the_future_is_rejected_and_one_of_this_moment_is_not() -> None:
    rows = [sale(occurred_at=text) for text in ("2024-06-01T12:00:00", "2024-06-01T12:00:01", "2024-06-01T14:00:00+02:00")]
    assert cleaned("transactions", rows).reasons == [(2, "occurred_at lies in the future")]
    assert cleaned("transactions", [sale(recorded_at="2025-01-01")]).reasons == [(1, "recorded_at lies in the future")]


@pytest.mark.parametrize("text", ["0001-01-01", "1899-12-30", "1900-01-01"])
def test_the_dates_that_programs_write_for_none_are_rejected(text: str) -> None:
    for zone in ("UTC", "Europe/Kyiv"):
        found = cleaned("transactions", [sale(occurred_at=text)], timezone=zone)
        assert found.reasons == [(1, "occurred_at lies before 1901")]


MOMENT = datetime(2024, 1, 15, 10)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_typed_time_without_a_zone_is_local(unit: str) -> None:
    times = pa.array([MOMENT], pa.timestamp(unit))
    found = cleaned("transactions", typed_sales(occurred_at=times), timezone="Europe/Kyiv")
    assert found.column("occurred_at") == [datetime(2024, 1, 15, 8)]
    assert found.types["occurred_at"] == "TIMESTAMP"


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Kyiv", "+02:00"])
def test_a_typed_time_with_a_zone_is_the_moment_it_names(unit: str, zone: str) -> None:
    times = pa.array([MOMENT.replace(tzinfo=UTC)], pa.timestamp(unit, zone))
    found = cleaned("transactions", typed_sales(occurred_at=times), timezone="America/New_York")
    assert found.column("occurred_at") == [MOMENT]
    assert found.types["occurred_at"] == "TIMESTAMP"


def test_a_typed_date_begins_at_local_midnight() -> None:
    found = cleaned("transactions", typed_sales(occurred_at=pa.array([date(2024, 1, 15)])), timezone="Europe/Kyiv")
    assert found.column("occurred_at") == [datetime(2024, 1, 14, 22)]


@pytest.mark.parametrize("times", [pa.array([20240115]), pa.array([1.7e9]), pa.array([True]), pa.array([["2024-01-15"]])])
def test_a_typed_column_that_is_no_time_is_refused_with_the_way_out(times: pa.Array) -> None:
    with pytest.raises(
        ColumnTypeError, match=r"'occurred_at' \(occurred_at\) is of type .*no date.*data.transactions.datetime_format"
    ):
        cleaned("transactions", typed_sales(occurred_at=times))


@pytest.mark.parametrize(
    ("pattern", "text", "utc"),
    [
        ("%d.%m.%Y", "15.01.2024", "2024-01-14 22:00:00"),
        ("%d.%m.%Y %H:%M", " 15.01.2024 10:30", "2024-01-15 08:30:00"),
        ("%m/%d/%y %I:%M %p", "01/15/24 01:00 PM", "2024-01-15 11:00:00"),
        ("%Y-%m-%d %H:%M %z", "2024-01-15 10:30 -0500", "2024-01-15 15:30:00"),
        ("%Y-%m-%d %H:%M %Z", "2024-01-15 10:30 America/New_York", "2024-01-15 15:30:00"),
        ("%%z %d.%m.%Y", "%z 15.01.2024", "2024-01-14 22:00:00"),
        ("it's %d.%m.%Y", "it's 15.01.2024", "2024-01-14 22:00:00"),
    ],
)
def test_a_format_of_times_is_followed(pattern: str, text: str, utc: str) -> None:
    found = cleaned("transactions", [sale(occurred_at=text)], timezone="Europe/Kyiv", datetime_format=pattern)
    assert found.column("occurred_at") == [datetime.fromisoformat(utc)]
    assert found.types["occurred_at"] == "TIMESTAMP"


def test_a_format_of_times_is_not_followed_half_way() -> None:
    rows = [sale(occurred_at=text) for text in ("15.01.2024 10:30", "2024-01-15", "31.02.2024", "15.01.2024")]
    found = cleaned("transactions", rows, datetime_format="%d.%m.%Y")
    assert found.reasons == [(row, "occurred_at is no date") for row in (1, 2, 3)]


def test_day_numbers_of_a_typed_file_follow_the_format() -> None:
    found = cleaned("transactions", typed_sales(occurred_at=pa.array([20240115])), datetime_format="%Y%m%d")
    assert found.column("occurred_at") == [datetime(2024, 1, 15)]


def test_typed_times_need_no_format() -> None:
    found = cleaned("transactions", typed_sales(occurred_at=pa.array([MOMENT])), datetime_format="%Y%m%d")
    assert found.column("occurred_at") == [MOMENT]


@pytest.mark.parametrize("pattern", ["%Q", "%Y-%", ""])
def test_a_format_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(ParamsError, match=r"data.transactions.datetime_format == .* is no format .*strptime"):
        cleaned("transactions", [sale()], datetime_format=pattern)


# --- columns ---------------------------------------------------------------------------------------------------------


def test_the_users_names_are_mapped_and_unmapped_ones_found_by_ours() -> None:
    rows: list[dict[str, Any]] = [{"Client": "c1", "когда": "2024-05-01", "amount": "1", "total": "2", "channel": "web"}]
    columns = {"customer_id": "Client", "occurred_at": "когда", "amount": "total"}
    found = cleaned("transactions", rows, columns=columns)
    assert found.rows == [{"customer_id": "c1", "occurred_at": datetime(2024, 5, 1), "amount": Decimal(2), "channel": "web"}]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_column_name_breaks_or_injects(name: str) -> None:
    rows = [
        {"customer_id": "c1", "occurred_at": "2024-05-01", name: "5"},
        {"customer_id": "", "occurred_at": "2024-05-01", name: "6"},
    ]
    found = cleaned("transactions", rows, columns={"amount": name})
    assert found.column("amount") == [Decimal(5)]
    assert found.reasons == [(2, "customer_id is missing")]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_of_an_attribute_breaks_or_injects(name: str) -> None:
    found = cleaned(
        "customers", [{"customer_id": "c1", name: "red"}, {"customer_id": "c2", name: None}], key=["customer_id"]
    )
    assert found.rows == [{"customer_id": "c1", name: "red"}, {"customer_id": "c2", name: None}]
    assert found.outcome.n_rejected == 0


@pytest.mark.parametrize("text", [*HOSTILE, "'); DELETE FROM transactions; --", "a\0b", "🙂"])
def test_no_value_breaks_or_injects(text: str) -> None:
    found = cleaned(
        "transactions", [sale(customer_id=text, channel=text), sale(amount=text)], key=["customer_id", "channel"]
    )
    assert [(row["customer_id"], row["channel"]) for row in found.rows] == [(text, text)]
    assert found.rejected[0]["amount"] == text


def test_a_missing_column_is_named_with_the_likeliest_match() -> None:
    with pytest.raises(MissingColumnsError, match=r"lacks columns \['customer_id'\].*columns: \{customer_id: Customer_ID\}"):
        cleaned("transactions", [{"Customer_ID": "c1", "occurred_at": "2024-05-01", "amount": "1"}])
    with pytest.raises(MissingColumnsError, match=r"lacks columns \['amount'\].*columns: \{amount: AMOUNT\}"):
        cleaned("transactions", [{"customer_id": "c1", "occurred_at": "2024-05-01", "AMOUNT": "1"}])


def test_a_column_that_is_mapped_is_not_called_missing() -> None:
    with pytest.raises(MissingColumnsError, match=r"lacks columns \['customer_id'\]; it has \['occurred_at', 'total'\]"):
        cleaned("transactions", [{"occurred_at": "2024-05-01", "total": "1"}], columns={"amount": "total"})


def test_a_mapping_onto_nothing_is_refused() -> None:
    with pytest.raises(
        MissingColumnsError, match=r"columns points at \['totl'\]; the file has \['amount', 'customer_id', 'occurred_at'\]"
    ):
        cleaned("transactions", [sale()], columns={"amount": "totl"})


def test_a_mapping_of_an_unknown_column_is_refused() -> None:
    with pytest.raises(
        ParamsError,
        match=r"data.transactions.columns names \['colour'\], which no transactions table has. Known: \['customer_id'",
    ):
        cleaned("transactions", [sale(c="red")], columns={"colour": "c"})


def test_a_key_must_name_columns_that_are_there() -> None:
    with pytest.raises(ParamsError, match=r"data.transactions.key names \['colour'\]"):
        cleaned("transactions", [sale()], key=["colour"])
    with pytest.raises(
        MissingColumnsError, match=r"data.transactions.key names \['order_id'\], which the file does not have"
    ):
        cleaned("transactions", [sale()], key=["order_id"])


# --- duplicates, keys, test orders -----------------------------------------------------------------------------------


def test_exact_duplicates_are_kept_and_counted() -> None:
    found = cleaned(
        "transactions", [sale(), sale(), sale(amount="10.0"), sale(amount="11"), sale(amount="x"), sale(amount="x")]
    )
    assert found.outcome.n_kept == 4
    assert found.outcome.n_exact_duplicates == 2


def test_rows_that_differ_only_by_a_null_are_no_duplicates() -> None:
    assert (
        cleaned("transactions", [sale(channel="web"), sale(channel=None), sale(order_id="1")]).outcome.n_exact_duplicates
        == 0
    )


def test_of_rows_with_one_key_the_latest_recorded_counts() -> None:
    rows = [
        sale(order_id="1", amount="1", recorded_at="2024-05-03"),
        sale(order_id="1", amount="2", recorded_at="2024-05-05"),
        sale(order_id="1", amount="3", recorded_at="2024-05-04"),
        sale(order_id="1", amount="4", recorded_at=None),
        sale(order_id="2", amount="5"),
    ]
    found = cleaned("transactions", rows, key=["order_id"])
    assert sorted(found.column("amount")) == [Decimal(2), Decimal(5)]
    assert found.reasons == [(row, REPLACED) for row in (1, 3, 4)]
    assert found.outcome.n_rejected == 0


def test_without_a_record_time_the_last_row_counts() -> None:
    rows = [sale(order_id="1", amount=str(n)) for n in range(5)]
    assert cleaned("transactions", rows, key=["order_id", "customer_id"]).column("amount") == [Decimal(4)]


def test_rows_that_lack_part_of_the_key_all_count() -> None:
    rows = [
        sale(order_id=None, amount="1"),
        sale(order_id="", amount="2"),
        sale(order_id="a", amount="3"),
        sale(order_id="a", amount="4"),
    ]
    assert sorted(cleaned("transactions", rows, key=["order_id"]).column("amount")) == [Decimal(1), Decimal(2), Decimal(4)]


def test_a_faulty_row_replaces_nothing() -> None:
    rows = [
        sale(order_id="1", amount="1"),
        sale(order_id="1", amount="broken"),
        sale(order_id="1", amount="9", is_test="yes"),
    ]
    found = cleaned("transactions", rows, key=["order_id"])
    assert found.column("amount") == [Decimal(1)]
    assert found.reasons == [(2, "amount is no amount of money"), (3, TEST_ORDER)]


def test_test_orders_are_left_out_but_are_no_faults() -> None:
    rows = [sale(is_test=text) for text in ("true", "YES", "1", "t", "false", "no", "0", "", None)]
    found = cleaned("transactions", rows)
    assert (found.outcome.n_kept, found.outcome.n_rejected) == (5, 0)
    assert found.outcome.n_by_reason == {TEST_ORDER: 4}
    assert found.outcome.n_by_fault == {}
    assert "is_test" not in found.types


def test_a_flag_that_is_neither_yes_nor_no_is_a_fault() -> None:
    found = cleaned("transactions", [sale(is_test="maybe"), sale(is_test="2")])
    assert found.reasons == [(row, "is_test is no yes or no") for row in (1, 2)]


def test_a_faulty_test_order_is_a_fault() -> None:
    assert cleaned("transactions", [sale(is_test="true", amount="x")]).outcome.n_rejected == 1


def test_typed_flags_are_read_and_numbers_are_no_flags() -> None:
    assert cleaned("transactions", typed_sales(is_test=pa.array([True, False, None]))).outcome.n_by_reason == {TEST_ORDER: 1}
    with pytest.raises(ColumnTypeError, match="is of type BIGINT, which is no yes or no"):
        cleaned("transactions", typed_sales(is_test=pa.array([1, 0])))


# --- quarantine ------------------------------------------------------------------------------------------------------


def test_a_rejected_row_is_kept_as_given_with_its_place_and_its_first_fault() -> None:
    rows = [sale(), sale(customer_id=" ", amount="$5", colour="red"), sale(occurred_at="01.05.2024")]
    found = cleaned("transactions", rows)
    second = {"customer_id": " ", "occurred_at": "2024-05-01", "amount": "$5", "colour": "red"}
    assert found.rejected[0] == second | {"source_file": "given", "source_row": 2, "reason": "customer_id is missing"}
    assert found.reasons == [(2, "customer_id is missing"), (3, "occurred_at is no date")]
    assert found.outcome.n_by_reason == {"customer_id is missing": 1, "occurred_at is no date": 1}


def test_every_row_is_kept_or_rejected_and_none_twice() -> None:
    rng = np.random.default_rng(3)
    choices = {
        "customer_id": ["a", "", "b"],
        "occurred_at": ["2024-01-01", "x", "2030-01-01"],
        "amount": ["1", "1,5"],
        "is_test": ["0", "1"],
    }
    rows = [{name: str(rng.choice(values)) for name, values in choices.items()} for _ in range(500)]
    found = cleaned("transactions", rows, key=["customer_id", "occurred_at"])
    assert found.outcome.n_read == 500 == len(found.rows) + len(found.rejected)
    assert found.outcome.n_kept == len(found.rows) == 2
    assert sum(found.outcome.n_by_reason.values()) == len(found.rejected)


def test_a_mended_quarantine_file_can_be_fed_in_again() -> None:
    stale = {"source_file": "old.csv", "source_row": "77", "reason": "amount is no amount of money"}
    found = cleaned("transactions", [sale(**stale), sale(amount="still wrong", **stale)])
    assert found.outcome.n_kept == 1
    assert found.rejected == [
        sale(amount="still wrong") | {"source_file": "given", "source_row": 2, "reason": "amount is no amount of money"}
    ]


# --- customers -------------------------------------------------------------------------------------------------------


def test_the_last_row_of_a_customer_wins() -> None:
    rows: list[dict[str, Any]] = [
        {"customer_id": "c1", "city": "Kyiv"},
        {"customer_id": "c2", "city": "Lviv"},
        {"customer_id": "c1", "city": "Odesa"},
    ]
    found = cleaned("customers", rows, key=["customer_id"])
    assert sorted(found.column("city")) == ["Lviv", "Odesa"]
    assert found.outcome.n_by_reason == {REPLACED: 1}


def test_customers_keep_every_further_column() -> None:
    rows: list[dict[str, Any]] = [
        {"customer_id": "c1", "signed_up_at": "2024-01-01", "email": "a@b.c", "City": " Kyiv ", "is_test": "maybe"}
    ]
    found = cleaned("customers", rows)
    assert found.rows == [
        {"customer_id": "c1", "signed_up_at": datetime(2024, 1, 1), "email": "a@b.c", "City": "Kyiv", "is_test": "maybe"}
    ]


@pytest.mark.parametrize("spelled", ["email", "Email"])
def test_attributes_can_be_renamed_and_what_is_mapped_takes_the_place_of_its_namesake(spelled: str) -> None:
    rows: list[dict[str, Any]] = [{"client": "c1", "mail": "new@b.c", spelled: "old@b.c", "town": "Kyiv"}]
    found = cleaned("customers", rows, columns={"customer_id": "client", "email": "mail", "city": "town"})
    assert found.rows == [{"customer_id": "c1", "email": "new@b.c", "city": "Kyiv"}]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "2.5", "-3"], [1.0, 2.5, -3.0]),
        ([" 10 ", "", None], [10.0, None, None]),
        (["0", "0.5"], [0.0, 0.5]),
        (["123456789012345"], [123456789012345.0]),
        (["007", "8"], ["007", "8"]),
        (["1", "two"], ["1", "two"]),
        (["1,5"], ["1,5"]),
        (["1e5"], ["1e5"]),
        (["+380501234567"], ["+380501234567"]),
        (["1234567890123456"], ["1234567890123456"]),
        (["nan", "1"], ["nan", "1"]),
        (["inf"], ["inf"]),
        (["5."], ["5."]),
        (["", None], [None, None]),
        (["2024-01-01"], ["2024-01-01"]),
        (["true"], ["true"]),
    ],
)
def test_an_attribute_of_nothing_but_plain_numbers_is_a_number(texts: list[str | None], expected: list[Any]) -> None:
    rows: list[dict[str, Any]] = [{"customer_id": f"c{n}", "score": text} for n, text in enumerate(texts)]
    found = cleaned("customers", rows)
    assert sorted(found.column("score"), key=str) == sorted(expected, key=str)
    assert found.types["score"] == ("DOUBLE" if isinstance(expected[0], float) else "VARCHAR")


def test_a_rejected_or_replaced_row_does_not_decide_the_type_of_an_attribute() -> None:
    rows: list[dict[str, Any]] = [
        {"customer_id": "", "score": "Total"},
        {"customer_id": "c1", "score": "unknown"},
        {"customer_id": "c1", "score": "5"},
    ]
    assert cleaned("customers", rows, key=["customer_id"]).rows == [{"customer_id": "c1", "score": 5.0}]


def test_columns_of_the_contract_stay_text_even_when_they_look_like_numbers() -> None:
    rows: list[dict[str, Any]] = [
        {"customer_id": "1", "phone": "380501234567", "acquisition_channel": "2", "acquisition_cost": "3"}
    ]
    assert cleaned("customers", rows).rows == [
        {"customer_id": "1", "phone": "380501234567", "acquisition_channel": "2", "acquisition_cost": Decimal(3)}
    ]


def test_typed_attributes_are_numbers_truth_values_dates_or_text() -> None:
    frame = pa.table(
        {
            "customer_id": ["c1"],
            "age": pa.array([30], pa.int8()),
            "score": [0.5],
            "limit": pa.array([Decimal("1.50")]),
            "vip": [True],
            "birthday": [date(1990, 1, 1)],
            "net": pa.array(["INTERNET"]).dictionary_encode(),
            "tags": [["a", "b"]],
            "prices": [[Decimal("1.50")]],
            "visits": [[datetime(2024, 5, 1)]],
            "address": [{"zip": 1}],
            "stay": pa.array([timedelta(1)]),
            "empty": pa.nulls(1),
        }
    )
    assert cleaned("customers", frame).types == {
        "customer_id": "VARCHAR",
        "age": "TINYINT",
        "score": "DOUBLE",
        "limit": "DECIMAL(3,2)",
        "vip": "BOOLEAN",
        "birthday": "DATE",
        "net": "VARCHAR",
        "tags": "VARCHAR",
        "prices": "VARCHAR",
        "visits": "VARCHAR",
        "address": "VARCHAR",
        "stay": "VARCHAR",
        "empty": "VARCHAR",
    }


# --- events ----------------------------------------------------------------------------------------------------------


def event(**columns: str | None) -> dict[str, str | None]:
    return {"customer_id": "c1", "occurred_at": "2024-05-01T10:00:00", "event_type": "nps", **columns}


def test_events_hold_what_happened_to_whom_and_when() -> None:
    rows = [event(value="9", channel="email", device=None, campaign_id="007", recorded_at="2024-05-02", utm_source="x")]
    found = cleaned("events", rows)
    assert found.rows == [
        {
            "customer_id": "c1",
            "occurred_at": datetime(2024, 5, 1, 10),
            "event_type": "nps",
            "channel": "email",
            "device": None,
            "value": 9.0,
            "campaign_id": "007",
            "recorded_at": datetime(2024, 5, 2),
        }
    ]


def test_faulty_events_are_rejected_by_the_same_rules() -> None:
    rows = [
        event(event_type=" "),
        event(customer_id=None),
        event(occurred_at="x"),
        event(value="nine"),
        event(occurred_at="2030-01-01"),
        event(value=""),
    ]
    found = cleaned("events", rows)
    assert found.reasons == [
        (1, "event_type is missing"),
        (2, "customer_id is missing"),
        (3, "occurred_at is no date"),
        (4, "value is no number"),
        (5, "occurred_at lies in the future"),
    ]


def test_events_without_a_type_column_are_refused() -> None:
    with pytest.raises(MissingColumnsError, match=r"Table 'events' lacks columns \['event_type'\]"):
        cleaned("events", [{"customer_id": "c1", "occurred_at": "2024-05-01"}])


def test_contracts_name_each_column_once_and_require_a_customer() -> None:
    for contract in CONTRACTS.values():
        names = [column.name for column in contract.columns]
        assert len(set(names)) == len(names)
        assert ("customer_id" in contract.required) == (contract.table != "exchange_rates")
        assert contract.column("no such column") is None
        assert all(
            identifier(name) == f'"{name}"' and column.meaning for name, column in zip(names, contract.columns, strict=True)
        )
