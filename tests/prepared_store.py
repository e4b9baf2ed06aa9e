"""New MLflow stores as copies of one: to make an empty one, MLflow goes through all the migrations of its history.

A plugin of ``conftest.py``. The first store of a test process is made by MLflow itself, and only a file that holds nothing
is written to; whatever is asked of a store afterwards goes to MLflow as ever.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from typing import Any

import pytest


class _Maker:
    """Makes the tables of a store by MLflow once, and copies them from then on."""

    def __init__(self, by_mlflow: Any) -> None:
        self._by_mlflow = by_mlflow
        self._content: bytes | None = None

    def __call__(self, engine: Any) -> None:
        path = engine.url.database
        if engine.dialect.name != "sqlite" or not path or not _is_empty(path):
            self._by_mlflow(engine)
        elif self._content is None:
            self._by_mlflow(engine)
            with closing(sqlite3.connect(path)) as store:
                self._content = store.serialize()
        else:
            with closing(sqlite3.connect(":memory:")) as made, closing(sqlite3.connect(path)) as store:
                made.deserialize(self._content)
                made.backup(store)


def _is_empty(path: str) -> bool:
    try:
        with closing(sqlite3.connect(path, timeout=0)) as store:
            return store.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    except sqlite3.Error:
        return False


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Take MLflow's place as soon as something has imported it; to import it here would cost every test process seconds."""
    databases = sys.modules.get("mlflow.store.db.utils")
    if databases is not None and not isinstance(databases._initialize_tables, _Maker):
        databases._initialize_tables = _Maker(databases._initialize_tables)
        registry = sys.modules.get("mlflow.store.model_registry.sqlalchemy_store")
        if registry is not None:
            registry._initialize_tables = databases._initialize_tables
