"""Tables of a session's catalog that cvm writes: known by a property of theirs; what others made is never touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvm import __version__
from cvm.engines.error import QueryError
from cvm.engines.spark import SparkEngine, refusals

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# The property that tells a table of cvm's own.
_MARK = "cvm.version"


def catalog_place(session: SparkSession, table: str) -> tuple[str, ...] | None:
    """Catalog, schema and name of a table as Spark resolves it, in lower case; ``None`` where there is none."""
    with refusals():
        if not session.catalog.tableExists(table):
            return None
        found = session.catalog.getTable(table)
    return tuple(part.lower() for part in (found.catalog or "", *(found.namespace or ()), found.name))


def is_own(session: SparkSession, table: str) -> bool:
    """Whether cvm wrote a table that is there."""
    with refusals():
        return any(row["key"] == _MARK for row in session.sql(f"SHOW TBLPROPERTIES {table}").collect())


def save_catalog_table(engine: SparkEngine, query: str, table: str) -> None:
    """Make a table of the catalog hold the rows of ``query``: as Delta where the session knows it, else as Parquet.

    What was there stays until the new rows are all written.

    Raises
    ------
    QueryError
        If a table is there that cvm did not write, or the catalog refuses.
    """
    session, fresh, former = engine.session, f"{table}__cvm_new", f"{table}__cvm_old"
    _check_own(session, table)
    form = "delta" if knows_delta(session) else "parquet"
    with refusals():
        if form == "delta":
            engine.frame(query).writeTo(table).using(form).tableProperty(_MARK, __version__).createOrReplace()
            return
        drop_own_table(session, fresh)
        engine.frame(query).writeTo(fresh).using(form).tableProperty(_MARK, __version__).create()
        drop_own_table(session, former)
        if session.catalog.tableExists(table):
            session.sql(f"ALTER TABLE {table} RENAME TO {former}")
        session.sql(f"ALTER TABLE {fresh} RENAME TO {table}")
        drop_own_table(session, former)


def drop_own_table(session: SparkSession, table: str) -> None:
    """Drop a table if it is there.

    Raises
    ------
    QueryError
        If cvm did not write it, or the catalog refuses.
    """
    _check_own(session, table)
    with refusals():
        session.sql(f"DROP TABLE IF EXISTS {table}")


def knows_delta(session: SparkSession) -> bool:
    """Whether the session was started with Delta."""
    return "delta" in str(session.conf.get("spark.sql.extensions", "") or "").lower()


def _check_own(session: SparkSession, table: str) -> None:
    if catalog_place(session, table) is not None and not is_own(session, table):
        raise QueryError(
            f"The table {table!r} of the catalog was not written by cvm, and is not touched. Drop or rename it."
        )
