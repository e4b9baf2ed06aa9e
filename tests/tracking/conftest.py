"""A shop with every table, trained through a real MLflow server, and the scoring servers of its models."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import shop
from cvm.engines import DuckDBEngine
from cvm.features.files import read_plan
from cvm.params import Params
from cvm.scoring.files import read_scores
from cvm.stages.context import workspace_of
from cvm.stages.data import run_features, run_ingest
from cvm.stages.score import run_score
from cvm.stages.train import run_train
from cvm.stages.warehouse import open_duckdb
from cvm.workspace import Workspace
from ports import free_port
from serving_client import running
from untracked import without_figures


@dataclass(frozen=True)
class ServedShop:
    """A trained and scored shop, and the MLflow server that holds its models."""

    params: Params
    workspace: Workspace
    as_of: date
    uri: str

    def warehouse(self) -> DuckDBEngine:
        """Opened to be read."""
        return open_duckdb(self.params, step="the test")

    def batch(self, customer_ids: list[str]) -> list[dict[str, Any]]:
        """Scores of the batch job, in this order."""
        rows = {row["customer_id"]: row for row in read_scores(self.workspace.scores_of(self.as_of)).to_pylist()}
        return [rows[who] for who in customer_ids]


@pytest.fixture(scope="session")
def served_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedShop]:
    """Buyers with returns, orders of several lines, visits, a city and subscriptions; days are those of Kyiv."""
    folder = tmp_path_factory.mktemp("served_shop")
    write_tables(folder)
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder / "art")]
    with running(command, port=port, log=folder / "mlflow.log", ping="/health"):
        uri = f"http://127.0.0.1:{port}"
        params = shop.params_for(
            folder,
            data={name: {"path": f"{name}.csv", "timezone": "UTC"} for name in ("transactions", "events", "customers")}
            | {"subscriptions": {"path": "subscriptions.csv", "timezone": "UTC"}},
            business={"timezone": "Europe/Kyiv", "currency": "UAH", "margin_rate": 0.4, "unit_costs": {"per_return": 2.5}},
            windows={"horizon_days": 90, "clv_days": 180},
            train={"snapshots": 2, "step_days": 30, "seed": 7},
            tracking={"uri": uri},
        )
        with without_figures():
            for stage in (run_ingest, run_features, run_train, run_score):
                stage(params)
        workspace = workspace_of(params)
        yield ServedShop(params, workspace, read_plan(workspace.features).score, uri)


def write_tables(folder: Path) -> None:
    """CSV files of the shop."""
    rng = np.random.default_rng(11)
    purchases = shop.purchases(n_customers=300, seed=11)
    minutes = pd.to_timedelta(rng.integers(0, 24 * 60, len(purchases)), unit="min")
    purchases["occurred_at"] = pd.to_datetime(purchases["occurred_at"]) + minutes
    purchases["order_id"] = [f"o{number // 2}" if number % 3 else None for number in range(len(purchases))]
    purchases["channel"] = rng.choice(["web", "app", "store"], len(purchases))
    purchases["product_id"] = rng.choice([f"p{number}" for number in range(20)], len(purchases))
    purchases["quantity"] = rng.integers(1, 5, len(purchases))
    returns = purchases.sample(40, random_state=3).assign(order_id=None)
    returns["occurred_at"] += timedelta(days=3)
    returns["amount"] *= -0.5
    last = purchases["occurred_at"].max()
    everything = pd.concat([purchases, returns[returns["occurred_at"] <= last]])
    everything["amount"] = everything["amount"].round(2)
    everything.to_csv(folder / "transactions.csv", index=False)
    who = sorted(set(purchases["customer_id"]))
    events = purchases.sample(600, random_state=4, replace=True)[["customer_id", "occurred_at"]]
    events["event_type"] = rng.choice(["visit", "email_sent", "email_open", "nps"], len(events))
    events["value"] = np.where(events["event_type"] == "nps", rng.integers(0, 11, len(events)), np.nan)
    events.to_csv(folder / "events.csv", index=False)
    customers = pd.DataFrame({"customer_id": [*who, *(f"p{number:02d}" for number in range(20))]})
    customers["signed_up_at"] = str(shop.FIRST_DAY)
    customers["city"] = rng.choice(["Kyiv", "Lviv", "Odesa"], len(customers))
    customers["age"] = rng.integers(18, 80, len(customers))
    customers["email"] = customers["customer_id"] + "@example.org"
    customers.to_csv(folder / "customers.csv", index=False)
    held = pd.DataFrame({"customer_id": who[:100], "started_at": str(shop.FIRST_DAY + timedelta(days=10))})
    held["ended_at"] = [str(shop.FIRST_DAY + timedelta(days=100)) if number % 3 else None for number in range(100)]
    held["price_per_month"] = 9.5
    held.to_csv(folder / "subscriptions.csv", index=False)


@pytest.fixture(scope="session")
def features_port(served_shop: ServedShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """``mlflow models serve`` on the champion, as anybody would start it."""
    port, log = free_port(), tmp_path_factory.mktemp("features_server") / "log"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/cvm@champion", "--env-manager", "local"]
    with running(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        port=port,
        log=log,
        ping="/ping",
        MLFLOW_TRACKING_URI=served_shop.uri,
    ):
        yield port


@pytest.fixture(scope="session")
def cvm_port(served_shop: ServedShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """``cvm serve``."""
    with cvm_serve(served_shop, tmp_path_factory.mktemp("cvm_server") / "log") as port:
        yield port


@pytest.fixture(scope="session")
def history_port(served_shop: ServedShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """``cvm serve --history --alias champion``."""
    log = tmp_path_factory.mktemp("history_server") / "log"
    with cvm_serve(served_shop, log, "--history", "--alias", "champion") as port:
        yield port


@contextmanager
def cvm_serve(served_shop: ServedShop, log: Path, *options: str) -> Iterator[int]:
    """The command as a process; gives its port."""
    port = free_port()
    params = served_shop.params.root / "params.yaml"
    command = [sys.executable, "-m", "cvm", "serve", "--params", str(params), "--port", str(port), *options]
    with running(command, port=port, log=log, ping="/ping", OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", "1")):
        yield port
