"""Databases in memory that are opened at once: all of a test process are parts of one DuckDB.

To start a DuckDB takes longer than most tests, to attach another database to it a hundredth of that.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import cache
from itertools import count
from types import TracebackType

from cvm.engines import DuckDBEngine

_numbers = count()


@cache
def _duckdb() -> DuckDBEngine:
    engine = DuckDBEngine()
    # Over a few rows, threads that wait for each other take longer than one. Whole stages run on as many as there are.
    engine.execute("SET threads = 1")
    return engine


class Memory(DuckDBEngine):
    """A ``DuckDBEngine()`` with tables, settings and registered frames of its own; it goes when nobody holds it any more."""

    def __init__(self) -> None:
        name = f"memory_{next(_numbers)}"
        self._connection = _duckdb()._connection.cursor()
        self.execute(f"SET TimeZone = 'UTC'; SET enable_progress_bar = false; ATTACH ':memory:' AS {name}; USE {name}")
        self._end = weakref.finalize(self, _detach, self._connection.close, name)
        self._end.atexit = False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()


def _detach(close: Callable[[], None], name: str) -> None:
    close()
    _duckdb().execute(f"DETACH DATABASE IF EXISTS {name}")
