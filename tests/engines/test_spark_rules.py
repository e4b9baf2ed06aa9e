"""Each rule for Spark against DuckDB, on a small table of what is hard to get right."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
import sqlglot

from cvm.engines import DuckDBEngine, identifier, literal
from cvm.engines.dialects import adapted
from cvm.engines.spark import SparkEngine
from cvm.engines.sql import parquet
from same_rows import assert_same_rows
from spark_server import MARKS

pytestmark = MARKS

HOSTILE = [
    "a",
    r"o'br\ien",
    "Ünï ß",
    "${spark.secret}",
    "007",
    r"\'; DROP TABLE t; --",
    r"a\nb\u0041\101%\%\_",
    'q"uo`te.x, [y]/*z*/',
    "line\nend\ttab\r",
    "e\u0301",
    "\U0001f389",
    "{window}",
]
_N = len(HOSTILE)
T = pa.table(
    {
        "id": pa.array(range(_N), pa.int32()),
        "word": HOSTILE,
        "ts": [
            dt.datetime(2024, 3, 31, 0, 30),  # clocks of Europe go on at 1:00 UTC
            dt.datetime(2024, 3, 31, 1, 30, 0, 123456),
            dt.datetime(2024, 10, 27, 0, 30),  # and back
            dt.datetime(2024, 10, 27, 1, 30),
            dt.datetime(2024, 2, 29, 23, 59, 59, 999999),
            dt.datetime(2024, 11, 3, 5, 30),
            None,
            *[dt.datetime(1999, 12, 31, 22, n) for n in range(_N - 7)],
        ],
        "day": [dt.date(2024, 3, 31), dt.date(2024, 2, 29), dt.date(1970, 1, 1), None, *[dt.date(2023, 12, 31)] * (_N - 4)],
        "money": pa.array(
            [Decimal("1.0001"), Decimal("1.0002"), Decimal("-3.3333"), None, Decimal("99999999999999.9999")]
            + [Decimal(n) / 8 for n in range(_N - 5)],
            pa.decimal128(18, 4),
        ),
        "x": [1.00015, 0.00125, float("nan"), float("inf"), None, -1.00015, *[n / 32 for n in range(_N - 6)]],
        "kind": ["a", "a", "b", "b", "b", None, *["c"] * (_N - 6)],
        "n": pa.array([3, 3, 1, None, 5, 2, *[7] * (_N - 6)], pa.int32()),
    }
)


@pytest.fixture(scope="module")
def engines(spark, tmp_path_factory):
    spark.conf.set("spark.secret", "told")
    spark.conf.set("spark.sql.parser.escapedStringLiterals", "true")  # a user's own session may say so
    with DuckDBEngine() as duckdb, SparkEngine(spark, scratch=tmp_path_factory.mktemp("scratch")) as engine:
        duckdb.register("t", T)
        engine.register("t", T)
        yield duckdb, engine
    spark.conf.set("spark.sql.parser.escapedStringLiterals", "false")


# Each in one statement over rows told apart by id, or one row of aggregates.
BY_ROW = {
    "everything": "*",
    "rounding": "round(x, 4) AS a, round(money / 3, 2) AS b, round(x / 8, 6) AS c",
    "hexadecimal": "CAST(('0x' || substr(md5(word), 1, 6)) AS BIGINT) % 256 AS a, "
    "CAST('0x' || substr(sha256('k' || word), 1, 13) AS BIGINT) % 1024 AS b",
    "finite": "isfinite(x) AS a, isfinite(CAST(money AS DOUBLE)) AS b",
    "seconds": "epoch(ts) AS a, epoch_us(ts) AS b, (epoch(ts) - epoch(TIMESTAMP '2024-01-01 00:00:00')) / 86400 AS c",
    "day numbers": "(epoch_us(ts) + 86399999999) // 86400000000 AS a, CAST(epoch_us(ts) // 86400000000 AS INTEGER) AS b",
    "days": "day + 5 AS a, DATE '1970-01-01' + n AS b, day - DATE '1970-01-01' AS c, "
    "CAST(day + INTERVAL 3 DAY AS DATE) AS d",
    "months": "make_date((24240 + id) // 12, (24240 + id) % 12 + 1, 1) AS a, "
    "CAST(make_date(2024, 1, 31) + INTERVAL 1 MONTH AS DATE) AS b, "
    "extract(year FROM day) * 12 + extract(month FROM day) AS c",
    "local times": "timezone('Europe/Kyiv', timezone('UTC', ts)) AS a, "
    "timezone('America/New_York', timezone('UTC', ts)) AS b, "
    "CAST(timezone('Asia/Kathmandu', timezone('UTC', ts)) AS DATE) AS c",
    "midnights": "timezone('UTC', timezone('Europe/Kyiv', "
    "date_trunc('day', timezone('Europe/Kyiv', timezone('UTC', ts))) + INTERVAL 1 DAY)) AS a",
    "integers": "id // 4 AS a, -id // 4 AS b, id % 4 AS c, -id % 4 AS d, id / 4 AS e",
    "extremes": "greatest(n, 2) AS a, least(n, NULL, 2) AS b, least(money, 0) AS c, greatest(x, 1.0) AS d",
    "patterns": r"regexp_full_match(word, '0\d+') AS a, regexp_matches(word, '^o') AS b, "
    r"trim(regexp_replace(lower(word), '[\W_]+', '_', 'g'), '_') AS c",
    "numbers in text": "TRY_CAST(word AS DOUBLE) AS a, CAST(n IS NULL AS DOUBLE) AS b, CAST(money AS VARCHAR) AS c",
    "windows": "row_number() OVER (PARTITION BY kind ORDER BY n, id) AS a, "
    "lag(n) OVER (PARTITION BY kind ORDER BY n DESC, id) AS b, "
    "sum(money) OVER (PARTITION BY kind ORDER BY n NULLS FIRST, id ROWS UNBOUNDED PRECEDING) AS c, "
    "row_number() OVER w AS d",
    "comparisons": "x > 1 AS a, x = x AS b, x IN (1.00015, 0.0) AS c",
}
IN_ALL = {
    "argument of an extreme": "arg_max(n, id) AS a, arg_min(n, struct_pack(n := n, w := word)) AS b, "
    "arg_max(n, id) FILTER (WHERE id < 4) AS c, arg_min_null(n, struct_pack(n := -id)) AS d",
    "quantiles": "median(CAST(money AS DOUBLE)) AS a, quantile_disc(money, 0.75) AS b, quantile_disc(id, 0.1) AS c",
    "spread": "stddev_samp(n) AS a, var_pop(n) AS b, corr(n, id) AS c, avg(money) AS d",
    "decimals": "sum(money) * 2.0 - sum(money) AS a, CAST(coalesce(sum(CAST(money AS DECIMAL(28, 4)) * "
    "CAST(0.333333 AS DECIMAL(9, 6))), 0) - coalesce(sum(money) FILTER (WHERE id <> 4), 0) AS DOUBLE) AS b",
    "any value": "any_value(n) FILTER (WHERE id = 3) AS a, any_value(n) FILTER (WHERE id > 5) AS b",
    "order of text": "min(word) AS a, max(word) AS b, count(DISTINCT word) AS c, min(x) AS d, max(x) AS e",
    "numbers of any order": "count(DISTINCT who) AS n",
}


@pytest.mark.parametrize("what", BY_ROW)
def test_rows_are_the_same(engines, what):
    duckdb, spark = engines
    window = " WINDOW w AS (ORDER BY word DESC)" if what == "windows" else ""
    query = f"SELECT {'' if what == 'everything' else 'id, '}{BY_ROW[what]} FROM t{window} ORDER BY id"
    assert_same_rows(spark.table(query), duckdb.table(query))


@pytest.mark.parametrize("what", IN_ALL)
def test_aggregates_are_the_same(engines, what):
    duckdb, spark = engines
    rows = "(SELECT *, CAST(row_number() OVER () AS INTEGER) AS who FROM t)"
    query = f"SELECT {IN_ALL[what]} FROM {rows}"
    assert_same_rows(spark.table(query), duckdb.table(query))


@pytest.mark.parametrize("order", ["word", "n, id", "n DESC, word", "n NULLS FIRST, id DESC", "x DESC NULLS LAST, id"])
def test_rows_come_in_the_same_order(engines, order):
    duckdb, spark = engines
    query = f"SELECT id, word, n FROM t ORDER BY {order}"
    assert_same_rows(spark.table(query), duckdb.table(query))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT CAST(range AS INTEGER) AS day FROM range(3, 10) ORDER BY 1",
        "SELECT * EXCLUDE (word, x) FROM t SEMI JOIN (VALUES (1), (3)) AS k(id) ON t.id = k.id ORDER BY id",
        "SELECT kind, min(id) AS id, sum(money) AS money FROM t GROUP BY kind "
        "HAVING (sum(money) <> 0 OR min(money) >= 0) AND min(id) >= 2 ORDER BY kind",
        "SELECT x, count(*) AS n FROM t GROUP BY x ORDER BY x",
        'SELECT ID, WORD AS w FROM T WHERE "Id" = 1',
    ],
)
def test_statements_give_the_same(engines, query):
    duckdb, spark = engines
    found, expected = spark.table(query), duckdb.table(query)
    assert_same_rows(found.rename_columns(expected.column_names), expected)


def test_hostile_text_stays_text(engines):
    duckdb, spark = engines
    for number, word in enumerate(HOSTILE):
        query = f"SELECT id, {literal(word)} AS {identifier(word)} FROM t WHERE word = {literal(word)}"
        assert spark.table(query).to_pylist() == duckdb.table(query).to_pylist() == [{"id": number, word: word}]


def test_tables_and_files_are_found_whatever_their_folders_are_called(engines, tmp_path):
    _, spark = engines
    folder = tmp_path / "a b[1]{c}*?ü" / "as_of=2024-01-01"
    folder.mkdir(parents=True)
    with DuckDBEngine() as duckdb:
        for n in (1, 2):
            duckdb.write_parquet(f"SELECT {n} AS n", folder / f"part-{n}.parquet")
    one, other = folder / "part-1.parquet", folder / "part-2.parquet"
    assert spark.table(f"SELECT * FROM {parquet([one, other])} ORDER BY n").to_pydict() == {"n": [1, 2]}
    assert spark.row(f"SELECT max(n) AS n FROM {parquet([folder])}") == {"n": 2}
    spark.write_parquet("SELECT 3 AS n", other)  # a folder now takes the place of the file
    both = f"SELECT a.n, b.n AS m FROM {parquet([one])} AS a CROSS JOIN {parquet([other])} AS b"
    assert spark.row(both) == {"n": 1, "m": 3}
    assert spark.columns(parquet([one])) == {"n": "INTEGER"}


def test_a_column_of_nothing_can_be_held(engines):
    _, spark = engines
    spark.execute("CREATE OR REPLACE TEMP TABLE held AS SELECT NULL AS nothing, struct_pack(a := 1) AS held FROM t LIMIT 1")
    assert spark.columns("held") == {"nothing": "INTEGER", "held": "STRUCT"}


def test_rules_hold_within_each_other():
    for query, word, n in (
        ("SELECT round(round(x, 2) / 3, 1) AS a", "ROUND", 2),
        ("SELECT arg_max(epoch_us(a), epoch_us(b)) AS a", "UNIX_MICROS", 3),
    ):
        tree = sqlglot.parse_one(query, read="duckdb")
        assert adapted(tree, "spark").sql(dialect="spark").count(word) == n
        assert tree == sqlglot.parse_one(query, read="duckdb")
