"""A small shop, trained once per session by the real stages, without tracking."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shop
from cvm.features.files import read_features, read_plan
from cvm.models.bundle import Bundle
from cvm.models.stage import train
from cvm.params import Params
from cvm.scoring.score import predict_money
from cvm.stages.context import workspace_of
from cvm.stages.data import run_features, run_ingest
from cvm.workspace import Workspace
from simulated import TRAIN_SETTINGS, silent

WINDOWS = {"horizon_days": 90, "clv_days": 180}


@dataclass(frozen=True)
class Trained:
    """A workspace with features, and the bundle trained on them."""

    workspace: Workspace
    bundle: Bundle
    as_of: date
    features: pd.DataFrame
    params: Params


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """300 buyers with a channel and a city, 60 who only signed up; a third of these order in the end."""
    folder = tmp_path_factory.mktemp("scored_shop")
    rng = np.random.default_rng(6)
    purchases = shop.purchases(n_customers=300, seed=6)
    late = pd.DataFrame(
        {
            "customer_id": [f"p{number:03d}" for number in range(40, 60)],
            "occurred_at": [shop.FIRST_DAY + timedelta(days=int(day)) for day in rng.integers(430, 499, 20)],
            "amount": rng.gamma(5, 5, 20).round(2) + 1,
        }
    )
    purchases = pd.concat([purchases, late])
    purchases["channel"] = rng.choice(["web", "app", "store"], len(purchases))
    purchases.to_csv(folder / "transactions.csv", index=False)
    customers = pd.DataFrame({"customer_id": [*sorted(set(purchases["customer_id"])), *(f"p{n:03d}" for n in range(40))]})
    customers["signed_up_at"] = str(shop.FIRST_DAY)
    customers["city"] = rng.choice(["Kyiv", "Lviv", "Odesa"], len(customers))
    customers.to_csv(folder / "customers.csv", index=False)
    params = shop.params_for(
        folder,
        data={"transactions": {"path": "transactions.csv"}, "customers": {"path": "customers.csv"}},
        business={"currency": "UAH"},
        windows=WINDOWS,
        train={"snapshots": 2, "step_days": 30, "seed": 7},
    )
    run_ingest(params, now=shop.now())
    run_features(params)
    workspace = workspace_of(params)
    plan = read_plan(workspace.features)
    settings = replace(TRAIN_SETTINGS, clv_days=WINDOWS["clv_days"], currency="UAH")
    result = train(
        workspace.features,
        plan,
        settings,
        fingerprint="of a test",
        predictions_of=lambda bundle, features: predict_money(bundle, features, as_of=plan.score),
        progress=silent,
    )
    return Trained(workspace, result.bundle, plan.score, read_features(workspace.features, plan.score), params)


@pytest.fixture
def workspace(trained: Trained, tmp_path: Path) -> Workspace:
    """A copy of the trained workspace that a test may write to."""
    copy = Workspace(outputs=tmp_path / "outputs", champion=tmp_path / "champion")
    shutil.copytree(trained.workspace.features, copy.features)
    return copy
