"""A base on which printed queries are executed, what the product itself finds on it, and how KPIs are compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from cvm.datasets.simulate import simulate
from cvm.engines import DuckDBEngine
from cvm.features.query import Schema, features_query, outcome_query
from cvm.kpis.settings import Scores
from cvm.kpis.stage import compute_kpis
from cvm.params import Params, load_params
from cvm.stages.context import workspace_of
from cvm.stages.data import run_ingest
from cvm.stages.inputs import churn_definition_of, economics_of, kpi_settings_of

AS_OF, LABELLED = date(2025, 12, 20), date(2025, 6, 1)
CAMPAIGN = "voucher_letter"
ODD = ["O'Brien; --", "Ünïcode ☃", " 007", "", 'a"b', "%s", "x" * 200, "NULL"]
_TIMEZONE = "Europe/Kyiv"
_SETTINGS = (
    f"business.timezone={_TIMEZONE}",
    "business.unit_costs.per_return=2.0",
    "churn.definition=inactivity",
    "campaigns.evaluate.events=[visit]",
)


def printed_base(folder: Path, *, n_customers: int, settings: Sequence[str] = ()) -> Params:
    """A simulated base with nulls, returns, late rows and odd ids, ingested in ``folder``; with more settings, if any."""
    done = simulate(folder, n_customers=n_customers, seed=11, as_of=date(2026, 1, 1), years=2.0)
    params = load_params(done.params, overrides=[*_SETTINGS, *settings])
    run_ingest(params)
    with DuckDBEngine(workspace_of(params).warehouse) as engine:
        ids = engine.table("SELECT DISTINCT customer_id FROM transactions ORDER BY 1 LIMIT 8").column(0).to_pylist()
        for old, new in zip(ids, ODD, strict=True):
            for table in ("transactions", "events", "customers", "subscriptions", "assignments"):
                safe = new.replace("'", "''")
                engine.execute(f"UPDATE {table} SET customer_id = '{safe}' WHERE customer_id = '{old}'")
        engine.execute("UPDATE transactions SET margin = NULL, channel = NULL, order_id = NULL WHERE amount < 20")
    return params


def own_features(params: Params, engine: DuckDBEngine) -> pa.Table:
    """Features of ``AS_OF`` as the product computes them."""
    query = features_query(Schema.of(engine), [AS_OF], timezone=_TIMEZONE, economics=economics_of(params))
    return engine.table(query)


def own_labels(params: Params, engine: DuckDBEngine) -> pa.Table:
    """Outcomes after ``LABELLED`` as the product computes them."""
    query = outcome_query(
        Schema.of(engine),
        LABELLED,
        horizon_days=params.windows.horizon_days,
        lead_days=params.windows.lead_days,
        timezone=_TIMEZONE,
        churn=churn_definition_of(params),
    )
    return engine.table(query)


def told_kpis(params: Params, engine: DuckDBEngine) -> pd.DataFrame:
    """KPIs as the product tells them, but for those that are changes of others, which no query prints."""
    settings = kpi_settings_of(params)
    told = compute_kpis(engine, settings, score_files=Scores(), effects=params.root / "none", as_of=AS_OF).kpis.to_pandas()
    return told[~told["kpi"].str.endswith("_change")]


def assert_same_kpis(found: pa.Table, told: pd.DataFrame, *, more_than: int) -> None:
    """What a printed query found is what the product tells, to a relative 1e-9, and more than so many figures."""
    keys = ["period", "period_start", "group_by", "group"]
    long = found.to_pandas().drop(columns="period_end").melt(id_vars=keys, var_name="kpi", value_name="printed")
    told, long = (frame.assign(period_start=frame["period_start"].astype(str).str.slice(0, 10)) for frame in (told, long))
    both = told.merge(long[long["printed"].notna()], on=[*keys, "kpi"], how="outer")
    # Beyond what the product tells: periods that the data do not cover, and channels that count nothing.
    beyond = both[both["value"].isna() & both["printed"].notna()]
    uncovered = beyond["reason"].str.contains("begin on|end before|days of orders", na=False)
    empty = beyond["reason"].isna() & (beyond["group_by"] == "channel") & (beyond["printed"].astype(float) == 0)
    assert (uncovered | empty).all(), beyond[~(uncovered | empty)].head()
    both = both[both["value"].notna()]
    assert len(both) == told["value"].notna().sum() > more_than
    # Sums of floats that cancel out differ by what the order of rows leaves: far less than a cent.
    same = np.isclose(both["printed"].astype(float), both["value"].astype(float), rtol=1e-9, atol=1e-9)
    assert same.all(), both[~same].head()
