"""Tables in a DuckDB file; PostgreSQL is in test_postgres.py."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.engines.database_url import DatabaseUrlError
from cvm.publish.databases import PublishError, transaction
from cvm.publish.tables import replace_rows_of, replace_table

MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)
URL = "duckdb:///tables.duckdb"


def file(folder: Path, **columns: Any) -> Path:
    path = folder / "given.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def published(folder: Path, path: Path, *, as_of: date | None = None, url: str = URL) -> None:
    with transaction(url, folder=folder) as database:
        if as_of:
            replace_rows_of(database, "scores", path, as_of=as_of, in_schema="cvm")
        else:
            replace_table(database, "scores", path, in_schema="cvm")


def rows(folder: Path, what: str = "*") -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / "tables.duckdb"), read_only=True) as database:
        return database.sql(f"SELECT {what} FROM cvm.scores ORDER BY ALL").fetchall()


def test_rows_of_a_date_are_replaced_and_those_of_others_stay(tmp_path):
    published(tmp_path, file(tmp_path, customer_id=["a", "b"], clv=[1.0, None]), as_of=MONDAY)
    for clv in (5.0, 7.0):
        published(tmp_path, file(tmp_path, customer_id=["a"], clv=[clv]), as_of=TUESDAY)
    assert rows(tmp_path) == [(MONDAY, "a", 1.0), (MONDAY, "b", None), (TUESDAY, "a", 7.0)]


def test_of_a_file_with_dates_only_the_rows_of_that_date_count(tmp_path):
    given = file(tmp_path, value=[1, 2, 3], as_of=[MONDAY, TUESDAY, TUESDAY])
    published(tmp_path, given, as_of=TUESDAY)
    assert rows(tmp_path) == [(TUESDAY, 2), (TUESDAY, 3)]


def test_a_table_without_dates_is_replaced_as_a_whole(tmp_path):
    for n in (3, 1):
        published(tmp_path, file(tmp_path, n=list(range(n))))
    assert rows(tmp_path) == [(0,)]


def test_columns_are_typed_nested_ones_are_json_and_new_ones_are_added(tmp_path):
    published(tmp_path, file(tmp_path, customer_id=["a"], n=[1]), as_of=MONDAY)
    reasons = [[{"feature": "recency", "value": 1.5}], None]
    given = file(tmp_path, customer_id=["b", "c"], reasons=reasons, day=[MONDAY, None], ok=[True, None], p=[0.5, None])
    published(tmp_path, given, as_of=TUESDAY)
    with duckdb.connect(str(tmp_path / "tables.duckdb")) as database:
        kinds = {name: kind for name, kind, *_ in database.sql("DESCRIBE cvm.scores").fetchall()}
    assert kinds == {
        "as_of": "DATE",
        "customer_id": "VARCHAR",
        "n": "BIGINT",
        "reasons": "VARCHAR",
        "day": "DATE",
        "ok": "BOOLEAN",
        "p": "DOUBLE",
    }
    assert rows(tmp_path, "customer_id, n, reasons, p") == [
        ("a", 1, None, None),
        ("b", None, '[{"feature":"recency","value":1.5}]', 0.5),
        ("c", None, None, None),
    ]


def test_names_from_params_and_files_are_quoted(tmp_path):
    given = file(tmp_path, **{'a"; DROP TABLE x': [1]})
    with transaction(URL, folder=tmp_path) as database:
        replace_table(database, 'odd"name', given, in_schema='my "schema"')
    with duckdb.connect(str(tmp_path / "tables.duckdb")) as database:
        assert database.sql('SELECT * FROM "my ""schema"""."odd""name"').fetchall() == [(1,)]


def test_what_fails_half_way_changes_nothing(tmp_path):
    published(tmp_path, file(tmp_path, n=[1]), as_of=MONDAY)
    with pytest.raises(PublishError, match=r"files in outputs are done, but the tables in .*tables.duckdb.*same command"):
        published(tmp_path, file(tmp_path, n=["no number"]), as_of=MONDAY)
    assert rows(tmp_path) == [(MONDAY, 1)]


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("mysql://me:hidden@shop/db", PublishError, "publish.url is of 'mysql'; tables go to duckdb:///FILE or postgresql"),
        ("duckdb://", PublishError, "publish.url is of 'duckdb'; tables go to"),
        ("hidden", DatabaseUrlError, "publish.url is no URL of a database"),
        ("env:NO_SUCH_VARIABLE", DatabaseUrlError, "publish.url names the environment variable 'NO_SUCH_VARIABLE'"),
    ],
)
def test_urls_of_nothing_known_are_refused_without_telling_secrets(tmp_path, url, error, message):
    with pytest.raises(error, match=message) as refused, transaction(url, folder=tmp_path):
        pass
    assert "hidden" not in str(refused.value)


def test_a_server_that_is_not_there_is_told_without_the_password(tmp_path):
    url = "postgresql://me:hidden@127.0.0.1:1/shop"
    told = r"postgresql://127\.0\.0\.1:1/shop could not be brought up to date: .*publish\.url"
    with pytest.raises(PublishError, match=told) as refused, transaction(url, folder=tmp_path):
        pass
    assert "hidden" not in str(refused.value)


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "tables.duckdb").write_text("hello " * 1000)
    with pytest.raises(PublishError, match=r"tables\.duckdb could not be brought up to date: .*Close the program"):
        published(tmp_path, file(tmp_path, n=[1]))


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    with (
        pytest.raises(PublishError, match=r"its folder does not exist"),
        transaction("duckdb:///nope/x.db", folder=tmp_path),
    ):
        pass
    assert not (tmp_path / "nope").exists()
