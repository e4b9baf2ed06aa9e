"""Which files lie there, which of them are one table, and what keeps one from being read at all."""

from __future__ import annotations

import glob
import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from cvm.engines.file_formats import FORMATS
from cvm.errors import SourceError
from cvm.ingest.sources import is_table_file

# Read to tell how a text is encoded.
_LOOKED_AT = 1 << 20
_SPREADSHEETS = (".xlsx", ".xls", ".ods")
_DATABASES = (".duckdb", ".db", ".sqlite", ".sqlite3")
_CYRILLIC = ("CP1251", "CP866", "KOI8-U")
# The commonest letters of Ukrainian and Russian.
_COMMON = tuple("\u043e\u0430\u0435\u0438\u043d\u0442\u0440\u0441\u0456")


@dataclass(frozen=True)
class FileGroup:
    """Files of one layout, which make one table.

    Attributes
    ----------
    paths : tuple of Path
        In the order of their names.
    path : str or list of str
        The same as ``params.yaml`` names them: relative to its folder where they lie below it.
    shown : str
        What messages call them.
    """

    paths: tuple[Path, ...]
    path: str | list[str]
    shown: str


def table_files(given: Sequence[Path]) -> list[Path]:
    """The files given, and those of the folders given that hold tables; each once.

    Raises
    ------
    SourceError
        If a path does not exist, a file given is of no known format, or there is no table at all.
    """
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            found += sorted(one for one in path.iterdir() if one.is_file() and _is_seen(one) and is_table_file(one))
        elif not path.exists():
            raise SourceError(f"There is no file {str(path)!r}. Correct the path.")
        elif not is_table_file(path):
            raise SourceError(_unknown_format(path))
        else:
            found.append(path)
    if not found:
        sheets = [sheet for path in given if path.is_dir() for sheet in spreadsheets(path)]
        if sheets:
            raise SourceError(_unknown_format(sheets[0]))
        others = sorted(one.name for path in given if path.is_dir() for one in path.iterdir() if _is_seen(one))
        beside = f"; there are {others[:8]}{' and more' if len(others) > 8 else ''}" if others else ""
        raise SourceError(
            f"No table lies in {', '.join(repr(str(path)) for path in given)}{beside}. Name your exports: "
            f"cvm init orders.csv customers.csv, files of {sorted(FORMATS)}, also .gz and .zst."
        )
    return list({path.resolve(): path for path in found}.values())


def spreadsheets(folder: Path) -> list[Path]:
    """Files of a folder that may hold tables, but in a form that is not read."""
    return sorted(one for one in folder.iterdir() if _is_seen(one) and one.suffix.lower() in _SPREADSHEETS)


def grouped(files: Iterable[Path], header: Callable[[Path], Sequence[str]], *, folder: Path) -> list[FileGroup]:
    """Files with the same columns and the same format in one folder as one table.

    Parameters
    ----------
    files : iterable of Path
    header : callable
        Names of the columns of a file.
    folder : Path
        Folder of ``params.yaml``.
    """
    layouts: dict[tuple[object, ...], list[Path]] = {}
    for path in files:
        layouts.setdefault((path.resolve().parent, path.suffix, *header(path)), []).append(path)
    return [_group(paths, folder) for paths in layouts.values()]


def check_encoding(path: Path) -> None:
    """Refuse text that is not UTF-8, with the command that mends it.

    Raises
    ------
    SourceError
        If it is not, or the file is empty or cannot be read.
    """
    try:
        with _opened(path) as content:
            start = content.read(_LOOKED_AT)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{str(path)!r} cannot be read: {error}. Export it again.") from None
    if not start.strip():
        raise SourceError(f"{str(path)!r} is empty. Check the export.")
    if any(suffix in path.suffixes for suffix in (".parquet", ".zst")):
        return
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start >= len(start) - 4 and len(start) == _LOOKED_AT:  # a character cut in two
            return
        encoding = _likeliest_encoding(start)
        stem, suffix = path.name.removesuffix(".gz").rsplit(".", 1)
        read = f"gzip -dc {path.name} | iconv" if path.suffix == ".gz" else "iconv"
        file = "" if path.suffix == ".gz" else f" {path.name}"
        raise SourceError(
            f"{str(path)!r} is not UTF-8 text: byte {error.start + 1:,} is 0x{start[error.start]:02X}, and it reads as "
            f'{encoding}. Save it as "CSV UTF-8" from the spreadsheet, or convert it: '
            f"{read} -f {encoding} -t UTF-8{file} > {stem}-utf8.{suffix}"
        ) from None


def _group(paths: list[Path], folder: Path) -> FileGroup:
    if len(paths) == 1:
        return FileGroup((paths[0],), _named(paths[0], folder), paths[0].name)
    pattern = _pattern(paths)
    if pattern is None:
        return FileGroup(tuple(paths), [_named(path, folder) for path in paths], ", ".join(path.name for path in paths))
    return FileGroup(tuple(paths), _named(paths[0].with_name(pattern), folder), f"{pattern} ({len(paths)} files)")


def _pattern(paths: Sequence[Path]) -> str | None:
    """A glob that matches these files of a folder and no other."""
    names = [path.name for path in paths]
    start = _common_start(names)
    end = _common_start([name[::-1] for name in names])[::-1]
    pattern = f"{start}*{end}"
    if not start or glob.has_magic(start + end):
        return None
    matched = {path.resolve() for path in paths[0].parent.glob(pattern) if path.is_file()}
    return pattern if matched == {path.resolve() for path in paths} else None


def _common_start(names: Sequence[str]) -> str:
    alike = takewhile(lambda signs: len(set(signs)) == 1, zip(*names, strict=False))
    return "".join(signs[0] for signs in alike)


def _named(path: Path, folder: Path) -> str:
    whole = path.parent.resolve() / path.name
    return whole.relative_to(folder.resolve()).as_posix() if whole.is_relative_to(folder.resolve()) else str(whole)


def _opened(path: Path) -> BinaryIO | gzip.GzipFile:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _is_seen(path: Path) -> bool:
    return not path.name.startswith((".", "~"))


def _unknown_format(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in _SPREADSHEETS:
        return (
            f"{str(path)!r} is a spreadsheet, which is not read. Open it, go to the sheet with the rows (one line of names, "
            f'then nothing but rows), save it as "CSV UTF-8", and run: cvm init {path.with_suffix(".csv").name}'
        )
    if suffix in _DATABASES:
        return (
            f"{str(path)!r} is a database, whose tables are not proposed. Write params.yaml by hand, with path: and "
            "table: as the one that ships with cvm shows, or export its tables as Parquet."
        )
    return f"{str(path)!r} is of no known format; give files of {sorted(FORMATS)}, also .gz and .zst."


def _likeliest_encoding(start: bytes) -> str:
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "UTF-16"
    runs = re.findall(rb"[\x80-\xff]+", start)
    # Western texts have an accent here and there; Cyrillic words are of such letters from end to end.
    if sum(len(run) for run in runs if len(run) > 2) * 2 < sum(map(len, runs)):
        return "CP1252"
    text = b" ".join(runs)
    common = {name: sum(map(text.decode(name, errors="replace").lower().count, _COMMON)) for name in _CYRILLIC}
    return max(common, key=lambda name: common[name])
