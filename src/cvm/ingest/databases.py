"""Reading a database through a query: DuckDB and SQLite files, and any database that SQLAlchemy has a URL for.

A message never says more of a URL than its dialect, host and database: the rest may be secret.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from cvm.engines import DuckDBEngine, QueryError, identifier, literal
from cvm.engines.database_url import DatabaseUrlError, database_url, gist, shown
from cvm.errors import SourceError
from cvm.ingest.sources import FILE_NAME, load_relation
from cvm.ingest.spool import Spool

# Few enough to fit into any memory, many enough that the journeys to the server do not count.
BATCH_ROWS = 20_000

_SQLITE_MARK = b"SQLite format 3\0"


def read_database_file(engine: DuckDBEngine, table: str, path: Path, query: str) -> None:
    """Load the rows of a query of a DuckDB or SQLite file into ``raw_<table>``; the file is never written.

    Raises
    ------
    SourceError
        If the file is not there or is no database, the query fails, or no row is found.
    """
    if not path.is_file():
        raise SourceError.from_missing_file(table, str(path))
    with path.open("rb") as file:
        is_sqlite = file.read(len(_SQLITE_MARK)) == _SQLITE_MARK
    if is_sqlite:
        # As a URI, which can say that the file is only read.
        url = sa.URL.create("sqlite", database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})
        _read_sql(engine, table, url, query, shown=str(path))
    else:
        _read_duckdb(engine, table, path, query)


def read_database(engine: DuckDBEngine, table: str, url: str, query: str) -> None:
    """Load the rows of a query into ``raw_<table>``, batch by batch.

    Parameters
    ----------
    engine : DuckDBEngine
        Holds the temporary table afterwards.
    table : str
        Canonical table the rows belong to.
    url : str
        As SQLAlchemy writes it, or ``env:NAME`` for an environment variable that holds it.
    query : str
        In the database's own dialect, run in a transaction that is rolled back.

    Raises
    ------
    SourceError
        If the URL is none, its driver is not installed, the database cannot be reached, the query fails, two columns
        share a name, or no row is found.
    """
    parsed = _parsed_url(table, url)
    _read_sql(engine, table, parsed, query, shown=shown(parsed))


def check_database(table: str, url: str) -> str:
    """Connect to a database, ask it nothing, and give what a message may call it.

    Parameters
    ----------
    table, url
        As of ``read_database``.

    Raises
    ------
    SourceError
        If the URL is none, its driver is not installed, or the database cannot be reached.
    """
    parsed = _parsed_url(table, url)
    connecting = f"Check data.{table}.url, and that the server runs."
    with _trouble(table, parsed, shown(parsed), connecting, SQLAlchemyError, TypeError, ValueError, OSError):
        sa.create_engine(parsed, poolclass=NullPool).connect().close()
    return shown(parsed)


def _parsed_url(table: str, url: str) -> sa.URL:
    try:
        return database_url(url, key=f"data.{table}.url")
    except DatabaseUrlError as error:
        raise SourceError(f"Table {table!r}: {error}") from None


def _read_sql(engine: DuckDBEngine, table: str, url: sa.URL, query: str, *, shown: str) -> None:
    connecting = f"Check data.{table}.url, and that the server runs."
    with tempfile.TemporaryDirectory(prefix="cvm-") as folder, Spool(Path(folder)) as spool:
        # Drivers also stumble over options of the URL, in ways of their own.
        with _trouble(table, url, shown, connecting, SQLAlchemyError, TypeError, ValueError, OSError):
            database = sa.create_engine(url, poolclass=NullPool)
            connection = database.connect()
        try:
            with _trouble(table, url, shown, f"Correct data.{table}.query in params.yaml.", SQLAlchemyError):
                _spool_rows(table, connection, query, spool, shown=shown)
        finally:
            connection.close()
        if spool.n_rows == 0:
            raise SourceError.from_empty_table(table, shown)
        load_relation(engine, table, _named(spool.relation(), shown), shown=shown)


def _spool_rows(table: str, connection: sa.Connection, query: str, spool: Spool, *, shown: str) -> None:
    # Without parameters the driver leaves % in the query alone; streamed, the server keeps what was not asked for yet.
    streamed = connection.execution_options(no_parameters=True, stream_results=True, yield_per=BATCH_ROWS)
    with streamed.exec_driver_sql(query) as result:
        if not result.returns_rows:
            raise SourceError(f"Table {table!r}: data.{table}.query returns no rows of any kind. Write a SELECT.")
        names = list(result.keys())
        _check_names(table, names, shown)
        for rows in result.partitions(BATCH_ROWS):
            spool.append(names, rows)


def _check_names(table: str, names: Sequence[str], shown: str) -> None:
    lower = [name.lower() for name in names]
    twice = sorted({name for name in names if lower.count(name.lower()) > 1})
    if twice:
        raise SourceError(
            f"Table {table!r}: the query of {shown} returns {twice} more than once. Name its columns apart with AS."
        )


def _read_duckdb(engine: DuckDBEngine, table: str, path: Path, query: str) -> None:
    shown, view = str(path), f"database_{table}"
    fix = f"Correct data.{table}.query or data.{table}.table in params.yaml, or close the program that holds the file."
    try:
        with DuckDBEngine(path, read_only=True) as database:
            batches = database.batches(query, rows=BATCH_ROWS)
            _check_names(table, batches.schema.names, shown)
            engine.register(view, batches)
            load_relation(engine, table, _named(view, shown), shown=shown)
    except QueryError as error:
        raise SourceError.from_unreadable_database(table, shown, str(error), fix) from None


def _named(relation: str, shown: str) -> str:
    return f"(SELECT *, {literal(shown)} AS {identifier(FILE_NAME)} FROM {relation})"


@contextmanager
def _trouble(table: str, url: sa.URL, shown: str, fix: str, *refusals: type[Exception]) -> Iterator[None]:
    """Every refusal of SQLAlchemy, a driver or a server as one line that tells no secret."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = " or: pip install 'cvm[postgres]'" if error.name == "psycopg" else ""
        reason = f"its driver, the Python package {error.name}, is not installed"
        raise SourceError.from_unreadable_database(table, shown, reason, f"pip install {error.name}{extra}.") from None
    except NoSuchModuleError:
        reason = f"SQLAlchemy knows no dialect {url.drivername!r}"
        fix = f"Correct data.{table}.url, or install the package that brings the dialect."
        raise SourceError.from_unreadable_database(table, shown, reason, fix) from None
    except refusals as error:
        reason = gist(error, url)
        raise SourceError.from_unreadable_database(table, shown, reason, fix) from None
