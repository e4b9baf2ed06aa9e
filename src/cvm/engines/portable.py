"""DuckDB's SQL in the words that all warehouses know: what one of them lacks is said by others, with the same rows.

The result is still DuckDB's SQL, so that the rewriting itself is proven by running both. What only one warehouse spells
in its own way is in ``warehouses.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlglot
from sqlglot import exp

from cvm.engines.error import QueryError

_PREDICATES = (exp.Predicate, exp.Connector, exp.Not)
# What places of rows tell; everything else in an order is of the rows of a frame.
_FRAMELESS = (exp.CumeDist, exp.DenseRank, exp.Lag, exp.Lead, exp.Ntile, exp.PercentRank, exp.Rank, exp.RowNumber)


def portable(tree: exp.Expr, *, tables: Mapping[str, Collection[str]] | None = None, has_median: bool = True) -> exp.Expr:
    """A query in plain SQL.

    Parameters
    ----------
    tree : sqlglot.exp.Expr
        Of DuckDB; left as it is.
    tables : mapping of str to collection of str, optional
        Columns of the tables that the query reads with a star, where no piece of it lists them.
    has_median : bool
        Whether the warehouse has a ``median`` that groups.

    Raises
    ------
    QueryError
        If the query takes an ``arg_max`` over a join, which nobody has needed so far, or anything of a frame
        in an order without ROWS.
    """
    tree = tree.copy()
    _inline_windows(tree)
    _expect_rows(tree)
    _list_columns(tree, tables or {})
    for select in list(tree.find_all(exp.Select)):
        _order_numbers(select)
        _name_keys(select)
        _rank(select, has_median=has_median)
        _qualify_having(select)
    for rule in (_case_of_filter, _case_of_ordered_predicate, _any_of_equals, _added_days, _finite, _end_of_text):
        tree = tree.transform(rule, copy=False)
    _name_subqueries(tree)
    _read_something(tree)
    return tree


def _inline_windows(tree: exp.Expr) -> None:
    """``OVER name`` becomes the window itself: two warehouses have no WINDOW clause."""
    for select in tree.find_all(exp.Select):
        named = {window.name: window for window in select.args.pop("windows", None) or ()}
        for window in select.find_all(exp.Window):
            while window.args.get("alias") and window.args["alias"].name in named:
                base = named[window.args["alias"].name]
                window.set("alias", base.args["alias"].copy() if base.args.get("alias") else None)
                for part in ("partition_by", "order", "spec"):
                    given = base.args.get(part)
                    if given and not window.args.get(part):
                        window.set(part, [one.copy() for one in given] if isinstance(given, list) else given.copy())


def _expect_rows(tree: exp.Expr) -> None:
    """What is of a frame in an order says which rows: Redshift refuses what does not, and has no frames of equal values."""
    for window in tree.find_all(exp.Window):
        frame = window.args.get("spec")
        function = window.this.this if isinstance(window.this, (exp.IgnoreNulls, exp.RespectNulls)) else window.this
        is_running = window.args.get("order") and not isinstance(function, _FRAMELESS)
        if is_running and (frame is None or frame.args.get("kind") != "ROWS"):
            raise QueryError(f"a running aggregate without ROWS has no plain form: {window.sql(dialect='duckdb')[:80]}")


def _list_columns(tree: exp.Expr, tables: Mapping[str, Collection[str]]) -> None:
    """``* EXCLUDE (...)`` becomes the columns that are left."""
    ctes = {cte.alias: cte.this for cte in tree.find_all(exp.CTE)}

    def columns(source: exp.Expr) -> list[str]:
        if isinstance(source, exp.Table):
            return columns(ctes[source.name]) if source.name in ctes else list(tables.get(source.name, ()))
        if isinstance(source, exp.Subquery):
            return columns(source.this)
        found: list[str] = []
        for projection in source.selects if isinstance(source, exp.Query) else ():
            star = projection.find(exp.Star) if isinstance(projection, (exp.Star, exp.Column)) else None
            if star is None:
                found.append(projection.alias_or_name)
                continue
            left_out = {one.name for one in star.args.get("except_") or ()}
            sources = _sources(source)
            wanted = [sources[projection.table]] if isinstance(projection, exp.Column) else list(sources.values())
            found += [name for one in wanted for name in columns(one) if name not in left_out]
        return list(dict.fromkeys(found))

    for select in tree.find_all(exp.Select):
        listed: list[exp.Expr] = []
        for projection in select.selects:
            star = projection.find(exp.Star) if isinstance(projection, (exp.Star, exp.Column)) else None
            if star is None or not star.args.get("except_"):
                listed.append(projection)
                continue
            table = projection.table if isinstance(projection, exp.Column) else None
            alone = exp.select(projection.copy())
            alone.set("from_", select.args["from_"].copy())
            alone.set("joins", [join.copy() for join in select.args.get("joins") or ()])
            listed += [exp.column(exp.to_identifier(name, quoted=True), table=table) for name in columns(alone)]
        select.set("expressions", listed)


def _sources(select: exp.Expr) -> dict[str, exp.Expr]:
    """What a SELECT reads, by the names it reads it under."""
    found = [select.args["from_"].this, *(join.this for join in select.args.get("joins") or ())]
    return {source.alias_or_name: source for source in found}


def _name_keys(select: exp.Select) -> None:
    """``GROUP BY ALL`` becomes the columns that are not added up."""
    group = select.args.get("group")
    if group and group.args.get("all"):
        keys = [one.unalias() for one in select.selects if not one.find(exp.AggFunc) and one.find(exp.Column)]
        select.set("group", exp.Group(expressions=[key.copy() for key in keys]))


def _order_numbers(select: exp.Select) -> None:
    """``row_number() OVER ()`` in the order of the columns beside it.

    Some warehouses demand an order, and one that computes a piece anew wherever it is read gives the same numbers again.
    """
    beside = [one.unalias() for one in select.selects if not one.find(exp.Window)]
    for window in select.find_all(exp.Window):
        is_of_any_order = not (window.args.get("partition_by") or window.args.get("order"))
        if isinstance(window.this, exp.RowNumber) and is_of_any_order and window.find_ancestor(exp.Select) is select:
            window.set("order", exp.Order(expressions=[exp.Ordered(this=key.copy(), nulls_first=False) for key in beside]))


def _rank(select: exp.Select, *, has_median: bool) -> None:
    """Values of first and last rows, and medians, by the place of a row among those of its group."""
    ranks: dict[str, str] = {}

    def place(partition: list[exp.Expr], order: list[exp.Expr]) -> exp.Expr:
        window = exp.Window(
            this=exp.RowNumber(), partition_by=[key.copy() for key in partition], order=exp.Order(expressions=order)
        )
        return exp.column(ranks.setdefault(window.sql(dialect="duckdb"), f"place_{len(ranks) + 1}"))

    def total(partition: list[exp.Expr], counted: exp.Expr) -> exp.Expr:
        window = exp.Window(this=exp.Count(this=counted.copy()), partition_by=[key.copy() for key in partition])
        return exp.column(ranks.setdefault(window.sql(dialect="duckdb"), f"place_{len(ranks) + 1}"))

    group = select.args.get("group")
    keys = list(group.expressions) if group else []
    for projection in select.selects:
        for node in list(projection.find_all(exp.ArgMax, exp.ArgMin, exp.Median, exp.Anonymous)):
            chosen = _chosen(node)
            if chosen:
                value, by, is_last, takes_null = chosen
                around = node.parent
                condition = around.expression.this if isinstance(around, exp.Filter) else None
                counts = [] if takes_null else [exp.Not(this=exp.Is(this=value.copy(), expression=exp.null()))]
                counts += [condition.copy()] if condition else []
                order: list[exp.Expr] = []
                if counts:
                    order.append(exp.Ordered(this=_flag(exp.and_(*counts), one="0", other="1"), nulls_first=False))
                order += [exp.Ordered(this=key.copy(), desc=is_last, nulls_first=False) for key in by]
                first = exp.EQ(this=place(keys, order), expression=exp.Literal.number(1))
                case = exp.Case().when(exp.and_(first, *([condition.copy()] if condition else [])), value.copy())
                (around if isinstance(around, exp.Filter) else node).replace(exp.Max(this=case))
            elif isinstance(node, exp.Median) and not has_median:
                value = node.this
                rank = place(keys, [exp.Ordered(this=value.copy(), nulls_first=False)])
                n = total(keys, value)
                middle = exp.Between(
                    this=exp.Mul(this=exp.Literal.number(2), expression=rank),
                    low=n,
                    high=exp.Add(this=n.copy(), expression=exp.Literal.number(2)),
                )
                node.replace(exp.Avg(this=exp.Case().when(middle, value.copy())))
    if ranks:
        if select.args.get("joins") or select.args.get("where"):
            raise QueryError(f"first and last rows of a join or a selection have no plain form: {select.sql()[:80]}")
        source = _source(select)
        places = [exp.alias_(sqlglot.parse_one(sql, read="duckdb"), name) for sql, name in ranks.items()]
        ranked = exp.select("*", *places)
        ranked.set("from_", exp.From(this=source.copy()))
        select.set("from_", exp.From(this=exp.Subquery(this=ranked, alias=exp.TableAlias(this=_alias(source)))))


def _source(select: exp.Expr) -> exp.Expr:
    """What comes first in FROM."""
    found: exp.Expr = select.args["from_"].this
    return found


def _alias(source: exp.Expr) -> exp.Identifier:
    return exp.to_identifier(source.alias_or_name or "given")


def _chosen(node: exp.Expr) -> tuple[exp.Expr, list[exp.Expr], bool, bool] | None:
    """Of an aggregate that picks one row: its value, what orders rows, whether the last is meant, whether null counts."""
    if isinstance(node, (exp.ArgMax, exp.ArgMin)):
        value, by, is_last, takes_null = node.this, node.expression, isinstance(node, exp.ArgMax), False
    elif isinstance(node, exp.Anonymous) and node.name.lower() in ("arg_max_null", "arg_min_null"):
        (value, by), is_last, takes_null = node.expressions, node.name.lower() == "arg_max_null", True
    else:
        return None
    keys = [field.expression for field in by.expressions] if isinstance(by, exp.Struct) else [by]
    return value, keys, is_last, takes_null


def _qualify_having(select: exp.Select) -> None:
    """Columns of HAVING say whose they are: else some take ``sum(amount)`` for the sum of the alias ``amount``."""
    having = select.args.get("having")
    source = _source(select).alias_or_name if having else ""
    if having and not select.args.get("joins") and source:
        for column in having.find_all(exp.Column):
            if not column.table and column.find_ancestor(exp.Select) is select:
                column.set("table", exp.to_identifier(source))


def _case_of_filter(node: exp.Expr) -> exp.Expr:
    """``sum(x) FILTER (WHERE c)``: the sum of ``x`` where ``c`` holds, and of nothing elsewhere."""
    if not isinstance(node, exp.Filter):
        return node
    aggregate, condition = node.this.copy(), node.expression.this
    inner: exp.Expr = aggregate.this
    if isinstance(inner, exp.Distinct):
        inner.set("expressions", [exp.Case().when(condition.copy(), inner.expressions[0].copy())])
    else:
        value = exp.Literal.number(1) if isinstance(inner, exp.Star) else inner
        aggregate.set("this", exp.Case().when(condition.copy(), value.copy()))
    return aggregate.transform(_case_of_filter) if aggregate.find(exp.Filter) else aggregate


def _case_of_ordered_predicate(node: exp.Expr) -> exp.Expr:
    """``ORDER BY amount < 0``: numbers instead of truth values, which not everybody sorts."""
    if isinstance(node, exp.Ordered) and isinstance(node.this.unnest(), _PREDICATES):
        node.set("this", _flag(node.this, one="1", other="0"))
    return node


def _any_of_equals(node: exp.Expr) -> exp.Expr:
    """``any_value``, which is asked only for what is the same in all rows of a group, or null."""
    inner = node.this if isinstance(node, exp.IgnoreNulls) else node
    return exp.Max(this=inner.this.copy()) if isinstance(inner, exp.AnyValue) else node


def _added_days(node: exp.Expr) -> exp.Expr:
    """``t + INTERVAL 3 DAY`` as ``t + to_days(3)``: some intervals take no expression."""
    if isinstance(node, (exp.Add, exp.Sub)) and isinstance(node.expression, exp.Interval):
        interval = node.expression
        if interval.args["unit"].name.upper() == "DAY":
            days: exp.Expr = interval.this.unnest()
            days = exp.Literal.number(days.name) if isinstance(days, exp.Literal) else days.copy()
            if isinstance(node, exp.Sub):
                days = exp.Neg(this=days if isinstance(days, exp.Literal) else exp.paren(days))
            return exp.Add(this=node.this.copy(), expression=exp.ToDays(this=days))
    return node


def _finite(node: exp.Expr) -> exp.Expr:
    """``isfinite(x)``: within the greatest floats, which leaves out NaN, be it smaller or greater than all."""
    if isinstance(node, exp.Anonymous) and node.name.lower() == "isfinite":
        most = exp.cast(exp.Literal.string("1.7976931348623157E308"), "DOUBLE")
        least = exp.cast(exp.Literal.string("-1.7976931348623157E308"), "DOUBLE")
        return exp.Between(this=node.expressions[0].copy(), low=least, high=most)
    return node


def _end_of_text(node: exp.Expr) -> exp.Expr:
    """``ends_with(a, 'b')``, which three warehouses lack."""
    if isinstance(node, exp.EndsWith) and isinstance(node.expression, exp.Literal):
        end = exp.Right(this=node.this.copy(), expression=exp.Literal.number(len(node.expression.name)))
        return exp.EQ(this=end, expression=node.expression.copy())
    return node


def _flag(condition: exp.Expr, *, one: str, other: str) -> exp.Expr:
    return exp.Case().when(condition.copy(), exp.Literal.number(one)).else_(exp.Literal.number(other))


def _name_subqueries(tree: exp.Expr) -> None:
    """Every query in FROM has a name: two warehouses demand it."""
    number = 0
    for subquery in tree.find_all(exp.Subquery):
        if isinstance(subquery.parent, (exp.From, exp.Join)) and not subquery.alias:
            number += 1
            subquery.set("alias", exp.TableAlias(this=exp.to_identifier(f"part_{number}")))


def _read_something(tree: exp.Expr) -> None:
    """``SELECT 0 AS n WHERE FALSE`` reads one row of nothing: not everybody selects from nowhere."""
    for select in tree.find_all(exp.Select):
        if select.args.get("where") and not select.args.get("from_"):
            nothing = exp.Subquery(this=exp.select("1 AS one"), alias=exp.TableAlias(this=exp.to_identifier("nothing")))
            select.set("from_", exp.From(this=nothing))
