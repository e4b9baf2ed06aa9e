"""Reading the user's files: every format ends as one relation with the user's own columns and types."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from cvm.engines import DuckDBEngine, QueryError, identifier, literal
from cvm.engines.sql import literals
from cvm.errors import SourceError

ROW_NUMBER = "source_row"
FILE_NAME = "source_file"

_READERS = {
    "csv": "read_csv([{files}], all_varchar = true, header = true, union_by_name = true, filename = '{file_name}')",
    "parquet": "read_parquet([{files}], union_by_name = true, filename = '{file_name}')",
    "json": (
        "read_json([{files}], format = 'newline_delimited', union_by_name = true, "
        "maximum_depth = 1, sample_size = -1, filename = '{file_name}')"
    ),
}
_FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".jsonl": "json", ".ndjson": "json"}
_COMPRESSIONS = {".gz", ".zst"}


def read_files(engine: DuckDBEngine, table: str, paths: Sequence[str], *, folder: Path) -> None:
    """Load all files of one table into the temporary table ``raw_<table>``.

    The user's columns keep their names; text formats are read as text. ``source_file`` and ``source_row``
    (1-based, over all files in the order given) are added.

    Parameters
    ----------
    engine : DuckDBEngine
        Holds the temporary table afterwards.
    table : str
        Canonical table the files belong to.
    paths : sequence of str
        Files or globs, relative to ``folder`` unless absolute.
    folder : Path
        Folder of ``params.yaml``.

    Raises
    ------
    SourceError
        If nothing matches a path, the formats are mixed or unknown, a file does not parse, or no row is found.
    """
    files = [file for path in paths for file in _matches(table, path, folder=folder)]
    formats = {_format(table, file) for file in files}
    if len(formats) > 1:
        raise SourceError(f"Table {table!r}: {list(paths)} mix {sorted(formats)} files; give one format per table.")
    reader = _READERS[formats.pop()].format(files=literals(files), file_name=FILE_NAME)
    shown = ", ".join(paths)
    try:
        load_relation(engine, table, reader)
    except QueryError as error:
        raise SourceError.from_unreadable_file(table, shown, str(error)) from None
    if engine.row(f"SELECT count(*) AS n FROM raw_{table}")["n"] == 0:
        raise SourceError.from_empty_table(table, shown)


def read_frame(engine: DuckDBEngine, table: str, frame: pa.Table, *, name: str) -> None:
    """Load an Arrow table into the temporary table ``raw_<table>``; ``name`` stands where a file name would."""
    engine.register(f"frame_{table}", frame)
    load_relation(engine, table, f"(SELECT *, {literal(name)} AS {FILE_NAME} FROM frame_{table})")


def load_relation(engine: DuckDBEngine, table: str, relation: str) -> None:
    """Load a SQL relation into ``raw_<table>``, numbering its rows; JSON values become the text they hold."""
    # Left to itself the JSON reader would guess dates; as JSON values they stay what the file says.
    columns = ", ".join(
        f"{identifier(name)} ->> '$' AS {identifier(name)}" if kind == "JSON" else identifier(name)
        for name, kind in engine.columns(relation).items()
    )
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE raw_{table} AS SELECT {columns}, row_number() OVER () AS {ROW_NUMBER} FROM {relation}"
    )


def _matches(table: str, path: str, *, folder: Path) -> list[str]:
    pattern = folder / Path(path).expanduser()
    anchor = Path(pattern.anchor)
    files = sorted(str(file) for file in anchor.glob(str(pattern.relative_to(anchor))) if file.is_file())
    if not files:
        raise SourceError.from_missing_file(table, path)
    return files


def _format(table: str, file: str) -> str:
    suffixes = [suffix.lower() for suffix in Path(file).suffixes]
    if suffixes and suffixes[-1] in _COMPRESSIONS:
        suffixes.pop()
    found = _FORMATS.get(suffixes[-1] if suffixes else "")
    if found is None:
        raise SourceError(
            f"Table {table!r}: {Path(file).name!r} is of no known format; name the file with one of {sorted(_FORMATS)}."
        )
    return found
