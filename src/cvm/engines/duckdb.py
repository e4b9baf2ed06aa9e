"""DuckDB, the embedded engine."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from cvm.engines.sql import identifier, literal
from cvm.errors import CvmError


class QueryError(CvmError):
    """The engine refused a query; callers turn it into a message for the user."""


class DuckDBEngine:
    """A DuckDB database: a warehouse file, or memory when no path is given.

    Parameters
    ----------
    path : Path, optional
        Database file.
    read_only : bool
        Open without the right to write; several processes may then read at once.
    memory_gib : float, optional
        What a query may hold in memory at most before it goes on with files beside the database; never more than the
        engine would take by itself (four fifths of the machine).
    """

    def __init__(self, path: Path | None = None, *, read_only: bool = False, memory_gib: float | None = None) -> None:
        try:
            self._connection = duckdb.connect(str(path) if path else ":memory:", read_only=read_only)
        except duckdb.Error as error:
            raise QueryError(_gist(error)) from error
        # Times are stored as UTC; a session zone would shift casts silently.
        self._connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        if memory_gib is not None:
            granted = self.row("SELECT current_setting('memory_limit') AS size")["size"]
            self._connection.execute(f"SET memory_limit = '{min(memory_gib, _gib(granted))} GiB'")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    def execute(self, statement: str) -> None:
        """Run a statement for its effect."""
        try:
            self._connection.execute(statement)
        except duckdb.Error as error:
            raise QueryError(_gist(error)) from error

    def table(self, query: str) -> pa.Table:
        """Result of ``query`` as an Arrow table."""
        try:
            return self._connection.sql(query).to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(_gist(error)) from error

    def row(self, query: str) -> dict[str, Any]:
        """The single row of ``query``."""
        rows: list[dict[str, Any]] = self.table(query).to_pylist()
        if len(rows) != 1:
            raise AssertionError(f"expected one row, got {len(rows)}")
        return rows[0]

    def batches(self, query: str, *, rows: int) -> pa.RecordBatchReader:
        """Result of ``query`` as a stream of Arrow batches of at most so many rows; read it before the next query."""
        try:
            relation = self._connection.sql(query)
            if relation is None:
                raise QueryError("the statement returns no rows")
            return relation.to_arrow_reader(rows)
        except duckdb.Error as error:
            raise QueryError(_gist(error)) from error

    def register(self, name: str, table: pa.Table | pa.RecordBatchReader) -> None:
        """Make an Arrow table, or once a stream of batches, readable as ``name``."""
        self._connection.register(name, table)

    def columns(self, relation: str) -> dict[str, str]:
        """Column names and types of a table or of ``(query)``."""
        rows = self.table(f"DESCRIBE SELECT * FROM {relation}").to_pylist()
        return {row["column_name"]: row["column_type"] for row in rows}

    def tables(self) -> set[str]:
        """Names of the tables of the database."""
        return set(self.table("SELECT table_name FROM duckdb_tables()").column(0).to_pylist())

    def write_parquet(self, query: str, path: Path) -> None:
        """Write the rows of ``query``, in its order, to one Parquet file."""
        self.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")

    def replace_table(self, name: str, query: str) -> None:
        """Make ``name`` hold the rows of ``query``."""
        self.execute(f"CREATE OR REPLACE TABLE {identifier(name)} AS {query}")


def _gib(size: str) -> float:
    """``size`` as the engine writes it, in GiB."""
    number, unit = size.split()
    return float(number) * 2.0 ** (10 * (("bytes", "KiB", "MiB", "GiB", "TiB").index(unit) - 3))


def _gist(error: Exception) -> str:
    """First line of the engine's message; for a CSV file also what is wrong with the line it names."""
    first, *others = str(error).strip().splitlines()
    if "CSV Error on Line" in first:
        first += ": " + next((line for line in others if not line.startswith("Original Line")), "")
    return first.rstrip(".: ")
