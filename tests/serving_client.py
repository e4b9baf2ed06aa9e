"""A client of scoring servers, and the servers themselves as processes."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any


@contextmanager
def running(command: list[str], *, port: int, log: Path, ping: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server as a process of its own, once it answers ``ping``; it is told to stop at the end of the block."""
    variables = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # MLflow starts uvicorn from PATH.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **environment,
    }
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=variables, stdout=out, stderr=out, start_new_session=True)
        try:
            _wait(port, ping, process, log)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 15)
                try:
                    process.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, 9)
                    process.wait(timeout=5)


def _wait(port: int, ping: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            if ask(port, b"", path=ping, method="GET")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.3)
    raise AssertionError(f"the server did not come up: {log.read_text()}")


def ask(
    port: int,
    body: bytes | list[dict[str, Any]] | dict[str, Any],
    *,
    path: str = "/invocations",
    method: str = "POST",
    content_type: str = "application/json",
) -> tuple[int, bytes]:
    """Status and body of an answer; a list is sent as ``dataframe_records``."""
    if isinstance(body, list):
        body = {"dataframe_records": body}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, content, {"Content-Type": content_type})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def predictions(answer: tuple[int, bytes]) -> list[dict[str, Any]]:
    """Rows of a good answer, which must be JSON in the strict sense."""
    status, body = answer
    assert status == 200, body[:500]
    found: list[dict[str, Any]] = json.loads(body, parse_constant=_no_constant)["predictions"]
    return found


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def assert_same_scores(served: list[dict[str, Any]], batch: list[dict[str, Any]]) -> None:
    """Every column of the served rows is that of the batch job, numbers to 1e-9."""
    assert [row["customer_id"] for row in served] == [row["customer_id"] for row in batch]
    for one, other in zip(served, batch, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            expected = other[name].isoformat() if isinstance(other[name], date) else other[name]
            if isinstance(value, float):
                assert abs(value - expected) <= 1e-9 * max(1.0, abs(expected)), (name, one["customer_id"])
            else:
                assert value == expected, (name, one["customer_id"])
