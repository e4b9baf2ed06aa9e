from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from cvm.engines import DuckDBEngine
from cvm.errors import ColumnTypeError, ParamsError
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.reading import Reading
from shop import clean_table

NOW = datetime(2024, 6, 1)
ENGINE = DuckDBEngine()


@pytest.fixture(autouse=True)
def _no_left_overs() -> Iterator[None]:
    yield
    for table in ENGINE.tables():
        ENGINE.execute(f"DROP TABLE {table}")


def moments(times: Any, *, timezone: str | None = "UTC", **reading: Any) -> list[datetime]:
    """``occurred_at`` of all accepted rows, in their order; a list of text, or an array of another type."""
    times = times if isinstance(times, pa.Array) else pa.array(times, pa.string())
    n = len(times)
    frame = pa.table({"customer_id": [f"{i:05d}" for i in range(n)], "occurred_at": times, "amount": ["1"] * n})
    given = frame
    clean_table(ENGINE, CONTRACTS["transactions"], Reading(timezone, **reading), given, now=NOW)
    found: list[datetime] = ENGINE.table("SELECT occurred_at FROM transactions ORDER BY customer_id").column(0).to_pylist()
    return found


# --- days that come first --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("31.12.2023", "2023-12-31"),
        ("01.02.2024", "2024-02-01"),
        ("1.2.2024", "2024-02-01"),
        ("31/12/2023", "2023-12-31"),
        ("1/12/2023 9:05", "2023-12-01 09:05"),
        ("31-12-2023 23:59:59.25", "2023-12-31 23:59:59.250000"),
        ("31.12.2023, 14:05", "2023-12-31 14:05"),
        ("31.12.2023T14:05:06", "2023-12-31 14:05:06"),
        ("31.12.2023 14:05 +02:00", "2023-12-31 12:05"),
        ("31.12.2023 14:05Z", "2023-12-31 14:05"),
        ("2023-12-31 10:00", "2023-12-31 10:00"),  # a year of four digits in front leaves no doubt
    ],
)
def test_the_day_comes_first_when_that_is_declared(text: str, utc: str) -> None:
    assert moments([text], day_first=True) == [datetime.fromisoformat(utc)]


@pytest.mark.parametrize(
    "text", ["12/31/2023", "31.02.2023", "31.12.23", "31.12/2023", "31 12 2023", "31.12.2023 25:00", "31.12.2023 2 PM",
             "31.12.20231", "131.12.2023", "31.12.2023 y.", "1.2.3.2024", "2023.12.31"]
)  # fmt: skip
def test_a_day_that_is_not_fully_understood_is_rejected(text: str) -> None:
    assert moments([text, "01.01.2024"], day_first=True) == [datetime(2024, 1, 1)]


def test_undeclared_the_day_never_comes_first() -> None:
    assert moments(["01.02.2024", "01/02/2024", "2024-02-01"]) == [datetime(2024, 2, 1)]


def test_days_that_come_first_begin_at_local_midnight() -> None:
    assert moments(["15.01.2024"], day_first=True, timezone="Europe/Kyiv") == [datetime(2024, 1, 14, 22)]


# --- moments that are counted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "count"), [("epoch_s", 1_705_312_800), ("epoch_ms", 1_705_312_800_000), ("epoch_us", 1_705_312_800_000_000)]
)
def test_seconds_since_1970_are_utc_whatever_the_zone(unit: str, count: int) -> None:
    expected = [datetime(2024, 1, 15, 10)]
    for zone in ("Europe/Kyiv", None):
        assert moments([str(count)], datetime_format=unit, timezone=zone) == expected
        assert moments(pa.array([count]), datetime_format=unit, timezone=zone) == expected
        assert moments(pa.array([float(count)]), datetime_format=unit, timezone=zone) == expected


def test_a_count_keeps_its_microseconds() -> None:
    expected = [datetime(2024, 1, 15, 10, 0, 0, 123_456)]
    assert moments(["1705312800123456"], datetime_format="epoch_us") == expected
    assert moments(pa.array([1_705_312_800_123_456]), datetime_format="epoch_us") == expected


@pytest.mark.parametrize("text", ["2024-01-15", "1.7e9", "1705312800.5", "999999999999999999", "-", "1 705"])
def test_what_is_no_count_is_no_time(text: str) -> None:
    assert moments([text, "1705312800"], datetime_format="epoch_s") == [datetime(2024, 1, 15, 10)]


def test_a_gap_among_counts_is_missing_and_typed_times_need_no_count() -> None:
    assert moments(pa.array([1.5, None, 1_705_312_800.0]), datetime_format="epoch_s") == [datetime(2024, 1, 15, 10)]
    assert moments(pa.array([datetime(2024, 1, 15)]), datetime_format="epoch_s") == [datetime(2024, 1, 15)]


def test_truth_values_are_no_counts() -> None:
    with pytest.raises(ColumnTypeError, match="is of type BOOLEAN, which is no date"):
        moments(pa.array([True]), datetime_format="epoch_s")


# --- zones that nobody declared --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "reading", "example"),
    [
        (["2024-01-15T10:00:00Z", "2024-01-15 10:00"], {}, "2024-01-15 10:00"),
        (["2024-01-15"], {}, "2024-01-15"),
        (["15.01.2024"], {"day_first": True}, "15.01.2024"),
        (["20240115"], {"datetime_format": "%Y%m%d"}, "20240115"),
        (pa.array([20240115]), {"datetime_format": "%Y%m%d"}, "20240115"),
        (pa.array([datetime(2024, 1, 15)]), {}, "2024-01-15 00:00:00"),
        (pa.array([datetime(2024, 1, 15).date()]), {}, "2024-01-15"),
    ],
)
def test_a_time_without_a_zone_is_refused_where_none_is_declared(times: Any, reading: dict[str, Any], example: str) -> None:
    expected = (
        rf"'transactions': column 'occurred_at' \(occurred_at\) holds 1 times without a zone, for example '{example}'. "
        "Say which zone they are in, for example data.transactions.timezone: Europe/Kyiv, or .* business.timezone"
    )
    with pytest.raises(ParamsError, match=expected):
        moments(times, timezone=None, **reading)


@pytest.mark.parametrize(
    ("times", "reading"),
    [
        (["2024-01-15T10:00:00Z", "2024-01-15 12:00+02:00", "", "nonsense"], {}),
        (["2024-01-15 10:00 +0000", "2024-01-15 12:00 +0200"], {"datetime_format": "%Y-%m-%d %H:%M %z"}),
        (pa.array([datetime(2024, 1, 15, 10)] * 2, pa.timestamp("us", "UTC")), {}),
        (pa.array([datetime(2024, 1, 15, 10)] * 2, pa.timestamp("ns", "UTC")), {}),
    ],
)
def test_times_that_carry_their_zone_need_no_declaration(times: Any, reading: dict[str, Any]) -> None:
    assert moments(times, timezone=None, **reading) == [datetime(2024, 1, 15, 10)] * 2


def test_a_default_time_needs_a_zone_as_well() -> None:
    frame = pa.table({"customer_id": ["a"], "amount": ["1"]})
    given = frame
    zoned = Reading(None, defaults={"occurred_at": "2024-01-15T10:00:00Z"})
    assert clean_table(ENGINE, CONTRACTS["transactions"], zoned, given, now=NOW).n_kept == 1
    naive = Reading(None, defaults={"occurred_at": "2024-01-15"})
    with pytest.raises(ParamsError, match=r"column of defaults \(occurred_at\) holds 1 times without a zone"):
        clean_table(ENGINE, CONTRACTS["transactions"], naive, given, now=NOW)


def test_every_time_of_a_table_is_held_to_it_and_attributes_are_not() -> None:
    frame = pa.table({"customer_id": ["a"], "birthday": ["1990-01-01"], "signed_up_at": ["2024-01-01"]})
    given = frame
    with pytest.raises(ParamsError, match="column 'signed_up_at'"):
        clean_table(ENGINE, CONTRACTS["customers"], Reading(None), given, now=NOW)
    given = frame.drop_columns(["signed_up_at"])
    assert clean_table(ENGINE, CONTRACTS["customers"], Reading(None), given, now=NOW).n_kept == 1


# --- plans -----------------------------------------------------------------------------------------------------------


def test_a_planned_end_may_lie_ahead_and_a_beginning_may_not() -> None:
    ahead = str((NOW + timedelta(days=90)).date())
    frame = pa.table({"customer_id": ["a", "b", "c"], "started_at": ["2024-01-01", ahead, "2024-01-01"],
                      "ended_at": [ahead, None, "9999-12-31"]})  # fmt: skip
    given = frame
    outcome = clean_table(ENGINE, CONTRACTS["subscriptions"], Reading("UTC"), given, now=NOW)
    assert outcome.n_by_reason == {"started_at lies in the future": 1}
    assert outcome.n_kept == 2
