"""A shop whose campaigns bring back whoever they treat: what is judged with, without, and by their holdout alone."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shop
from cvm.models.bundle import Bundle, read_bundle
from cvm.params import Params
from cvm.stages.context import workspace_of
from cvm.stages.data import run_features, run_ingest
from cvm.stages.promote import run_promote
from cvm.stages.train import run_train

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("untracked")]

DAYS, HORIZON = 500, 120
LAST_DAY = shop.FIRST_DAY + timedelta(days=DAYS - 1)
TEST = LAST_DAY + timedelta(days=1 - HORIZON)
CAMPAIGNS = (TEST - timedelta(days=60), TEST + timedelta(days=40))


def shop_params(folder: Path, treated: str) -> Params:
    return shop.params_for(
        folder,
        data={name: {"path": f"{name}.csv"} for name in ("transactions", "assignments")},
        windows={"horizon_days": HORIZON, "clv_days": HORIZON, "as_of": LAST_DAY + timedelta(days=1)},
        train={"snapshots": 2, "treated": treated},
        btyd={"family": "mbg_nbd"},
        retention={"contact_cost": 1.0, "save_rate": 0.2},
        campaigns={"learn_from": []},  # to learn effects takes twice as long as all the rest
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of those with an order, half were mailed and ordered the day after, a third held out, the rest never drawn."""
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(3)
    sales = shop.purchases(n_customers=400, days=DAYS, seed=3)
    drawn = []
    for day in CAMPAIGNS:
        known = sales.loc[sales["occurred_at"] < day, "customer_id"].unique()
        arms = rng.choice(["mail", "control", ""], len(known), p=[0.5, 0.33, 0.17])
        drawn += [(f"of {day}", who, day, arm) for who, arm in zip(known, arms, strict=True) if arm]
    ledger = pd.DataFrame(drawn, columns=["campaign_id", "customer_id", "assigned_at", "arm"])
    mailed = ledger[ledger["arm"] == "mail"]
    brought = pd.DataFrame(
        {
            "customer_id": mailed["customer_id"],
            "occurred_at": mailed["assigned_at"] + timedelta(days=1),
            "amount": np.round(rng.gamma(5, 8, len(mailed)) + 1, 2),
        }
    )
    pd.concat([sales, brought]).to_csv(folder / "transactions.csv", index=False)
    ledger.to_csv(folder / "assignments.csv", index=False)
    params = shop_params(folder, "include")
    run_ingest(params)
    run_features(params)
    return folder


def trained(folder: Path, treated: str) -> Bundle:
    params = shop_params(folder, treated)
    run_train(params)
    run_promote(params, force="the model under test")
    return read_bundle(workspace_of(params).champion)


def judged_churn(bundle: Bundle) -> float:
    judgement = bundle.evidence["judgement"]
    return float(judgement["churn"][judgement["churn_winner"]]["mean_actual"])


def churn_of(folder: Path, keep: str) -> tuple[int, float]:
    """Of customers known at the test: how many are in ``keep`` (an arm, or never drawn), and the share without an order."""
    sales, ledger = (pd.read_csv(folder / f"{name}.csv") for name in ("transactions", "assignments"))
    known = set(sales.loc[sales["occurred_at"] < str(TEST), "customer_id"])
    arm = ledger[ledger["campaign_id"] == f"of {CAMPAIGNS[1]}"].set_index("customer_id")["arm"]
    kept = {who for who in known if arm.get(who, "never drawn") in keep.split(", ")}
    ordered = set(sales.loc[sales["occurred_at"] >= str(TEST), "customer_id"])
    return len(kept), len(kept - ordered) / len(kept)


@pytest.mark.parametrize(
    ("treated", "kept"),
    [("include", "mail, control, never drawn"), ("exclude", "control, never drawn"), ("control_only", "control")],
)
def test_models_are_judged_on_those_whose_outcome_counts(folder: Path, treated: str, kept: str) -> None:
    bundle = trained(folder, treated)
    n, rate = churn_of(folder, kept)
    assert judged_churn(bundle) == pytest.approx(rate)
    assert bundle.evidence["contact"]["n_customers"] == n
    notes = [note for note in bundle.evidence["notes"] if "train.treated" in note]
    assert len(notes) == (treated != "include")


def test_the_holdout_shows_the_churn_that_the_campaign_hid(folder: Path) -> None:
    assert churn_of(folder, "control")[1] > churn_of(folder, "mail, control, never drawn")[1] + 0.2


def test_the_shop_is_as_the_tests_take_it() -> None:
    assert date(2024, 1, 1) < TEST < CAMPAIGNS[1] < LAST_DAY
