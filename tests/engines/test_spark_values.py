"""Hostile values, read by both engines one by one."""

from __future__ import annotations

import math
import struct

import numpy as np
import pyarrow as pa
import pytest

from cvm.engines import DuckDBEngine, QueryError, identifier, literal
from cvm.engines.spark import SparkEngine
from cvm.engines.spark_patterns import first_only, java_pattern, java_replacement
from cvm.engines.spark_strptime import strptime_sql
from cvm.ingest import values
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.numbers import NumberFormat
from cvm.ingest.times import TimeFormat, lacks_zone, utc_time

TRANSACTIONS = CONTRACTS["transactions"]
TEXTS = [
    None, "", " ", "\t", "\u00a0", "\ufeff", " 12 ", "12\n", "\n12", "\v12", "007", "1e5", "1E5", "1e400", "1e-400",
    "1e-5", "-0", "+3", ".5", "5.", ".", "e5", "1e", "1d", "1f", "0x10", "\u0661", "½", "1,5", "1.234,56", "1,234.50",
    "1 234,56", "1\u00a0234,56", "1\u202f234", "1'234.50", "1\u2019234", "12.34.567", "1_000", "nan", "NaN", "inf",
    "-Infinity", "(5.00)", "--5", "5-", "$5", "0.00005", "0.00015", "2.67505", "-2.67505", "99999999999999.9999",
    "99999999999999.99995", "1e30", "9"*40, "1e-400000000000", "true", "T", "YES", "y", "on", "off", "No", "0", "1",
    "2", "1.0", "да", "null", "a\nb", "a'b", 'a"b', "a\\b", "\\d", "$1", "${x}", ":x", "%", "İ", "ẞ", "🙂",
    "cvm-0123456789abcdef0123456789abcdef",
]  # fmt: skip
# At the end, clocks that are turned: the hour there is not, and the hour there is twice.
TIMES = [
    None, "2024-01-15", "2024-02-30", "2024-13-01", "2024-2-1", "24-02-01", "12024-02-01", "0000-01-01", "0001-01-01",
    "9999-12-31", "2024-01-15 10:00", "2024-01-15T1:05", "2024-01-15 9:05:07.25", "2024-01-15 00:00:00.1234567",
    "2024-01-15 23:59:60", "2024-01-15 24:00", "2024-01-15 24:00:00.000", "2024-01-15 24:01",
    "2024-01-15 24:00+02:00", "2024-01-15 25:00", "2024-01-15 10:00:00Z", "2024-01-15 10:00 z",
    "2024-01-15T10:00:00 UTC", "2024-01-15T10:00:00+02:00", "2024-01-15 10:00+0530", "2024-01-15 10:00:00 -0800",
    "2024-01-15 10:00-05", "2024-01-15 10:00:00.5-05:00", "2024-01-15 10:00:00 +99:00", "2024-01-15 10:00+15:59",
    "2024-01-15 10:00:00 EST", "2024-01-15 10:00:00 Europe/Kyiv", "2024-01-15 1:00 PM", "2024-01-15,",
    "2024-01-15 10+02", "2024-01-15 (BC)", "infinity", "-infinity", "epoch", "now", "today", "yesterday", "20240115",
    "1705312800", "1705312800123456", "-5", "999999999999999999", "1.7e9", "1 705", "01.02.2024", "1.2.2024",
    "31/12/2023", "1/12/2023 9:05", "31-12-2023 23:59:59.25", "31.12.2023, 14:05", "31.12.2023T14:05:06",
    "31.12.2023 14:05 +02:00", "31.12.2023 14:05Z", "12/31/2023", "31.02.2023", "31.12.23", "31.12/2023",
    "31 12 2023", "31.12.20231", "131.12.2023", "1.2.3.2024", "2023.12.31", "2023-03-26 03:30", "2023-10-29 03:30",
    "2023-10-29 03:00", "2023-10-29 03:59:59.999999", "2023-10-29 04:00", "1977-04-01 00:30", "2011-12-30 10:00",
    "2023-04-02 01:45", "2023-10-01 02:15", "1981-03-31 23:59", "1945-08-15 01:00", "1901-01-01",
]  # fmt: skip
MOMENTS = [
    "15 Jan 2024", "15 JANUARY 2024", "15  jan 2024", "15Jan2024", "2024-060", "5:07 pm", "12:00 AM", "13:00 AM",
    "12:30 pm", "2024-01-15 10:00:00.5", "2024-01-15 10:00:60", "2024-01-15 10:60", "Tue 15.01.2024", "01.02.24",
    "01.02.68", "01.02.69", "01022024", "1022024", "112", "202401151", "100%", "2024-01-15 10:00 +0200",
    "2024-01-15 10:00 -02:30", "2024-01-15 10:00 +2", "2024-01-15 10:00 Z", "2024-01-15 10:00 +02", " 01.02.2024",
    "a.b",
]  # fmt: skip


def _near(count: int) -> list[float]:
    """Floats of all sizes from a fixed seed, beside those that are hard to write."""
    random = np.random.default_rng(5)
    bits = [struct.unpack("<d", random.bytes(8))[0] for _ in range(count)]
    money = random.normal(0, 1e3, count).round(5)
    halves = (random.integers(0, 10**6, count) + 0.5) / 1e4
    return [x for x in (*bits, *money, *(money * 0.075), *10.0 ** np.arange(-8, 22), *halves) if math.isfinite(x)]


FLOATS = [
    0.0, -0.0, math.nan, math.inf, -math.inf, 17850.0, 17850.5, 12345678.5, 0.00005, 0.00015, 1.00005, -1.00005,
    2.67505, 1e14, 99999999999999.9, 1e300, 1e-5, 1.5e-7, 123456789012345680.0, 1e16, 2.5, *_near(60),
]  # fmt: skip


@pytest.fixture(scope="module")
def engines(spark, tmp_path_factory):
    tables = {"texts": TEXTS, "times": TIMES, "moments": [*MOMENTS, *TIMES], "floats": FLOATS}
    with DuckDBEngine() as duckdb, SparkEngine(spark, scratch=tmp_path_factory.mktemp("values")) as engine:
        for name, given in tables.items():
            for each in (duckdb, engine):
                each.register(name, pa.table({"n": range(len(given)), "x": given}))
        yield duckdb, engine


def differing(engines, table: str, expressions: dict[str, str]) -> list[tuple[object, ...]]:
    """Expression, value, and what Spark and DuckDB make of it."""
    selected = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in expressions.items())
    found = [
        {row["n"]: row for row in engine.table(f"SELECT n, CAST(x AS VARCHAR) AS x, {selected} FROM {table}").to_pylist()}
        for engine in engines
    ]
    duckdb, spark = found
    assert spark.keys() == duckdb.keys()
    return [
        (name, duckdb[n]["x"], spark[n][name], duckdb[n][name])
        for n in duckdb
        for name in expressions
        if repr(spark[n][name]) != repr(duckdb[n][name])
    ]


@pytest.mark.spark
def test_text_is_the_same_number_flag_or_text(engines):
    given = values.given("x", "VARCHAR")
    marks = [(".", None), (",", None), (",", "."), (".", ","), (",", " "), (".", "'")]
    read = {"given": given}
    for name in ("amount", "quantity", "is_test", "channel"):
        for decimal, thousands in marks if name in ("amount", "quantity") else marks[:1]:
            numbers, column = NumberFormat(decimal, thousands), TRANSACTIONS.column(name)
            assert column is not None
            read[f"{name} {decimal} {thousands}"] = values.parsed(
                "transactions", column, "x", "VARCHAR", text=given, times=TimeFormat("UTC"), numbers=numbers
            )
    read["plain"] = "coalesce(regexp_full_match(x, '-?(0|[1-9]\\d{0,14})(\\.\\d+)?'), false)"
    read["pseudonym"] = "starts_with(x, 'cvm-') AND regexp_full_match(x, 'cvm-[0-9a-f]{32}')"
    read["literal"] = f"x = {literal(chr(92) + 'd')} OR x = {literal('a' + chr(39) + 'b')}"
    assert differing(engines, "texts", read) == []


@pytest.mark.spark
def test_text_is_the_same_moment_in_every_zone(engines):
    read = {}
    for zone in (None, "Europe/Kyiv", "Australia/Lord_Howe", "Pacific/Apia"):
        for day_first in (False, True):
            read[f"{zone} {day_first}"] = utc_time("x", "VARCHAR", "x", TimeFormat(zone, day_first=day_first))
    for unit in ("epoch_s", "epoch_ms", "epoch_us"):
        read[unit] = utc_time("x", "VARCHAR", "x", TimeFormat(None, unit, has_offset=True))
    # What lies before 1901 is left out of every table, whatever an engine makes of it.
    read = {
        name: f"CASE WHEN {sql} > TIMESTAMP '1900-12-31' THEN {sql} END" for name, sql in read.items() if sql is not None
    }
    read["lacks"] = lacks_zone("x", "VARCHAR", "x", TimeFormat(None, day_first=True))
    assert differing(engines, "times", read) == []


@pytest.mark.spark
def test_text_is_the_same_moment_under_a_format(engines):
    patterns = [
        "%d.%m.%Y", "%d.%m.%y", "%Y-%m-%d", "%Y%m%d", "%d%m%Y", "%d %b %Y", "%d %B %Y", "%I:%M %p",
        "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%a %d.%m.%Y", "100%%", "%-d/%-m/%Y",
        "%d.%m.%YT%H:%M:%S",
]  # fmt: skip
    moments = {pattern: f"try_strptime(x, {literal(pattern)})" for pattern in patterns}
    moments["zoned"] = "timezone('UTC', try_strptime(x, '%Y-%m-%d %H:%M %z'))"
    # DuckDB takes its words for moments, such as epoch, for the day that stands for no day, 1900-01-01, under any format.
    told = "x NOT IN ('epoch', 'infinity', '-infinity', '0000-01-01')"
    read = {name: f"CASE WHEN {told} THEN CAST({sql} AS VARCHAR) END" for name, sql in moments.items()}
    assert differing(engines, "moments", read) == []


@pytest.mark.spark
def test_the_type_of_a_format_tells_whether_it_has_an_offset(engines):
    for pattern, kind in (("%Y", "TIMESTAMP"), ("%Y %z", "TIMESTAMP WITH TIME ZONE")):
        for engine in engines:
            assert engine.columns(f"(SELECT try_strptime('', {literal(pattern)}) AS moment)") == {"moment": kind}


@pytest.mark.spark
def test_floats_are_the_same_text_and_money(engines):
    read = {
        "given": values.given("x", "DOUBLE"),
        "written": values.written("x", "DOUBLE"),
        "attribute": "CAST(CAST(x AS DOUBLE) AS VARCHAR)",
    }
    for name in ("customer_id", "amount", "quantity"):
        column = TRANSACTIONS.column(name)
        assert column is not None
        text = values.given("x", "DOUBLE")
        read[name] = values.parsed(
            "transactions", column, "x", "DOUBLE", text=text, times=TimeFormat("UTC"), numbers=NumberFormat()
        )
    wrong = differing(engines, "floats", read)
    # Beyond 2**53 neighbours of a float are whole numbers apart, and Spark writes its shortest digits.
    assert [row for row in wrong if not (row[0] in ("customer_id", "written") and abs(float(str(row[1]))) > 2**53)] == []


@pytest.mark.spark
def test_moments_are_counted_and_made_alike(engines):
    for query in (
        "SELECT make_timestamp(1705312800123456 - 1705312800123456 % 900000000) AS a, make_date(19737) AS b",
        "SELECT epoch_us(TIMESTAMP '2024-01-15 10:00:00.25') AS a, date_trunc('day', TIMESTAMP '2024-01-15 10:00:00') AS b",
    ):
        one, other = (engine.row(query) for engine in engines)
        assert one == other
    duckdb, spark = engines
    assert spark.columns("(SELECT make_timestamp(5) AS a)") == duckdb.columns("(SELECT make_timestamp(5) AS a)")


@pytest.mark.spark
def test_hashes_tell_rows_apart_as_duckdbs_do(engines):
    query = (
        "SELECT count(DISTINCT hash(a, b)) AS n, bit_xor(hash(a, b)) IS NOT NULL AS is_one FROM "
        "(VALUES ('a', NULL), (NULL, 'a'), ('a', 'a'), ('a', ''), (NULL, NULL), ('a', NULL)) AS t(a, b)"
    )
    for engine in engines:
        assert engine.row(query) == {"n": 5, "is_one": True}


@pytest.mark.spark
def test_a_few_of_the_smallest_values_are_shown_the_smallest_first(engines):
    query = "SELECT min(n, 25) FILTER (WHERE n > 3) AS some, min(x, 5) FILTER (WHERE false) AS none FROM texts"
    _, spark = engines
    row = spark.row(query)
    assert row["some"][0] == 4
    assert len(row["some"]) == 5
    assert not row["none"]


@pytest.mark.spark
def test_the_latest_row_before_a_moment_is_found(engines):
    query = (
        "SELECT k, m, rate FROM (VALUES ('a', 1), ('a', 5), ('b', 9), ('c', 3), ('a', 0)) AS t(k, m) ASOF LEFT JOIN "
        "(SELECT * FROM (VALUES ('a', 1, 10.0), ('a', 4, 20.0), ('b', 1, 30.0), ('b', 8, 40.0)) AS r(o, since, rate)) "
        "ON k = o AND since <= m ORDER BY k, m"
    )
    duckdb, spark = engines
    assert spark.table(query).to_pylist() == duckdb.table(query).to_pylist()


@pytest.mark.spark
def test_a_variable_is_a_value_that_no_statement_shows(engines):
    for engine in engines:
        engine.register("pads", pa.table({"pad": [b"\x00\xffsecret"]}))
        engine.execute("SET VARIABLE cvm_test_pad = (SELECT pad FROM pads); DROP VIEW pads")
    duckdb, spark = engines
    pad = "getvariable('cvm_test_pad')"
    query = f"SELECT sha256({pad} || unhex(sha256({pad} || encode(x)))) AS h FROM texts ORDER BY n"
    assert spark.table(query).to_pylist() == duckdb.table(query).to_pylist()
    plan = spark.frame(query)._jdf.queryExecution().toString()
    assert "secret" not in plan
    assert b"secret".hex() not in plan.lower()


# --- without Spark ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "java"),
    [
        ("a$", r"a\z"),
        (r"\s*(Z|z)$", r"[\t\n\f\r ]*(Z|z)\z"),
        (r"[\s.]\.", r"[\t\n\f\r .]\."),
        ("[$&[]", r"[$\&\[]"),
        ("^.", r"^[^\n]"),
    ],
)
def test_a_pattern_means_in_java_what_it_means_in_re2(pattern, java):
    assert java_pattern(pattern) == java


def test_only_the_first_match_is_replaced():
    assert first_only("(a)") == r"\A((?s:.*?))(?:(a))"
    assert java_replacement(r"0\1\2$", shift=1) == r"$1\0$2$3\$"
    assert java_replacement(r"\10\2") == r"$1\0$2"


@pytest.mark.parametrize("pattern", ["%Z", "%s", "%j", "%Y %Q"])
def test_a_format_that_spark_does_not_know_is_refused(pattern):
    with pytest.raises(QueryError, match=r"Spark does not know %.; it knows %Y, %y, %m"):
        strptime_sql("x", pattern)


def test_a_format_that_says_something_twice_is_refused():
    with pytest.raises(QueryError, match="names a part of the time twice"):
        strptime_sql("x", "%d.%d.%Y")
