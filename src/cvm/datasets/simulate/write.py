"""Parquet files that grow chunk by chunk, and the ``params.yaml`` that lets cvm read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

MARK = "# Written by `cvm simulate`; a rerun replaces it."


class Files:
    """Open Parquet files of one folder; use as a context."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.n_rows: dict[str, int] = {}
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def append(self, name: str, table: pa.Table) -> None:
        """Add rows to ``<name>.parquet``; the schema is that of the first chunk."""
        if name not in self._writers:
            # Codes are an economy of writing only: readers find plain text.
            writer = pq.ParquetWriter(
                self.folder / f"{name}.parquet", table.schema, compression="zstd", compression_level=1, store_schema=False
            )
            self._writers[name] = self._stack.enter_context(writer)
            self.n_rows[name] = 0
        self._writers[name].write_table(table)
        self.n_rows[name] += table.num_rows
