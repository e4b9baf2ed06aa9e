"""How fast `cvm serve` answers: eight clients for twenty seconds, one and a hundred customers a request, both models.

Run: python benchmarks/serving.py --params PARAMS [--seconds 20] [--clients 8] [--workers 1]
on a base that `cvm run` has been through. Prints a Markdown table; starts the servers itself, on loopback.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from cvm.engines import DuckDBEngine
from cvm.engines.sql import literals
from cvm.features.files import read_features, read_plan
from cvm.params import load_params
from cvm.scoring.raw_history import TABLE_OF
from cvm.stages.context import workspace_of
from cvm.stages.warehouse import open_duckdb

N_ROWS = (1, 100)


@dataclass(frozen=True)
class Answers:
    """Seconds of every good answer, and how many were none."""

    seconds: list[float]
    n_errors: int
    wall_s: float

    def row(self, model: str, n_rows: int) -> str:
        """Line of the table."""
        p50, p95 = (np.quantile(self.seconds, share) * 1000 for share in (0.5, 0.95))
        rate = len(self.seconds) / self.wall_s
        return f"| {model} | {n_rows} | {p50:.0f} | {p95:.0f} | {rate:.1f} | {rate * n_rows:,.0f} | {self.n_errors} |"


def feature_requests(params_file: Path, n: int) -> list[dict[str, Any]]:
    """The first rows of the features on file."""
    params = load_params(params_file)
    workspace = workspace_of(params)
    features = read_features(workspace.features, read_plan(workspace.features).score)
    return json.loads(features.head(n).to_json(orient="records", double_precision=15))


def history_requests(params_file: Path, n: int) -> list[dict[str, Any]]:
    """All that the warehouse holds of the same customers."""
    workspace = workspace_of(load_params(params_file))
    as_of = read_plan(workspace.features).score
    who = read_features(workspace.features, as_of)["customer_id"].head(n).tolist()
    with open_duckdb(load_params(params_file), step="the benchmark") as engine:
        return histories(engine, who, as_of=as_of)


def histories(engine: DuckDBEngine, customer_ids: list[str], *, as_of: date) -> list[dict[str, Any]]:
    """Requests with all that a warehouse holds of some customers, as plain JSON values."""
    requests: dict[str, dict[str, Any]] = {
        who: {"customer_id": who, "as_of": as_of.isoformat(), "transactions": []} for who in customer_ids
    }
    for column, table in TABLE_OF.items():
        if table not in engine.tables():
            continue
        rows = engine.table(f"SELECT * FROM {table} WHERE customer_id IN ({literals(customer_ids)})").to_pylist()
        for row in rows:
            request = requests[row.pop("customer_id")]
            plain = {name: _plain(value) for name, value in row.items() if value is not None}
            if column == "customer":
                request[column] = plain
            else:
                request.setdefault(column, []).append(plain)
    return list(requests.values())


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value


@contextmanager
def serving(params_file: Path, *options: str) -> Iterator[int]:
    """``cvm serve`` in a process of its own; gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "cvm", "serve", "--quiet", "--params", str(params_file), "--port", str(port), *options]
    process = subprocess.Popen(command)  # noqa: S603 - our own command
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit("cvm serve ended")
            try:
                if _ask(port, b"", path="/ping", method="GET") == 200:
                    break
            except OSError:
                time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def _ask(port: int, body: bytes, *, path: str = "/invocations", method: str = "POST") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def load(port: int, rows: list[dict[str, Any]], *, seconds: float, clients: int) -> Answers:
    """What the server gives so many clients, each of whom asks again as soon as it is answered."""
    body = json.dumps({"dataframe_records": rows}).encode()
    _ask(port, body)
    start = time.perf_counter()

    def client(_: int) -> list[float | None]:
        found: list[float | None] = []
        while time.perf_counter() - start < seconds:
            asked = time.perf_counter()
            status = _ask(port, body)
            found.append(time.perf_counter() - asked if status == 200 else None)
        return found

    with ThreadPoolExecutor(clients) as pool:
        found = [each for of_client in pool.map(client, range(clients)) for each in of_client]
    good = [each for each in found if each is not None]
    return Answers(good, len(found) - len(good), time.perf_counter() - start)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the start")
    print("\n| model | customers a request | p50 ms | p95 ms | requests/s | customers/s | errors |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    models = {"cvm": (feature_requests, ()), "cvm-history": (history_requests, ("--history",))}
    for model, (requests, options) in models.items():
        with serving(asked.params, "--workers", str(asked.workers), *options) as port:
            for clients in (1, asked.clients):
                for n_rows in N_ROWS:
                    rows = requests(asked.params, n_rows)
                    answers = load(port, rows, seconds=asked.seconds if clients > 1 else 5, clients=clients)
                    print(
                        answers.row(f"{model}, {clients} clients" if clients > 1 else f"{model}, 1 client", n_rows),
                        flush=True,
                    )


if __name__ == "__main__":
    main()
