"""The SQL of DuckDB as the engines want it that are not DuckDB.

All queries of the product are written once, in DuckDB's dialect. sqlglot knows most of what differs; rules are about what
it does not know, or what would give other numbers.
"""

from __future__ import annotations

from sqlglot import exp

from cvm.engines.dialect_spark import SPARK_RULES
from cvm.engines.rules import Rule, applied

_RULES: dict[str, tuple[Rule, ...]] = {"spark": SPARK_RULES}


def adapted(tree: exp.Expr, dialect: str) -> exp.Expr:
    """A parsed statement of DuckDB that gives the same result once sqlglot has written it in ``dialect``."""
    return applied(tree.copy(), _RULES.get(dialect, ()))
