"""What each warehouse spells in its own way, and where its meaning is not DuckDB's.

A query is first said in plain words (``portable.py``); then come the rules of the warehouse, and sqlglot writes it down.
``docs/engines.md`` goes through them function by function.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

from cvm.engines.error import QueryError
from cvm.engines.portable import portable
from cvm.engines.rules import Rule, applied
from cvm.engines.warehouse_rules import BIGQUERY, POSTGRES, REDSHIFT, SHARED, SNOWFLAKE, SPARK

_PLAIN_NAME = re.compile("[a-z_][a-z0-9_]*")
# Words that one of the warehouses or another reserves: as names they are quoted, wherever they stand.
_WORDS = """
    account all alter analyse analyze and any array as asc at between binary both by case cast check collate column
    connect constraint contains create cross cube current current_date current_time current_timestamp current_user
    database default deferrable delete desc distinct do drop else end enum escape except exclude exists explicit extract
    false fetch following for foreign freeze from full grant group grouping groups hash having identity if ignore ilike
    in increment initially inner insert intersect interval into is isnull issue join language lateral leading left like
    limit localtime localtimestamp lookup merge minus natural new no not notnull null nulls of off offset oid old on
    only open or order organization outer over overlaps parallel partition percent permissions pivot placing preceding
    primary proto qualify range raw recover recursive references regexp reject rejectlog resort respect restore revoke
    right rlike rollup row rows sample schema select session_user set similar snapshot some start struct sysdate system
    table tablesample tag then timestamp to top trailing treat trigger true truncate try_cast unbounded union unique
    unnest unpivot update user using values verbose view wallet when whenever where window with within without
"""
_RESERVED = frozenset(_WORDS.split())


@dataclass(frozen=True)
class Warehouse:
    """One kind of warehouse.

    Attributes
    ----------
    name : str
        As users write it, and sqlglot.
    title : str
        As its makers write it.
    marker : str
        How a statement asks for a parameter; ``{name}`` stands for its name.
    run : tuple of str
        How a file with a statement is run there.
    rules : tuple of callable
        Of its own, each for one node of the tree.
    has_median : bool
        Whether ``median`` is an aggregate there.
    max_columns : int or None
        Of a result.
    max_name_bytes : int or None
        Of a column's name.
    table, view : str or None
        How ``{name}`` is made of a piece, where pieces are written out wherever they are read, and of a table that is given;
        without a view, each statement has the pieces of the tables that it reads.
    run_with_markers : tuple of str
        ``run`` where parameters are markers, if those get their values in another way there.
    run_with_tables : tuple of str
        What is to be known besides where the file makes tables first.
    types : mapping of str to str
        Its names for the types of the contracts, where they are not DuckDB's.
    """

    name: str
    title: str
    marker: str
    run: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    has_median: bool = True
    max_columns: int | None = None
    max_name_bytes: int | None = None
    table: str | None = None
    view: str | None = "CREATE TEMPORARY VIEW {name} AS"
    run_with_markers: tuple[str, ...] = ()
    run_with_tables: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """Whether the SQL of the product is its own, so that nothing has to be reworded."""
        return self.name == "duckdb"


def warehouse_tree(query: str, warehouse: Warehouse) -> exp.Expr:
    """``query`` as a tree that sqlglot writes down for a warehouse.

    Parameters
    ----------
    query : str
        One statement in DuckDB's dialect.
    warehouse : Warehouse

    Raises
    ------
    QueryError
        If the result has more columns than the warehouse allows.
    """
    tree = sqlglot.parse_one(query, read="duckdb")
    if isinstance(tree, exp.Query) and warehouse.max_columns and len(tree.selects) > warehouse.max_columns:
        raise QueryError(
            f"the result has {len(tree.selects):,} columns, {warehouse.title} allows {warehouse.max_columns:,}: "
            "leave types of events or attributes out"
        )
    if warehouse.is_ours:
        return tree
    tree = applied(portable(tree, has_median=warehouse.has_median), (*SHARED, *warehouse.rules))
    _plain_names(tree, warehouse)
    return tree


def written(tree: exp.Expr, warehouse: Warehouse) -> str:
    """A tree, or a part of one, as SQL of the warehouse, laid out for a reader.

    Raises
    ------
    QueryError
        If sqlglot knows no way to say something there.
    """
    try:
        sql = tree.sql(dialect=warehouse.name, pretty=True, max_text_width=110, unsupported_level=sqlglot.ErrorLevel.RAISE)
    except sqlglot.UnsupportedError as error:
        raise QueryError(f"{warehouse.title} cannot say this: {error}") from error
    return sql


def shortened(name: str, max_bytes: int | None) -> str:
    """A name that fits; one that was cut keeps apart from others by the end of a hash."""
    raw = name.encode()
    if max_bytes is None or len(raw) <= max_bytes:
        return name
    return f"{raw[: max_bytes - 9].decode(errors='ignore')}_{hashlib.sha256(raw).hexdigest()[:8]}"


def _plain_names(tree: exp.Expr, warehouse: Warehouse) -> None:
    """Quote what must be quoted and nothing else: Snowflake's own names are upper case unless quoted."""
    for name in tree.find_all(exp.Identifier):
        short = shortened(name.name, warehouse.max_name_bytes)
        name.set("this", short)
        name.set("quoted", not _PLAIN_NAME.fullmatch(short) or short in _RESERVED)


_SPARK_TYPES = {"VARCHAR": "STRING", "TIMESTAMP": "TIMESTAMP_NTZ"}

WAREHOUSES: dict[str, Warehouse] = {
    one.name: one
    for one in (
        Warehouse("duckdb", "DuckDB", "${name}", ("duckdb outputs/warehouse.duckdb < FILE",)),
        Warehouse(
            "spark",
            "Apache Spark",
            ":{name}",
            ("spark-sql -f FILE",),
            SPARK,
            table="CREATE TABLE {name} USING PARQUET AS",
            run_with_markers=(
                'for one in open("FILE").read().split(";\\n\\n"):',
                "    rows = spark.sql(one, args=PARAMETERS)   # a dict of text: name to value",
            ),
            run_with_tables=(
                "with USE a schema of its own, which is dropped before it runs again; --schema says where your tables are",
            ),
            types=_SPARK_TYPES,
        ),
        Warehouse(
            "snowflake",
            "Snowflake",
            "${name}",
            ("snow sql -f FILE",),
            SNOWFLAKE,
            types={"TIMESTAMP": "TIMESTAMP_NTZ", "DECIMAL(18,4)": "NUMBER(18,4)"},
        ),
        Warehouse(
            "bigquery",
            "Google BigQuery",
            "@{name}",
            ("bq query --use_legacy_sql=false < FILE",),
            BIGQUERY,
            has_median=False,
            table="CREATE TEMP TABLE {name} AS",
            view=None,  # none is temporary there, and a table would be a copy of all rows, paid for by its bytes
            max_columns=10_000,
            max_name_bytes=300,
            types={
                "VARCHAR": "STRING",
                "TIMESTAMP": "DATETIME",
                "DOUBLE": "FLOAT64",
                "DECIMAL(18,4)": "NUMERIC",
                "BOOLEAN": "BOOL",
            },
        ),
        Warehouse(
            "databricks",
            "Databricks",
            ":{name}",
            ("paste FILE into the SQL editor",),
            SPARK,
            table="CREATE TEMPORARY TABLE {name} AS",
            types=_SPARK_TYPES,
        ),
        Warehouse(
            "redshift",
            "Amazon Redshift",
            ":{name}",
            ("psql -h CLUSTER -p 5439 -d DATABASE -f FILE",),
            REDSHIFT,
            has_median=False,
            max_columns=1_600,
            max_name_bytes=127,
            types={"DOUBLE": "DOUBLE PRECISION"},
        ),
        Warehouse(
            "postgres",
            "PostgreSQL",
            ":'{name}'",
            (
                "SET jit = off; SET enable_nestloop = off;   -- it cannot foresee how many rows pieces have",
                "psql -d DATABASE -f FILE",
            ),
            POSTGRES,
            max_columns=1_600,
            max_name_bytes=63,
            types={"DOUBLE": "DOUBLE PRECISION", "VARCHAR": "TEXT", "DECIMAL(18,4)": "NUMERIC(18,4)"},
        ),
    )
}
