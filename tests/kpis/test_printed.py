"""The printed KPIs are those of the product where buyers are alike, too."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import sqlglot
from sqlglot import exp

from cvm.engines.warehouses import WAREHOUSES
from cvm.features.query import Schema
from cvm.kpis.printed import kpis_script
from cvm.kpis.settings import KpiSettings, Scores
from cvm.kpis.stage import compute_kpis
from shop import order, typed_warehouse

AS_OF = date(2024, 7, 1)
KEYS = ["period", "period_start", "group_by", "group", "kpi"]


def test_where_all_buyers_are_alike():
    rng = np.random.default_rng(4)
    customers = [f"c{number:03d}" for number in rng.permutation(200)]
    days = ("2024-03-10", "2024-05-10", "2024-06-30")
    transactions = [order(who, on=day, amount=10.0, margin=4.0) for who in customers for day in days]
    registered = [
        {"customer_id": who, "acquisition_channel": channel}
        for who, channel in zip(customers, rng.choice(["ads", "search", "friends"], 200), strict=True)
    ]
    settings = KpiSettings(periods=("month",), active_days=25, inactivity_days=10)
    with typed_warehouse(transactions=transactions, customers=registered) as engine:
        told = compute_kpis(engine, settings, score_files=Scores(), effects=Path("none"), as_of=AS_OF).kpis.to_pandas()
        sql = kpis_script(Schema.of(engine), settings, AS_OF).sql(WAREHOUSES["duckdb"])
        found = engine.table(sql.rstrip().removesuffix(";")).to_pandas().drop(columns="period_end")
    printed = found.melt(id_vars=KEYS[:-1], var_name="kpi", value_name="printed").dropna(subset="printed")
    told = told[told["value"].notna() & ~told["kpi"].str.endswith("_change")]
    for frame in (told, printed):
        frame["period_start"] = frame["period_start"].astype(str).str.slice(0, 10)
    both = told.merge(printed, on=KEYS, how="left")
    assert both["group"].isin(["ads", "search", "friends"]).sum() > 50
    np.testing.assert_allclose(both["printed"].astype(float), both["value"].astype(float), rtol=1e-9, atol=1e-9)


def test_equals_are_ranked_by_their_names():
    schema = Schema({"transactions": {"customer_id": "VARCHAR", "occurred_at": "TIMESTAMP", "amount": "DECIMAL(18,4)"}})
    tree = sqlglot.parse_one(kpis_script(schema, KpiSettings(), AS_OF).query, read="duckdb")
    leader = next(cte for cte in tree.find_all(exp.CTE) if cte.alias == "kpi_leader")
    ranks = [window for window in leader.find_all(exp.Window) if isinstance(window.this, exp.RowNumber)]
    assert len(ranks) == 2
    assert {rank.args["order"].expressions[-1].name for rank in ranks} == {"customer_id"}
