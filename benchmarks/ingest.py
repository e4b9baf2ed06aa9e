"""How long `cvm ingest` takes and how much memory: first, again, and after a correction of one row in a hundred.

Run: python benchmarks/ingest.py [--rows 10000000] [--folder FOLDER]. Needs about 2 GB of disk; prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

SALES = """
SELECT 'C' || lpad(CAST(hash(order_number) % {customers} AS VARCHAR), 8, '0') AS customer_id,
       TIMESTAMP '2022-01-01' + to_seconds(CAST(hash(order_number + 1) % 94608000 AS BIGINT)) AS occurred_at,
       CAST(hash(n * 13 + {salt}) % 20000 / 100 AS DECIMAL(10, 2)) AS amount,
       'O' || order_number AS order_id,
       n AS line,
       ['grocery', 'home', 'garden', 'toys', 'books', 'fashion', 'beauty'][1 + CAST(hash(n * 3) % 7 AS INTEGER)] AS category
FROM (SELECT range AS n, range // 3 AS order_number FROM range({rows})) WHERE n % {every} = 0
"""


@dataclass(frozen=True)
class Cost:
    """What one run of the command took."""

    wall_s: float
    cpu_s: float
    peak_gib: float
    said: str


def write_sales(path: Path, *, rows: int, every: int = 1, salt: int = 5) -> None:
    """Sales of every ``every``-th line; another salt gives the same lines other amounts."""
    query = SALES.format(rows=rows, every=every, salt=salt, customers=max(rows // 30, 1))
    options = "HEADER" if path.suffix == ".csv" else "FORMAT parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{path}' ({options})")


def write_params(folder: Path, suffix: str) -> None:
    """Params of a shop whose lines are known by order and product line."""
    columns = "{quantity: line}"
    (folder / "params.yaml").write_text(
        f"data:\n  transactions: {{path: 'sales-*{suffix}', columns: {columns}, key: [order_id, quantity]}}\n"
        "business: {timezone: UTC}\n",
        encoding="utf-8",
    )


def measured(folder: Path) -> Cost:
    """One `cvm ingest` in a process of its own."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "cvm", "ingest"], cwd=folder, stdout=subprocess.PIPE, text=True)
    said = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"cvm ingest failed: {said}")
    peak = usage.ru_maxrss / (2**30 if platform.system() == "Darwin" else 2**20)
    return Cost(
        time.perf_counter() - started,
        usage.ru_utime + usage.ru_stime,
        peak,
        next(line for line in said.splitlines() if "rows kept" in line),
    )


def benchmark(folder: Path, suffix: str, *, rows: int) -> dict[str, Cost]:
    """First ingest, the same again, and a second export that corrects one line in a hundred."""
    folder.mkdir(parents=True)
    write_params(folder, suffix)
    write_sales(folder / f"sales-1{suffix}", rows=rows)
    costs = {"first": measured(folder), "again, nothing new": measured(folder)}
    write_sales(folder / f"sales-2{suffix}", rows=rows, every=100, salt=6)
    costs["1 % of the lines corrected"] = measured(folder)
    costs["again, nothing new "] = measured(folder)
    return costs


def main() -> None:
    """Print versions, then one line per run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="where to work; by default a temporary folder")
    arguments = parser.parse_args()
    versions = f"Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    print(f"{arguments.rows:,} rows, {os.cpu_count()} cores, {versions}")
    print(f"load of the machine at the start: {os.getloadavg()[0]:.1f}\n")
    print("| export | MB | run | wall s | CPU s | peak RSS GiB |\n|---|---:|---|---:|---:|---:|")
    with TemporaryDirectory(dir=arguments.folder) as work:
        for suffix in (".csv", ".parquet"):
            folder = Path(work) / suffix.removeprefix(".")
            for run, cost in benchmark(folder, suffix, rows=arguments.rows).items():
                size = (folder / f"sales-1{suffix}").stat().st_size / 1e6
                figures = f"{cost.wall_s:.1f} | {cost.cpu_s:.1f} | {cost.peak_gib:.2f}"
                print(f"| {suffix.removeprefix('.')} | {size:,.0f} | {run.strip()} | {figures} |", flush=True)
                print(f"    {cost.said}", file=sys.stderr)
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
