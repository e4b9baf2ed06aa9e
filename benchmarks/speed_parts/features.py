"""Features of transactions, beside the four-column summaries of lifetimes and pymc-marketing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cvm.engines import DuckDBEngine
from cvm.features.clustered import clustered_tables
from cvm.features.economics import Economics
from cvm.features.histories import customer_histories_query
from cvm.features.query import Schema
from cvm.features.stage import snapshot_query
from speed_parts.commands import run_cvm
from speed_parts.contenders import OURS, Contender, Part

AS_OF, _DAYS, _LINES_PER_CUSTOMER = date(2026, 1, 1), 730, 10
_TIMEZONE = "UTC"
Work = Callable[[], Any]


def made_transactions(folder: Path, n_customers: int) -> Path:
    """Folder of a Parquet file of transactions and the warehouse that ``cvm ingest`` makes of it, unless they are there."""
    base = folder / f"transactions-{n_customers}"
    if not (base / "done").is_file():
        base.mkdir(parents=True, exist_ok=True)
        pq.write_table(simulated_transactions(n_customers), base / "transactions.parquet")
        (base / "params.yaml").write_text(
            "data:\n  transactions: {path: transactions.parquet, timezone: UTC}\n  max_rejected_share: 1.0\n",
            encoding="utf-8",
        )
        run_cvm("ingest", "--params", str(base / "params.yaml"))
        (base / "done").touch()
    return base


def simulated_transactions(n_customers: int, *, seed: int = 3) -> pa.Table:
    """Gamma-Poisson customers, ten lines each on average, each at least one, over two years to the second."""
    rng = np.random.default_rng(seed)
    lines = 1 + rng.poisson(rng.gamma(0.8, (_LINES_PER_CUSTOMER - 1) / 0.8, n_customers))
    who = np.repeat(np.arange(n_customers), lines)
    joined = rng.random(n_customers)[who]
    seconds = ((joined + (1 - joined) * rng.random(len(who))) * _DAYS * 86_400).astype(np.int64)
    start = datetime.combine(AS_OF - timedelta(days=_DAYS), datetime.min.time())
    occurred_at = np.datetime64(start, "us") + seconds.astype("timedelta64[s]")
    order = rng.permutation(len(who))
    return pa.table(
        {
            "customer_id": pc.utf8_lpad(pa.array(who[order]).cast(pa.string()), 8, "0"),
            "occurred_at": occurred_at[order],
            "amount": np.round(rng.gamma(3.0, 12.0, len(who)) + 0.01, 2),
        }
    )


def _warehouse(folder: Path, n: int) -> DuckDBEngine:
    return DuckDBEngine(made_transactions(folder, n) / "outputs" / "warehouse.duckdb", read_only=True, memory_gib=5.0)


def _our_features(folder: Path, n: int) -> Work:
    engine = _warehouse(folder, n)

    def work() -> pa.Table:
        schema = Schema.of(engine)
        query = snapshot_query(schema, AS_OF, timezone=_TIMEZONE, economics=Economics())
        with clustered_tables(engine, schema) as clustered:
            return pa.concat_tables(engine.table(one) for one in clustered.queries(query))

    return work


def _our_summary(folder: Path, n: int) -> Work:
    engine = _warehouse(folder, n)
    return lambda: engine.table(customer_histories_query(Schema.of(engine), AS_OF, timezone=_TIMEZONE)).to_pandas()


def _frame(folder: Path, n: int) -> pd.DataFrame:
    return pq.read_table(made_transactions(folder, n) / "transactions.parquet").to_pandas()


def _lifetimes_summary(folder: Path, n: int) -> Work:
    warnings.simplefilter("ignore")
    from lifetimes.utils import summary_data_from_transaction_data

    frame, end = _frame(folder, n), AS_OF.isoformat()
    return lambda: summary_data_from_transaction_data(
        frame, "customer_id", "occurred_at", "amount", observation_period_end=end
    )


def _pymc_summary(folder: Path, n: int) -> Work:
    warnings.simplefilter("ignore")
    from pymc_marketing.clv import rfm_summary

    frame, end = _frame(folder, n), AS_OF.isoformat()
    return lambda: rfm_summary(frame, "customer_id", "occurred_at", "amount", observation_period_end=end)


def _shape(_folder: Path, _n: int, table: Any) -> dict[str, float]:
    rows, columns = table.shape
    return {"customers": float(rows), "columns": float(columns)}


SUMMARY, ALL = "RFM summary", "all features of one date"

PART = Part(
    title="Features",
    about=(
        f"{_LINES_PER_CUSTOMER} transactions per customer on average over two years, in no order: for us in the warehouse "
        "that `cvm ingest` made, for the peers as a frame in memory. Timed is from there to a table in memory."
    ),
    sizes=(500_000,),
    data=made_transactions,
    contenders=(
        Contender(SUMMARY, OURS, _our_summary, facts=_shape),
        Contender(SUMMARY, "lifetimes", _lifetimes_summary, "lifetimes", _shape),
        Contender(SUMMARY, "pymc-marketing", _pymc_summary, "pymc_marketing", _shape),
        Contender(ALL, OURS, _our_features, facts=_shape),
    ),
)
