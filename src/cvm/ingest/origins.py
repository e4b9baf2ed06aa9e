"""Where a table comes from: the exports that lie there now, each known by its content where it has a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cvm.engines import DuckDBEngine, identifier, literal
from cvm.engines.sql import parquet
from cvm.errors import SourceError
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.reading import Reading, given_name
from cvm.ingest.sources import FILE_NAME, load_files, load_relation, read_frame, source_files


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
        name = _shown(file, self.folder)
        return Export(name, _fingerprint(table, file), lambda engine: load_files(engine, table, [file], shown=name))


@dataclass(frozen=True)
class FrameSource:
    """A table that is already in memory; ``is_passed`` says that the caller passed it, whatever ``params.yaml`` names."""

    frame: pa.Table
    name: str
    reading: Reading
    is_passed: bool = False

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


def passed_name(table: str) -> str:
    """The name of the frame that a caller passes for a table."""
    return f"tables[{table!r}]"


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


@dataclass(frozen=True)
class PlannedSource:
    """Assignments of approved plans, one file each, after the user's own source of assignments, if there is one.

    The files have our columns; they are loaded under the names that the user's mapping expects, so that one reading does
    for all.
    """

    own: FileSource | DatabaseSource | FrameSource | None
    plans: tuple[Path, ...]
    folder: Path
    reading: Reading

    @property
    def shown(self) -> str:
        """What a message calls it."""
        return ", ".join([*([self.own.shown] if self.own else []), *(_shown(plan, self.folder) for plan in self.plans)])

    def exports(self, table: str, *, has_history: bool) -> list[Export]:
        """The user's exports, then the files of plans."""
        own = self.own.exports(table, has_history=has_history) if self.own else []
        return [*own, *(self._export(table, plan) for plan in self.plans)]

    def has(self, name: str) -> bool:
        """Whether an export is still there, named in ``params.yaml`` or not."""
        return (self.folder / name).is_file() or (self.own is not None and self.own.has(name))

    def _export(self, table: str, plan: Path) -> Export:
        name = _shown(plan, self.folder)
        return Export(name, _fingerprint(table, plan), lambda engine: self._load(engine, table, plan, name))

    def _load(self, engine: DuckDBEngine, table: str, plan: Path, name: str) -> None:
        try:
            names = pq.read_schema(plan).names
        except (OSError, pa.ArrowInvalid) as error:
            raise SourceError.from_unreadable_file(table, name, str(error)) from None
        columns = ", ".join(f"{identifier(ours)} AS {identifier(given_name(self.reading, ours))}" for ours in names)
        relation = f"(SELECT {columns}, {literal(str(plan))} AS {identifier(FILE_NAME)} FROM {parquet([plan])})"
        load_relation(engine, table, relation, shown=name)


Source = FileSource | DatabaseSource | FrameSource | PlannedSource


def with_plans(sources: Mapping[str, Source], plans: Sequence[Path], *, folder: Path) -> dict[str, Source]:
    """The same sources, those of ``assignments`` with approved plans; in the order of the contracts.

    Parameters
    ----------
    sources : mapping of str to Source
        As declared by the user.
    plans : sequence of Path
        Parquet files with columns of ``assignments``.
    folder : Path
        Folder of ``params.yaml``.
    """
    own = sources.get("assignments")
    if not plans or isinstance(own, PlannedSource):
        return dict(sources)
    reading = own.reading if own else Reading(timezone=None)  # their times carry their zone
    both = {**sources, "assignments": PlannedSource(own, tuple(plans), folder, reading)}
    return {table: both[table] for table in CONTRACTS if table in both}


def _shown(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)


def _fingerprint(table: str, file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise SourceError.from_unreadable_file(table, str(file), error.strerror or str(error)) from None
