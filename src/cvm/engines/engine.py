"""What every engine can do, for those who only ask: the SQL is DuckDB's whichever engine runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa


class Engine(Protocol):
    """Tables under the names of the warehouse, temporary tables beside them, and queries of both."""

    is_distributed: bool
    """Whether rows lie on many machines, so that an order of all of them is dear."""

    def execute(self, statement: str) -> None:
        """Run statements for their effect: those that create, fill and drop tables."""

    def table(self, query: str) -> pa.Table:
        """Result of ``query`` as an Arrow table of this process."""

    def row(self, query: str) -> dict[str, Any]:
        """The single row of ``query``."""

    def register(self, name: str, table: pa.Table) -> None:
        """Make a small Arrow table readable as ``name``."""

    def show_parquet(self, name: str, path: Path) -> None:
        """Make Parquet readable as ``name``: a file, or a folder of files."""

    def checksum(self, table: str) -> tuple[int, int]:
        """Number of rows, and a hash of them, whatever their order; each engine has a hash of its own."""

    def columns(self, relation: str) -> dict[str, str]:
        """Column names and types, as DuckDB calls them, of a table or of ``(query)``."""

    def tables(self) -> set[str]:
        """Names of the tables."""

    def write_parquet(self, query: str, path: Path) -> None:
        """Write the rows of ``query``, in its order: one Parquet file, or of many machines a folder of them."""

    def replace_table(self, name: str, query: str) -> None:
        """Make ``name`` hold the rows of ``query``."""
