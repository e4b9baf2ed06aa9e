"""Rules for what each warehouse spells in its own way: one node of a parsed query in, one out.

``docs/engines.md`` goes through them function by function.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from cvm.engines.rules import (
    Rule,
    call,
    day_number,
    is_double,
    local_moment,
    quotient_of_doubles,
    rounded_as_a_double,
    unix_date,
)

_PREDICATES = (exp.Predicate, exp.Connector, exp.Not, exp.Boolean)
# Columns of the product's own making that hold truth values, and text that rows are sorted or chosen by.
_TRUTHS = ("at_start", "at_end", "is_now", "is_active")
_TEXTS = ("order_key", "plan", "channel", "customer_id", "campaign")


# --- for all of them


def _exact_mean(node: exp.Expr) -> exp.Expr:
    """The mean of a column out of its exact sum: what follows may round it."""
    if isinstance(node, exp.Avg) and isinstance(node.this, exp.Column):
        exact = exp.cast(exp.Mul(this=exp.Sum(this=node.this.copy()), expression=_number("10000")), "DOUBLE")
        n = exp.Mul(this=exp.Count(this=node.this.copy()), expression=_number("10000.0"))
        return exp.paren(exp.Div(this=exact, expression=exp.paren(n)))
    return node


def _number_of_truth(node: exp.Expr) -> exp.Expr:
    """A truth value as a number: not everybody casts it, and none to a float."""
    if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast) and _is_truth(node.this):
        one = "1.0" if is_double(node) else "1"
        case = exp.Case().when(node.this.unnest().copy(), exp.Literal.number(one)).else_(exp.Literal.number("0"))
        return exp.cast(case, node.to.copy())
    return node


def _is_truth(node: exp.Expr) -> bool:
    inner = node.unnest()
    return isinstance(inner, _PREDICATES) or (isinstance(inner, exp.Column) and inner.name in _TRUTHS)


def _number(text: str) -> exp.Expr:
    return exp.Literal.number(text)


SHARED: tuple[Rule, ...] = (_exact_mean, quotient_of_doubles, _number_of_truth)


# --- days and zones


def _added_days(write: Callable[[exp.Expr, exp.Expr], exp.Expr]) -> Rule:
    """Rule for ``t + to_days(n)``, a moment so many days later, as ``write`` says it."""

    def rule(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Add) and isinstance(node.expression, exp.ToDays):
            return write(node.this, node.expression.this)
        return node

    return rule


def _epoch_seconds(write: Callable[[exp.Expr], exp.Expr]) -> Rule:
    """Rule for ``epoch(t)``, seconds since 1970, out of the microseconds that ``write`` says."""

    def rule(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.TimeToUnix):
            return node
        return exp.paren(exp.Div(this=exp.cast(write(node.this), "DOUBLE"), expression=_number("1000000")))

    return rule


_EPOCH = exp.cast(exp.Literal.string("1970-01-01"), "DATE")
_EPOCH_MOMENT = exp.cast(exp.Literal.string("1970-01-01"), exp.DataType.build("TIMESTAMP", dialect="duckdb"))
_UTC = exp.Literal.string("UTC")


def _boundaries_since_epoch(moment: exp.Expr) -> exp.Expr:
    return call("DATEDIFF", exp.var("DAY"), _EPOCH, moment)


def _microseconds_since_epoch(moment: exp.Expr) -> exp.Expr:
    return call("DATEDIFF", exp.var("MICROSECOND"), _EPOCH_MOMENT, moment)


def _days_later(moment: exp.Expr, days: exp.Expr) -> exp.Expr:
    return call("DATEADD", exp.var("DAY"), days, moment)


def _converted(zone: exp.Expr, moment: exp.Expr) -> exp.Expr:
    return call("CONVERT_TIMEZONE", _UTC, zone, moment)


def _extracted_quarter(node: exp.Expr) -> exp.Expr:
    return exp.Extract(this=exp.var("QUARTER"), expression=node.this.copy()) if isinstance(node, exp.Quarter) else node


def _null_only_if_all_are(node: exp.Expr) -> exp.Expr:
    """The least and greatest of what there is: there they are null as soon as one argument is."""
    if isinstance(node, (exp.Least, exp.Greatest)) and node.args.get("ignore_nulls"):
        first, *others = (part.transform(_null_only_if_all_are) for part in (node.this, *node.expressions))
        for other in others:
            both = type(node)(this=first.copy(), expressions=[other.copy()])
            known = [one.copy() for one in (other, first) if not isinstance(one, exp.Null)]
            first = exp.Coalesce(this=both, expressions=known[:1] if isinstance(other, exp.Literal) else known)
        return first
    return node


def _rounded_by_floor(node: exp.Expr) -> exp.Expr:
    """Where halves of floats go to even, or nobody says where they go: as DuckDB, but for halves below 0."""
    if isinstance(node, exp.Round):
        decimals = node.args.get("decimals")
        scale = exp.Literal.number(10 ** int(decimals.name) if decimals else 1)
        up = exp.Add(this=exp.Mul(this=exp.cast(node.this.copy(), "DOUBLE"), expression=scale), expression=_number("0.5"))
        return exp.Div(this=exp.Floor(this=up), expression=scale.copy())
    return node


def _without_try(node: exp.Expr) -> exp.Expr:
    """There is no TRY_CAST, or none of numbers; what it is asked for are numbers that hardly ever fail."""
    return exp.Cast(this=node.this.copy(), to=node.to.copy()) if isinstance(node, exp.TryCast) else node


# --- Snowflake


def _snowflake_whole(node: exp.Expr) -> exp.Expr:
    """Of numbers above 0; a cast to INTEGER would round."""
    if isinstance(node, exp.IntDiv):
        return exp.Floor(this=exp.Div(this=exp.cast(node.this.copy(), "DOUBLE"), expression=node.expression.copy()))
    return node


# --- BigQuery


def _bigquery_decimal(node: exp.Expr) -> exp.Expr:
    """Exact to 38 digits; NUMERIC would round the product of an amount and a rate at the ninth."""
    if isinstance(node, exp.Cast) and node.to.is_type("decimal") and node.to.expressions:
        scale = node.to.expressions[1].this.copy()
        exact = type(node)(this=node.this.copy(), to=exp.DataType.build("BIGNUMERIC", dialect="bigquery"))
        return exp.Round(this=exact, decimals=scale)
    return node


def _bigquery_order(node: exp.Expr) -> exp.Expr:
    """Windows take no word on nulls there; the keys of ours are never null, so nulls may come first."""
    if isinstance(node, exp.Ordered) and node.find_ancestor(exp.Window, exp.Select).__class__ is exp.Window:
        node.set("nulls_first", not node.args.get("desc"))
    return node


# --- PostgreSQL


def _postgres_order(node: exp.Expr) -> exp.Expr:
    """Text is sorted by its bytes, as DuckDB does, whatever the database was made with."""
    if isinstance(node, exp.Ordered) and isinstance(node.this, exp.Column) and _is_text(node.this):
        node.set(
            "this", exp.Collate(this=exp.cast(node.this.copy(), "TEXT"), expression=exp.to_identifier("C", quoted=True))
        )
    return node


def _is_text(column: exp.Column) -> bool:
    select = column.find_ancestor(exp.Select)
    source = select.args["from_"].this.alias_or_name if select and select.args.get("from_") else ""
    return column.name in _TEXTS or (column.name == "value" and source.startswith("mix_"))


def _without_starts_with(node: exp.Expr) -> exp.Expr:
    """There is no STARTS_WITH."""
    if isinstance(node, exp.StartsWith):
        start = call("LEFT", node.this, call("LEN", node.expression))
        return exp.EQ(this=start, expression=node.expression.copy())
    return node


def _epoch_of_postgres(node: exp.Expr) -> exp.Expr:
    return exp.Extract(this=exp.var("EPOCH"), expression=node.this.copy()) if isinstance(node, exp.TimeToUnix) else node


def _postgres_day(moment: exp.Expr) -> exp.Expr:
    return exp.paren(exp.Sub(this=exp.cast(moment.copy(), "DATE"), expression=_EPOCH.copy()))


def _replaces_all(node: exp.Expr) -> exp.Expr:
    """``regexp_replace`` takes no word on whether all are meant: they are."""
    if isinstance(node, exp.RegexpReplace):
        node.set("modifiers", None)
    return node


SPARK: tuple[Rule, ...] = (
    local_moment(_converted),
    day_number(unix_date),
    _epoch_seconds(lambda moment: call("TIMESTAMPDIFF", exp.var("MICROSECOND"), _EPOCH_MOMENT, moment)),
    _added_days(_days_later),
    rounded_as_a_double,
    _replaces_all,
)

SNOWFLAKE: tuple[Rule, ...] = (
    local_moment(_converted),
    day_number(_boundaries_since_epoch),
    _epoch_seconds(_microseconds_since_epoch),
    _added_days(_days_later),
    _snowflake_whole,
    _without_try,
    rounded_as_a_double,
    _replaces_all,
)
BIGQUERY: tuple[Rule, ...] = (
    local_moment(lambda zone, moment: call("DATETIME", call("TIMESTAMP", moment), zone)),
    day_number(lambda moment: call("UNIX_DATE", call("DATE", moment))),
    _epoch_seconds(lambda moment: call("UNIX_MICROS", call("TIMESTAMP", moment))),
    _added_days(
        lambda moment, days: exp.Add(this=moment.copy(), expression=exp.Interval(this=days.copy(), unit=exp.var("DAY")))
    ),
    _replaces_all,
    rounded_as_a_double,
    _bigquery_decimal,  # after it: the rounding of exact numbers stays
    _null_only_if_all_are,
    _bigquery_order,
)
REDSHIFT: tuple[Rule, ...] = (
    local_moment(_converted),
    day_number(_boundaries_since_epoch),
    _epoch_seconds(_microseconds_since_epoch),
    _added_days(_days_later),
    _without_try,
    _without_starts_with,
    _rounded_by_floor,
    _replaces_all,
    _extracted_quarter,
)
POSTGRES: tuple[Rule, ...] = (
    day_number(_postgres_day),
    _epoch_of_postgres,
    _added_days(
        lambda moment, days: exp.Add(
            this=moment.copy(),
            expression=call("make_interval", exp.Kwarg(this=exp.var("days"), expression=days.copy())),
        )
    ),
    _without_try,
    _rounded_by_floor,
    _postgres_order,
    _extracted_quarter,
)
