"""The product on a cluster: tables, features and scores by its executors, one of which is lost while it scores."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

import shop
from cvm.engines import DuckDBEngine
from cvm.features.files import features_file, read_features, read_plan
from cvm.models.stage import train
from cvm.params import load_params
from cvm.scoring.batch import score_batch
from cvm.scoring.files import read_scores
from cvm.scoring.score import predict_money
from cvm.stages.context import workspace_of
from cvm.stages.data import run_features, run_ingest
from cvm.stages.inputs import train_settings_of
from same_rows import assert_same_rows
from simulated import silent
from spark_cluster import Cluster, spark_cluster
from spark_server import missing, worker_environment

pytestmark = pytest.mark.spark

_WITHIN_S = 900
SETTINGS = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.executor.memory": "512m",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.adaptive.coalescePartitions.enabled": "false",  # files enough for every executor
    "spark.sql.files.maxPartitionBytes": "1m",  # a task for each file
    # Each statement is run once over few rows: to compile it well would take longer than to run it.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1",
}


def on_one_machine(folder: Path):
    """A shop that is ingested, trained and scored with DuckDB: its params, and its scores."""
    shop.purchases(n_customers=200, days=170).to_csv(folder / "transactions.csv", index=False)
    params = shop.params_for(
        folder,
        windows={"horizon_days": 90, "clv_days": 180},
        scoring={"reasons_share": 0.3},
        btyd={"family": "bg_nbd"},
    )
    run_ingest(params, now=shop.now())
    run_features(params)
    workspace = workspace_of(params)
    plan = read_plan(workspace.features)
    bundle = train(
        workspace.features,
        plan,
        train_settings_of(params),
        fingerprint="of a test",
        predictions_of=lambda bundle, features: predict_money(bundle, features, as_of=plan.score),
        progress=silent,
    ).bundle
    workspace.champion.mkdir(parents=True)
    bundle.write(workspace.champion)
    score_batch(bundle, workspace, as_of=plan.score, reasons_share=0.3)
    return params, plan.score, read_scores(workspace.scores_of(plan.score))


def for_a_cluster(folder: Path, source: Path, url: str) -> None:
    """The same files and the same model in a workspace of its own, for ``engine: spark``."""
    values = yaml.safe_load((source / "params.yaml").read_text())
    values |= {"engine": "spark", "spark": {"master": url, "settings": SETTINGS}}
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    shutil.copytree(source / "models", folder / "models")
    shutil.copy(source / "transactions.csv", folder)


def command(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A command of the product, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "cvm", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def done(process: subprocess.Popen[str]) -> str:
    """What a command said, if it went well."""
    try:
        said, _ = process.communicate(timeout=_WITHIN_S)
    finally:
        process.kill()
    assert process.returncode == 0, said[-4000:]
    return said


def wait_until_scoring(process: subprocess.Popen[str], outputs: Path, cluster: Cluster, worker: str) -> None:
    """Until scores are being written, and an executor of this worker has a part of them in hand."""
    until = time.monotonic() + _WITHIN_S
    while not (list(outputs.glob(".spark.*/spark-*/scored-*/_temporary")) and cluster.is_working(worker)):
        assert process.poll() is None, process.communicate()[0][-4000:]
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture(scope="module")
def one_machine(tmp_path_factory):
    """Folder, params, date and scores of the shop with DuckDB."""
    folder = tmp_path_factory.mktemp("one_machine")
    return folder, *on_one_machine(folder)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    reason = missing()
    if reason:
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with pytest.MonkeyPatch.context() as monkeypatch:
        worker_environment(monkeypatch)
        with spark_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
            yield cluster


@pytest.fixture(scope="module")
def on_cluster(tmp_path_factory, one_machine, cluster):
    """Folder of the same shop, of which executors made clean tables and features; and what the commands said."""
    folder = tmp_path_factory.mktemp("on_cluster")
    for_a_cluster(folder, one_machine[0], cluster.url)
    return folder, [done(command(folder, name)) for name in ("ingest", "features")]


def test_tables_and_features_are_those_of_one_machine(one_machine, on_cluster):
    _, params, as_of, scores = one_machine
    folder, (of_ingest, of_features) = on_cluster
    workspace = workspace_of(load_params(folder / "params.yaml"))
    with DuckDBEngine(workspace_of(params).warehouse, read_only=True) as engine:
        rows = engine.table("SELECT * FROM transactions")
    assert f"transactions {rows.num_rows:,} rows kept" in of_ingest
    assert_same_rows(pq.read_table(workspace.lake / "transactions"), rows, key=["customer_id", "occurred_at", "amount"])
    assert f"features of {scores.num_rows:,} customers at {as_of}" in of_features
    found = pq.read_table(features_file(workspace.all_features, as_of), partitioning=None)
    expected = pq.read_table(features_file(workspace_of(params).features, as_of), partitioning=None)
    assert_same_rows(found, expected, key=["customer_id"])
    assert len(read_features(workspace.features, as_of)) == len(found)  # of so few everybody is in the sample


def test_every_customer_is_scored_once_though_a_worker_is_killed(one_machine, on_cluster, cluster):
    _, _, as_of, expected = one_machine
    folder, _ = on_cluster
    workspace = workspace_of(load_params(folder / "params.yaml"))
    assert len(list(features_file(workspace.all_features, as_of).glob("*.parquet"))) > 1  # work for both workers

    scoring = command(folder, "score")
    wait_until_scoring(scoring, workspace.outputs, cluster, "worker1")
    cluster.kill("worker1")
    assert scoring.poll() is None
    said = done(scoring)
    assert "Lost executor" in said
    assert f"{expected.num_rows:,} customers at {as_of}" in said
    scores = read_scores(workspace.scores_of(as_of))
    assert len(set(scores["customer_id"].to_pylist())) == scores.num_rows == expected.num_rows
    assert_same_rows(scores, expected)
    assert not list(workspace.outputs.glob(".spark.*"))
