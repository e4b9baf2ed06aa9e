"""All that the product computes with SQL, on any engine, as tables; and how far two engines are apart.

The functions of the package are run as its stages run them: files are written and read back, KPIs and campaigns go the
whole way to the figures that a user sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cvm.campaigns.assignment import Split
from cvm.campaigns.balance import draw_check
from cvm.campaigns.effect import evaluate
from cvm.campaigns.effect_campaign import campaigns_of
from cvm.engines import DuckDBEngine, Engine, QueryError, identifier
from cvm.errors import CvmError
from cvm.features.experiments import write_experiments
from cvm.features.histories import (
    customer_histories_query,
    histories_query,
    later_orders_query,
)
from cvm.features.query import Schema, subscriptions_query, unmatched_returns_query
from cvm.features.snapshots import SnapshotPlan
from cvm.features.stage import write_features
from cvm.kpis.goals import goal_table
from cvm.kpis.settings import Goal, Scores
from cvm.kpis.stage import compute_kpis
from cvm.params import Params
from cvm.stages.inputs import churn_definition_of, economics_of, evaluation_settings_of, kpi_settings_of

TOLERANCE = 1e-9
# What sums of floats that cancel leave is less than this share of the largest figure of their column.
_DUST = 1e-13
Answers = dict[str, pa.Table]


@dataclass(frozen=True)
class Question:
    """A base, and what is asked of it.

    Attributes
    ----------
    params : Params
    plan : SnapshotPlan
        Snapshots and outcomes.
    score_files : mapping of date to Path
    goals : sequence of Goal
    """

    params: Params
    plan: SnapshotPlan
    score_files: Mapping[date, Path]
    goals: Sequence[Goal] = ()


def export_tables(warehouse: Path, folder: Path) -> dict[str, Path]:
    """The tables of a warehouse as Parquet files, by name."""
    folder.mkdir(parents=True)
    with DuckDBEngine(warehouse, read_only=True) as engine:
        paths = {name: folder / f"{name}.parquet" for name in sorted(engine.tables())}
        for name, path in paths.items():
            engine.write_parquet(f"SELECT * FROM {identifier(name)}", path)
    return paths


def features_and_labels(engine: Engine, asked: Question, folder: Path) -> Answers:
    """What the features stage writes, experiments among it, and the histories that purchase processes are fitted to."""
    params, timezone = asked.params, asked.params.business.timezone
    economics, churn = economics_of(params), churn_definition_of(params)
    write_features(engine, folder / "features", asked.plan, timezone=timezone, economics=economics, churn=churn)
    found = {str(path.relative_to(folder)): pq.read_table(path) for path in _parquet_of(folder / "features")}
    notes = (folder / "features" / "notes.json").read_text(encoding="utf-8")
    found["features/notes"] = pa.table({"notes": [notes]})
    write_experiments(
        engine,
        folder / "experiments",
        as_of=asked.plan.score,
        outcome_days=params.campaigns.outcome_days,
        timezone=timezone,
        economics=economics,
    )
    found |= {str(path.relative_to(folder)): pq.read_table(path) for path in _parquet_of(folder / "experiments")}
    schema, days, score = Schema.of(engine), asked.plan.as_of, asked.plan.score
    queries = {
        "histories": histories_query(schema, days, timezone=timezone),
        "customer histories": customer_histories_query(schema, score, timezone=timezone),
        "later orders": later_orders_query(schema, score, days=90, timezone=timezone),
        "unmatched returns": unmatched_returns_query(schema, score, timezone=timezone),
    }
    if schema.has("subscriptions"):
        queries["subscriptions"] = subscriptions_query(schema, score, timezone=timezone)
    return found | {name: engine.table(f"SELECT * FROM ({query}) ORDER BY ALL") for name, query in queries.items()}


def kpis_and_goals(engine: Engine, asked: Question) -> Answers:
    """What ``cvm kpis`` writes."""
    found = compute_kpis(
        engine,
        kpi_settings_of(asked.params),
        asked.goals,
        score_files=Scores(asked.score_files),
        effects=Path("no evaluations"),
        as_of=asked.plan.score,
    )
    return {"kpis": found.kpis, "cohorts": found.cohorts, "goals": goal_table(found.goals)}


def campaign_statistics(engine: Engine, asked: Question, *, most: int | None = None) -> Answers:
    """Evaluations of the campaigns of the ledger, at most so many, and how alike their arms were before; or a refusal."""
    settings = evaluation_settings_of(asked.params, score_files=asked.score_files)
    found: Answers = {}
    for name in campaigns_of(engine)[:most] if "assignments" in engine.tables() else []:
        try:
            figures = evaluate(engine, name, settings).to_dict()
        except QueryError:
            raise
        except CvmError as refusal:
            figures = {"refused": str(refusal)}
        found[f"effect of {name}"] = _flat(figures)
        split = f"(SELECT customer_id, min(arm) AS arm FROM assignments WHERE campaign_id = '{name}' GROUP BY 1)"
        arms = sorted({*engine.table(f"SELECT DISTINCT arm FROM {split}").column(0).to_pylist(), "control"})
        if "customers" in engine.tables() and len(arms) > 1:
            check = draw_check(engine, split, "customers", Split(dict.fromkeys(arms, 1 / len(arms))))
            rows = [{"arm": one.arm, "covariate": one.covariate, "difference": one.difference} for one in check.balance]
            found[f"balance of {name}"] = pa.Table.from_pylist(
                sorted(rows, key=lambda row: (row["arm"], row["covariate"])) or [{"arm": "none"}]
            )
    return found


def apart(found: pa.Table, expected: pa.Table) -> dict[str, float]:
    """Largest relative difference of each column; infinite where texts, nulls or rows differ.

    A difference below ``1e-13`` of the largest figure of a column is what sums that cancel leave: it is set against that.
    """
    if found.column_names != expected.column_names or found.num_rows != expected.num_rows:
        return {"rows or columns": np.inf}
    one, other = _ordered(found), _ordered(expected)
    return {name: _difference(one.column(name), other.column(name)) for name in expected.column_names}


def _parquet_of(folder: Path) -> Iterator[Path]:
    """Files named ``*.parquet``, and folders of such as one."""
    for path in sorted(folder.rglob("*.parquet")):
        if not any(parent.suffix == ".parquet" for parent in path.parents):
            yield path


def _flat(value: Any, path: str = "") -> pa.Table:
    """Every leaf of nested JSON by its path, numbers and texts apart."""

    def leaves(part: Any, at: str) -> Iterator[dict[str, Any]]:
        if isinstance(part, (dict, list)):
            for key, inner in part.items() if isinstance(part, dict) else enumerate(part):
                yield from leaves(inner, f"{at}/{key}")
        else:
            is_number = isinstance(part, (int, float)) and not isinstance(part, bool)
            yield {"path": at, "number": float(part) if is_number else None, "text": None if is_number else str(part)}

    schema = pa.schema({"path": pa.string(), "number": pa.float64(), "text": pa.string()})
    return pa.Table.from_pylist(list(leaves(value, path)), schema=schema)


def _ordered(table: pa.Table) -> pa.Table:
    """By what is not a float: the keys of every table."""
    keys = [(name, "ascending") for name in table.column_names if not pa.types.is_floating(table.schema.field(name).type)]
    keys = [(name, order) for name, order in keys if not pa.types.is_nested(table.schema.field(name).type)]
    return table.sort_by(keys) if keys else table


def _difference(found: pa.ChunkedArray, expected: pa.ChunkedArray) -> float:
    if not _is_number(expected.type) or not _is_number(found.type):
        return 0.0 if found.to_pylist() == expected.to_pylist() else np.inf
    one, other = (np.array(pc.cast(column, pa.float64()).to_pylist(), dtype=float) for column in (found, expected))
    nulls = [column.is_null().to_numpy() for column in (found, expected)]
    if not np.array_equal(*nulls) or not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return np.inf
    both = np.isfinite(one)
    one, other = one[both], other[both]
    size, gap = np.maximum(np.abs(one), np.abs(other)), np.abs(one - other)
    largest = size.max(initial=0.0)
    relative = np.divide(gap, np.where(gap > _DUST * largest, size, largest), out=np.zeros_like(gap), where=gap > 0)
    return float(relative.max(initial=0.0))


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
