"""Tables of results, brought up to date: made when new, given the columns they lack, their rows replaced."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cvm.engines import DuckDBEngine, identifier, literal
from cvm.engines.sql import literals, parquet
from cvm.publish.databases import Database
from cvm.workspace import parquet_files

BATCH_ROWS = 50_000
AS_OF = "as_of"

# By Arrow type, the first that fits; nested values are text in JSON before they come here.
_TYPES: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_integer, "BIGINT"),
    (pa.types.is_floating, "DOUBLE PRECISION"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_timestamp, "TIMESTAMP"),
    (pa.types.is_decimal, "DOUBLE PRECISION"),
)


def replace_rows_of(database: Database, name: str, file: Path, *, as_of: date, in_schema: str) -> None:
    """Make a table hold what ``file`` says of one ``as_of``, beside what it holds of others.

    Parameters
    ----------
    database : Database
    name : str
        Of the table.
    file : Path
        Parquet; if it has a column ``as_of``, its rows of that date count, else all.
    as_of : date
    in_schema : str
        Of the database.
    """
    _replace(database, name, _rows(file, as_of=as_of), in_schema=in_schema, as_of=as_of)


def replace_table(database: Database, name: str, file: Path, *, in_schema: str) -> None:
    """Make a table hold what ``file`` says, and nothing else."""
    _replace(database, name, _rows(file), in_schema=in_schema)


def remove_rows_of(database: Database, name: str, *, as_of: date, in_schema: str) -> None:
    """Take the rows of one ``as_of`` out of a table; nothing where there is no such table."""
    if tables_with(database, AS_OF, names=[name], in_schema=in_schema):
        database.execute(f"DELETE FROM {table_name(name, in_schema)}{_of(as_of)}")


def tables_with(database: Database, column: str, *, names: Collection[str], in_schema: str) -> list[str]:
    """Which of some tables are there and have a column."""
    where = f"table_schema = {literal(in_schema)} AND column_name = {literal(column)} AND table_name IN ({literals(names)})"
    return database.column(f"SELECT table_name FROM information_schema.columns WHERE {where} ORDER BY 1")


def table_name(name: str, in_schema: str) -> str:
    """A table of a schema, quoted."""
    return f"{identifier(in_schema)}.{identifier(name)}"


def _of(as_of: date | None) -> str:
    return "" if as_of is None else f" WHERE {identifier(AS_OF)} = {literal(as_of)}"


def _replace(database: Database, name: str, query: str, *, in_schema: str, as_of: date | None = None) -> None:
    table = table_name(name, in_schema)
    with DuckDBEngine() as engine:
        rows = engine.batches(query, rows=BATCH_ROWS)
        columns = {field.name: f"{identifier(field.name)} {_sql_type(field.type)}" for field in rows.schema}
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(in_schema)}")
        database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns.values())})")
        for column in columns.values():
            database.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column}")
        if as_of is not None:
            database.index(table, f"{name}_{AS_OF}", AS_OF)
        database.execute(f"DELETE FROM {table}{_of(as_of)}")
        database.append(table, rows)


def _rows(file: Path, *, as_of: date | None = None) -> str:
    """Rows of a file as a query, ``as_of`` first, nested values as JSON text."""
    schema = pq.read_schema(parquet_files(file)[0])
    columns = [_plain(field) for field in schema if field.name != AS_OF]
    where = ""
    if as_of is not None:
        columns = [f"{literal(as_of)} AS {identifier(AS_OF)}", *columns]
        where = f" WHERE CAST({identifier(AS_OF)} AS DATE) = {literal(as_of)}" if AS_OF in schema.names else ""
    elif AS_OF in schema.names:
        columns = [identifier(AS_OF), *columns]
    return f"SELECT {', '.join(columns)} FROM {parquet([file])}{where}"


def _plain(field: pa.Field) -> str:
    name = identifier(field.name)
    return f"CAST(to_json({name}) AS VARCHAR) AS {name}" if pa.types.is_nested(field.type) else name


def _sql_type(kind: pa.DataType) -> str:
    return next((name for fits, name in _TYPES if fits(kind)), "TEXT")
