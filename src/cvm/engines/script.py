"""A query as a file for people: parameters at the top, the tables that it expects, and a comment on every piece."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain
from textwrap import indent

import sqlglot
from sqlglot import exp

from cvm.engines.sql import identifier
from cvm.engines.warehouses import Warehouse, shortened, warehouse_tree, written

PARAMETERS = "params"
# What takes the place of the snapshots of ``features/query.py``, for one date that is a parameter.
SNAPSHOT = {
    "snapshot": (
        f"SELECT as_of, CAST(epoch_us(CAST(as_of AS TIMESTAMP)) // 86400000000 AS INTEGER) AS as_of_day FROM {PARAMETERS}"
    )
}
_MARKER = "marker of "
_GIVEN = "given_"
# Where pieces are written out wherever they are read, what is to be planned is told by hundreds; KPIs are 12,000.
_MOST_WRITTEN_OUT = 500


@dataclass(frozen=True)
class Parameter:
    """What whoever runs the query may change: a column of its first piece.

    Attributes
    ----------
    name : str
    kind : {"DATE", "INTEGER", "VARCHAR"}
    value : str
        That it stands for unless it is changed.
    """

    name: str
    kind: str
    value: str


@dataclass(frozen=True)
class Script:
    """A query and what a reader should know of it.

    Attributes
    ----------
    query : str
        One statement in DuckDB's dialect.
    parameters : sequence of Parameter
    tables : mapping of str to mapping of str to str
        Columns and types, as DuckDB calls them, of the tables that it reads.
    first : mapping of str to str
        Queries on ``params`` by their names, also those that take the place of pieces of ``query``.
    values : mapping of str to str
        SQL of constants in ``query`` to the SQL, on ``first``, that takes their place.
    pieces : mapping of str to str
        What the rows of its named pieces are.
    columns : mapping of str to str
        What columns mean, wherever they are made.
    """

    query: str
    parameters: Sequence[Parameter]
    tables: Mapping[str, Mapping[str, str]]
    first: Mapping[str, str] = field(default_factory=lambda: SNAPSHOT)
    values: Mapping[str, str] = field(default_factory=dict)
    pieces: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    def statements(self, warehouse: Warehouse, *, schema: str | None = None, with_markers: bool = False) -> list[str]:
        """The query as a warehouse reads it, with a comment on each piece; every statement ends in a semicolon.

        It is one statement, but where the warehouse writes pieces out wherever they are read, and they are many: there
        those that are read more than once are tables, made first.

        Parameters
        ----------
        warehouse : Warehouse
        schema : str, optional
            Where the tables are: ``analytics``, or ``project.analytics``.
        with_markers : bool
            Parameters as the markers of the warehouse, instead of values.

        Raises
        ------
        QueryError
            If the warehouse has no word for something, or allows fewer columns.
        """
        tree = warehouse_tree(self._parameterised(schema).sql(dialect="duckdb"), warehouse)
        meanings = {shortened(name, warehouse.max_name_bytes): text for name, text in self.columns.items()}
        for projection in (one for select in tree.find_all(exp.Select) for one in select.selects):
            meaning = meanings.get(projection.alias)
            if meaning and not isinstance(projection.unalias(), (exp.Column, exp.Cast)):
                projection.add_comments([_harmless(meaning)])
        given = {f"{_MARKER}{one.name}": one for one in self.parameters}
        for node in list(tree.find_all(exp.Literal)):
            one = given.get(node.name) if node.is_string else None
            if one:
                marker = exp.var(warehouse.marker.format(name=one.name))
                node.replace(marker if with_markers else exp.Literal.string(one.value))
        return list(self._statements(tree, warehouse))

    def sql(self, warehouse: Warehouse, *, schema: str | None = None, with_markers: bool = False) -> str:
        """``statements`` as one text."""
        return "\n".join(self.statements(warehouse, schema=schema, with_markers=with_markers))

    def used(self) -> dict[str, dict[str, str]]:
        """Tables and columns that the query reads."""
        tree = sqlglot.parse_one(self.query, read="duckdb")
        own = {cte.alias for cte in tree.find_all(exp.CTE)}
        read = {table.name for table in tree.find_all(exp.Table)} - own
        names = {column.name for column in tree.find_all(exp.Column)}
        return {
            table: {name: kind for name, kind in columns.items() if name in names}
            for table, columns in self.tables.items()
            if table in read
        }

    def _statements(self, tree: exp.Expr, warehouse: Warehouse) -> Iterator[str]:
        with_ = tree.args["with_"].pop()
        pieces = {cte.alias: cte for cte in with_.expressions}
        made = _made(pieces, tree, warehouse)
        for name, words in made.items():
            table = exp.Table(this=pieces[name].args["alias"].this.copy())
            query = self._query(exp.select("*").from_(table), pieces, made.keys() - {name}, warehouse)
            yield f"{words.format(name=written(table, warehouse))}\n{query}"
        yield self._query(tree, pieces, made.keys(), warehouse)

    def _query(self, last: exp.Expr, pieces: Mapping[str, exp.Expr], made: Set[str], warehouse: Warehouse) -> str:
        """A query with the pieces before it that it is made of, but for those that are tables."""
        needed, todo = set[str](), [last]
        while todo:
            found = set(_read(todo.pop(), pieces)) - made - needed
            needed |= found
            todo += [pieces[name].this for name in found]
        listed = [self._piece(cte, warehouse) for name, cte in pieces.items() if name in needed]
        before = "WITH\n" + ",\n".join(listed) + "\n\n" if listed else ""
        return f"{before}{written(last, warehouse)};\n"

    def _piece(self, cte: exp.Expr, warehouse: Warehouse) -> str:
        comment = self.pieces.get(cte.alias, "")
        lines = "".join(f"-- {' '.join(line.split())}\n" for line in comment.splitlines())
        name = cte.args["alias"].sql(dialect=warehouse.name)
        return f"\n{lines}{name} AS (\n{indent(written(cte.this, warehouse), '  ')}\n)"

    def _parameterised(self, schema: str | None) -> exp.Expr:
        """The query with its parameters and tables as pieces of their own, still DuckDB's."""
        tree = sqlglot.parse_one(self.query, read="duckdb").transform(self._with_parameters, copy=False)
        used = self.used()
        place = [exp.to_identifier(part) for part in (schema or "").split(".") if part]
        for table in tree.find_all(exp.Table):
            if table.name in used:
                table.set("alias", table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name)))
                table.set("this", exp.to_identifier(f"{_GIVEN}{table.name}"))
        for cte in list(tree.find_all(exp.CTE)):
            if cte.alias in self.first:
                with_ = cte.parent
                cte.pop()
                if with_ is not None and not with_.expressions:
                    with_.pop()
        given = ", ".join(f"CAST('{_MARKER}{one.name}' AS {one.kind}) AS {one.name}" for one in self.parameters)
        first = [(PARAMETERS, sqlglot.parse_one(f"SELECT {given}", read="duckdb"))]
        for name, columns in used.items():
            listed = ", ".join(_column(column, kind) for column, kind in columns.items())
            query = sqlglot.parse_one(f"SELECT {listed} FROM {identifier(name)}", read="duckdb")
            source = query.args["from_"].this
            if place:
                source.set("db", place[-1].copy())
            if len(place) > 1:
                source.set("catalog", place[0].copy())
            first.append((f"{_GIVEN}{name}", query))
        first += [(name, sqlglot.parse_one(query, read="duckdb")) for name, query in self.first.items()]
        ctes = [exp.CTE(this=query, alias=exp.TableAlias(this=exp.to_identifier(name))) for name, query in first]
        with_ = tree.args.get("with_")
        tree.set("with_", exp.With(expressions=[*ctes, *(with_.expressions if with_ else ())]))
        return tree

    def _with_parameters(self, node: exp.Expr) -> exp.Expr:
        if self.values and isinstance(node, (exp.Literal, exp.Cast)):
            value = self.values.get(node.sql(dialect="duckdb"))
            if value is not None:
                return sqlglot.parse_one(value, read="duckdb")
        return node


def assembled(pieces: Mapping[str, str], last: str, *, renamed: Mapping[str, str] | None = None) -> str:
    """One query of named pieces; the pieces that a piece is made of go before it, under their own names.

    Parameters
    ----------
    pieces : mapping of str to str
        Name to query, each after those it reads.
    last : str
        Query of the pieces.
    renamed : mapping of str to str, optional
        Tables that stand for pieces of another name, where a piece does not make one of that name itself.
    """
    found: dict[str, exp.Expr] = {}
    for name, query in pieces.items():
        tree = sqlglot.parse_one(query, read="duckdb")
        for table in list(tree.find_all(exp.Table)):
            if table.name in (renamed or {}) and (table.db == "temp" or not _is_made_around(table)):
                table.replace(exp.Table(this=exp.to_identifier((renamed or {})[table.name]), alias=table.args.get("alias")))
        with_ = tree.args.get("with_")
        within = {cte.alias: cte.this for cte in with_.expressions} if with_ else {}
        if with_ and not set(within) & set(pieces):
            with_.pop()
            found |= {inner: one for inner, one in within.items() if inner not in found}
        found[name] = tree
    definitions = ", ".join(f"{identifier(name)} AS ({tree.sql(dialect='duckdb')})" for name, tree in found.items())
    return f"WITH {definitions} {last}"


def _is_made_around(table: exp.Table) -> bool:
    """Whether a query around a table makes a piece of its name, before the piece in which the table is read."""
    node: exp.Expr | None = table
    within: exp.Expr | None = None
    while node is not None:
        with_ = node.args.get("with_")
        for cte in with_.expressions if with_ else ():
            if cte is within:
                break
            if cte.alias == table.name:
                return True
        within = node if isinstance(node, exp.CTE) else within
        node = node.parent
    return False


def _read(tree: exp.Expr, pieces: Mapping[str, exp.Expr]) -> list[str]:
    """Names of the pieces that a query reads, as often as it reads them; it may make others of the same name within."""
    tables = (table for table in tree.find_all(exp.Table) if table.name in pieces and not table.db)
    return [table.name for table in tables if not _is_made_around(table)]


def _made(pieces: Mapping[str, exp.Expr], last: exp.Expr, warehouse: Warehouse) -> dict[str, str]:
    """Pieces that are made before a query, and how, if it would be too long with all of them written out.

    Parameters stand in one place then, and where there are views, so do the names of columns that are given.
    """
    if warehouse.table is None:
        return {}
    read = {name: _read(cte.this, pieces) for name, cte in pieces.items()}
    read_last = _read(last, pieces)
    length: dict[str, int] = {}
    for name, parts in read.items():  # each goes after those it reads
        length[name] = 1 + sum(length[part] for part in parts)
    if sum(length[name] for name in read_last) <= _MOST_WRITTEN_OUT:
        return {}
    often = Counter(chain(*read.values(), read_last))
    made: dict[str, str] = {}
    for name, parts in read.items():
        if name.startswith(_GIVEN):
            if warehouse.view is not None:
                made[name] = warehouse.view
        elif name == PARAMETERS or (parts and often[name] > 1):
            made[name] = warehouse.table
    return made


def _column(name: str, kind: str) -> str:
    """A column as the query takes it: money exact and moments without a zone, truth values as numbers."""
    column = identifier(name)
    if kind == "BOOLEAN":
        return f"CASE WHEN {column} THEN 1 WHEN NOT {column} THEN 0 END AS {column}"
    return f"CAST({column} AS {kind}) AS {column}" if kind.startswith(("DECIMAL", "TIMESTAMP")) else column


def _harmless(text: str) -> str:
    """A user's words within a comment cannot end it."""
    return " ".join(text.split()).replace("*/", "* /").replace("/*", "/ *")
