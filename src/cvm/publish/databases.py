"""Databases that tables are published to: DuckDB files and PostgreSQL servers. Both speak the same few statements."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.csv as pa_csv

from cvm.engines import DuckDBEngine, QueryError, identifier
from cvm.engines.database_url import database_url, gist, shown
from cvm.errors import CvmError

if TYPE_CHECKING:
    import sqlalchemy as sa

URL_KEY = "publish.url"
_INCOMING = "incoming"


class PublishError(CvmError):
    """Tables could not be brought up to date in the user's database."""

    @classmethod
    def from_refusal(cls, where: str, reason: str, fix: str) -> PublishError:
        """The database cannot be reached, or refuses a statement."""
        return cls(
            f"The files in outputs are done, but the tables in {where} could not be brought up to date: {reason}. {fix} "
            "Then run the same command again: rows there are replaced, never doubled."
        )


class Database(Protocol):
    """An open transaction."""

    def execute(self, statement: str) -> None:
        """Run a statement for its effect."""
        ...

    def append(self, table: str, rows: pa.RecordBatchReader) -> None:
        """Add rows, by the names of their columns, to ``table``, an identifier already quoted."""
        ...

    def column(self, query: str) -> list[Any]:
        """Values of the first column of a query."""
        ...

    def index(self, table: str, name: str, column: str) -> None:
        """Make rows of one value of a column quick to find, where the database does not see to that itself."""
        ...


@contextmanager
def transaction(url: str, *, folder: Path) -> Iterator[Database]:
    """Changes that happen together or not at all.

    Parameters
    ----------
    url : str
        ``duckdb:///file``, ``postgresql://user:password@host/database``, or ``env:NAME``.
    folder : Path
        That a relative file is below.

    Raises
    ------
    PublishError
        If the database cannot be reached, or refuses; nothing is changed then.
    DatabaseUrlError
        If the URL is none.
    """
    parsed = target(url, folder=folder)
    if parsed.get_backend_name() == "duckdb":
        with _duckdb(folder / (parsed.database or "")) as database:
            yield database
    else:
        with _postgres(parsed) as database:
            yield database


def target(url: str, *, folder: Path) -> sa.URL:
    """The database that ``url`` names, as ``transaction`` takes it; whether it answers is not asked.

    Raises
    ------
    PublishError
        If tables cannot go there, whatever it answers.
    DatabaseUrlError
        If the URL is none.
    """
    parsed = database_url(url, key=URL_KEY)
    kind = parsed.get_backend_name()
    if kind == "duckdb" and parsed.database:
        path = folder / parsed.database
        if not path.parent.is_dir():
            raise PublishError(f"{URL_KEY} names {path}, but its folder does not exist. Make it, or name another file.")
    elif kind != "postgresql":
        raise PublishError(
            f"{URL_KEY} is of {kind or 'nothing'!r}; tables go to duckdb:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE."
        )
    return parsed


class _DuckDB:
    def __init__(self, engine: DuckDBEngine) -> None:
        self._engine = engine

    def execute(self, statement: str) -> None:
        self._engine.execute(statement)

    def append(self, table: str, rows: pa.RecordBatchReader) -> None:
        self._engine.register(_INCOMING, rows)
        self._engine.execute(f"INSERT INTO {table} BY NAME SELECT * FROM {_INCOMING}")

    def column(self, query: str) -> list[Any]:
        return self._engine.table(query).column(0).to_pylist()

    def index(self, table: str, name: str, column: str) -> None:
        """Nothing: the least and greatest values that DuckDB keeps of each block do."""


@contextmanager
def _duckdb(path: Path) -> Iterator[Database]:
    try:
        with DuckDBEngine(path) as engine:
            engine.execute("BEGIN")
            yield _DuckDB(engine)
            engine.execute("COMMIT")
    except QueryError as error:
        fix = f"Close the program that holds the file, or correct {URL_KEY}."
        raise PublishError.from_refusal(str(path), str(error), fix) from None
    except OSError as error:
        raise PublishError.from_refusal(str(path), error.strerror or str(error), f"Correct {URL_KEY}.") from None


class _Postgres:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str) -> None:
        # Without parameters the driver leaves % in the statement alone.
        self._connection.exec_driver_sql(statement, execution_options={"no_parameters": True})

    def append(self, table: str, rows: pa.RecordBatchReader) -> None:
        names = ", ".join(identifier(name) for name in rows.schema.names)
        options = pa_csv.WriteOptions(include_header=False, quoting_style="needed")  # texts in quotes, nulls without
        driver: Any = self._connection.connection.driver_connection  # SQLAlchemy knows no COPY
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT csv)") as copy,
        ):
            for batch in rows:
                buffer = io.BytesIO()
                pa_csv.write_csv(batch, buffer, write_options=options)
                copy.write(buffer.getbuffer())

    def column(self, query: str) -> list[Any]:
        result = self._connection.exec_driver_sql(query, execution_options={"no_parameters": True})
        return list(result.scalars())

    def index(self, table: str, name: str, column: str) -> None:
        self.execute(f"CREATE INDEX IF NOT EXISTS {identifier(name)} ON {table} ({identifier(column)})")


@contextmanager
def _postgres(url: sa.URL) -> Iterator[Database]:
    import sqlalchemy as sa  # late, for few publish, and all stages that may would wait for it
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    refused: tuple[type[Exception], ...] = (SQLAlchemyError,)
    fix = f"Check {URL_KEY}, that the server runs, and that this user may create and change tables."
    try:
        engine = sa.create_engine(url, poolclass=NullPool)
        refused = (SQLAlchemyError, engine.dialect.loaded_dbapi.Error)
        with engine.begin() as connection:
            yield _Postgres(connection)
    except ModuleNotFoundError as error:
        reason = f"its driver, the Python package {error.name}, is not installed"
        raise PublishError.from_refusal(shown(url), reason, "pip install 'cvm[postgres]'.") from None
    except refused as error:
        raise PublishError.from_refusal(shown(url), gist(error, url), fix) from None
