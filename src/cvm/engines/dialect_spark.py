"""What Spark needs beside sqlglot's translation: rules that make it count, round, order and cut time as DuckDB does."""

from __future__ import annotations

from sqlglot import exp

from cvm.engines.rules import (
    Rule,
    call,
    day_number,
    local_moment,
    quotient_of_doubles,
    rounded_as_a_double,
    unix_date,
)
from cvm.engines.spark_values import value_as_duckdb

_BY = {exp.ArgMax: "MAX_BY", exp.ArgMin: "MIN_BY"}
_BY_WITH_NULLS = {"arg_max_null": "MAX_BY", "arg_min_null": "MIN_BY"}


def _argument_of_extreme(node: exp.Expr) -> exp.Expr:
    """``arg_max(value, key)`` passes over rows without a value; ``max_by`` does not."""
    if isinstance(node, (exp.ArgMax, exp.ArgMin)):
        found = call(_BY[type(node)], node.this, node.expression)
        return _filtered(node, found, node.this.copy().is_(exp.null()).not_())
    if isinstance(node, exp.Anonymous) and node.name.lower() in _BY_WITH_NULLS:
        return call(_BY_WITH_NULLS[node.name.lower()], *node.expressions)
    return node


def _any_value_there_is(node: exp.Expr) -> exp.Expr:
    """``any_value`` passes over nulls; so it does with a filter behind it only by an argument."""
    if isinstance(node, exp.IgnoreNulls) and isinstance(node.this, exp.AnyValue):
        return call("ANY_VALUE", node.this.this, exp.true())
    return node


def _seconds(node: exp.Expr) -> exp.Expr:
    """``epoch(t)``, with its fraction of a second."""
    if isinstance(node, exp.TimeToUnix):
        return exp.paren(exp.Div(this=_microseconds_of(node.this), expression=exp.Literal.number("1000000.0")))
    return node


def _days_between(node: exp.Expr) -> exp.Expr:
    """``day - DATE '...'`` is a number of days, and ``DATE '...' + n`` a day for integers of any width."""
    if isinstance(node, exp.Sub) and _is_day(node.expression):
        return call("DATEDIFF", node.this, node.expression)
    if isinstance(node, exp.Add) and _is_day(node.this) and not isinstance(node.expression, exp.Interval):
        return call("DATE_ADD", node.this, exp.cast(node.expression, "INT"))
    return node


def _number_in_hexadecimal(node: exp.Expr) -> exp.Expr:
    """``CAST('0x' || digits AS BIGINT)``."""
    inner = node.this.unnest() if isinstance(node, exp.Cast) else None
    if isinstance(inner, exp.DPipe) and inner.this.is_string and inner.this.name == "0x":
        return exp.cast(call("CONV", inner.expression, exp.Literal.number(16), exp.Literal.number(10)), "BIGINT")
    return node


def _number_of_any_order(node: exp.Expr) -> exp.Expr:
    """``row_number() OVER ()``, of any width: it is to tell rows apart, and for that nobody need sort them all."""
    numbered = node.this if isinstance(node, exp.Cast) else node
    if isinstance(numbered, exp.Window) and isinstance(numbered.this, exp.RowNumber):
        if isinstance(numbered.parent, exp.Cast) and numbered is node:
            return node  # the cast goes with it: the numbers of Spark are wide
        if not any(numbered.args.get(part) for part in ("partition_by", "order", "alias")):  # the alias is a named window
            return call("MONOTONICALLY_INCREASING_ID")
    return node


def _range_of_integers(node: exp.Expr) -> exp.Expr:
    """``FROM range(a, b)``."""
    series = node.this if isinstance(node, exp.Table) else None
    if isinstance(series, exp.GenerateSeries) and series.args.get("is_end_exclusive"):
        numbers = exp.Table(this=call("RANGE", series.args["start"], series.args["end"]))
        named = exp.select(exp.alias_(exp.column("id"), "range")).from_(numbers)
        return exp.Subquery(this=named, alias=node.args.get("alias"))
    return node


def _filtered(node: exp.Expr, found: exp.Expr, condition: exp.Expr) -> exp.Expr:
    """``found`` in the place of an aggregate ``node``, of the rows for which a condition holds, too."""
    if isinstance(node.parent, exp.Filter):
        where = node.parent.expression
        where.set("this", exp.and_(where.this, condition))
        return found
    return exp.Filter(this=found, expression=exp.Where(this=condition))


def _microseconds_of(moment: exp.Expr) -> exp.Expr:
    return call("UNIX_MICROS", call("TO_TIMESTAMP_LTZ", moment))


def _is_day(node: exp.Expr) -> bool:
    return isinstance(node, exp.Cast) and node.to.is_type("date") and node.this.is_string


def _without_schema_of_temporary(node: exp.Expr) -> exp.Expr:
    """``temp.orders``: temporary tables are in no schema."""
    if isinstance(node, exp.Table) and node.db == "temp":
        node.set("db", None)
    return node


def _shown_by_clocks(zone: exp.Expr, moment: exp.Expr) -> exp.Expr:
    return call("FROM_UTC_TIMESTAMP", moment, zone)


SPARK_RULES: tuple[Rule, ...] = (
    value_as_duckdb,
    _without_schema_of_temporary,
    day_number(unix_date),
    local_moment(_shown_by_clocks),
    _argument_of_extreme,
    _any_value_there_is,
    rounded_as_a_double,
    _seconds,
    _days_between,
    _number_in_hexadecimal,
    _number_of_any_order,
    _range_of_integers,
    quotient_of_doubles,
)
