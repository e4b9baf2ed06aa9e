"""What people write by their own habits is read back as what they meant, once the habit is declared."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.engines import DuckDBEngine, literal
from cvm.ingest.numbers import NumberFormat
from cvm.ingest.times import TimeFormat, utc_time

ENGINE = DuckDBEngine()
MARKS = [(".", ","), (",", "."), (",", " "), (".", "'")]


@given(st.decimals(-(10**12), 10**12, places=2), st.sampled_from(MARKS))
@settings(max_examples=60, deadline=None)
def test_a_number_with_declared_marks_is_that_number(number: Decimal, marks: tuple[str, str]) -> None:
    decimal, thousands = marks
    text = literal(f"{number:,.2f}".translate({ord(","): thousands, ord("."): decimal}))
    numbers = NumberFormat(decimal, thousands)
    query = f"SELECT {numbers.is_number(text)} AS fits, CAST({numbers.plain(text)} AS DECIMAL(18, 2)) AS n"
    assert ENGINE.row(query) == {"fits": True, "n": number}


@given(st.datetimes(datetime(1950, 1, 1), datetime(2050, 1, 1)), st.sampled_from("./-"), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_moment_whose_day_comes_first_is_that_moment(moment: datetime, mark: str, padded: bool) -> None:
    day, month = (f"{moment.day:02d}", f"{moment.month:02d}") if padded else (moment.day, moment.month)
    text = literal(f"{day}{mark}{month}{mark}{moment.year} {moment.time().isoformat()}")
    found = utc_time(text, "VARCHAR", text, TimeFormat("UTC", day_first=True))
    assert ENGINE.row(f"SELECT {found} AS moment")["moment"] == moment


@given(st.datetimes(datetime(1950, 1, 1), datetime(2050, 1, 1)))
@settings(max_examples=30, deadline=None)
def test_a_count_of_microseconds_is_its_moment(moment: datetime) -> None:
    count = literal(str(round((moment - datetime(1970, 1, 1)).total_seconds() * 1_000_000)))
    found = utc_time(count, "VARCHAR", count, TimeFormat(None, "epoch_us", has_offset=True))
    assert abs((ENGINE.row(f"SELECT {found} AS moment")["moment"] - moment).total_seconds()) < 1e-5
