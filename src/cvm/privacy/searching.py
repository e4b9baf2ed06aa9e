"""The proof: every file is searched for what tells of a person, by value where it can be read, and byte by byte."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cvm.engines import DuckDBEngine, QueryError
from cvm.privacy.erasing import DATABASES, n_traces, relations
from cvm.privacy.marks import Marks, bounded


@dataclass(frozen=True)
class Search:
    """What was looked at, and what was found.

    Attributes
    ----------
    n_files, n_tables, n_rows : int
        Files; tables in them (Parquet files and tables of databases), and their rows.
    found : tuple of (Path or str, str)
        Files and tables that still tell of the person, and where in them.
    unreadable : tuple of Path
        Files that could not be searched by value, or not at all.
    """

    n_files: int
    n_tables: int
    n_rows: int
    found: tuple[tuple[Path | str, str], ...]
    unreadable: tuple[Path, ...]

    def __add__(self, other: Search) -> Search:
        """Two searches of different things as one."""
        return Search(
            self.n_files + other.n_files,
            self.n_tables + other.n_tables,
            self.n_rows + other.n_rows,
            self.found + other.found,
            self.unreadable + other.unreadable,
        )

    @property
    def sentence(self) -> str:
        """What was looked at, in words."""
        return f"searched {self.n_files:,} files, {self.n_tables:,} tables and {self.n_rows:,} rows"


def search(files: Iterable[Path], marks: Marks) -> Search:
    """Look for a person in files of any kind.

    Tables are searched value by value, in every column, nested ones too; CSV and JSON files cell by cell; all files byte by
    byte, which finds what stands in the clear beside the values, such as in statistics and free pages, and nothing that is
    compressed there. Marks of fewer than six characters are looked for as values of columns of ids alone: by chance they
    stand anywhere.

    Parameters
    ----------
    files : iterable of Path
    marks : Marks
    """
    telling = "|".join(bounded(mark) for mark in marks.telling).encode()
    pattern = re.compile(telling, re.IGNORECASE) if telling else None
    n_files = n_tables = n_rows = 0
    found: dict[Path, str] = {}
    unreadable = []
    for path in files:
        n_files += 1
        try:
            if path.suffix in (".parquet", *DATABASES):
                tables, rows, where = _in_tables(path, marks)
                n_tables, n_rows = n_tables + tables, n_rows + rows
            else:
                where = "values" if n_traces(path, marks) else None
            where = where or ("bytes" if pattern and _in_bytes(path, pattern) else None)
        except (QueryError, OSError, ValueError):
            unreadable.append(path)
            continue
        if where:
            found[path] = where
    return Search(n_files, n_tables, n_rows, tuple(found.items()), tuple(unreadable))


def _in_tables(path: Path, marks: Marks) -> tuple[int, int, str | None]:
    """Tables, rows, and the columns in which something was found."""
    with DuckDBEngine() as engine:
        marks.install(engine)
        tables = relations(engine, path)
        n_rows, columns = 0, []
        for table in tables:
            traces = marks.trace_sql(engine.columns(table))
            counts = ", ".join(f"count(*) FILTER ({test}) AS c{place}" for place, test in enumerate(traces.values()))
            row = engine.row(f"SELECT count(*) AS n{', ' + counts if counts else ''} FROM {table}")
            n_rows += row["n"]
            columns += [name for place, name in enumerate(traces) if row[f"c{place}"]]
    return len(tables), n_rows, f"columns {columns}" if columns else None


def _in_bytes(path: Path, pattern: re.Pattern[bytes]) -> bool:
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return pattern.search(content) is not None
