"""One Spark on this machine for the tests of a session."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cvm.engines.spark_session import spark_session

# Of every test that starts Spark.
MARKS = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")]
SETTINGS = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    # Hundreds of statements, each run once over few rows: to compile them would take longer than to run them.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
}


def worker_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of Spark are processes of their own, which must find Python and the package."""
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1] / "src"), *sys.path]))
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")


def missing() -> str | None:
    """What Spark lacks here, if anything."""
    try:
        import pyspark
    except ImportError:
        return "PySpark is not installed: make test-slow installs it"
    del pyspark
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        return "there is no Java: apt-get install openjdk-17-jre-headless"
    return None


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A session of two threads."""
    reason = missing()
    if reason:
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with pytest.MonkeyPatch.context() as monkeypatch:
        worker_environment(monkeypatch)
        session = spark_session(master="local[2]", settings=SETTINGS)
        yield session
        session.stop()
