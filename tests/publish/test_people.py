"""People and old rows leave published tables; PostgreSQL is in test_postgres.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.publish.databases import Database, transaction
from cvm.publish.people import Counted, count_people, remove_before, remove_people
from cvm.publish.tables import remove_rows_of, replace_rows_of, replace_table

MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)
ODD = "O'Hara; DROP TABLE scores"
_Found = TypeVar("_Found")


@pytest.fixture
def inside(tmp_path: Path) -> Callable[[Callable[[Database], _Found]], _Found]:
    """Work in a transaction on tables of three customers over two days, and one without customers."""
    file = tmp_path / "given.parquet"

    def work(do: Callable[[Database], _Found]) -> _Found:
        with transaction("duckdb:///tables.duckdb", folder=tmp_path) as database:
            return do(database)

    def publish(database: Database) -> None:
        for name, days in (("scores", (MONDAY, TUESDAY)), ("actions", (MONDAY,)), ("monitoring_history", (MONDAY,))):
            for day in days:
                replace_rows_of(database, name, file, as_of=day, in_schema="cvm")
        pq.write_table(pa.table({"n": [1]}), file)
        replace_table(database, "uplift", file, in_schema="cvm")

    pq.write_table(pa.table({"customer_id": ["a", "b", ODD]}), file)
    work(publish)
    return work


def test_people_leave_tables_with_customers_at_once(inside):
    ids = {"a", ODD, "nobody"}
    assert inside(lambda database: count_people(database, ids, in_schema="cvm")) == [
        Counted("actions", 3, 2),
        Counted("scores", 6, 4),
    ]
    inside(lambda database: remove_people(database, ids, in_schema="cvm"))
    assert inside(lambda database: count_people(database, ids, in_schema="cvm")) == [
        Counted("actions", 1, 0),
        Counted("scores", 2, 0),
    ]
    assert inside(lambda database: count_people(database, ids, in_schema="other")) == []


def test_a_table_of_the_user_s_own_stays_whatever_it_is_called(inside):
    def work(database):
        database.execute("CREATE TABLE people_to_forget AS SELECT 'mine' AS id")
        remove_people(database, ["a"], in_schema="cvm")
        assert [one.n_theirs for one in count_people(database, ["a", "b"], in_schema="cvm")] == [1, 2]

    inside(work)
    assert inside(lambda database: database.column("SELECT id FROM people_to_forget")) == ["mine"]


def test_rows_of_days_before_and_of_one_day_go(inside):
    assert inside(lambda database: remove_before(database, {"scores": TUESDAY, "uplift": TUESDAY}, in_schema="cvm")) == 3
    for name in ("actions", "never_made"):
        inside(lambda database, name=name: remove_rows_of(database, name, as_of=MONDAY, in_schema="cvm"))
    left = inside(lambda database: count_people(database, [], in_schema="cvm"))
    assert left == [Counted("actions", 0, 0), Counted("scores", 3, 0)]
