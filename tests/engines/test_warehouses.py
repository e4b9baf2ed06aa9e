"""How each warehouse spells what others spell otherwise."""

from __future__ import annotations

import pytest
import sqlglot

from cvm.engines import QueryError
from cvm.engines.warehouses import WAREHOUSES, shortened, warehouse_tree, written

OTHERS = ("snowflake", "bigquery", "databricks", "redshift", "postgres")
_DAY = "epoch_us(t) // 86400000000"
_LOCAL = "timezone('Europe/Kyiv', timezone('UTC', t))"


def said(query: str, name: str) -> str:
    """``query`` in the words of a warehouse, on one line."""
    warehouse = WAREHOUSES[name]
    return " ".join(written(warehouse_tree(query, warehouse), warehouse).split())


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            _DAY,
            {
                "snowflake": "DATEDIFF(DAY, CAST('1970-01-01' AS DATE), t)",
                "bigquery": "UNIX_DATE(DATE(t))",
                "databricks": "UNIX_DATE(CAST(t AS DATE))",
                "redshift": "DATEDIFF(DAY, CAST('1970-01-01' AS DATE), t)",
                "postgres": "( CAST(t AS DATE) - CAST('1970-01-01' AS DATE) )",
            },
        ),
        (
            _LOCAL,
            {
                "snowflake": "CONVERT_TIMEZONE('UTC', 'Europe/Kyiv', t)",
                "bigquery": "DATETIME(TIMESTAMP(t), 'Europe/Kyiv')",
                "databricks": "CONVERT_TIMEZONE('UTC', 'Europe/Kyiv', t)",
                "redshift": "CONVERT_TIMEZONE('UTC', 'Europe/Kyiv', t)",
                "postgres": "TIMEZONE('Europe/Kyiv', TIMEZONE('UTC', t))",
            },
        ),
        (
            "n // 30",
            {
                "snowflake": "FLOOR(CAST(n AS DOUBLE) / 30)",
                "bigquery": "DIV(n, 30)",
                "databricks": "n DIV 30",
                "redshift": "CAST(TRUNC(CAST(n AS DOUBLE PRECISION) / 30) AS BIGINT)",
                "postgres": "DIV(n, 30)",
            },
        ),
        (
            "least(a, b)",
            {
                "snowflake": "LEAST_IGNORE_NULLS(a, b)",
                "bigquery": "COALESCE(LEAST(a, b), b, a)",
                "databricks": "LEAST(a, b)",
                "redshift": "LEAST(a, b)",
                "postgres": "LEAST(a, b)",
            },
        ),
        (
            "greatest(least(a, b), 0)",
            {
                "snowflake": "GREATEST_IGNORE_NULLS(LEAST_IGNORE_NULLS(a, b), 0)",
                "bigquery": "COALESCE(GREATEST(COALESCE(LEAST(a, b), b, a), 0), 0)",
            },
        ),
        ("a / nullif(b, 0)", dict.fromkeys(OTHERS, "/ NULLIF(b, 0)")),
        (
            "a / nullif(b, 0)",
            {"snowflake": "CAST(a AS DOUBLE)", "bigquery": "CAST(a AS FLOAT64)", "redshift": "CAST(a AS DOUBLE PRECISION)"},
        ),
        (
            "t + INTERVAL 3 DAY",
            {
                "snowflake": "DATEADD(DAY, 3, t)",
                "bigquery": "t + INTERVAL 3 DAY",
                "databricks": "DATEADD(DAY, 3, t)",
                "redshift": "DATEADD(DAY, 3, t)",
                "postgres": "t + MAKE_INTERVAL(days => 3)",
            },
        ),
        (
            "(epoch(a) - epoch(b)) / 86400",
            {
                "snowflake": "DATEDIFF(MICROSECOND, CAST('1970-01-01' AS TIMESTAMPNTZ), a)",
                "bigquery": "UNIX_MICROS(TIMESTAMP(a))",
                "databricks": "TIMESTAMPDIFF(MICROSECOND, CAST('1970-01-01' AS TIMESTAMP_NTZ), a)",
                "redshift": "DATEDIFF(MICROSECOND, CAST('1970-01-01' AS TIMESTAMP), a)",
                "postgres": "EXTRACT(EPOCH FROM a)",
            },
        ),
        (
            "CAST((a > 1 AND NOT at_end) AS DOUBLE)",
            dict.fromkeys(OTHERS, "CASE WHEN a > 1 AND NOT at_end THEN 1.0 ELSE 0 END"),
        ),
        ("CAST(at_start AS DOUBLE)", dict.fromkeys(OTHERS, "CASE WHEN at_start THEN 1.0 ELSE 0 END")),
        ("CAST(x AS DECIMAL(28, 4))", {"bigquery": "ROUND(CAST(x AS BIGNUMERIC), 4)"}),
        ("TRY_CAST(x AS DOUBLE)", dict.fromkeys(("postgres", "redshift"), " CAST(x AS DOUBLE PRECISION)")),
        ("TRY_CAST(x AS DOUBLE)", {"snowflake": " CAST(x AS DOUBLE)"}),  # whose TRY_CAST takes text alone
        ("round(x, 4)", dict.fromkeys(("postgres", "redshift"), "FLOOR(CAST(x AS DOUBLE PRECISION) * 10000 + 0.5)")),
        (
            "round(x, 4)",  # as many digits would round the decimal that x is written as
            {
                "databricks": "ROUND(CAST(x AS DOUBLE) * CAST(10000 AS DOUBLE)) / CAST(10000 AS DOUBLE)",
                "snowflake": "ROUND(CAST(x AS DOUBLE) * CAST(10000 AS DOUBLE)) / CAST(10000 AS DOUBLE)",
                "bigquery": "ROUND(CAST(x AS FLOAT64) * CAST(10000 AS FLOAT64)) / CAST(10000 AS FLOAT64)",
            },
        ),
        (
            "round(round(x, 4) / 2, 1)",
            {"postgres": "* 10000 + 0.5) AS DOUBLE PRECISION) / 10000", "databricks": "* CAST(10000 AS DOUBLE)) /"},
        ),
        ("round(x)", {"postgres": "FLOOR(CAST(x AS DOUBLE PRECISION) * 1 + 0.5)"}),
        ("quarter(d)", {"postgres": "EXTRACT(QUARTER FROM d)", "redshift": "EXTRACT(QUARTER FROM d)"}),
        ("starts_with(a, b)", {"redshift": "LEFT(a, LEN(b)) = b", "postgres": "STARTS_WITH(a, b)"}),
        ("median(x)", {"postgres": "PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY x)", "bigquery": "2 * place_1 BETWEEN"}),
    ],
)
def test_each_in_its_own_words(expression, expected):
    for name, words in expected.items():
        assert words in said(f"SELECT {expression} AS x FROM given GROUP BY a", name), name


@pytest.mark.parametrize("name", OTHERS)
def test_names_are_quoted_only_where_they_must_be(name):
    sql = said('WITH snapshot AS (SELECT "recency_days", "Loyalty Level", "перегляд" FROM t) SELECT * FROM snapshot', name)
    quote = "`" if name in ("bigquery", "databricks") else '"'
    assert sql.count(f"{quote}snapshot{quote}") == 2
    assert f"{quote}Loyalty Level{quote}" in sql
    assert f"{quote}перегляд{quote}" in sql
    assert "SELECT recency_days," in sql


def test_text_is_sorted_by_its_bytes_on_postgres():
    assert 'ORDER BY CAST(order_key AS TEXT) COLLATE "C"' in said(
        "SELECT row_number() OVER (PARTITION BY a ORDER BY order_key) AS n FROM t", "postgres"
    )


def test_windows_of_bigquery_say_nothing_of_nulls():
    sql = said("SELECT lag(a) OVER (PARTITION BY b ORDER BY c, d DESC) AS x FROM t", "bigquery")
    assert "NULLS" not in sql


def test_long_names_are_cut_and_stay_apart():
    one, other = ("n_" + "very_" * 20 + end for end in ("long_30d", "long_90d"))
    cut = [shortened(name, 63) for name in (one, other)]
    assert all(len(name.encode()) == 63 for name in cut)
    assert cut[0] != cut[1]
    assert shortened("n_перегляд", 63) == "n_перегляд"
    assert len(shortened("п" * 60, 63).encode()) <= 63
    assert said(f'SELECT 1 AS "{one}"', "postgres") == f"SELECT 1 AS {cut[0]}"


def test_too_many_columns_are_refused():
    columns = ", ".join(f"{n} AS c{n}" for n in range(1_601))
    with pytest.raises(QueryError, match="1,601 columns, PostgreSQL allows 1,600"):
        warehouse_tree(f"SELECT {columns}", WAREHOUSES["postgres"])


def test_what_cannot_be_said_is_refused():
    with pytest.raises(QueryError, match="Google BigQuery cannot say this"):
        written(sqlglot.parse_one("SELECT * FROM t AS u(a, b)", read="duckdb"), WAREHOUSES["bigquery"])
