"""The loop closed once: simulate, run, plan, approve, let the campaign happen, ingest, evaluate, plan again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

import shop

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("untracked")]

CAMPAIGNS = {
    "outcome_days": 30,
    "treatments": {"letter": {"channel": "post", "cost": 1.1}, "mail": {"channel": "email", "cost": 0.05}},
    "consent": {"columns": {"post": "consent_post"}},
    "contact_policy": {"window_days": 60, "max_per_channel": {"post": 1}, "quiet_weekdays": ["monday"]},
    "global_holdout": {"share": 0.05, "starts_on": "2024-01-01"},
    # By value at risk: what the past campaigns of the base teach would leave most of these letters out.
    "learn_from": [],
    "plans": {
        "winter": {"treatments": ["letter"], "budget": 1500.0, "control_share": 0.3},
        "again": {"treatments": ["letter"], "starts_on": "2024-01-10"},
    },
}
EFFECT = 12.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated base whose winter campaign was planned and approved; then two months passed."""
    folder = tmp_path_factory.mktemp("base")
    assert shop.cvm(folder, "simulate", ".", "--customers", "4000", "--as-of", "2024-01-01", "--years", "2").code == 0
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["data"]["transactions"]["path"] = "tables/transactions*.parquet"
    params["campaigns"] = CAMPAIGNS
    params["train"] = {"snapshots": 1}
    params["windows"] |= {"horizon_days": 90, "clv_days": 90}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    done = shop.cvm(folder, "run", "--quiet")
    assert (done.code, done.err) == (0, "")
    assert shop.cvm(folder, "plan", "winter").code == 0
    assert shop.cvm(folder, "plan", "winter", "--approve").code == 0
    let_time_pass(folder)
    assert shop.cvm(folder, "ingest", "--quiet").code == 0
    return folder


def let_time_pass(folder: Path) -> None:
    """Two months of what would have happened anyway, and an order worth ``EFFECT`` from every tenth letter's reader."""
    later = pd.read_parquet(folder / "truth" / "future_transactions.parquet")
    later = later[later["occurred_at"] < "2024-03-01"].drop(columns="placed_at")
    ledger = pd.read_parquet(folder / "outputs" / "ledger" / "winter.parquet")
    moved = ledger[ledger["arm"] == "letter"].sample(frac=0.5, random_state=1)
    extra = pd.DataFrame(
        {
            "customer_id": moved["customer_id"],
            "occurred_at": moved["assigned_at"].dt.tz_localize(None) + pd.Timedelta(days=5),
            "amount": np.round(2 * EFFECT / 0.38, 2),
            "margin": 2 * EFFECT,
            "order_id": [f"moved-{number}" for number in range(len(moved))],
        }
    )
    pd.concat([later, extra]).to_parquet(folder / "tables" / "transactions-later.parquet")


def test_the_effect_of_a_planned_campaign_is_found_from_its_ledger(folder: Path) -> None:
    done = shop.cvm(folder, "evaluate", "winter", "--set", "windows.as_of=latest", "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    ledger = pq.read_table(folder / "outputs" / "ledger" / "winter.parquet").to_pandas()
    sizes = ledger[ledger["campaign_id"] == "winter"]["arm"].value_counts().to_dict()
    assert {arm["arm"]: arm["n"] for arm in found["arms"]} == sizes
    assert all(gate["severity"] != "serious" for gate in found["gates"]), found["gates"]
    (margin,) = [each for each in found["effects"] if each["metric"] == "margin"]
    best = margin["adjusted"] or margin["plain"]
    assert best["lower"] < EFFECT < best["upper"]
    assert [verdict["word"] for verdict in found["verdicts"]] == ["works"]


def test_the_contacts_of_one_plan_count_in_the_next(folder: Path) -> None:
    done = shop.cvm(folder, "plan", "again", "--set", "windows.as_of=2024-01-01", "--json")
    assert (done.code, done.err) == (0, "")
    ledger = pq.read_table(folder / "outputs" / "ledger" / "winter.parquet").to_pandas()
    fates = pq.read_table(folder / "outputs" / "audiences" / "again" / "plan.parquet").to_pandas().set_index("customer_id")
    treated = ledger.loc[ledger["arm"] == "letter", "customer_id"]
    assert (fates.loc[treated, "arm"].isna()).all()
    control = ledger.loc[ledger["arm"] == "control", "customer_id"]
    assert fates.loc[control, "arm"].notna().any()
