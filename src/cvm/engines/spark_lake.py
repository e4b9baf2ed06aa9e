"""Files and catalog tables as relations of a ``SparkEngine``: each row with where it stood."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvm.engines.error import QueryError
from cvm.engines.file_formats import FORMATS, format_by_name, likeliest_delimiter
from cvm.engines.spark import SparkEngine, hadoop_path, refusals
from cvm.engines.spark_catalog import knows_delta

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession

_DELTA_LOG = "_delta_log"


@dataclass(frozen=True)
class Placed:
    """Names of the columns that tell where a row stood.

    Attributes
    ----------
    file : str
        The file, or the table of the catalog.
    row : str
        Number in its file, counted from 1; null where the format does not number its rows.
    order : str
        Of two rows of one relation the later has the greater one, whatever the partitions; null in a table of the catalog,
        which has no order.
    """

    file: str
    row: str
    order: str


def file_format(path: Path) -> str:
    """``parquet``, ``csv``, ``json`` or ``delta``: by the name of a file, or of the first one in a folder.

    Raises
    ------
    QueryError
        If it is none of them, or compressed as Spark cannot read it.
    """
    if (path / _DELTA_LOG).is_dir():
        return "delta"
    files = _data_files(path)
    if not files:
        raise QueryError("there is no file in it")
    compressed = [file.name for file in files if file.suffix.lower() == ".zst"]
    if compressed:
        raise QueryError(
            f"Spark does not read .zst: {compressed[:5]} ({len(compressed)} files); write them as .gz or Parquet"
        )
    found = format_by_name(files[0])
    if found is None:
        raise QueryError(f"{files[0].name!r} is of no known format; name files with one of {sorted(FORMATS)}")
    return found


def show_files(engine: SparkEngine, name: str, paths: Sequence[Path], placed: Placed) -> None:
    """Make files and folders of one format readable as ``name``; text formats are read as text.

    Parameters
    ----------
    engine : SparkEngine
    name : str
    paths : sequence of Path
        Each is there; at least one.
    placed : Placed
        Columns to add.

    Raises
    ------
    QueryError
        If the formats are mixed or unknown, files lie on several levels of a folder that is divided by ``key=value``, CSV
        files differ in their header, or the session does not know Delta.
    """
    formats = {file_format(path) for path in paths}
    if len(formats) > 1:
        raise QueryError(f"it mixes {sorted(formats)} files; give one format per path")
    kind = formats.pop()
    with refusals():
        frame = _READERS[kind](engine.session, paths)
        place = _place_in_files(frame, has_rows=kind in ("parquet", "delta"))
        engine.show(name, _with_place(frame, place, placed))


def show_catalog_table(engine: SparkEngine, name: str, table: str, placed: Placed) -> None:
    """Make a table of the session's catalog, such as ``sales.orders``, readable as ``name``.

    Raises
    ------
    QueryError
        If the catalog has no such table.
    """
    from pyspark.sql import functions as f

    with refusals():
        frame = engine.session.table(table)
        nowhere = (f.lit(table), f.lit(None).cast("bigint"), f.lit(None).cast(_ORDER))
        engine.show(name, _with_place(frame, nowhere, placed))


_ORDER = "struct<file: string, block: bigint, id: bigint>"


def _place_in_files(frame: DataFrame, *, has_rows: bool) -> tuple[Column, Column, Column]:
    from pyspark.sql import functions as f

    stood = frame.metadataColumn("_metadata")
    path = f.regexp_replace(stood["file_path"], "^file:/+", "/")
    file = f.url_decode(f.replace(path, f.lit("+"), f.lit("%2B")))  # of a form it would be a space
    row = stood["row_index"] + 1 if has_rows else f.lit(None).cast("bigint")
    # Within a block of a file rows are counted up in their order, wherever the counting begins.
    order = f.struct(
        file.alias("file"), stood["file_block_start"].alias("block"), f.monotonically_increasing_id().alias("id")
    )
    return file, row, order.cast(_ORDER)


def _with_place(frame: DataFrame, place: tuple[Column, Column, Column], placed: Placed) -> DataFrame:
    from pyspark.sql import functions as f

    lower = [name.lower() for name in frame.columns]
    twice = sorted({name for name in frame.columns if lower.count(name.lower()) > 1})
    if twice:
        raise QueryError(f"it has the columns {twice} more than once, case aside")
    own = [
        f.col(f"`{field.name.replace('`', '``')}`").cast("string").alias(field.name)
        if field.dataType.simpleString() == "void"
        else f.col(f"`{field.name.replace('`', '``')}`")
        for field in frame.schema
    ]
    names = (placed.file, placed.row, placed.order)
    return frame.select(*own, *(column.alias(name) for column, name in zip(place, names, strict=True)))


def _reader(session: SparkSession, paths: Sequence[Path]) -> DataFrameReader:
    """Reads every file of the folders: names of folders ``key=value`` are columns, any others only lead to files."""
    keys = {tuple(_key(part) for part in file.relative_to(path).parts[:-1]) for path in paths for file in _data_files(path)}
    is_divided = any(key for names in keys for key in names)
    if is_divided and (len(keys) > 1 or None in next(iter(keys))):
        shown = sorted("/".join(key or "..." for key in names) or "no folder" for names in keys)
        raise QueryError(
            f"some of its files lie in folders key=value and others do not, or in others ({len(keys)} ways: {shown[:5]}); "
            "Spark would leave out rows. Put all at one level, or give a path for each kind"
        )
    return session.read.option("recursiveFileLookup", not is_divided)


def _key(folder: str) -> str | None:
    key, sign, _ = folder.partition("=")
    return key if sign and key else None


def _data_files(path: Path) -> list[Path]:
    """A file, or those of a folder and of the folders in it that Spark does not pass over."""
    if not path.is_dir():
        return [path]
    files = (file for file in sorted(path.rglob("*")) if file.is_file())
    return [file for file in files if not any(map(_is_passed_over, file.relative_to(path).parts))]


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _read_parquet(session: SparkSession, paths: Sequence[Path]) -> DataFrame:
    return _reader(session, paths).option("mergeSchema", "true").parquet(*map(hadoop_path, paths))


def _read_csv(session: SparkSession, paths: Sequence[Path]) -> DataFrame:
    # Columns are taken by their position: files whose headers differ are refused, as rows of another length are.
    options: dict[str, Any] = {
        "header": True,
        "sep": _delimiter(paths[0]),
        "quote": '"',
        "escape": '"',
        "multiLine": True,
        "mode": "FAILFAST",
        "enforceSchema": False,
        "columnPruning": False,
    }
    return _reader(session, paths).options(**options).csv([*map(hadoop_path, paths)])


def _read_json(session: SparkSession, paths: Sequence[Path]) -> DataFrame:
    from pyspark.sql.types import StringType, StructField, StructType

    files = [*map(hadoop_path, paths)]
    reader = _reader(session, paths).option("mode", "FAILFAST")
    names = reader.option("primitivesAsString", "true").json(files).columns
    return reader.schema(StructType([StructField(name, StringType()) for name in names])).json(files)


def _read_delta(session: SparkSession, paths: Sequence[Path]) -> DataFrame:
    if not knows_delta(session):
        raise QueryError(
            "it is a Delta table, and this session does not know Delta, so that it would read rows long deleted. Start the "
            "session with Delta's package and spark.sql.extensions, or export the rows as Parquet"
        )
    if len(paths) > 1:
        raise QueryError("it names several Delta tables; give one")
    return session.read.format("delta").load(str(paths[0]))


_READERS: dict[str, Callable[[SparkSession, Sequence[Path]], DataFrame]] = {
    "parquet": _read_parquet,
    "csv": _read_csv,
    "json": _read_json,
    "delta": _read_delta,
}


def _delimiter(path: Path) -> str:
    """The commonest candidate in the first line."""
    file = _data_files(path)[0]
    opened = gzip.open if file.suffix.lower() == ".gz" else open
    with opened(file, "rt", encoding="utf-8", errors="replace") as lines:
        return likeliest_delimiter(lines.readline()) or ","
