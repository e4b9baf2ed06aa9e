"""Tables on a real PostgreSQL server."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from cvm.publish.databases import PublishError, transaction
from cvm.publish.people import Counted, count_people, remove_before, remove_people
from cvm.publish.tables import replace_rows_of
from postgres_server import ENCODED, PASSWORD, Server

pytestmark = pytest.mark.postgres

MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)
REASONS = [[{"feature": "recency", "sentence": 'no "order", for\n94 days'}], None]


@pytest.fixture
def table(server: Server) -> str:
    server.execute('DROP SCHEMA IF EXISTS "my crm" CASCADE')
    return '"my crm"."scores"'


def publish(server: Server, folder: Path, as_of: date, **columns: Any) -> None:
    pq.write_table(pa.table(columns), folder / "given.parquet")
    with transaction(server.url(), folder=folder) as database:
        replace_rows_of(database, "scores", folder / "given.parquet", as_of=as_of, in_schema="my crm")


def rows(server: Server, query: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(server.url().replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_rows_of_a_date_are_replaced_with_their_types(server, table, tmp_path):
    for clv in (1.0, 0.1 + 0.2):
        publish(
            server, tmp_path, MONDAY, customer_id=["a,b", ""], clv=[clv, None], day=[TUESDAY, None], ok=[True, None],
            reasons=REASONS,
        )  # fmt: skip
    publish(server, tmp_path, TUESDAY, customer_id=["100%"], n=[2**40])
    assert rows(server, f"SELECT * FROM {table} ORDER BY as_of, customer_id DESC") == [
        (
            MONDAY,
            "a,b",
            0.1 + 0.2,
            TUESDAY,
            True,
            '[{"feature":"recency","sentence":"no \\"order\\", for\\n94 days"}]',
            None,
        ),
        (MONDAY, "", None, None, None, None, None),
        (TUESDAY, "100%", None, None, None, None, 2**40),
    ]
    kinds = dict(rows(server, "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'my crm'"))
    assert kinds["clv"] == "double precision"
    assert (kinds["as_of"], kinds["ok"], kinds["n"], kinds["reasons"]) == ("date", "boolean", "bigint", "text")


def test_what_fails_half_way_changes_nothing(server, table, tmp_path):
    publish(server, tmp_path, MONDAY, n=[1])
    with pytest.raises(PublishError, match=r"could not be brought up to date: invalid input syntax for type bigint"):
        publish(server, tmp_path, MONDAY, n=["no number"])
    assert rows(server, f"SELECT * FROM {table}") == [(MONDAY, 1)]


def test_people_and_old_rows_go(server, table, tmp_path):
    for day in (MONDAY, TUESDAY):
        publish(server, tmp_path, day, customer_id=["a", "O'Hara, \\", "50%"])
    with transaction(server.url(), folder=tmp_path) as database:
        assert remove_before(database, {"scores": TUESDAY}, in_schema="my crm") == 3
        remove_people(database, ["O'Hara, \\", "a"], in_schema="my crm")
        assert count_people(database, ["a", "50%"], in_schema="my crm") == [Counted("scores", 1, 1)]
    assert rows(server, f"SELECT customer_id FROM {table}") == [("50%",)]


def test_a_wrong_password_is_told_without_it(server, tmp_path):
    url = server.url(password=f"{ENCODED}x")
    with pytest.raises(PublishError, match="password authentication failed") as refused, transaction(url, folder=tmp_path):
        pass
    assert PASSWORD not in str(refused.value)


def test_many_rows_are_streamed(server, table, tmp_path):
    n = 120_000
    publish(server, tmp_path, MONDAY, customer_id=[f"c{number}" for number in range(n)], clv=[0.5] * n)
    assert rows(server, f"SELECT count(*), sum(clv) FROM {table}") == [(n, n / 2)]
