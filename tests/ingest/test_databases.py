"""Database files and URLs. What a real server adds is in test_postgres.py."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import shop
from cvm.engines import DuckDBEngine, identifier, literal
from cvm.errors import SourceError
from cvm.ingest import databases
from cvm.ingest.databases import read_database, read_database_file
from cvm.ingest.sources import FILE_NAME, ROW_NUMBER
from memory import Memory

SECRET = "hunter2"  # noqa: S105 - made up


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    with Memory() as opened:
        yield opened


def sqlite_file(path: Path, *statements: str) -> Path:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


def duckdb_file(path: Path, *statements: str) -> Path:
    with DuckDBEngine(path) as database:
        for statement in statements:
            database.execute(statement)
    return path


def rows(engine: DuckDBEngine) -> list[dict[str, Any]]:
    query = f"SELECT * EXCLUDE ({identifier(FILE_NAME)}, {identifier(ROW_NUMBER)}) FROM raw_transactions"
    return engine.table(f"{query} ORDER BY {identifier(ROW_NUMBER)}").to_pylist()


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_sqlite_file_is_read_as_the_values_it_holds(engine: DuckDBEngine, tmp_path: Path) -> None:
    path = sqlite_file(
        tmp_path / "it's 100%#1?.db",
        "CREATE TABLE orders (client, at, total)",
        "INSERT INTO orders VALUES (7, '2024-01-01 10:00', 1.5), ('007', NULL, 2.5)",
    )
    read_database_file(engine, "transactions", path, "SELECT * FROM orders WHERE client LIKE '%7' ORDER BY rowid")
    assert rows(engine) == [
        {"client": "7", "at": "2024-01-01 10:00", "total": 1.5},
        {"client": "007", "at": None, "total": 2.5},
    ]
    query = f"SELECT DISTINCT {identifier(FILE_NAME)} AS f FROM raw_transactions"
    assert engine.row(query)["f"] == str(path)


def test_a_duckdb_file_keeps_its_types(engine: DuckDBEngine, tmp_path: Path) -> None:
    path = duckdb_file(
        tmp_path / "shop.duckdb",
        "CREATE TABLE orders AS SELECT 17850 AS client, TIMESTAMPTZ '2024-01-01 10:00:00+02' AS at, 1.50::DECIMAL(9, 2) AS "
        "total, NULL AS nothing, 'a'::ENUM('a', 'b') AS size",
    )
    read_database_file(engine, "transactions", path, "SELECT * FROM orders")
    (row,) = rows(engine)
    assert row == {
        "client": 17850,
        "at": datetime(2024, 1, 1, 8, tzinfo=UTC),
        "total": Decimal("1.50"),
        "nothing": None,
        "size": "a",
    }


@pytest.mark.parametrize("make", [sqlite_file, duckdb_file])
def test_many_batches_are_one_table_in_the_order_of_the_query(
    engine: DuckDBEngine, tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "BATCH_ROWS", 1000)
    numbers = (
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 25500) "
        "SELECT n, CASE WHEN n > 24000 THEN 'late' END AS note FROM t"
    )
    path = make(tmp_path / "shop.db", f"CREATE TABLE t AS {numbers}")
    read_database_file(engine, "transactions", path, "SELECT * FROM t ORDER BY n")
    query = (
        f"SELECT count(*) AS n, count(note) AS notes, count(*) FILTER (WHERE n <> {identifier(ROW_NUMBER)}) AS misplaced "
        "FROM raw_transactions"
    )
    assert engine.row(query) == {"n": 25_500, "notes": 1500, "misplaced": 0}


@pytest.mark.parametrize("make", [sqlite_file, duckdb_file])
def test_a_query_writes_nothing_into_a_file(engine: DuckDBEngine, tmp_path: Path, make: Any) -> None:
    path = make(tmp_path / "shop.db", "CREATE TABLE t (n INTEGER)", "INSERT INTO t VALUES (1)")
    before = path.read_bytes()
    for query in ("DELETE FROM t", "DROP TABLE t", "CREATE TABLE u (n INTEGER)"):
        with pytest.raises(SourceError, match=r"cannot be read: .*read.?only"):
            read_database_file(engine, "transactions", path, query)
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["shop.db"]


@pytest.mark.parametrize("make", [sqlite_file, duckdb_file])
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT * FROM nowhere", r"cannot be read: .*nowhere.*Correct data.transactions.query"),
        ("SELECT FROM", r"cannot be read: .*Correct data.transactions.query"),
        ("SELECT * FROM t WHERE n > 5", r"has no rows"),
        ("SELECT n, n AS N FROM t", r"returns \['N', 'n'\] more than once. Name its columns apart with AS"),
    ],
)
def test_a_query_that_yields_no_table_is_refused(
    engine: DuckDBEngine, tmp_path: Path, make: Any, query: str, says: str
) -> None:
    path = make(tmp_path / "shop.db", "CREATE TABLE t (n INTEGER)", "INSERT INTO t VALUES (1)")
    with pytest.raises(SourceError, match=says) as caught:
        read_database_file(engine, "transactions", path, query)
    assert str(caught.value).startswith("Table 'transactions': ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_none_or_no_database_is_refused(engine: DuckDBEngine, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no file matches .*nowhere.db'. Correct data.transactions.path"):
        read_database_file(engine, "transactions", tmp_path / "nowhere.db", "SELECT 1")
    (tmp_path / "text.db").write_text("id,amount\n" * 1000, encoding="utf-8")
    with pytest.raises(SourceError, match=r"text.db cannot be read: .*not a valid DuckDB database"):
        read_database_file(engine, "transactions", tmp_path / "text.db", "SELECT 1")
    (tmp_path / "torn.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(SourceError, match=r"torn.db cannot be read: .*(not a database|malformed)"):
        read_database_file(engine, "transactions", tmp_path / "torn.db", "SELECT * FROM t")


def test_a_statement_that_returns_nothing_is_no_query(engine: DuckDBEngine, tmp_path: Path) -> None:
    path = sqlite_file(tmp_path / "shop.db", "CREATE TABLE t (n INTEGER)")
    with pytest.raises(SourceError, match=r"data.transactions.query returns no rows of any kind. Write a SELECT"):
        read_database(engine, "transactions", f"sqlite:///{path}", "INSERT INTO t VALUES (1)")
    read_database(engine, "transactions", f"sqlite:///{path}", "SELECT count(*) AS n FROM t")
    assert rows(engine) == [{"n": 0}]


# --- URLs ------------------------------------------------------------------------------------------------------------


def test_a_url_is_read_and_named_without_user_and_password(engine: DuckDBEngine, tmp_path: Path) -> None:
    path = sqlite_file(tmp_path / "shop.db", "CREATE TABLE t AS SELECT 1 AS n")
    read_database(engine, "transactions", f"sqlite:///{path}?timeout=5", "SELECT * FROM t")
    assert rows(engine) == [{"n": 1}]
    assert engine.row(f"SELECT {identifier(FILE_NAME)} AS f FROM raw_transactions")["f"] == f"sqlite:///{path}"


def test_a_url_may_stand_in_the_environment(engine: DuckDBEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sqlite_file(tmp_path / "shop.db", "CREATE TABLE t AS SELECT 1 AS n")
    with pytest.raises(SourceError, match=r"environment variable 'SHOP_DATABASE', which is not set. Set it to the URL"):
        read_database(engine, "transactions", "env:SHOP_DATABASE", "SELECT * FROM t")
    monkeypatch.setenv("SHOP_DATABASE", f"sqlite:///{path}")
    read_database(engine, "transactions", "env:SHOP_DATABASE", "SELECT * FROM t")
    assert rows(engine) == [{"n": 1}]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"no url {SECRET}", "data.transactions.url is no URL of a database. Write it as dialect://user:password@host"),
        (f"postgresql://u:{SECRET}@host:port/db", "data.transactions.url is no URL of a database"),
        (f"nosql://u:{SECRET}@host/db", "nosql://host/db cannot be read: SQLAlchemy knows no dialect 'nosql'"),
        (f"mysql+mysqldb://u:{SECRET}@host/db", "its driver, the Python package MySQLdb, is not installed. pip install"),
        (f"postgresql://u@127.0.0.1:1/db?token={SECRET}", 'invalid connection option "token". Check data.transactions.url'),
        ("sqlite:////nowhere/shop.db", "unable to open database file. Check data.transactions.url"),
        (f"postgresql://u:{SECRET}@127.0.0.1:1/db", "postgresql://127.0.0.1:1/db cannot be read: "),
        (f"postgres://u@127.0.0.1:1/db?password={SECRET}&sslmode=disable", "postgresql://127.0.0.1:1/db cannot be read: "),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_without_its_secret(engine: DuckDBEngine, url: str, says: str) -> None:
    with pytest.raises(SourceError) as caught:
        read_database(engine, "transactions", url, "SELECT 1")
    assert says in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_missing_driver_of_ours_is_told_with_its_extra(engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SourceError, match=r"package psycopg, is not installed. pip install psycopg or: pip install 'cvm\["):
        read_database(engine, "transactions", f"postgresql://u:{SECRET}@host/db", "SELECT 1")


# --- the command line ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["shop.duckdb", "shop.DB", "shop.sqlite", "shop.sqlite3"])
@pytest.mark.parametrize("what", [{"table": "my orders"}, {"query": 'SELECT * FROM "my orders" WHERE client IS NOT NULL'}])
def test_a_database_file_is_ingested_by_table_or_query(tmp_path: Path, name: str, what: dict[str, str]) -> None:
    make = duckdb_file if name.endswith("duckdb") else sqlite_file
    make(
        tmp_path / name,
        'CREATE TABLE "my orders" (client TEXT, day TEXT, total TEXT)',
        f"""INSERT INTO "my orders" VALUES ('007', {literal("2024-01-01")}, '1.5')""",
    )
    columns = {"customer_id": "client", "occurred_at": "day", "amount": "total"}
    shop.write_params(tmp_path, data={"transactions": {"path": name, "columns": columns, **what}})
    done = shop.cvm(tmp_path, "ingest")
    assert (done.code, done.err) == (0, "")
    with DuckDBEngine(tmp_path / "outputs" / "warehouse.duckdb", read_only=True) as engine:
        assert engine.row("SELECT customer_id, amount FROM transactions") == {
            "customer_id": "007",
            "amount": Decimal("1.5"),
        }


def test_no_message_of_the_command_line_tells_a_secret(tmp_path: Path) -> None:
    for url in (f"postgresql://u:{SECRET}@127.0.0.1:1/db", f"nonsense {SECRET}", f"x://{SECRET}@y/z"):
        shop.write_params(tmp_path, data={"transactions": {"url": url, "query": "SELECT 1"}})
        done = shop.cvm(tmp_path, "ingest")
        assert done.code == 1
        assert SECRET not in done.out + done.err
        assert "Traceback" not in done.err
