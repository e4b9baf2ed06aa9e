"""What rules of dialects are, and those of which only the words differ: whole days, local times, quotients.

A rule looks at one node of a parsed statement and returns it, changed or not, or another in its place. Nodes are seen from
the leaves up, so what a node is made of has been seen before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlglot import exp

Rule = Callable[[exp.Expr], exp.Expr]
_MICROSECONDS_PER_DAY = "86400000000"


def applied(tree: exp.Expr, rules: Iterable[Rule]) -> exp.Expr:
    """A statement after one rule and then the next; it is changed itself."""
    for rule in rules:
        for node in reversed(list(tree.walk())):
            found = rule(node)
            if found is not node:
                tree = found if node is tree else tree
                node.replace(found)
    return tree


def day_number(write: Callable[[exp.Expr], exp.Expr]) -> Rule:
    """Rule for ``epoch_us(t) // 86400000000``, the number of a day since 1970-01-01, as ``write`` says it."""

    def rule(node: exp.Expr) -> exp.Expr:
        is_quotient = isinstance(node, exp.IntDiv) and node.expression.name == _MICROSECONDS_PER_DAY
        return write(node.this.expressions[0]) if is_quotient and is_call(node.this, "epoch_us") else node

    return rule


def local_moment(write: Callable[[exp.Expr, exp.Expr], exp.Expr]) -> Rule:
    """Rule for ``timezone(zone, timezone('UTC', t))``, what the clocks of a zone show, as ``write`` says it."""

    def rule(node: exp.Expr) -> exp.Expr:
        if is_call(node, "timezone"):
            zone, moment = node.expressions
            if is_call(moment, "timezone") and moment.expressions[0].name == "UTC":
                return write(zone, moment.expressions[1])
        return node

    return rule


def quotient_of_doubles(node: exp.Expr) -> exp.Expr:
    """Quotients, means and spreads are those of floats: of decimals they would be rounded, of integers cut."""
    if isinstance(node, (exp.Avg, exp.Div, exp.StddevSamp)) and not is_double(node.this):
        node.set("this", exp.cast(node.this.unnest(), "DOUBLE"))
    return node


def unix_date(moment: exp.Expr) -> exp.Expr:
    """The number of a moment's day, as Spark says it."""
    return call("UNIX_DATE", exp.cast(moment, "DATE"))


def rounded_as_a_double(node: exp.Expr) -> exp.Expr:
    """DuckDB rounds ``x * 10^n``; Spark rounds the shortest decimal that reads as ``x``, so halves fall otherwise."""
    if isinstance(node, exp.Round) and node.args.get("decimals") is not None:
        scale = exp.cast(exp.Literal.number(10 ** int(node.args["decimals"].name)), "DOUBLE")
        scaled = exp.Mul(this=exp.cast(node.this, "DOUBLE"), expression=scale)
        return exp.paren(exp.Div(this=exp.Round(this=scaled), expression=scale.copy()))
    return node


def is_double(node: exp.Expr) -> bool:
    """Whether a node is a cast to a float."""
    return isinstance(node, exp.Cast) and node.to.is_type("double")


def is_call(node: exp.Expr | None, name: str) -> bool:
    """Whether a node calls a function that sqlglot has no class for."""
    return isinstance(node, exp.Anonymous) and node.name.lower() == name


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A call of a function with copies of arguments."""
    return exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])
