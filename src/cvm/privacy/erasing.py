"""Taking a person out of files: each is written anew without what tells of the person, whole or not at all."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cvm.engines import DuckDBEngine, identifier, literal
from cvm.engines.sql import parquet
from cvm.privacy.marks import Marks
from cvm.workspace import replaced_file

DATABASES = (".duckdb",)
_BOM = "\ufeff"
_BATCH_ROWS = 100_000


def n_traces(path: Path, marks: Marks) -> int:
    """Rows, or values of a JSON file, that ``erase`` would take out of a file; 0 where it can do nothing.

    Raises
    ------
    QueryError, OSError, ValueError
        If the file cannot be read.
    """
    if path.suffix == ".csv":
        return sum(_is_persons(row, names, marks) for names, row in _csv_rows(path))
    if path.suffix == ".json":
        return _without(json.loads(path.read_text(encoding="utf-8")), marks)[1]
    if path.suffix not in (".parquet", *DATABASES):
        return 0
    with DuckDBEngine() as engine:
        marks.install(engine)
        return sum(_n_rows(engine, relation, marks) for relation in relations(engine, path))


def erase(path: Path, marks: Marks) -> int:
    """Take a person out of one file, and say how many rows or values went; times stay, and so does a file without any.

    Raises
    ------
    QueryError, OSError, ValueError
        If the file cannot be read.
    WorkspaceError
        If it cannot be written.
    """
    n = n_traces(path, marks)
    if n:
        write = {".csv": _rewrite_csv, ".json": _rewrite_json, ".parquet": _rewrite_parquet}.get(
            path.suffix, _rewrite_database
        )
        with replaced_file(path) as temporary:
            write(path, temporary, marks)
            # The checksum that Spark wrote beside it is of the former bytes: Spark would refuse the new ones.
            path.with_name(f".{path.name}.crc").unlink(missing_ok=True)
            # Retention goes by when the file was written: it is no younger for holding fewer people.
            before = path.stat()
            temporary.chmod(before.st_mode & 0o777)
            os.utime(temporary, ns=(before.st_atime_ns, before.st_mtime_ns))
    return n


def relations(engine: DuckDBEngine, path: Path) -> list[str]:
    """What an engine calls the tables of a file: a Parquet file, or a database, which is attached to be read.

    Raises
    ------
    QueryError
        If it is neither.
    """
    if path.suffix == ".parquet":
        return [parquet([path])]
    engine.execute(f"ATTACH {literal(str(path))} AS searched (READ_ONLY)")
    query = "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'searched' ORDER BY ALL"
    return [_table("searched", row) for row in engine.table(query).to_pylist()]


def _table(database: str, row: dict[str, str]) -> str:
    return f"{database}.{identifier(row['schema_name'])}.{identifier(row['table_name'])}"


def _n_rows(engine: DuckDBEngine, relation: str, marks: Marks) -> int:
    columns = engine.columns(relation)
    lists = [f"len({sql}) < len({identifier(name)})" for name, sql in marks.without_elements(columns).items()]
    test = " OR ".join([marks.row_sql(columns), *(f"coalesce({one}, false)" for one in lists)])
    return 0 if test == "false" else int(engine.row(f"SELECT count(*) AS n FROM {relation} WHERE {test}")["n"])


def _kept(engine: DuckDBEngine, relation: str, marks: Marks) -> str:
    columns = engine.columns(relation)
    replaced = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in marks.without_elements(columns).items())
    chosen = f"* REPLACE ({replaced})" if replaced else "*"
    return f"SELECT {chosen} FROM {relation} WHERE NOT ({marks.row_sql(columns)})"


def _rewrite_parquet(path: Path, temporary: Path, marks: Marks) -> None:
    schema = pq.read_schema(path)  # with what its writer noted there
    with DuckDBEngine() as engine, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        marks.install(engine)
        for batch in engine.batches(_kept(engine, parquet([path]), marks), rows=_BATCH_ROWS):
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))


def _rewrite_database(path: Path, temporary: Path, marks: Marks) -> None:
    """Into a new file: deleted rows would stay in the free pages of the old one."""
    with DuckDBEngine() as engine:
        marks.install(engine)
        tables = relations(engine, path)
        engine.execute(f"ATTACH {literal(str(temporary))} AS made; COPY FROM DATABASE searched TO made (SCHEMA)")
        for table in tables:
            engine.execute(f"INSERT INTO made{table.removeprefix('searched')} {_kept(engine, table, marks)}")
        engine.execute("DETACH made; DETACH searched")


def _rewrite_csv(path: Path, temporary: Path, marks: Marks) -> None:
    has_bom = path.read_bytes()[:3] == _BOM.encode()
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8-sig" if has_bom else "utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=_delimiter(path), lineterminator="\r\n")
        for number, (names, row) in enumerate(_csv_rows(path)):
            if number == 0:
                writer.writerow(names)
            if not _is_persons(row, names, marks):
                writer.writerow(row)


def _csv_rows(path: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Names of the columns and one row at a time."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, delimiter=_delimiter(path))
            names = next(rows, [])
            for row in rows:
                yield names, row
    except csv.Error as error:
        raise ValueError(f"it is no CSV: {error}") from None


def _delimiter(path: Path) -> str:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
    return max(",;\t", key=header.count)


def _is_persons(row: list[str], names: list[str], marks: Marks) -> bool:
    for name, value in zip(names, row, strict=False):
        text = value.strip()
        # Cells that a spreadsheet would take for a formula begin with an apostrophe of ours.
        if name.strip().lower() in marks.id_columns and (text in marks.ids or text.removeprefix("'") in marks.ids):
            return True
        if text and text.removeprefix("'").lower() in marks.contacts:
            return True
    return False


def _rewrite_json(path: Path, temporary: Path, marks: Marks) -> None:
    values, _ = _without(json.loads(path.read_text(encoding="utf-8")), marks)
    temporary.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _without(value: Any, marks: Marks) -> tuple[Any, int]:
    """A JSON value without the texts that are the person's, and how many there were."""
    if isinstance(value, list):
        pairs = [_without(one, marks) for one in value if not _is_mark(one, marks)]
        n_gone = len(value) - len(pairs)
        return [one for one, _ in pairs], n_gone + sum(n for _, n in pairs)
    if isinstance(value, dict):
        pairs_of = {key: _without(one, marks) for key, one in value.items() if not _is_mark(key, marks)}
        n_gone = len(value) - len(pairs_of)
        return {key: one for key, (one, _) in pairs_of.items()}, n_gone + sum(n for _, n in pairs_of.values())
    return (None, 1) if _is_mark(value, marks) else (value, 0)


def _is_mark(value: Any, marks: Marks) -> bool:
    return isinstance(value, str) and (value in marks.ids or value.strip().lower() in marks.contacts)
