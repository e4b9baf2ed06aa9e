"""Spark answers the SQL of DuckDB with the same rows."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.engines import DuckDBEngine, QueryError
from cvm.engines.spark import SparkEngine
from same_rows import assert_same_rows
from spark_server import MARKS

pytestmark = MARKS

ORDERS = pa.table(
    {
        "customer_id": ["a", "a", "b", None],
        "occurred_at": pa.array(
            [dt.datetime(2024, 3, 30, 22, 30), dt.datetime(2024, 3, 31), None, dt.datetime(1970, 1, 1, 23)]
        ),
        "amount": pa.array([10.0, -2.5, 0.1, None]),
        "n": pa.array([1, 2, 3, 4], pa.int32()),
    }
)


@pytest.fixture
def engines(spark, tmp_path):
    pq.write_table(ORDERS, tmp_path / "orders.parquet")
    with (
        DuckDBEngine() as duckdb,
        SparkEngine(spark, scratch=tmp_path / "scratch", tables={"orders": tmp_path / "orders.parquet"}) as engine,
    ):
        duckdb.register("orders", ORDERS)
        yield duckdb, engine


@pytest.mark.parametrize(
    "query",
    [
        "SELECT epoch_us(occurred_at) // 86400000000 AS day, count(*) AS n FROM orders GROUP BY 1 ORDER BY 1",
        "SELECT epoch_us(timezone('Europe/Kyiv', timezone('UTC', occurred_at))) // 86400000000 AS d FROM orders ORDER BY n",
        "SELECT avg(CAST(amount AS DECIMAL(18, 6))) AS mean, CAST(1 AS DECIMAL(18, 6)) / 3 AS third FROM orders",
        "SELECT customer_id, sum(amount) FILTER (WHERE amount > 0) AS gain FROM orders GROUP BY ALL ORDER BY customer_id",
        "SELECT * FROM orders ORDER BY n",
    ],
)
def test_the_same_rows(engines, query):
    duckdb, spark = engines
    assert_same_rows(spark.table(query), duckdb.table(query))


def test_columns_have_the_types_of_duckdb(engines):
    duckdb, spark = engines
    assert spark.columns("orders") == duckdb.columns("orders")


def test_temporary_tables_are_made_once_and_dropped(engines):
    _, spark = engines
    spark.execute("CREATE OR REPLACE TEMP TABLE held AS SELECT customer_id FROM orders WHERE n = 1")
    spark.execute("CREATE OR REPLACE TEMP TABLE held AS SELECT customer_id || 'z' AS customer_id FROM temp.held")
    assert spark.row("SELECT * FROM held") == {"customer_id": "az"}
    assert spark.tables() == {"orders", "held"}
    spark.execute("DROP TABLE IF EXISTS temp.held; DROP TABLE IF EXISTS never_there")
    assert spark.tables() == {"orders"}


def test_files_of_temporary_tables_go_with_them(engines, tmp_path):
    _, spark = engines

    def held() -> list[str]:
        return sorted(path.name for path in (tmp_path / "scratch").glob("spark-*/*"))

    spark.execute("CREATE OR REPLACE TEMP TABLE held AS SELECT 1 AS n")
    spark.replace_table("Held", "SELECT n + 1 AS n FROM held")
    assert spark.row("SELECT n FROM held") == {"n": 2}
    assert held() == ["Held-1"]
    spark.execute("DROP TABLE held")
    assert held() == []


def test_what_spark_refuses_is_one_line(engines):
    _, spark = engines
    with pytest.raises(QueryError, match="nothing") as refusal:
        spark.table("SELECT nothing FROM orders")
    assert "\n" not in str(refusal.value)


def test_a_fault_of_a_python_worker_is_named(engines):
    _, spark = engines

    def broken(batches, shared):
        raise ModuleNotFoundError(f"No module named {shared!r}")

    schema = pa.schema([("n", pa.int32())])
    with pytest.raises(QueryError, match=r"^ModuleNotFoundError: No module named 'pyarrow'$"):
        spark.map_batches("mapped", "SELECT n FROM orders", broken, shared="pyarrow", schema=schema)
