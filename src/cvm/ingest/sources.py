"""Reading the user's files and frames: each ends as one relation with the user's own columns and types."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from cvm.engines import DuckDBEngine, QueryError, identifier, literal
from cvm.engines.file_formats import FORMATS, format_by_name, likeliest_delimiter
from cvm.engines.sql import literals
from cvm.errors import EmptySourceError, SourceError

# Columns of ours beside the user's; no column of a user may start like them.
RESERVED = "cvm:"
ROW_NUMBER = f"{RESERVED}source_row"
FILE_NAME = f"{RESERVED}source_file"

# Left to guess, the reader takes rows for comments, or all rows before a longer one for a preamble, and drops them.
_CSV = "quote = '\"', escape = '\"', comment = '', skip = 0"

_READERS = {
    "csv": "read_csv([{files}], {dialect}, all_varchar = true, header = true, union_by_name = true, filename = {file_name})",
    "parquet": "read_parquet([{files}], union_by_name = true, filename = {file_name})",
    "json": (
        "read_json([{files}], format = 'newline_delimited', union_by_name = true, "
        "maximum_depth = 1, sample_size = -1, filename = {file_name})"
    ),
}


def source_files(table: str, paths: Sequence[str], *, folder: Path, may_be_gone: bool = False) -> list[Path]:
    """Files of one table in the order in which they are read; a file that several paths match is named once.

    Parameters
    ----------
    table : str
        Canonical table the files belong to.
    paths : sequence of str
        Files or globs, relative to ``folder`` unless absolute.
    folder : Path
        Folder of ``params.yaml``.
    may_be_gone : bool
        Whether a glob may match nothing, because what it matched before has been read.

    Raises
    ------
    SourceError
        If nothing matches a path, or the formats are mixed or unknown.
    """
    matches = (file for path in paths for file in _matches(table, path, folder=folder, may_be_gone=may_be_gone))
    files = list({file.resolve(): file for file in matches}.values())
    formats = {_format(table, file) for file in files}
    if len(formats) > 1:
        raise SourceError(f"Table {table!r}: {list(paths)} mix {sorted(formats)} files; give one format per table.")
    return files


def load_files(engine: DuckDBEngine, table: str, files: Sequence[Path], *, shown: str) -> None:
    """Load files of one format, in their order, into the temporary table ``raw_<table>``.

    The user's columns keep their names; text formats are read as text. ``FILE_NAME`` and ``ROW_NUMBER`` (1-based, over
    all files in the order given) are added.

    Parameters
    ----------
    engine : DuckDBEngine
        Holds the temporary table afterwards.
    table : str
        Canonical table the files belong to.
    files : sequence of Path
        As ``source_files`` lists them.
    shown : str
        What messages call them.

    Raises
    ------
    SourceError
        If a file does not parse, or no row is found.
    """
    try:
        load_relation(engine, table, _files_relation(engine, table, files), shown=shown)
    except QueryError as error:
        raise SourceError.from_unreadable_file(table, shown, _cause(error)) from None


def load_flat_file(engine: DuckDBEngine, table: str, file: Path) -> None:
    """Load one file that no ``params.yaml`` names into the temporary table ``raw_<table>``, as ``load_files`` does.

    Raises
    ------
    SourceError
        If there is no such file, it does not parse or is of no known format, or has no row.
    """
    if not file.is_file():
        raise SourceError(f"There is no file {str(file)!r}. Correct the path.")
    with _told_of(file):
        load_relation(engine, table, _files_relation(engine, table, [file]), shown=file.name)


def is_table_file(path: Path) -> bool:
    """Whether the name of a file says that it is of a format read here."""
    return format_by_name(path) is not None


def load_sample(engine: DuckDBEngine, table: str, files: Sequence[Path], *, n_rows: int) -> None:
    """Load a random sample of the rows of files of one format, as ``load_flat_file`` does; the same whenever drawn.

    Raises
    ------
    SourceError
        If a file does not parse, or has no row.
    """
    with _told_of(files[0]):
        relation = _files_relation(engine, table, files)
        drawn = f"(SELECT * FROM {relation} USING SAMPLE reservoir({n_rows} ROWS) REPEATABLE (7))"
        load_relation(engine, table, drawn, shown=files[0].name)


def file_columns(engine: DuckDBEngine, file: Path) -> list[str]:
    """Names of the columns of a file.

    Raises
    ------
    SourceError
        If it does not parse.
    """
    with _told_of(file):
        return [name for name in engine.columns(_files_relation(engine, "file", [file])) if name != FILE_NAME]


def read_frame(engine: DuckDBEngine, table: str, frame: pa.Table, *, name: str) -> None:
    """Load an Arrow table into the temporary table ``raw_<table>``; ``name`` stands where a file name would.

    Raises
    ------
    SourceError
        If it has no row.
    """
    engine.register(f"frame_{table}", frame)
    relation = f"(SELECT *, {literal(name)} AS {identifier(FILE_NAME)} FROM frame_{table})"
    load_relation(engine, table, relation, shown=name)


def load_relation(engine: DuckDBEngine, table: str, relation: str, *, shown: str) -> None:
    """Load a relation that has a column ``FILE_NAME`` into ``raw_<table>``; ``shown`` names it in messages.

    Raises
    ------
    SourceError
        If it has no row, or columns named like cvm's own.
    """
    kinds = engine.columns(relation)
    reserved = sorted(name for name in kinds if name.lower().startswith(RESERVED) and name != FILE_NAME)
    if reserved:
        raise SourceError(f"Table {table!r}: {shown!r} has columns {reserved}; rename them, {RESERVED!r} is for cvm's own.")
    columns = ", ".join(f"{_as_given(name, kind)} AS {identifier(name)}" for name, kind in kinds.items())
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE raw_{table} AS "
        f"SELECT {columns}, row_number() OVER () AS {identifier(ROW_NUMBER)} FROM {relation}"
    )
    if engine.row(f"SELECT count(*) AS n FROM raw_{table}")["n"] == 0:
        raise EmptySourceError.from_empty_table(table, shown)


@contextmanager
def _told_of(file: Path) -> Iterator[None]:
    """What is wrong with a file, in words that name no key of ``params.yaml``."""
    try:
        yield
    except QueryError as error:
        raise SourceError(f"{str(file)!r} cannot be read: {_cause(error)}. Export it again.") from None
    except EmptySourceError:
        raise EmptySourceError(f"{str(file)!r} has no rows. Check the export.") from None


def _files_relation(engine: DuckDBEngine, table: str, files: Sequence[Path]) -> str:
    kind = _format(table, files[0])
    dialect = _csv_dialect(engine, str(files[0])) if kind == "csv" else ""
    # Escaped, because the engine would take the signs of a glob in a file's name for a glob.
    given = literals(glob.escape(str(file)) for file in files)
    return _READERS[kind].format(files=given, dialect=dialect, file_name=literal(FILE_NAME))


def _as_given(name: str, kind: str) -> str:
    """A column as the file says it: left to itself the JSON reader would guess dates."""
    if kind == "JSON":
        return f"{identifier(name)} ->> '$'"
    return f"CAST({identifier(name)} AS VARCHAR)" if kind == '"NULL"' else identifier(name)


def _csv_dialect(engine: DuckDBEngine, file: str) -> str:
    """Options of the CSV reader; the delimiter is the commonest candidate in the first line."""
    source = f"{literal(glob.escape(file))}, columns = {{'line': 'VARCHAR'}}, auto_detect = false, header = false"
    query = f"SELECT line FROM read_csv({source}, delim = chr(1), quote = '', escape = '', comment = '') LIMIT 1"
    lines = engine.table(query).column(0).to_pylist()
    delimiter = likeliest_delimiter(lines[0] or "") if lines else None
    return f"{_CSV}, delim = {literal(delimiter)}" if delimiter else _CSV


def _cause(error: QueryError) -> str:
    if "sniffing file" in str(error):
        return "its rows differ in their number of columns, a quote is never closed, or it is not UTF-8 text"
    if "Malformed JSON" in str(error):
        return f"{str(error).partition('. Try')[0]}; JSON must be one object a line"
    return str(error)


def _matches(table: str, path: str, *, folder: Path, may_be_gone: bool) -> list[Path]:
    given = Path(path).expanduser()
    start = Path(given.anchor) if given.is_absolute() else folder
    try:
        if (folder / given).is_file():
            return [folder / given]
        files = sorted(file for file in start.glob(str(given.relative_to(given.anchor))) if file.is_file())
    except OSError as error:
        raise SourceError.from_unreadable_file(table, path, error.strerror or str(error)) from None
    except (ValueError, IndexError):  # not a pattern at all
        files = []
    if not files and not (may_be_gone and glob.has_magic(path)):
        raise SourceError.from_missing_file(table, path)
    return files


def _format(table: str, file: Path) -> str:
    found = format_by_name(file)
    if found is None:
        raise SourceError(
            f"Table {table!r}: {file.name!r} is of no known format; name the file with one of {sorted(FORMATS)}."
        )
    return found
