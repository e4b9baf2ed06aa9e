"""Where a table comes from: files, a database, or a frame. Each can load itself into ``raw_<table>``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from cvm.engines import DuckDBEngine
from cvm.ingest.reading import Reading
from cvm.ingest.sources import read_files, read_frame


@dataclass(frozen=True)
class FileSource:
    """Files of one table, and how to read them."""

    paths: list[str]
    folder: Path
    reading: Reading

    def load(self, engine: DuckDBEngine, table: str) -> None:
        """Read all files into ``raw_<table>``."""
        read_files(engine, table, self.paths, folder=self.folder)


@dataclass(frozen=True)
class DatabaseSource:
    """A query of a database, which is a file or lies behind a URL."""

    database: Path | str = field(repr=False)  # a URL holds a password
    query: str
    reading: Reading

    def load(self, engine: DuckDBEngine, table: str) -> None:
        """Read the rows of the query into ``raw_<table>``."""
        from cvm.ingest.databases import read_database, read_database_file  # only who reads one waits for SQLAlchemy

        if isinstance(self.database, Path):
            read_database_file(engine, table, self.database, self.query)
        else:
            read_database(engine, table, self.database, self.query)


@dataclass(frozen=True)
class FrameSource:
    """A table that is already in memory."""

    frame: pa.Table
    name: str
    reading: Reading

    def load(self, engine: DuckDBEngine, table: str) -> None:
        """Read the frame into ``raw_<table>``."""
        read_frame(engine, table, self.frame, name=self.name)


Source = FileSource | DatabaseSource | FrameSource
