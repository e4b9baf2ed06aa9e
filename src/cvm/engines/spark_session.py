"""A session of Spark, for those who do not bring their own."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cvm.errors import CvmError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession as SparkSession  # the type of others' arguments, too

_QUIET = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}


# A session that Python brought along, while ``given_session`` lasts. A process has one Spark.
_given: list[SparkSession] = []


class SparkMissingError(CvmError):
    """There is no PySpark, or no Java to run it."""


def spark_session(*, master: str | None = None, settings: Mapping[str, str] | None = None) -> SparkSession:
    """The session that was given, or that of this process; one is started where there is none.

    Parameters
    ----------
    master : str, optional
        ``local[2]``, ``spark://host:7077``; by default what Spark itself is configured with.
    settings : mapping of str to str, optional
        Options of Spark for a session that is started here.

    Raises
    ------
    SparkMissingError
        If PySpark is not installed, or Java does not start.
    """
    if _given:
        return _given[-1]
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError:
        raise SparkMissingError(
            "engine: spark needs PySpark, which is not installed. Run `pip install 'cvm[spark]'`, or set engine: duckdb."
        ) from None
    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    builder = SparkSession.builder.appName("cvm")
    if master is not None:
        builder = builder.master(master)
        if master.startswith("local"):  # its Python processes are of this machine, so of this environment
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    for key, value in {**_QUIET, **(settings or {})}.items():
        builder = builder.config(key, value)
    try:
        return builder.getOrCreate()
    except (PySparkException, OSError) as error:
        first = str(error).strip().partition("\n")[0]
        raise SparkMissingError(
            f"Spark does not start: {first}. It needs Java 17 or newer (JAVA_HOME or java on the PATH), and the master "
            f"{master or 'of its own configuration'} must be reachable."
        ) from None


@contextmanager
def given_session(session: SparkSession | None) -> Iterator[None]:
    """Have ``spark_session`` give this one in the block; nothing changes without one."""
    _given.extend([session] if session is not None else [])
    try:
        yield
    finally:
        if session is not None:
            _given.pop()


def tables_of_schema(session: SparkSession, schema: str, wanted: Collection[str]) -> dict[str, str]:
    """Which of the wanted tables a schema of the catalog has: by name, the full name of each."""
    return {name: f"{schema}.{name}" for name in wanted if session.catalog.tableExists(f"{schema}.{name}")}
