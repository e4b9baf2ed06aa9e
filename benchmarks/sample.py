"""What training on a sample of the customers costs in accuracy, out of time, on a simulated base.

    python benchmarks/sample.py [--customers 50000] [--into benchmarks/sample.md]

As with ``engine: spark``: BTYD is fitted to the grouped histories of everybody, boosters learn from a sample stratified by
how often and how lately customers ordered. Models of every sample foretell the same test snapshot of the whole base. The
engine is DuckDB: only the sampling matters here.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

import cvm
from cvm.datasets.simulate import simulate
from cvm.engines import DuckDBEngine
from cvm.features.churn import ChurnDefinition
from cvm.features.files import read_catalogue, read_features, read_plan
from cvm.features.sample import write_sample
from cvm.features.snapshots import SnapshotPlan
from cvm.models.churn_blend import BlendedChurn
from cvm.models.clv_blend import BlendedValue
from cvm.models.judging import judged_samples, snapshot_reader
from cvm.models.samples import Sample
from cvm.models.training import Recipe, churn_metrics, judge, value_metrics
from cvm.params import Params
from cvm.stages.context import workspace_of
from cvm.stages.data import run_features, run_ingest
from cvm.stages.inputs import train_settings_of

REPORT = Path(__file__).with_suffix(".md")
SHARES = (0.05, 0.1, 0.25, 1.0)


@dataclass(frozen=True)
class Row:
    """One sample: figures of its models on everybody, and on the customers of the sample alone."""

    share: float
    n_customers: int
    whole: dict[str, float]
    own: dict[str, float]
    seconds: float


def measured(source: Path, plan: SnapshotPlan, share: float, test: Sample, params: Params) -> Row:
    """Train on a sample, and judge on the whole ``test``."""
    n = len(read_features(source, plan.score))
    with tempfile.TemporaryDirectory() as scratch, DuckDBEngine() as engine:
        folder = Path(scratch) / "features"
        drawn = write_sample(engine, source, folder, plan, size=round(share * n))
        reader = snapshot_reader(folder, plan, train_settings_of(params), definition=ChurnDefinition())
        training, own = judged_samples(reader, plan)
        columns = tuple(feature.name for feature in read_catalogue(folder))
        recipe = Recipe(columns, params.train.seed, plan.judged_days)
        started = time.process_time()
        judged = judge(training, test, recipe, progress=lambda _: None)
        seconds = time.process_time() - started
    p_churn, revenue = judged.p_churn[BlendedChurn.name], judged.revenue[BlendedValue.name]
    is_own = test.features["customer_id"].isin(own.features["customer_id"]).to_numpy()
    everybody = np.ones(len(is_own), dtype=bool)
    whole, of_sample = (
        churn_metrics(test.churned[who], p_churn[who]) | value_metrics(test.revenue[who], revenue[who])
        for who in (everybody, is_own)
    )
    return Row(share, drawn.n_sampled, whole, of_sample, seconds)


def report(rows: list[Row], *, n_customers: int, test: date) -> str:
    """The table, as Markdown."""
    lines = [
        "# What a sample costs in accuracy",
        "",
        f"A simulated base of {n_customers:,} customers (`cvm simulate`, seed 7); two training snapshots, all judged at",
        f"{test} on everybody, whatever the models learned from. In brackets: the same figure of the customers of the",
        "sample alone, which is what `cvm train` prints with `engine: spark`. BTYD knows everybody throughout. Written by",
        "`benchmarks/sample.py`.",
        "",
        "| sample | customers | churn AUC | calibration error | CLV normalised Gini | CLV decile error | training, CPU s |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        figures = [
            f"{row.whole[name]:.4f} ({row.own[name]:.4f})" for name in ("auc", "calibration_error", "ngini", "decmape")
        ]
        lines.append(f"| {row.share:.0%} | {row.n_customers:,} | {' | '.join(figures)} | {row.seconds:.0f} |")
    return "\n".join([*lines, "", f"cvm {cvm.__version__}, Python {platform.python_version()}.", ""])


def main() -> None:
    """Simulate, train on samples of every size, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--into", type=Path, default=REPORT)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        done = simulate(Path(scratch), n_customers=given.customers, seed=7, as_of=date(2026, 1, 1), years=3.0)
        params = cvm.load_params(done.params, overrides=["train.snapshots=2", "btyd.family=bg_nbd", "segments.clusters=off"])
        run_ingest(params)
        run_features(params)
        source = workspace_of(params).features
        plan = read_plan(source)
        whole = snapshot_reader(source, plan, train_settings_of(params), definition=ChurnDefinition())
        _, test = judged_samples(whole, plan)
        rows = []
        for share in SHARES:
            rows.append(measured(source, plan, share, test, params))
            print(f"{share:.0%}: {rows[-1].whole['auc']:.4f} AUC, {rows[-1].whole['ngini']:.4f} nGini", flush=True)
            given.into.write_text(report(rows, n_customers=given.customers, test=test.as_of), encoding="utf-8")


if __name__ == "__main__":
    main()
