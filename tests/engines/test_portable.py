"""What is said in plain words gives the rows it gave before: both run on DuckDB."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
import sqlglot

from cvm.engines import DuckDBEngine, QueryError
from cvm.engines.portable import portable
from same_rows import assert_same_rows

ORDERS = pa.table(
    {
        "customer_id": ["a", "a", "a", "b", "b", "c", "O'Brien"],
        "place": pa.array([1, 2, 3, 1, 2, 1, 1], pa.int32()),
        "amount": pa.array([10.0, -2.5, 7.0, 0.0, None, None, 4.0]),
        "channel": ["web", None, "store", None, "web", None, "é"],
        "moment": pa.array([dt.datetime(2024, 3, day) for day in (1, 2, 2, 4, 5, 6, 7)]),
    }
)
QUERIES = {
    "filters": (
        "SELECT customer_id, count(*) FILTER (WHERE amount > 0) AS n, sum(amount) FILTER (WHERE place = 1) AS s, "
        "count(DISTINCT channel) FILTER (WHERE amount IS NOT NULL) AS d FROM orders GROUP BY customer_id"
    ),
    "last of a group": "SELECT customer_id, arg_max(amount, place) AS last FROM orders GROUP BY customer_id",
    "last that fits": (
        "SELECT customer_id, arg_max(amount, place) FILTER (WHERE place < 3) AS last, arg_min(channel, place) AS first "
        "FROM orders GROUP BY customer_id"
    ),
    "ties go to the value": (
        "SELECT customer_id, arg_max(channel, struct_pack(m := moment, channel := channel)) AS last FROM orders GROUP BY ALL"
    ),
    "first, be it null": (
        "SELECT customer_id, arg_min_null(channel, struct_pack(moment := moment, place := place)) AS first FROM orders "
        "GROUP BY customer_id"
    ),
    "medians": "SELECT customer_id, median(amount) AS middle, max(place) AS m FROM orders GROUP BY customer_id",
    "medians of a query": "SELECT place, median(amount) + 1 AS m FROM (SELECT * FROM orders) AS o GROUP BY place",
    "named windows": (
        "SELECT customer_id, place, sum(amount) OVER so_far AS total, lag(place) OVER in_time AS before FROM orders "
        "WINDOW in_time AS (PARTITION BY customer_id ORDER BY place), so_far AS (in_time ROWS UNBOUNDED PRECEDING)"
    ),
    "numbers of any order": (
        "SELECT customer_id, row_number() OVER () AS n FROM (SELECT DISTINCT customer_id FROM orders ORDER BY 1) AS o"
    ),
    "ordered truth": (
        "SELECT customer_id, place, row_number() OVER (PARTITION BY customer_id ORDER BY amount < 0, place) AS n FROM orders"
    ),
    "all but some": "SELECT o.* EXCLUDE (moment, extra) FROM (SELECT *, 1 AS extra FROM orders) AS o",
    "all groups": "SELECT upper(customer_id) AS who, place // 2 AS half, count(*) AS n FROM orders GROUP BY ALL",
    "an alias of a column's name": (
        "SELECT customer_id, sum(amount) AS amount FROM orders GROUP BY customer_id HAVING sum(amount) > 3"
    ),
    "any of equals": "SELECT customer_id, any_value(customer_id) AS who FROM orders GROUP BY customer_id",
    "days later": "SELECT customer_id, place, moment - INTERVAL 3 DAY AS b, moment + INTERVAL (place) DAY AS a FROM orders",
    "finite": "SELECT customer_id, place, isfinite(amount) AS f, isfinite('nan'::DOUBLE) AS n FROM orders",
    "nothing at all": "SELECT 0 AS n WHERE FALSE",
}


@pytest.mark.parametrize("has_median", [True, False])
@pytest.mark.parametrize("name", QUERIES)
def test_the_same_rows(name, has_median):
    query = QUERIES[name]
    plain = portable(sqlglot.parse_one(query, read="duckdb"), tables={"orders": ORDERS.column_names}, has_median=has_median)
    with DuckDBEngine() as engine:
        engine.register("orders", ORDERS)
        expected, found = engine.table(query), engine.table(plain.sql(dialect="duckdb"))
    key = [column for column in ("customer_id", "who", "place", "half") if column in expected.column_names]
    assert_same_rows(found, expected, key=key)


def test_the_query_given_is_left_as_it_is():
    tree = sqlglot.parse_one(QUERIES["filters"], read="duckdb")
    before = tree.sql()
    portable(tree)
    assert tree.sql() == before


@pytest.mark.parametrize("name", QUERIES)
def test_no_word_is_left_that_some_warehouse_lacks(name):
    plain = portable(
        sqlglot.parse_one(QUERIES[name], read="duckdb"), tables={"orders": ORDERS.column_names}, has_median=False
    ).sql(dialect="duckdb")
    for word in ("FILTER", "ARG_M", "MEDIAN", "WINDOW ", "EXCLUDE", "GROUP BY ALL", "ANY_VALUE", "INTERVAL", "ISFINITE"):
        assert word not in plain.upper()
    assert "OVER ()" not in plain


def test_the_last_row_of_a_join_is_refused():
    tree = sqlglot.parse_one("SELECT arg_max(a, b) AS x FROM t JOIN u USING (c) GROUP BY c", read="duckdb")
    with pytest.raises(QueryError, match="no plain form"):
        portable(tree)


@pytest.mark.parametrize("frame", ["", " RANGE UNBOUNDED PRECEDING"])
@pytest.mark.parametrize(
    "what", ["sum(a)", "sum(a) FILTER (WHERE a > 0)", "stddev_samp(a)", "median(a)", "last_value(a)", "bool_or(a)"]
)
def test_what_is_of_a_frame_in_an_order_is_refused_without_rows(what, frame):
    tree = sqlglot.parse_one(f"SELECT {what} OVER (PARTITION BY b ORDER BY c{frame}) AS x FROM t", read="duckdb")
    with pytest.raises(QueryError, match="without ROWS has no plain form"):
        portable(tree)


@pytest.mark.parametrize(
    "what", ["row_number()", "rank()", "dense_rank()", "ntile(4)", "percent_rank()", "cume_dist()", "lag(a)", "lead(a, 2)"]
)
def test_what_is_of_no_frame_needs_no_rows(what):
    tree = sqlglot.parse_one(f"SELECT {what} OVER (PARTITION BY b ORDER BY c) AS x FROM t", read="duckdb")
    assert portable(tree).sql(dialect="duckdb") == tree.sql(dialect="duckdb")
