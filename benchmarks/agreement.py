"""Whether DuckDB and Spark give the same features, labels, KPIs and campaign statistics, on whole bases.

    python benchmarks/agreement.py [--bases cdnow,complete-journey,simulated] [--customers 20000] [--work FOLDER]

Bases are all of CDNOW, all of Complete Journey, and a simulated one with odd ids and names, nulls, returns of nothing and
rows recorded late (``odd_base.py``). Spark runs with two threads on this machine. Writes ``benchmarks/agreement.md``.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

from cvm.datasets import DATASETS
from cvm.datasets.catalogue import prepare
from cvm.engines import DuckDBEngine, Engine, identifier
from cvm.engines.spark import SparkEngine
from cvm.engines.spark_session import spark_session
from cvm.features.snapshots import plan_snapshots
from cvm.features.stage import history_days
from cvm.kpis.settings import Goal
from cvm.params import Params, load_params
from cvm.stages.context import workspace_of
from cvm.stages.data import run_ingest
from odd_base import odd_base
from two_engines import (
    TOLERANCE,
    Answers,
    Question,
    apart,
    campaign_statistics,
    export_tables,
    features_and_labels,
    kpis_and_goals,
)

REPORT = Path(__file__).with_suffix(".md")
_PARTS_OF_THEM = "`tests/engines/test_spark_agreement.py` compares parts of all bases."
_SPARK = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "3g",
    "spark.sql.shuffle.partitions": "4",  # two hundred by default: far too many for two threads
    # Hundreds of statements, each run once over few rows: to compile them would take longer than to run them.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    "spark.sql.codegen.wholeStage": "false",
}


def _named(name: str) -> Callable[[Path, int | None], Params]:
    """A named data set, ingested; of a part of its customers, those with the smallest hashes."""

    def build(folder: Path, n_customers: int | None) -> Params:
        params = load_params(prepare(DATASETS[name], folder).params)
        run_ingest(params)
        with DuckDBEngine(folder / "outputs" / "warehouse.duckdb") as engine:
            if n_customers is not None:
                kept = f"SELECT DISTINCT customer_id FROM transactions ORDER BY md5(customer_id) LIMIT {n_customers}"
                engine.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM ({kept})")
                for table in sorted(engine.tables() - {"kept"}):
                    if "customer_id" in engine.columns(table):
                        engine.execute(f"DELETE FROM {identifier(table)} WHERE customer_id NOT IN (SELECT * FROM kept)")
        return params

    return build


BASES: dict[str, Callable[[Path, int | None], Params]] = {
    "cdnow": _named("cdnow"),
    "complete-journey": _named("complete-journey"),
    "simulated": lambda folder, n_customers: odd_base(folder, n_customers=n_customers or 20_000),
}


def asked_of(params: Params) -> Question:
    """Two training snapshots a month apart, every KPI, three goals, every campaign."""
    workspace, windows = workspace_of(params), params.windows
    with DuckDBEngine(workspace.warehouse, read_only=True) as engine:
        first, last = history_days(engine, timezone=params.business.timezone)
    plan = plan_snapshots(
        first_day=first,
        last_day=last,
        as_of=None if windows.as_of == "latest" else windows.as_of,
        horizon_days=windows.horizon_days,
        lead_days=windows.lead_days,
        snapshots=2,
        step_days=30,
    )
    deadline = plan.score + timedelta(days=365)
    goals = [
        Goal("vip pay more", "margin", "vip", "quarter", None, None, 0.1, True, deadline),
        Goal("fewer leave", "churn_rate", None, "month", 0.2, None, 0.1, False, deadline),
        Goal("larger orders", "average_order_value", None, "month", None, None, 0.1, True, deadline),
    ]
    return Question(params, plan, workspace.score_files(), goals)


_PARTS: dict[str, Callable[[Engine, Question, Path], Answers]] = {
    "features and labels": features_and_labels,
    "KPIs, cohorts, goals": lambda engine, asked, _: kpis_and_goals(engine, asked),
    "campaign statistics": lambda engine, asked, _: campaign_statistics(engine, asked),
}


def compare(name: str, folder: Path, n_customers: int | None) -> list[str]:
    """Rows of the report on one base."""
    params = BASES[name](folder, n_customers)
    asked = asked_of(params)
    warehouse = folder / "outputs" / "warehouse.duckdb"
    tables = export_tables(warehouse, folder / "exported")
    session = spark_session(master="local[2]", settings=_SPARK)
    lines = []
    with (
        DuckDBEngine(warehouse, read_only=True) as duckdb,
        SparkEngine(session, scratch=folder / "scratch", tables=tables) as spark,
    ):
        n = duckdb.row("SELECT count(*) AS lines, count(DISTINCT customer_id) AS customers FROM transactions")
        for part, answer in _PARTS.items():
            (expected, of_duckdb), (found, of_spark) = (
                _timed(answer, engine, asked, folder / what) for what, engine in (("of duckdb", duckdb), ("of spark", spark))
            )
            if not (expected or found):
                continue  # a base without campaigns
            lines.append(_line(f"{name} ({n['customers']:,} customers, {n['lines']:,} lines)", part, found, expected))
            lines[-1] += f" {of_duckdb:.1f} | {of_spark:.1f} |"
            print(lines[-1], flush=True)
    return lines


def _timed(
    answer: Callable[[Engine, Question, Path], Answers], engine: Engine, asked: Question, folder: Path
) -> tuple[Answers, float]:
    started = time.monotonic()
    return answer(engine, asked, folder), time.monotonic() - started


def _line(base: str, part: str, found: Answers, expected: Answers) -> str:
    missing = expected.keys() ^ found.keys()
    gaps = {
        f"{name}: {column}": gap
        for name in expected.keys() & found.keys()
        for column, gap in apart(found[name], expected[name]).items()
    }
    worst = max(gaps, key=lambda place: gaps[place], default="")
    apart_at = [place for place, gap in gaps.items() if not gap <= TOLERANCE] + sorted(missing)
    figures = sum(_n_figures(table) for table in expected.values())
    verdict = f"{gaps.get(worst, 0.0):.1e}" + (
        f" ({len(apart_at)} columns differ: {', '.join(apart_at[:3])})" if apart_at else ""
    )
    return f"| {base} | {part} | {len(gaps):,} | {figures:,} | {verdict} |"


def _n_figures(table: pa.Table) -> int:
    return int(table.num_rows * table.num_columns)


def report(lines: list[str]) -> str:
    """The page."""
    left_out = [name for name in BASES if not any(line.startswith(f"| {name} (") for line in lines)]
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pyspark", "sqlglot"))
    return "\n".join(
        [
            "# DuckDB and Spark, figure by figure",
            "",
            "Made by `python benchmarks/agreement.py`. Each part was computed by the functions that the stages run, on both",
            "engines, from the same rows: files of the features stage read back, KPIs, cohorts and goals, evaluations of",
            f"every campaign. Texts and nulls must be the same, figures within {TOLERANCE:g} of each other; the largest",
            "relative difference is shown. Differences below 1e-13 of the largest figure of a column, which sums that",
            "cancel leave, are set against that figure. Seconds are by the clock; Spark has two threads on this machine.",
            "",
            f"{versions}; {os.cpu_count()} processors, Python {platform.python_version()}.",
            "",
            "| base | part | columns | figures | largest relative difference | DuckDB, s | Spark, s |",
            "|---|---|---:|---:|---|---:|---:|",
            *lines,
            *(["", f"Not run as a whole yet: {', '.join(left_out)}. {_PARTS_OF_THEM}"] if left_out else []),
            "",
        ]
    )


def main() -> None:
    """Compare the bases asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bases", default=",".join(BASES))
    parser.add_argument("--customers", type=int, default=20_000, help="of the simulated base")
    parser.add_argument("--work", type=Path, help="folder for the bases; a temporary one by default")
    arguments = parser.parse_args()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="agreement-"))
    lines = []
    for name in arguments.bases.split(","):
        lines += compare(name, work / name, arguments.customers if name == "simulated" else None)
        REPORT.write_text(report(lines), encoding="utf-8")
    if arguments.work is None:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
