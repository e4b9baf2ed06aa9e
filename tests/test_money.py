"""A shop with two currencies, costs to serve and customers who bring back more than they bought, through the whole loop."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import shop
from cvm.errors import ParamsError, QualityError
from cvm.models.bundle import read_bundle
from cvm.params import Params
from cvm.stages.context import StageOutcome, workspace_of
from cvm.stages.data import run_features, run_ingest
from cvm.stages.score import run_score
from cvm.stages.train import run_train
from untracked import without_store

EURO_FROM = shop.FIRST_DAY + timedelta(days=250)
RATES = {"coffee": 0.4, "tee": 0.2}
COSTS = {"per_return": 4.0, "per_event": {"call": 3.0, "cashback": "value"}}


def money_params(folder: Path, **business: object) -> Params:
    return shop.params_for(
        folder,
        data={name: {"path": f"{name}.csv"} for name in ("transactions", "events", "exchange_rates")},
        business={"currency": "USD", "margin_rate": 0.3, **business},
        windows={"horizon_days": 400, "clv_days": 400},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(11)
    sales = shop.purchases(n_customers=120, days=400, seed=11)
    sales["order_id"] = [f"o{number}" for number in range(len(sales))]
    sales["category"] = rng.choice(["coffee", "tea"], len(sales))
    sales["currency"] = np.where(sales["occurred_at"] < EURO_FROM, "usd", "EUR")
    back = sales.sample(60, random_state=11).assign(amount=lambda frame: -frame["amount"])
    back["occurred_at"] = [min(day + timedelta(days=9), shop.FIRST_DAY + timedelta(days=399)) for day in back["occurred_at"]]
    # Customers who came with a return of an order from before the data, dearer than all that followed.
    first = sales.groupby("customer_id", as_index=False).first().head(10)
    old = first.assign(occurred_at=first["occurred_at"] - timedelta(days=1), amount=-5_000.0, order_id=None, currency="USD")
    pd.concat([sales, back, old]).to_csv(folder / "transactions.csv", index=False)
    pd.DataFrame(
        {
            "customer_id": sales["customer_id"].sample(80, random_state=12).to_numpy(),
            "occurred_at": [shop.FIRST_DAY + timedelta(days=int(day)) for day in rng.integers(0, 390, 80)],
            "event_type": rng.choice(["call", "cashback", "visit"], 80),
            "value": rng.gamma(2, 2, 80).round(2),
        }
    ).to_csv(folder / "events.csv", index=False)
    (folder / "exchange_rates.csv").write_text(f"currency,valid_from,rate\nEUR,{EURO_FROM},1.25\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> dict[str, StageOutcome]:
    params = money_params(folder, margin_rate_by_category=RATES, unit_costs=COSTS)
    stages = {"ingest": run_ingest, "features": run_features, "train": run_train, "score": run_score}
    with without_store():
        return {name: stage(params) for name, stage in stages.items()}


@pytest.fixture(scope="module")
def scores(folder: Path, outcomes: dict[str, StageOutcome]) -> pd.DataFrame:
    (path,) = (folder / "outputs" / "scores").rglob("*.parquet")
    return pq.read_table(path, partitioning=None).to_pandas()


def test_the_features_stage_says_what_is_odd_about_the_money(folder: Path, outcomes: dict[str, StageOutcome]) -> None:
    names, returns = outcomes["features"].warnings
    assert "'tee' (did you mean 'tea'?)" in names
    assert returns.startswith("Returns of orders that the data does not hold: 10, worth 50,000 USD.")
    notes = read_bundle(workspace_of(money_params(folder)).champion).evidence["notes"]
    assert notes[:2] == [names, returns]


def test_values_are_finite_and_none_is_negative_whatever_customers_brought_back(scores: pd.DataFrame) -> None:
    assert (scores["historic_value"] < -1_000).sum() >= 5
    money = scores[["clv", "expected_orders", "expected_order_value", "historic_value", "growth_potential"]]
    assert np.isfinite(money).all(axis=None)
    assert (scores[["clv", "expected_orders", "expected_order_value"]] >= 0).all(axis=None)


def test_loss_making_is_a_margin_below_the_cost_to_serve(folder: Path, scores: pd.DataFrame) -> None:
    lines = pd.read_csv(folder / "transactions.csv")
    lines["amount"] *= np.where(lines["currency"] == "EUR", 1.25, 1.0)
    lines["margin"] = lines["amount"].round(4) * lines["category"].map({"coffee": 0.4}).fillna(0.3)
    returns = lines[lines["amount"] < 0].groupby("customer_id")["occurred_at"].nunique() * 4.0
    events = pd.read_csv(folder / "events.csv")
    events["cost"] = np.select([events["event_type"] == "call", events["event_type"] == "cashback"], [3.0, events["value"]])
    cost = returns.add(events.groupby("customer_id")["cost"].sum(), fill_value=0.0)
    expected = lines.groupby("customer_id")["margin"].sum().sub(cost, fill_value=0.0)
    found = scores.set_index("customer_id")
    pd.testing.assert_series_equal(found["historic_value"], expected, check_names=False, check_index_type=False, atol=1e-3)
    assert (found["loss_making"] == (found["historic_value"] < 0)).all()


def test_without_a_rate_for_the_first_day_the_run_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("transactions", "events"):
        (tmp_path / f"{name}.csv").write_bytes((folder / f"{name}.csv").read_bytes())
    late = EURO_FROM + timedelta(days=30)
    (tmp_path / "exchange_rates.csv").write_text(f"currency,valid_from,rate\nEUR,{late},1.25\n", encoding="utf-8")
    with pytest.raises(QualityError, match=rf"rows in EUR, the first on {EURO_FROM} \(rates only from {late} on\)"):
        run_ingest(money_params(tmp_path))


def test_a_cost_of_what_no_table_holds_is_refused_and_the_features_kept(
    folder: Path, outcomes: dict[str, StageOutcome], tmp_path: Path
) -> None:
    sales = pd.read_csv(folder / "transactions.csv").query("currency == 'usd'")
    sales[["customer_id", "occurred_at", "amount"]].to_csv(tmp_path / "transactions.csv", index=False)
    params = shop.params_for(tmp_path, business={"unit_costs": COSTS}, windows={"horizon_days": 400, "clv_days": 400})
    run_ingest(params)
    with pytest.raises(
        ParamsError, match=r"business.unit_costs.per_event is for the table 'events', of which there is none"
    ):
        run_features(params)
    assert not workspace_of(params).features.exists()
