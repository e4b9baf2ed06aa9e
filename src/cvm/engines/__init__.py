"""The only place that talks to a query engine."""

from cvm.engines.duckdb import DuckDBEngine
from cvm.engines.engine import Engine
from cvm.engines.error import QueryError
from cvm.engines.sql import identifier, literal

__all__ = ["DuckDBEngine", "Engine", "QueryError", "identifier", "literal"]
