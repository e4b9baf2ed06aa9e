"""KPIs of CDNOW against pandas on its file: revenue and new customers of every month, and the cohorts."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pyarrow as pa
import pytest

from cvm.datasets import cdnow_transactions
from cvm.engines import DuckDBEngine
from cvm.kpis.settings import KpiSettings, Scores
from cvm.kpis.stage import KpiOutcome, compute_kpis


@pytest.fixture(scope="module")
def purchases() -> pd.DataFrame:
    return (
        cdnow_transactions()
        .to_pandas()
        .astype({"amount": float})
        .assign(month=lambda rows: rows["occurred_at"].dt.to_period("M"))
    )


@pytest.fixture(scope="module")
def outcome(purchases: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> KpiOutcome:
    with DuckDBEngine() as engine:
        given = pa.Table.from_pandas(purchases[["customer_id", "occurred_at", "amount"]], preserve_index=False)
        engine.register("given", given)
        typed = "CAST(occurred_at AS TIMESTAMP) AS occurred_at, CAST(amount AS DECIMAL(18,4)) AS amount"
        engine.replace_table("transactions", f"SELECT customer_id, {typed} FROM given")
        effects = tmp_path_factory.mktemp("effects")
        return compute_kpis(engine, KpiSettings(active_days=31), score_files=Scores(), effects=effects)


def by_month(outcome: KpiOutcome, kpi: str) -> dict[date, float]:
    rows = outcome.kpis.to_pylist()
    return {
        row["period_start"]: row["value"]
        for row in rows
        if (row["kpi"], row["period"], row["group_by"]) == (kpi, "month", "all")
    }


def test_revenue_and_new_customers_of_every_month(outcome, purchases):
    months = purchases.groupby("month")["amount"].sum()
    new = purchases.groupby("customer_id")["month"].min().value_counts()
    expected = {month.start_time.date(): value for month, value in months.items()}
    assert by_month(outcome, "revenue") == pytest.approx(expected)
    counted = {month: new.get(pd.Period(month, "M"), 0) for month in by_month(outcome, "revenue")}
    # In the first month nobody can be told from older customers.
    assert by_month(outcome, "new_customers") == {**counted, date(1997, 1, 1): None}


def test_retention_and_value_of_the_first_cohort(outcome, purchases):
    joined = purchases.groupby("customer_id")["month"].transform("min")
    first = purchases[joined == purchases["month"].min()]
    n = first["customer_id"].nunique()
    active = first.groupby("month")["customer_id"].nunique()
    found = outcome.cohorts.to_pandas()
    rows = found[(found["cohort"] == date(1997, 1, 1)) & found["channel"].isna()]
    assert rows["n_customers"].unique() == [n]
    assert rows["n_active"].tolist() == active.tolist()
    assert rows["retention"].to_numpy() == pytest.approx(active.to_numpy() / n)
    assert rows["cumulative_revenue_per_customer"].iloc[-1] == pytest.approx(first["amount"].sum() / n)
    assert rows["is_complete"].all()
