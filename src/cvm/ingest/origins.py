"""Where a table comes from: the exports that lie there now, each known by its content where it has a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from cvm.engines import DuckDBEngine
from cvm.errors import SourceError
from cvm.ingest.reading import Reading
from cvm.ingest.sources import load_files, read_frame, source_files


@dataclass(frozen=True)
class Export:
    """One file, or another delivery that is read as a whole.

    Attributes
    ----------
    name : str
        Of a file: its path, relative to the folder of ``params.yaml`` where it lies below it.
    fingerprint : str or None
        Hash of the content; ``None`` where only reading would tell, so that it is read every time.
    load : callable
        Makes an engine hold it as ``raw_<table>``.
    """

    name: str
    fingerprint: str | None
    load: Callable[[DuckDBEngine], None]


@dataclass(frozen=True)
class FileSource:
    """Files of one table, and how to read them."""

    paths: list[str]
    folder: Path
    reading: Reading

    @property
    def shown(self) -> str:
        """What a message calls it."""
        return ", ".join(self.paths)

    def exports(self, table: str, *, has_history: bool) -> list[Export]:
        """The files in the order in which they are read; a glob that matches none is a fault only without history.

        Raises
        ------
        SourceError
            If nothing matches a path, or a file cannot be read.
        """
        files = source_files(table, self.paths, folder=self.folder, may_be_gone=has_history)
        return [self._export(table, file) for file in files]

    def has(self, name: str) -> bool:
        """Whether the file is still there, named in ``params.yaml`` or not."""
        return (self.folder / name).is_file()

    def _export(self, table: str, file: Path) -> Export:
        name = str(file.relative_to(self.folder) if file.is_relative_to(self.folder) else file)
        return Export(name, _fingerprint(table, file), lambda engine: load_files(engine, table, [file], shown=name))


@dataclass(frozen=True)
class FrameSource:
    """A table that is already in memory."""

    frame: pa.Table
    name: str
    reading: Reading

    @property
    def shown(self) -> str:
        """What a message calls it."""
        return self.name

    def exports(self, table: str, *, has_history: bool) -> list[Export]:
        """The frame itself, all of the table, whatever was there before."""
        del has_history
        return [Export(self.name, None, lambda engine: read_frame(engine, table, self.frame, name=self.name))]

    def has(self, name: str) -> bool:
        """Nothing that was read before is left out of a frame unwillingly."""
        del name
        return True


@dataclass(frozen=True)
class DatabaseSource:
    """A query of a database, which is a file or lies behind a URL; it is asked anew each time."""

    database: Path | str = field(repr=False)  # a URL holds a password
    query: str
    reading: Reading

    @property
    def shown(self) -> str:
        """What a message calls it."""
        return "the query"

    def exports(self, table: str, *, has_history: bool) -> list[Export]:
        """The rows of the query, all of the table, whatever was there before."""
        del has_history
        return [Export(f"the query of data.{table}", None, lambda engine: self._load(engine, table))]

    def has(self, name: str) -> bool:
        """Nothing that was read before is left out of a query unwillingly."""
        del name
        return True

    def _load(self, engine: DuckDBEngine, table: str) -> None:
        from cvm.ingest.databases import read_database, read_database_file  # only who reads one waits for SQLAlchemy

        if isinstance(self.database, Path):
            read_database_file(engine, table, self.database, self.query)
        else:
            read_database(engine, table, self.database, self.query)


Source = FileSource | DatabaseSource | FrameSource


def _fingerprint(table: str, file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise SourceError.from_unreadable_file(table, str(file), error.strerror or str(error)) from None
