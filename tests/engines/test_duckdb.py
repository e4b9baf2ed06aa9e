from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.engines import DuckDBEngine, QueryError


def test_a_table_written_by_one_engine_is_read_by_the_next(tmp_path: Path) -> None:
    with DuckDBEngine(tmp_path / "w.duckdb") as engine:
        engine.replace_table("kept", "SELECT 1 AS a")
        engine.replace_table("kept", "SELECT 2 AS a")
    with DuckDBEngine(tmp_path / "w.duckdb", read_only=True) as engine:
        assert engine.tables() == {"kept"}
        assert engine.row("SELECT * FROM kept") == {"a": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["w.duckdb"]


def test_a_read_only_engine_cannot_change_the_warehouse(tmp_path: Path) -> None:
    with DuckDBEngine(tmp_path / "w.duckdb") as engine:
        engine.replace_table("kept", "SELECT 1 AS a")
    with DuckDBEngine(tmp_path / "w.duckdb", read_only=True) as engine, pytest.raises(QueryError, match="read-only"):
        engine.replace_table("kept", "SELECT 2 AS a")


def test_several_processes_read_one_warehouse_at_once(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with DuckDBEngine(path) as engine:
        engine.replace_table("kept", "SELECT 1 AS a")
    code = (
        "import sys; from pathlib import Path; from cvm.engines import DuckDBEngine\n"
        "with DuckDBEngine(Path(sys.argv[1]), read_only=True) as engine: print(engine.row('SELECT a FROM kept')['a'])"
    )
    with DuckDBEngine(path, read_only=True) as engine:
        other = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
        assert (other.stdout, engine.row("SELECT a FROM kept")) == ("1\n", {"a": 1})


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.duckdb").write_bytes(b"not a database" * 100)
    with pytest.raises(QueryError, match="not a valid DuckDB database file"):
        DuckDBEngine(tmp_path / "w.duckdb")


@pytest.mark.parametrize("statement", ["SELECT * FROM nowhere", "SELEC 1", "SELECT 1 + 'a'"])
def test_a_refused_query_is_one_line_of_text(statement: str) -> None:
    with DuckDBEngine() as engine:
        for run in (engine.table, engine.execute):
            with pytest.raises(QueryError, match="Error: ") as caught:
                run(statement)
            assert "\n" not in str(caught.value)
            assert not str(caught.value).endswith(".")


def test_a_refusal_of_a_csv_file_names_the_line_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    lines = ["a,b", *["1,2"] * 40_000, "1,2,3"]
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    with (
        DuckDBEngine() as engine,
        pytest.raises(QueryError, match="CSV Error on Line: 40002: Expected Number of Columns: 2"),
    ):
        engine.table(f"SELECT count(*) FROM read_csv('{tmp_path / 't.csv'}', header = true)")


@pytest.mark.parametrize("query", ["SELECT 1 AS a WHERE false", "SELECT unnest([1, 2]) AS a"])
def test_a_row_is_one_row(query: str) -> None:
    with DuckDBEngine() as engine, pytest.raises(AssertionError, match=r"expected one row, got [02]"):
        engine.row(query)


def test_casts_of_times_do_not_depend_on_the_zone_of_the_machine() -> None:
    code = (
        "from cvm.engines import DuckDBEngine\n"
        "with DuckDBEngine() as engine: print(engine.row("
        "\"SELECT CAST(TIMESTAMPTZ '2024-01-01 00:30:00+02' AS TIMESTAMP) AS t\")['t'])"
    )
    command = [sys.executable, "-c", code]
    elsewhere = subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "Pacific/Auckland"})
    assert elsewhere.stdout == "2023-12-31 22:30:00\n"


def test_columns_of_a_table_and_of_a_query_have_the_same_types() -> None:
    with DuckDBEngine() as engine:
        engine.register("given", pa.table({"at": pa.array([datetime(2024, 1, 1, tzinfo=UTC)]), "n": [1]}))
        assert engine.columns("given") == {"at": "TIMESTAMP WITH TIME ZONE", "n": "BIGINT"}
        assert engine.columns("(SELECT n FROM given)") == {"n": "BIGINT"}


def test_parquet_keeps_the_order_of_the_query(tmp_path: Path) -> None:
    path = tmp_path / "it's ordered.parquet"
    with DuckDBEngine() as engine:
        engine.write_parquet("SELECT range AS n FROM range(300_000) ORDER BY n DESC", path)
    assert pq.read_table(path)["n"].to_pylist() == list(range(299_999, -1, -1))


def test_writing_where_no_folder_is_refused(tmp_path: Path) -> None:
    with DuckDBEngine() as engine, pytest.raises(QueryError, match="Cannot open file"):
        engine.write_parquet("SELECT 1 AS a", tmp_path / "nowhere" / "a.parquet")


def memory_limit(engine: DuckDBEngine) -> str:
    return str(engine.row("SELECT current_setting('memory_limit') AS found")["found"])


def test_a_query_beyond_the_memory_it_may_take_goes_on_with_files_beside_the_database(tmp_path: Path) -> None:
    with DuckDBEngine(tmp_path / "w.duckdb", memory_gib=0.0625) as engine:
        assert memory_limit(engine) == "64.0 MiB"
        engine.execute("CREATE TEMP TABLE wide AS SELECT range AS n, hash(range) || 'x' AS text FROM range(4_000_000)")
        assert {path.name for path in tmp_path.iterdir()} >= {"w.duckdb.tmp"}
        assert engine.row("SELECT count(*) AS n FROM wide") == {"n": 4_000_000}
    assert [path.name for path in tmp_path.iterdir()] == ["w.duckdb"]


def test_an_engine_never_takes_more_memory_than_it_would_by_itself() -> None:
    with DuckDBEngine() as engine, DuckDBEngine(memory_gib=1e6) as generous:
        sizes = [float(memory_limit(each).removesuffix(" GiB")) for each in (engine, generous)]
        assert sizes[1] == pytest.approx(sizes[0], rel=0.02)  # as written, it is rounded
