"""What has been ingested so far: which exports, where their checked rows lie, and the warehouse they made."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from cvm.engines.sql import literals
from cvm.ingest.clean import FUTURE, TableOutcome
from cvm.ingest.sources import FILE_NAME
from cvm.workspace import replaced_file

NAME = "ledger.json"
# Of the file's layout.
_VERSION = 1


@dataclass(frozen=True)
class Part:
    """Checked rows of one export.

    Attributes
    ----------
    name, fingerprint
        Of the export, see ``Export``.
    number : int
        Written beside each of its rows.
    columns : tuple of str
        The user's names.
    attributes : dict of str to str
        Columns that no contract knows, and their types.
    n_kept : int
    n_by_reason : dict of str to int
        See ``Cleaned``.
    files : dict of str to str
        Files below the folder of the ledger and the hash of each; the first holds the checked rows, the second, if there
        is one, those left out as they were given. Without any row there is no file.
    """

    name: str
    fingerprint: str | None
    number: int
    columns: tuple[str, ...]
    attributes: dict[str, str]
    n_kept: int
    n_by_reason: dict[str, int]
    files: dict[str, str]

    @property
    def n_rows(self) -> int:
        """Rows of the export."""
        return self.n_kept + sum(self.n_by_reason.values())

    @property
    def may_change(self) -> bool:
        """Whether rows were left out only because of the time at which they were read."""
        return any(reason.endswith(FUTURE) for reason in self.n_by_reason)

    def is_whole(self, folder: Path) -> bool:
        """Whether its files are as they were written."""
        return all(digest == file_digest(folder / name) for name, digest in self.files.items())


@dataclass(frozen=True)
class TableParts:
    """Parts of one table in the order of arrival, and the way in which they were read (a hash)."""

    reading: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Ledger:
    """All that is remembered from one ingest to the next.

    Attributes
    ----------
    tables : dict of str to TableParts
    settings : str
        Hash of everything beside the parts that decides what the warehouse holds.
    stamps : dict of str to list
        Size and time of the files that were written with it; whoever touches one makes it be written again.
    outcomes : list of TableOutcome
    pseudonyms : str
        Under which names customers are stored, see ``Protection.fingerprint``.
    """

    tables: dict[str, TableParts] = field(default_factory=dict)
    settings: str = ""
    stamps: dict[str, list[int]] = field(default_factory=dict)
    outcomes: list[TableOutcome] = field(default_factory=list)
    pseudonyms: str = ""

    @property
    def files(self) -> set[str]:
        """Every file it needs, below its folder."""
        return {NAME, *(name for table in self.tables.values() for part in table.parts for name in part.files)}


def read_ledger(folder: Path) -> Ledger | None:
    """The ledger in ``folder``, empty where there is none yet, or ``None`` where it cannot be read."""
    try:
        text = (folder / NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return Ledger()
    except (OSError, UnicodeDecodeError):
        return None
    try:
        return _ledger(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def sources_of(folder: Path, tables: Iterable[str]) -> set[str | None]:
    """Files whose rows lie in the parts of ``tables``, ledger or not; ``None`` stands for one that cannot be told."""
    return {_source(path) for table in tables for path in (folder / table).glob("*.parquet") if "rejected" not in path.name}


def _source(part: Path) -> str | None:
    try:
        return str(pq.ParquetFile(part).read_row_group(0, columns=[FILE_NAME])[0][0].as_py())
    except (OSError, ValueError, IndexError):  # ArrowInvalid is a ValueError
        return None


def write_ledger(folder: Path, ledger: Ledger) -> None:
    """Put ``ledger`` into ``folder``, whole or not at all."""
    with replaced_file(folder / NAME) as path:
        path.write_text(json.dumps({"version": _VERSION, **asdict(ledger)}, indent=1, ensure_ascii=False), encoding="utf-8")


def remove_orphans(folder: Path, ledger: Ledger) -> None:
    """Remove every file in ``folder`` that ``ledger`` does not need: a killed or refused run wrote it, or it is replaced."""
    needed = ledger.files
    for path in [*sorted(folder.rglob("*"), reverse=True), folder]:
        if path.is_dir():
            with suppress(OSError):  # not empty
                path.rmdir()
        elif path.is_file() and path.relative_to(folder).as_posix() not in needed:
            path.unlink()


def next_number(folder: Path) -> int:
    """Number of the next part: one more than any in ``folder``, in a ledger or not."""
    numbers = [path.name.partition(".")[0] for path in folder.glob("*/*.parquet")]
    return 1 + max((int(number) for number in numbers if number.isdecimal()), default=0)


def part_rows(files: Iterable[Path]) -> str:
    """Relation over files of parts, at least one, columns matched by name: an export need not have those of another."""
    paths = literals(glob.escape(str(file)) for file in files)
    return f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"


def stamps(folder: Path, paths: Iterable[Path]) -> dict[str, list[int]]:
    """Size and time of files below ``folder``, by their relative names."""
    found = {path.relative_to(folder).as_posix(): path.stat() for path in sorted(paths) if path.is_file()}
    return {name: [status.st_size, status.st_mtime_ns] for name, status in found.items()}


def file_digest(path: Path) -> str | None:
    """SHA-256 of a file, or ``None`` where there is none to be read."""
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return None


def _ledger(values: dict[str, Any]) -> Ledger:
    if values.pop("version") != _VERSION:
        raise ValueError("another layout")
    tables = {
        name: TableParts(
            table["reading"], tuple(Part(**(part | {"columns": tuple(part["columns"])})) for part in table["parts"])
        )
        for name, table in values.pop("tables").items()
    }
    outcomes = [TableOutcome(**outcome) for outcome in values.pop("outcomes")]
    return Ledger(tables=tables, outcomes=outcomes, **values)
