"""A small base to act on: scores with every column, a warehouse of customers who agreed, rules; in one line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import planned
from batch_scores import write_scores
from cvm.actions.next_best import ActionSettings, NextBest, next_best
from cvm.actions.playbook import PlaybookRule
from cvm.campaigns.plan_settings import PlanInputs, PlanSettings
from cvm.engines import DuckDBEngine
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.segments.conditions import Condition

AS_OF = planned.AS_OF


def write_full_scores(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """Scores of ``planned.scored`` with all columns of the schema, null where a row says nothing."""
    path = folder / f"as_of={AS_OF}" / "scores.parquet"
    full = [{**dict.fromkeys(SCORE_SCHEMA.names), "currency": "EUR", **row} for row in rows]
    write_scores(pa.Table.from_pylist(full, schema=SCORE_SCHEMA), path)
    return path


def rule(name: str, *, minimum: dict[str, float] | None = None, **options: Any) -> PlaybookRule:
    """A rule of a goal, for these segments; for everybody where none are named."""
    segments = options.pop("segments", None)
    when = Condition({"segment": segments} if segments else {}, minimum or {})
    return PlaybookRule(name, when, **{"goal": "keep", **options})


def decided(
    folder: Path, engine: DuckDBEngine, rows: list[dict[str, Any]], *rules: PlaybookRule, **options: Any
) -> NextBest:
    """What the rules decide, reached as a plan without further limits would reach."""
    limits = {name: options.pop(name) for name in ("holdout", "policy", "suppression") if name in options}
    uplift = options.pop("uplift", None)
    settings = ActionSettings(
        rules, lambda contacts: PlanSettings("playbook", tuple(contacts), **limits), options.pop("evidence", {})
    )
    uplift_file = None
    if uplift:
        table = pa.Table.from_pylist(
            [
                {"customer_id": name, "arm": arm, "expected_uplift": effect, "cost": 1.0}
                for arm, found in uplift.items()
                for name, effect in found.items()
            ]
        )
        uplift_file = folder / "uplift.parquet"
        pq.write_table(table, uplift_file)
    return next_best(engine, settings, PlanInputs(AS_OF, write_full_scores(folder, rows), uplift_file))
