"""A small base to plan for: a warehouse, scores and settings, in one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import shop
from cvm.campaigns.limits import Limits, Treatment
from cvm.campaigns.plan import make_plan
from cvm.campaigns.plan_result import PlanSummary
from cvm.campaigns.plan_settings import PlanInputs, PlanSettings
from cvm.engines import DuckDBEngine

AS_OF = date(2024, 3, 1)  # a Friday
LETTER, MAIL = Treatment("letter", "post", 1.0), Treatment("mail", "email", 0.1)
Rows = list[dict[str, Any]]


def ids(n: int) -> list[str]:
    return [f"c{number:03d}" for number in range(n)]


def scored(customer_id: str, **columns: Any) -> dict[str, Any]:
    """A row of the scores: 40 at risk, unless told otherwise."""
    return {
        "customer_id": customer_id,
        "model_version": "abc",
        "p_churn": 0.5,
        "clv": 80.0,
        "value_tier": "medium",
        "segment": "core",
        "lifecycle_stage": "active",
        "growth_potential": 0.0,
        **columns,
    }


def profile(customer_id: str, **columns: Any) -> dict[str, Any]:
    """A row of customers who agreed to everything."""
    return {"customer_id": customer_id, "consent_post": True, "consent_email": True, **columns}


def write_scores(folder: Path, rows: Rows) -> Path:
    path = folder / f"as_of={AS_OF}" / "scores.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def write_uplift(folder: Path, effects: Mapping[str, Mapping[str, float]]) -> Path:
    """Expected effects: arm to customer to effect."""
    rows = [
        {"customer_id": name, "arm": arm, "expected_uplift": effect}
        for arm, found in effects.items()
        for name, effect in found.items()
    ]
    path = folder / "uplift.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def settings(**changes: Any) -> PlanSettings:
    """A letter to everybody, nobody explored, a tenth held out."""
    base = PlanSettings(name="spring", treatments=(LETTER,), exploration_share=0.0)
    return replace(base, **{key: Limits(**value) if key == "limits" else value for key, value in changes.items()})


def warehouse(names: Sequence[str], /, **tables: Rows) -> DuckDBEngine:
    """Customers who agreed to everything and ordered once, long ago, and what else there is."""
    orders = [shop.order(name, on="2023-10-01", amount=10.0) for name in names]
    return shop.typed_warehouse(**{"customers": [profile(name) for name in names], "transactions": orders, **tables})


def planned(
    folder: Path, engine: DuckDBEngine, rows: Rows, asked: PlanSettings, **inputs: Any
) -> tuple[PlanSummary, dict[str, dict[str, Any]]]:
    """The summary and everybody's fate, by customer."""
    path = folder / "plan.parquet"
    summary = make_plan(engine, asked, PlanInputs(AS_OF, write_scores(folder, rows), **inputs), path)
    found = pq.read_table(path).to_pylist()
    assert len(found) == len({row["customer_id"] for row in found}) == len(rows)
    return summary, {row["customer_id"]: row for row in found}
