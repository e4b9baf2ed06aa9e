"""Where Spark reads a value in another way than DuckDB: patterns, casts of text and numbers, moments, hashes.

``value_as_duckdb`` is one of the rules of ``dialect_spark``, and the first: nodes come to it from the leaves up, so that
what a node is made of is as Spark wants it when its own turn comes.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlglot
from sqlglot import exp

from cvm.engines.error import QueryError
from cvm.engines.spark_patterns import first_only, java_pattern, java_replacement
from cvm.engines.spark_strptime import strptime_sql

_FLOATS = (exp.DType.DOUBLE, exp.DType.FLOAT)
_TEXTS = (exp.DType.VARCHAR, exp.DType.TEXT)
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
# So many smallest values stand for the ``n`` smallest: their number is for a reader, and must not grow with the data.
_MOST_EXAMPLES = 5


def value_as_duckdb(node: exp.Expr) -> exp.Expr:
    """What stands on Spark in the place of one node of a statement."""
    rule = _CALLS.get(node.name.lower()) if isinstance(node, exp.Anonymous) else _RULES.get(type(node))
    return rule(node) if rule else node


def _spark(template: str, **parts: exp.Expr) -> exp.Expr:
    """SQL of Spark with ``:name`` for each part."""
    return exp.replace_placeholders(sqlglot.parse_one(template, read="spark"), **{n: p.copy() for n, p in parts.items()})


def _text_of(node: exp.Expr) -> str:
    if not (isinstance(node, exp.Literal) and node.is_string):
        raise QueryError(f"Spark needs a pattern in so many words: {node.sql(dialect='duckdb')[:80]}")
    return str(node.this)


def _full_match(node: exp.Expr) -> exp.Expr:
    whole = rf"\A(?:{java_pattern(_text_of(node.expression))})\z"
    return exp.RegexpLike(this=node.this.copy(), expression=exp.Literal.string(whole))


def _regexp_like(node: exp.Expr) -> exp.Expr:
    node.set("expression", exp.Literal.string(java_pattern(_text_of(node.expression))))
    return node


def _regexp_replace(node: exp.Expr) -> exp.Expr:
    pattern, replacement = java_pattern(_text_of(node.expression)), _text_of(node.args["replacement"])
    modifiers = node.args.get("modifiers")
    if modifiers is None:
        pattern, replacement = first_only(pattern), java_replacement(replacement, shift=1)
    elif modifiers.name == "g":
        replacement = java_replacement(replacement)
    else:
        raise QueryError(f"Spark replaces by no pattern with the modifiers {modifiers.name!r}")
    found = (node.this.copy(), exp.Literal.string(pattern), exp.Literal.string(replacement))
    return exp.Anonymous(this="regexp_replace", expressions=list(found))


def _cast(node: exp.Expr) -> exp.Expr:
    target, inner = node.args["to"], node.this
    from_float = inner.this if isinstance(inner, exp.Cast) and inner.to.this in _FLOATS else None
    if target.this in _TEXTS and isinstance(inner, exp.Cast) and inner.to.is_type("timestamptz", "timestampltz"):
        return _spark("concat(CAST(:x AS STRING), '+00')", x=inner)
    if target.is_type("timestamptz", "timestamp", "timestampntz"):
        kind = "TIMESTAMP_LTZ" if target.is_type("timestamptz") else "TIMESTAMP_NTZ"
        is_text = isinstance(node, exp.TryCast)
        return _moment(inner, kind) if is_text else _spark(f"CAST(:x AS {kind})", x=inner)
    if target.is_type("boolean") and isinstance(node, exp.TryCast):
        lists = {name: exp.Tuple(expressions=[*map(exp.Literal.string, words)]) for name, words in _FLAGS.items()}
        return _spark("CASE WHEN lower(:x) IN :yes THEN true WHEN lower(:x) IN :no THEN false END", x=inner, **lists)
    if target.is_type("int128"):
        node.set("to", exp.DataType.build("DECIMAL(38, 0)"))
    elif from_float is not None and target.this in _TEXTS:
        return _float_text(inner)
    elif from_float is not None and target.is_type("decimal"):
        return _rounded(from_float, target)
    return node


_FLAGS = {"yes": _TRUE, "no": _FALSE}


def _moment(text: exp.Expr, kind: str) -> exp.Expr:
    """A moment in text: an offset may follow the minutes, and 24:00 is the midnight that comes."""
    minutes = exp.Literal.string(r"\A(\d{4}-\d{2}-\d{2}[T ]\d{1,2}:\d{2})(?=[+-])")
    late = exp.Literal.string(r"\A\d{4}-\d{2}-\d{2}[T ]24:00(:00(\.0+)?)?(\z|[+-])")
    text = _spark("regexp_replace(:x, :minutes, '$1:00')", x=text, minutes=minutes)
    midnight = _spark("concat(substr(:x, 1, 11), '00', substr(:x, 14))", x=text)
    return _spark(
        f"coalesce(TRY_CAST(:x AS {kind}), CASE WHEN :x RLIKE :late "
        f"THEN TRY_CAST(:midnight AS {kind}) + INTERVAL '1' DAY END)",
        x=text,
        late=late,
        midnight=midnight,
    )


def _float_text(number: exp.Expr) -> exp.Expr:
    """The shortest digits that tell the number, with an exponent below 0.0001 and from 10**16 on."""
    text = exp.cast(number.copy(), "VARCHAR")
    exponent = _spark("CAST(substring_index(:t, 'E', -1) AS INT)", t=text)
    # What Spark writes with an exponent and DuckDB without: all digits fit behind and before the point.
    plain = _spark("CAST(CAST(:t AS DECIMAL(38, 20)) AS STRING)", t=text)
    digits = _spark("regexp_replace(substring_index(:t, 'E', 1), '[.]0$', '')", t=text)
    return _spark(
        "CASE WHEN isnan(:x) THEN 'nan' WHEN :t LIKE '%Infinity' THEN replace(:t, 'Infinity', 'inf') "
        "WHEN NOT :t LIKE '%E%' THEN :t "
        "WHEN :e BETWEEN -4 AND 15 THEN regexp_replace(regexp_replace(:plain, '0+$', ''), '[.]$', '.0') "
        "ELSE concat(:digits, 'e', CASE WHEN :e < 0 THEN '-' ELSE '+' END, "
        "CASE WHEN abs(:e) < 10 THEN '0' ELSE '' END, CAST(abs(:e) AS STRING)) END",
        x=number,
        t=text,
        e=exponent,
        plain=plain,
        digits=digits,
    )


def _rounded(number: exp.Expr, target: exp.Expr) -> exp.Expr:
    """DuckDB rounds the multiple of the last digit, half away from zero; Spark rounds the digits that would be written."""
    scale = int(target.expressions[1].name) if len(target.expressions) > 1 else 0
    unit = f"0.{'0' * (scale - 1)}1BD" if scale else "1BD"
    return _spark(
        f"CASE WHEN NOT isnan(:x) THEN CAST(CAST(CAST(round(CAST(:x AS DOUBLE) * 1e{scale}D) AS BIGINT) AS DECIMAL(19, 0)) "
        f"* {unit} AS {target.sql(dialect='spark')}) END",
        x=number,
    )


def _is_finite(node: exp.Expr) -> exp.Expr:
    value = node.expressions[0]
    if any(_is_moment(part) for part in value.walk()):  # of which Spark knows no infinite ones
        return _spark("(:x) IS NOT NULL", x=value)
    return _spark("(NOT isnan(:x) AND abs(:x) < CAST('Infinity' AS DOUBLE))", x=value)


def _is_moment(node: exp.Expr) -> bool:
    if isinstance(node, exp.Cast):
        return str(node.to.this.value).startswith("TIMESTAMP")
    return isinstance(node, exp.Anonymous) and node.name.lower() in ("timezone", "to_utc_timestamp", "from_utc_timestamp")


def _whole_part(node: exp.Expr) -> exp.Expr:
    # Of a float Spark's own functions make a whole number of 64 bits.
    return _spark("(:x - :x % 1)", x=node.this)


def _is_timezone(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() == "timezone"


def _timezone(node: exp.Expr) -> exp.Expr:
    """``timezone('UTC', timezone(zone, t))``: when the clocks of a zone show ``t``; the second time if they do twice."""
    zone, moment = node.expressions
    if zone.name != "UTC" or _is_timezone(node.parent):  # a part of what the clocks of a zone show
        return node
    if not _is_timezone(moment):
        return _spark("CAST(:t AS TIMESTAMP_NTZ)", t=moment)
    zone, local = moment.expressions
    first = _spark("CAST(to_utc_timestamp(:t, :zone) AS TIMESTAMP_NTZ)", t=local, zone=zone)
    # Spark takes the first of two. With the offset of a day later the other is found, if clocks then do show it.
    ahead = _spark("CAST(from_utc_timestamp(:u + INTERVAL '1' DAY, :zone) AS TIMESTAMP_NTZ) - (:u + INTERVAL '1' DAY)",
                   u=first, zone=zone)  # fmt: skip
    second = _spark("(:t) - (:ahead)", t=local, ahead=ahead)
    shown = _spark("CAST(from_utc_timestamp(:v, :zone) AS TIMESTAMP_NTZ)", v=second, zone=zone)
    return _spark("CASE WHEN :shown = (:t) THEN :v ELSE :u END", shown=shown, t=local, v=second, u=first)


def _strptime(node: exp.Expr) -> exp.Expr:
    text, pattern = node.expressions
    return sqlglot.parse_one(strptime_sql(text.sql(dialect="spark"), _text_of(pattern)), read="spark")


def _epoch_us(node: exp.Expr) -> exp.Expr:
    if isinstance(node.parent, exp.IntDiv):  # a number of the day, which has a rule of its own
        return node
    return _spark("unix_micros(CAST(:x AS TIMESTAMP_LTZ))", x=node.expressions[0])


def _make_timestamp(node: exp.Expr) -> exp.Expr:
    if node.args.get("scale") is None or node.args["scale"].name != "6":
        return node
    return _spark("CAST(timestamp_micros(:x) AS TIMESTAMP_NTZ)", x=node.this)


def _make_date(node: exp.Expr) -> exp.Expr:
    if node.args.get("month") is not None:
        return node
    return _spark("date_from_unix_date(:x)", x=node.args["year"])


def _hash(node: exp.Expr) -> exp.Expr:
    """Of 64 bits, too; Spark passes nulls over, so that each is told beside its value."""
    told = [part for value in node.expressions for part in (value.copy(), exp.Is(this=value.copy(), expression=exp.null()))]
    return exp.Anonymous(this="xxhash64", expressions=told)


def _smallest(node: exp.Expr) -> exp.Expr:
    """``min(x, n)``: the smallest of each of a few groups of values, the smallest of all among them.

    To collect all values of a group and cut the list would take the memory for all of them.
    """
    least = node.this if isinstance(node, exp.Filter) else node
    if least.args.get("count") is None:
        return node
    if node is least and isinstance(node.parent, exp.Filter):
        return node  # together with its condition
    condition = node.expression.this if isinstance(node, exp.Filter) else exp.true()
    n = min(int(least.args["count"].name), _MOST_EXAMPLES)
    groups = [
        _spark(f"min(:x) FILTER (WHERE (:c) AND pmod(xxhash64(:x), {n}) = {group})", x=least.this, c=condition)
        for group in range(n)
    ]
    return _spark("array_sort(array_compact(:groups))", groups=exp.Array(expressions=groups))


def _only_one(node: exp.Expr) -> exp.Expr:
    """``greatest(x)``, which Spark wants to have something to choose from."""
    return node if node.expressions else node.this.copy()


def _percentile_disc(node: exp.Expr) -> exp.Expr:
    if isinstance(node.parent, exp.WithinGroup):
        return node
    return _spark("percentile_disc(:q) WITHIN GROUP (ORDER BY :x)", q=node.expression, x=node.this)


def _variable(node: exp.Expr) -> exp.Expr:
    """A value that ``SET VARIABLE`` left in a relation of one row, where no plan and no log shows it."""
    name = exp.to_identifier(_text_of(node.expressions[0]), quoted=True)
    return exp.select("value").from_(exp.Table(this=name)).subquery()


def _latest_match(node: exp.Expr) -> exp.Expr:
    """``ASOF LEFT JOIN r ON k = k AND since <= moment``: each row of ``r`` counts until the next one of its key."""
    if node.args.get("method") != "ASOF":
        return node
    conditions = [*node.args["on"].flatten()] if isinstance(node.args["on"], exp.And) else [node.args["on"]]
    keys = [part for part in conditions if isinstance(part, exp.EQ)]
    since, moment = next((part.this, part.expression) for part in conditions if isinstance(part, exp.LTE))
    window = exp.Window(
        this=exp.Lead(this=since.copy()),
        partition_by=[key.expression.copy() for key in keys],
        order=exp.Order(expressions=[exp.Ordered(this=since.copy())]),
    )
    until = exp.column("cvm:until", quoted=True)
    name = node.this.alias_or_name or "latest"
    right = exp.select("*", exp.alias_(window, "cvm:until", quoted=True)).from_(node.this.copy()).subquery(name)
    ends = exp.or_(exp.Is(this=until, expression=exp.null()), exp.LT(this=moment.copy(), expression=until.copy()))
    return exp.Join(this=right, side=node.args.get("side"), on=exp.and_(node.args["on"].copy(), ends))


_Rule = Callable[[exp.Expr], exp.Expr]
_CALLS: dict[str, _Rule] = {
    "isfinite": _is_finite,
    "timezone": _timezone,
    "try_strptime": _strptime,
    "epoch_us": _epoch_us,
    "hash": _hash,
    "getvariable": _variable,
}
_RULES: dict[type[exp.Expr], _Rule] = {
    exp.RegexpFullMatch: _full_match,
    exp.RegexpLike: _regexp_like,
    exp.RegexpReplace: _regexp_replace,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Trunc: _whole_part,
    exp.UnixToTime: _make_timestamp,
    exp.DateFromParts: _make_date,
    exp.Min: _smallest,
    exp.Filter: _smallest,
    exp.PercentileDisc: _percentile_disc,
    exp.Greatest: _only_one,
    exp.Least: _only_one,
    exp.Join: _latest_match,
}
