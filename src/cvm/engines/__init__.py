"""The only place that talks to a query engine."""

from cvm.engines.duckdb import DuckDBEngine, QueryError
from cvm.engines.sql import identifier, literal

__all__ = ["DuckDBEngine", "QueryError", "identifier", "literal"]
