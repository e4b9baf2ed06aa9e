"""Approved plans, read beside the user's own assignments."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

import shop
from cvm.engines import DuckDBEngine
from cvm.errors import SourceError
from cvm.ingest.origins import FrameSource, PlannedSource, with_plans
from cvm.ingest.reading import Reading
from cvm.params import Params
from cvm.stages.context import workspace_of
from cvm.stages.data import run_ingest


def ledger(path: Path, campaign: str, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = pd.DataFrame(
        {
            "campaign_id": campaign,
            "customer_id": list(names),
            "assigned_at": datetime(2024, 3, 1, tzinfo=UTC),
            "arm": "letter",
            "cost": 1.5,
            "propensity": 0.9,
            "channel": "post",
        }
    )
    rows.to_parquet(path)
    return path


@pytest.fixture
def params(tmp_path: Path):
    pd.DataFrame([shop.order(f"c{k}", on="2024-02-01", amount=10 + k) for k in range(5)]).to_csv(
        tmp_path / "transactions.csv", index=False
    )
    return shop.params_for(tmp_path)


def assigned(params) -> list[tuple[str, str]]:
    with DuckDBEngine(workspace_of(params).warehouse, read_only=True) as engine:
        rows = engine.table("SELECT campaign_id, customer_id FROM assignments ORDER BY ALL").to_pylist()
    return [(row["campaign_id"], row["customer_id"]) for row in rows]


def test_plans_are_read_once_and_new_ones_are_added(params):
    ledger(workspace_of(params).ledger_of("spring"), "spring", "c0", "c1")
    run_ingest(params)
    assert assigned(params) == [("spring", "c0"), ("spring", "c1")]
    assert "nothing new" in run_ingest(params).message
    ledger(workspace_of(params).ledger_of("autumn"), "autumn", "c2")
    run_ingest(params)
    assert assigned(params) == [("autumn", "c2"), ("spring", "c0"), ("spring", "c1")]


def test_plans_stand_beside_a_frame_under_other_names(params):
    ledger(workspace_of(params).ledger_of("spring"), "spring", "c0")
    frame = pd.DataFrame({"what": ["winter"], "customer_id": ["c4"], "assigned_at": ["2024-01-01"], "arm": ["control"]})
    both = Params.model_validate(
        {**params.model_dump(exclude_unset=True), "root": params.root}
        | {"data": {**params.data.model_dump(exclude_unset=True), "assignments": {"columns": {"campaign_id": "what"}}}}
    )
    run_ingest(both, tables={"assignments": frame})
    assert assigned(both) == [("spring", "c0"), ("winter", "c4")]


def test_a_plan_for_days_to_come_is_no_fault(params):
    path = ledger(workspace_of(params).ledger_of("later"), "later", "c0")
    frame = pd.read_parquet(path)
    frame["assigned_at"] = pd.Timestamp("2999-01-01", tz="UTC")
    frame.to_parquet(path)
    run_ingest(params)
    assert assigned(params) == [("later", "c0")]


def test_without_plans_nothing_changes(tmp_path):
    own = {"transactions": FrameSource(None, "x", Reading(timezone="UTC"))}
    assert with_plans(own, (), folder=tmp_path) == own
    path = ledger(tmp_path / "spring.parquet", "spring", "c0")
    found = with_plans(own, [path], folder=tmp_path)
    assert list(found) == ["transactions", "assignments"]
    source = found["assignments"]
    assert isinstance(source, PlannedSource)
    assert (source.shown, source.has("spring.parquet"), source.has("other")) == ("spring.parquet", True, False)


def test_a_damaged_plan_is_refused(params):
    workspace_of(params).ledger_of("spring").parent.mkdir(parents=True)
    workspace_of(params).ledger_of("spring").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"outputs/ledger/spring\.parquet' cannot be read"):
        run_ingest(params)
