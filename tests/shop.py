"""A small invented shop: tables for tests, built in one line each."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml

from cvm.engines import DuckDBEngine
from cvm.params import Params, load_params

FIRST_DAY = date(2023, 1, 1)


def order(customer_id: str, *, on: date | str, amount: float, **columns: Any) -> dict[str, Any]:
    """One transaction line at noon of a day."""
    day = date.fromisoformat(on) if isinstance(on, str) else on
    return {"customer_id": customer_id, "occurred_at": datetime(day.year, day.month, day.day, 12), "amount": amount, **columns}


def purchases(*, n_customers: int = 400, days: int = 500, seed: int = 1) -> pd.DataFrame:
    """Customers who join over the first half, buy at their own gamma rate, and stop at an exponential time.

    Columns ``customer_id``, ``occurred_at`` (date), ``amount``.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n_customers):
        rate, stays = rng.gamma(1.2, 1 / 40), rng.exponential(250)
        worth = rng.gamma(4, 10)
        day = float(rng.uniform(0, days / 2))
        end = min(day + stays, days - 1)
        while day <= end:
            rows.append((f"c{number:05d}", FIRST_DAY + timedelta(days=int(day)), round(rng.gamma(5, worth / 5) + 1, 2)))
            day += rng.exponential(1 / rate)
    return pd.DataFrame(rows, columns=["customer_id", "occurred_at", "amount"])


def warehouse(**tables: list[dict[str, Any]]) -> DuckDBEngine:
    """An in-memory engine with these canonical tables, typed as ingest stores them."""
    types = {"amount": "DECIMAL(18,4)", "margin": "DECIMAL(18,4)", "discount": "DECIMAL(18,4)"}
    engine = DuckDBEngine()
    for table, rows in tables.items():
        engine.register(f"given_{table}", pa.Table.from_pandas(pd.DataFrame(rows), preserve_index=False))
        found = engine.columns(f"given_{table}")
        columns = ", ".join(
            f'CAST("{name}" AS {types.get(name, "TIMESTAMP" if "TIMESTAMP" in kind else kind)}) AS "{name}"'
            for name, kind in found.items()
        )
        engine.replace_table(table, f"SELECT {columns} FROM given_{table}")
    return engine


def write_params(folder: Path, **sections: Any) -> Path:
    """A ``params.yaml`` in ``folder``; sections replace the defaults, ``data`` defaults to ``transactions.csv``."""
    values = {"data": {"transactions": {"path": "transactions.csv"}}, **sections}
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def params_for(folder: Path, **sections: Any) -> Params:
    """The checked params of ``write_params``."""
    return load_params(write_params(folder, **sections))


def now() -> datetime:
    """This moment, UTC, without zone."""
    return datetime.now(UTC).replace(tzinfo=None)
