"""The registered model behind MLflow's own scoring server, asked over HTTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cvm.features.files import features_file, read_plan
from cvm.params import load_params
from cvm.pipeline import run
from cvm.scoring.batch import read_scores
from cvm.stages.context import workspace_of

pytestmark = pytest.mark.slow


@pytest.fixture
def server(shop_folder: Path) -> Iterator[tuple[str, Path]]:
    run(load_params(shop_folder / "params.yaml"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Serving starts uvicorn from PATH.
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{shop_folder / 'mlruns' / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/cvm@champion"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    log = (shop_folder / "server.log").open("w")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(address, process, shop_folder / "server.log")
        yield address, shop_folder
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=20)
        log.close()


def wait_until_up(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(120):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/ping", timeout=1):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(f"the server did not come up: {log.read_text()}")


def ask(address: str, rows: list[dict[str, Any]]) -> tuple[int, Any]:
    body = json.dumps({"dataframe_records": rows}, allow_nan=False).encode()
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            return answer.status, json.loads(answer.read(), parse_constant=_no_constant)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def test_a_posted_row_gets_the_batch_score_and_a_bad_one_a_reason(server: tuple[str, Path]) -> None:
    address, folder = server
    workspace = workspace_of(load_params(folder / "params.yaml"))
    as_of = read_plan(workspace.features).score
    features = pd.read_parquet(features_file(workspace.features, as_of), partitioning=None).head(3)
    rows = json.loads(features.to_json(orient="records", double_precision=15))
    batch = read_scores(workspace.scores_of(as_of)).slice(0, 3).to_pylist()

    status, answer = ask(address, rows)

    assert status == 200
    for served, expected in zip(answer["predictions"], batch, strict=True):
        assert served["customer_id"] == expected["customer_id"]
        assert served["segment"] == expected["segment"]
        assert served["next_best_action"] is None
        assert [reason["sentence"] for reason in served["reasons"]] == [reason["sentence"] for reason in expected["reasons"]]
        for name in ("p_churn", "p_alive", "clv", "clv_lower", "clv_upper", "expected_orders"):
            assert served[name] == pytest.approx(expected[name], rel=1e-9)

    without_required = [{key: value for key, value in rows[0].items() if key != "n_orders"}]
    status, answer = ask(address, without_required)
    assert status == 400
    assert "n_orders" in json.dumps(answer)

    without_optional = [{key: value for key, value in rows[0].items() if key != "share_weekend_orders"}]
    assert ask(address, without_optional)[0] == 200
