"""Churn as the end of subscriptions and as inactivity, from the tables to the scores through the command line."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shop
from cvm.models.bundle import read_bundle

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("untracked")]

PARAMS = {
    "windows": {"horizon_days": 60, "clv_days": 90},
    "train": {"snapshots": 2, "step_days": 30},
    "btyd": {"family": "bg_nbd"},
}
TABLES = {name: {"path": f"{name}.csv"} for name in ("transactions", "subscriptions", "events")}


def write_tables(folder: Path) -> None:
    """Buyers of whom two thirds subscribe at their first order, the dear plan for a shorter time; ten who never order."""
    rng = np.random.default_rng(11)
    bought = shop.purchases(n_customers=600, days=500)
    bought.to_csv(folder / "transactions.csv", index=False)
    last = bought["occurred_at"].max()
    rows = []
    firsts = bought.groupby("customer_id")["occurred_at"].min()
    starts = [*firsts[firsts.index.str[-1].isin(list("012345"))].items()]
    starts += [(f"only subscribed {n}", shop.FIRST_DAY + timedelta(days=30 * n)) for n in range(10)]
    for number, (customer, start) in enumerate(starts):
        price = 9.0 if number % 2 else 29.0
        end = start + timedelta(days=int(rng.exponential(900 if number % 2 else 200)) + 1)
        rows.append((customer, start, end if end <= last else None, price, "small" if number % 2 else "big"))
    names = ["customer_id", "started_at", "ended_at", "price_per_month", "plan"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "subscriptions.csv", index=False)
    visits = bought.assign(event_type="visit")[["customer_id", "occurred_at", "event_type"]].iloc[::3]
    visits["occurred_at"] = [day - timedelta(days=1) for day in visits["occurred_at"]]
    visits.to_csv(folder / "events.csv", index=False)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, shop.Done]:
    folder = tmp_path_factory.mktemp("contracts")
    write_tables(folder)
    shop.write_params(folder, data=TABLES, churn={"definition": "subscription"}, **PARAMS)
    return folder, shop.cvm(folder, "run")


def scores_and_features(folder: Path) -> pd.DataFrame:
    (scores,) = folder.glob("outputs/scores/*/scores.parquet")
    features = pd.read_parquet(folder / "outputs" / "features" / scores.parent.name / "features.parquet")
    return pd.read_parquet(scores, partitioning=None).merge(
        features[["customer_id", "n_orders", "n_subscriptions", "subscription_plan"]], on="customer_id"
    )


def test_the_run_says_how_long_subscribers_stay(ran):
    done = ran[1]
    assert done.code == 0, done.out + done.err
    assert "Retention: of 100 new subscribers" in done.out + done.err
    assert "sBG" in done.out


def test_every_holder_has_a_probability_and_who_never_ordered_too(ran):
    found = scores_and_features(ran[0])
    holders = found[found["n_subscriptions"] > 0]
    assert holders["p_churn"].between(0, 1).all()
    assert (holders["n_orders"] == 0).any()
    assert not (holders["lifecycle_stage"] == "prospect").any()
    others = found[found["n_subscriptions"] == 0]
    assert (others["p_churn"].isna() == (others["n_orders"] == 0)).all()
    assert np.isfinite(found["clv"]).all()


def test_the_bundle_keeps_the_definition_and_the_curve(ran):
    bundle = read_bundle(ran[0] / "models" / "champion")
    evidence = json.loads(json.dumps(bundle.evidence))
    assert bundle.churn_anchor.definition.definition == evidence["churn_definition"]["definition"] == "subscription"
    assert evidence["retention"]["share_left_by_period"][0] == 1
    assert set(evidence["judgement"]["churn"]) >= {"sBG", "base rate", "recency rule"}
    required = {feature.name for feature in bundle.features if feature.required}
    assert {"n_subscriptions", "subscription_tenure_days"} <= required


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("train", "The features on file hold churn as subscription, params.yaml says no_order. Run `cvm features` again."),
        (
            "score",
            "than params.yaml asks for: churn subscription instead of no_order. Run `cvm features` and",
        ),
    ],
)
def test_another_definition_is_refused(ran, command, says):
    done = shop.cvm(ran[0], command, "--set", "churn.definition=no_order")
    assert done.code == 1
    assert says in done.err


def test_inactivity_runs_to_the_end(tmp_path):
    write_tables(tmp_path)
    shop.write_params(tmp_path, data=TABLES, churn={"definition": "inactivity", "inactivity_days": 20}, **PARAMS)
    done = shop.cvm(tmp_path, "run")
    assert done.code == 0, done.out + done.err
    bundle = read_bundle(tmp_path / "models" / "champion")
    level = bundle.churn_anchor.level
    assert np.isfinite([level.intercept, level.slope]).all()
    assert level.slope > 0
    found = scores_and_features(tmp_path)
    assert (found["p_churn"].isna() == (found["n_orders"] == 0)).all()
    judged = bundle.evidence["judgement"]["churn"]
    assert judged[bundle.evidence["judgement"]["churn_winner"]]["calibration_error"] < 0.15


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.assign(ended_at=rows["started_at"]), "Nobody holds a subscription at"),
        (lambda rows: rows.drop(columns="ended_at"), "needs the column 'ended_at'"),
    ],
    ids=["all ended", "no ends"],
)
def test_subscriptions_that_cannot_churn_are_refused_with_the_cause(tmp_path, change, says):
    write_tables(tmp_path)
    change(pd.read_csv(tmp_path / "subscriptions.csv")).to_csv(tmp_path / "subscriptions.csv", index=False)
    shop.write_params(tmp_path, data=TABLES, churn={"definition": "subscription"}, **PARAMS)
    assert shop.cvm(tmp_path, "ingest").code == 0
    done = shop.cvm(tmp_path, "features")
    assert done.code == 1
    assert says in done.err
    assert "Traceback" not in done.err


def test_subscriptions_that_never_end_are_scored_low_and_say_so(tmp_path):
    write_tables(tmp_path)
    rows = pd.read_csv(tmp_path / "subscriptions.csv").assign(ended_at=None)
    rows.to_csv(tmp_path / "subscriptions.csv", index=False)
    shop.write_params(tmp_path, data=TABLES, churn={"definition": "subscription"}, **PARAMS)
    done = shop.cvm(tmp_path, "run")
    assert done.code == 0, done.out + done.err
    assert "left so far, so how long they stay is hardly known" in done.out + done.err
    found = scores_and_features(tmp_path)
    assert (found.loc[found["n_subscriptions"] > 0, "p_churn"] < 0.05).all()
