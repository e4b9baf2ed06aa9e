"""A real PostgreSQL server, started here and read through `cvm ingest`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import shop
from cvm.engines import DuckDBEngine
from postgres_server import ENCODED, PASSWORD, Server

pytestmark = pytest.mark.postgres

QUERY = "SELECT client, bought_at, total, note FROM orders ORDER BY number"
MAPPING = {"customer_id": "client", "occurred_at": "bought_at", "amount": "total", "channel": "note"}


@pytest.fixture(scope="module")
def orders(server: Server) -> Server:
    server.execute(
        "CREATE TABLE orders (number int, client bigint, bought_at timestamptz, total numeric(12, 2), note text)",
        "INSERT INTO orders SELECT n, 1000 + n % 50, timestamptz '2024-01-01 00:00+02' + n * interval '1 hour', n / 4.0, "
        "CASE WHEN n > 900 THEN 'web 100%' END FROM generate_series(1, 1000) AS n",
    )
    return server


def ingested(folder: Path, source: dict[str, Any]) -> shop.Done:
    shop.write_params(folder, data={"transactions": source})
    return shop.cvm(folder, "ingest")


def test_a_query_is_read_with_the_types_of_the_server(
    orders: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvm.ingest.databases.BATCH_ROWS", 100)  # so that the column of notes is null in nine batches
    done = ingested(tmp_path, {"url": orders.url(), "query": QUERY, "columns": MAPPING})
    assert (done.code, done.err) == (0, "")
    assert "1,000 rows kept, 0 rejected" in done.out
    with DuckDBEngine(tmp_path / "outputs" / "warehouse.duckdb", read_only=True) as engine:
        rows = engine.table("SELECT * FROM transactions ORDER BY occurred_at").to_pylist()
    assert rows[0] == {
        "customer_id": "1001",
        "occurred_at": datetime(2023, 12, 31, 23),
        "amount": Decimal("0.25"),
        "channel": None,
    }
    assert [row["channel"] for row in rows].count("web 100%") == 100
    assert sum(row["amount"] for row in rows) == Decimal(1000 * 1001) / 8
    assert PASSWORD not in done.out
    assert ENCODED not in done.out


def test_the_url_may_come_from_the_environment(orders: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DATABASE", orders.url())
    # The percent sign and the colons are the query's own.
    query = f"SELECT * FROM ({QUERY}) AS o WHERE note LIKE 'web %' AND bought_at::date > '2024-01-01'::date;"
    done = ingested(tmp_path, {"url": "env:SHOP_DATABASE", "query": query, "columns": MAPPING})
    assert (done.code, done.err) == (0, "")
    assert "100 rows kept" in done.out


def test_naive_times_of_a_server_need_a_zone(orders: Server, tmp_path: Path) -> None:
    query = QUERY.replace("bought_at", "bought_at::timestamp AS bought_at", 1)
    source = {"url": orders.url(), "query": query, "columns": MAPPING}
    path = shop.write_params(tmp_path, data={"transactions": source})
    path.write_text(path.read_text(encoding="utf-8").replace("timezone: UTC", "currency: USD"), encoding="utf-8")
    done = shop.cvm(tmp_path, "ingest")
    assert done.code == 1
    assert "column 'bought_at' (occurred_at) holds 1,000 times without a zone, for example '20" in done.err


def test_nulls_dates_and_odd_types_are_read_or_rejected_row_by_row(server: Server, tmp_path: Path) -> None:
    rows = ", ".join(
        f"({values})"
        for values in (
            "'a', '2024-01-01', 1.5, 1, ARRAY['x']",
            "'b', '2024-01-02', 'NaN', 2, NULL",
            "NULL, '2024-01-03', 3, 3, NULL",
            "'d', NULL, 4, 4, NULL",
            "'e', '2024-01-05', 12345678901234.5678, 5, NULL",
        )
    )
    query = (
        "SELECT customer_id, occurred_at::date, amount::numeric, quantity, channel "
        f"FROM (VALUES {rows}) AS t(customer_id, occurred_at, amount, quantity, channel)"
    )
    shop.write_params(tmp_path, data={"transactions": {"url": server.url(), "query": query}, "max_rejected_share": 0.7})
    done = shop.cvm(tmp_path, "ingest")
    assert (done.code, done.err) == (0, "")
    assert "2 rows kept, 3 rejected" in done.out
    for reason in ("amount is missing: 1", "customer_id is missing: 1", "occurred_at is missing: 1"):
        assert reason in done.out
    with DuckDBEngine(tmp_path / "outputs" / "warehouse.duckdb", read_only=True) as engine:
        found = engine.table("SELECT customer_id, amount, channel FROM transactions ORDER BY 1").to_pylist()
    assert found == [
        {"customer_id": "a", "amount": Decimal("1.5"), "channel": '["x"]'},
        {"customer_id": "e", "amount": Decimal("12345678901234.5678"), "channel": None},
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"password": "wr0ng"}, 'password authentication failed for user "cvm". Check data.transactions.url'),
        ({"port": 1}, "refused"),
    ],
)
def test_a_server_that_lets_nobody_in_is_a_refusal_without_the_password(
    server: Server, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    done = ingested(tmp_path, {"url": server.url(**change), "query": QUERY})
    assert done.code == 1
    assert done.err.startswith("cvm: Table 'transactions': postgresql://127.0.0.1:")
    assert says in done.err
    assert not [secret for secret in ("wr0ng", PASSWORD, ENCODED, "Traceback") if secret in done.out + done.err]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT * FROM nowhere", 'relation "nowhere" does not exist. Correct data.transactions.query'),
        ("SELECT FROM WHERE", "syntax error"),
        ("SELECT * FROM orders WHERE number < 0", "has no rows"),
        ("SELECT 1 / (number - 500) FROM orders", "division by zero"),
        ("DELETE FROM orders", "cannot be read: "),
        ("SELECT client, total AS client FROM orders", "returns ['client'] more than once. Name its columns apart"),
    ],
)
def test_a_query_that_yields_no_table_is_a_refusal_and_changes_nothing(
    orders: Server, tmp_path: Path, query: str, says: str
) -> None:
    done = ingested(tmp_path, {"url": orders.url(), "query": query})
    assert done.code == 1
    assert says in done.err
    assert "Traceback" not in done.err
    assert "\n" not in done.err.strip()
    assert "1,000 rows kept" in ingested(tmp_path, {"url": orders.url(), "query": QUERY, "columns": MAPPING}).out
