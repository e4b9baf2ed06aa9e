"""People in published tables: how many rows are theirs, and how these rows go."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from cvm.engines import identifier, literal
from cvm.publish.databases import Database
from cvm.publish.tables import AS_OF, table_name, tables_with

# Of all that is published, these have rows of customers.
TABLES = ("scores", "uplift", "actions")
_CUSTOMER = "customer_id"
_ASKED = "people_to_forget"
_THEIRS = f"{identifier(_CUSTOMER)} IN (SELECT id FROM {_ASKED})"


@dataclass(frozen=True)
class Counted:
    """A published table, its rows, and those of the people that were looked for."""

    name: str
    n_rows: int
    n_theirs: int


def count_people(database: Database, ids: Collection[str], *, in_schema: str) -> list[Counted]:
    """Rows of each table with customers, and how many of them are of some people."""
    found = []
    for name, table in _tables_of(database, ids, in_schema=in_schema):
        (n_rows,) = database.column(f"SELECT count(*) FROM {table}")
        (n_theirs,) = database.column(f"SELECT count(*) FROM {table} WHERE {_THEIRS}")
        found.append(Counted(name, n_rows, n_theirs))
    return found


def remove_people(database: Database, ids: Collection[str], *, in_schema: str) -> None:
    """Take people out of each table with customers, whatever the ``as_of`` of a row."""
    for _, table in _tables_of(database, ids, in_schema=in_schema):
        database.execute(f"DELETE FROM {table} WHERE {_THEIRS}")


def remove_before(database: Database, first_days: Mapping[str, date], *, in_schema: str) -> int:
    """Take rows of an earlier ``as_of`` out of tables, and say how many.

    Parameters
    ----------
    database : Database
    first_days : mapping of str to date
        By table, the first ``as_of`` that stays.
    in_schema : str
    """
    n = 0
    for name in tables_with(database, AS_OF, names=TABLES, in_schema=in_schema):
        if name in first_days:
            rows = f"FROM {table_name(name, in_schema)} WHERE {identifier(AS_OF)} < {literal(first_days[name])}"
            n += database.column(f"SELECT count(*) {rows}")[0]
            database.execute(f"DELETE {rows}")
    return n


def _tables_of(database: Database, ids: Collection[str], *, in_schema: str) -> Iterable[tuple[str, str]]:
    """Tables with customers, by name and as SQL; ids go to the database as values, not as parts of statements."""
    # Made first, it goes before a table of the user's that is called the same.
    database.execute(f"CREATE TEMP TABLE IF NOT EXISTS {_ASKED} (id TEXT)")
    database.execute(f"DELETE FROM {_ASKED}")
    database.append(_ASKED, pa.table({"id": pa.array(sorted(ids), pa.string())}).to_reader())
    names = tables_with(database, _CUSTOMER, names=TABLES, in_schema=in_schema)
    return [(name, table_name(name, in_schema)) for name in names]
