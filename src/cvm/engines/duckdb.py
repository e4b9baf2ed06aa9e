"""DuckDB, the embedded engine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from cvm.engines.error import QueryError
from cvm.engines.sql import identifier, literal, parquet

# Dictionaries of many values, and filters that tell which of them are there, are dear to build and no use to who reads whole
# columns. 44 columns of the features of 100,000 customers take 0.16 s of processors and 8.8 MB so, and with the engine's own
# settings 0.24 s and 7.5 MB (benchmarks/purchase_bases.py, best of three); to compute them takes 1.7 s.
_PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT 1000, WRITE_BLOOM_FILTER false"


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

    is_distributed = False

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

    def unregister(self, name: str) -> None:
        """Let go of what was registered as ``name``."""
        self._connection.unregister(name)

    def show_parquet(self, name: str, path: Path) -> None:
        """Make Parquet readable as ``name``: a file, or a folder of files."""
        self.execute(f"CREATE OR REPLACE TEMP VIEW {identifier(name)} AS SELECT * FROM {parquet([path])}")

    def checksum(self, table: str) -> tuple[int, int]:
        """Number of rows, and a hash of them, whatever their order."""
        row = self.row(
            f"SELECT count(*) AS n, coalesce(sum(hash(t)::HUGEINT), 0)::VARCHAR AS h FROM {identifier(table)} AS t"
        )
        return row["n"], int(row["h"]) % 2**64

    def columns(self, relation: str) -> dict[str, str]:
        """Column names and types of a table or of ``(query)``."""
        try:
            found = self._connection.sql(f"SELECT * FROM {relation}")  # bound, not run
            return dict(zip(found.columns, map(str, found.types), strict=True))
        except duckdb.Error as error:
            raise QueryError(_gist(error)) from error

    def tables(self) -> set[str]:
        """Names of the tables of the database and of the temporary ones; not those of others that are attached."""
        query = "SELECT table_name FROM duckdb_tables() WHERE database_name IN (current_database(), 'temp')"
        return set(self.table(query).column(0).to_pylist())

    def write_parquet(self, query: str, path: Path) -> None:
        """Write the rows of ``query``, in its order, to one Parquet file."""
        self.execute(f"COPY ({query}) TO {literal(str(path))} ({_PARQUET})")

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
    # What went wrong while other threads were at work comes as JSON within the text.
    within = re.search(r'"exception_message":("(?:[^"\\]|\\.)*")', first)
    if within:
        first = f"{first.partition(':')[0]}: {json.loads(within[1])}"
    if "CSV Error on Line" in first:
        first += ": " + next((line for line in others if not line.startswith("Original Line")), "")
    return first.rstrip(".: ")
