"""A small invented shop: tables for tests, built in one line each."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from cvm.cli import main
from cvm.engines import DuckDBEngine
from cvm.features.economics import Economics
from cvm.features.query import Schema, features_query, outcome_query
from cvm.ingest.assembly import assemble_table
from cvm.ingest.changes import changes_of
from cvm.ingest.clean import TableOutcome
from cvm.ingest.contracts import CONTRACTS, Contract, Kind
from cvm.ingest.origins import FrameSource
from cvm.ingest.parts import read_parts
from cvm.ingest.reading import Reading
from cvm.params import Params, load_params
from memory import Memory

FIRST_DAY = date(2023, 1, 1)


def noon(day: date | str) -> datetime:
    """Noon of a day, written out or not."""
    day = date.fromisoformat(day) if isinstance(day, str) else day
    return datetime(day.year, day.month, day.day, 12)


def order(customer_id: str, *, on: date | str, amount: float, **columns: Any) -> dict[str, Any]:
    """One transaction line at noon of a day."""
    return {"customer_id": customer_id, "occurred_at": noon(on), "amount": amount, **columns}


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
    engine = Memory()
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
    """A ``params.yaml`` in ``folder``; sections replace the defaults, ``data`` defaults to ``transactions.csv`` in UTC."""
    values = {"data": {"transactions": {"path": "transactions.csv"}}, **sections}
    values["business"] = {"timezone": "UTC", **values.get("business", {})}
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def params_for(folder: Path, **sections: Any) -> Params:
    """The checked params of ``write_params``."""
    return load_params(write_params(folder, **sections))


@dataclass(frozen=True)
class Done:
    """What a command left on the screen, and its exit code."""

    code: int
    out: str
    err: str


def cvm(folder: Path, *arguments: str) -> Done:
    """The command line, called in this process with ``folder`` as its working directory."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["cvm", *arguments])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def clean_table(
    engine: DuckDBEngine, contract: Contract, reading: Reading, frame: pa.Table, *, now: datetime
) -> TableOutcome:
    """``frame`` read under its contract into ``<table>`` and ``rejected_<table>`` of the engine."""
    source = FrameSource(frame, "given", reading)
    with TemporaryDirectory() as folder:
        parts = read_parts(engine, contract, source, changes_of(contract, source, None), Path(folder), now=now)
        return assemble_table(engine, contract, reading, parts, Path(folder))


def now() -> datetime:
    """This moment, UTC, without zone."""
    return datetime.now(UTC).replace(tzinfo=None)


ARROW_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.TIME: pa.timestamp("us"),
    Kind.MONEY: pa.decimal128(18, 4),
    Kind.NUMBER: pa.float64(),
    Kind.FLAG: pa.bool_(),
}


def typed_warehouse(**tables: list[dict[str, Any]]) -> DuckDBEngine:
    """An in-memory engine whose columns have the types of the contracts, even where all values are missing.

    Rows need not have the same keys; columns that no contract knows take the type of their first value.
    """
    engine = Memory()
    for table, rows in tables.items():
        columns = {name: _arrow_column(table, name, rows) for name in dict.fromkeys(chain.from_iterable(rows))}
        engine.register(f"given_{table}", pa.table(columns))
        engine.replace_table(table, f"SELECT * FROM given_{table}")
    return engine


def _arrow_column(table: str, name: str, rows: list[dict[str, Any]]) -> pa.Array:
    values = [row.get(name) for row in rows]
    column = CONTRACTS[table].column(name)
    if column is None:
        return pa.array(values)
    if column.kind is Kind.MONEY:
        values = [None if value is None else Decimal(str(value)) for value in values]
    return pa.array(values, type=ARROW_TYPES[column.kind])


def event(customer_id: str, event_type: str, *, on: date | str, **columns: Any) -> dict[str, Any]:
    """One event at noon of a day."""
    return {"customer_id": customer_id, "occurred_at": noon(on), "event_type": event_type, **columns}


def features_at(
    engine: DuckDBEngine, *as_of: date, timezone: str = "UTC", **economics: Any
) -> dict[date, dict[str, dict[str, Any]]]:
    """Features of the warehouse under these ``Economics``: snapshot to customer to column to value."""
    query = features_query(Schema.of(engine), as_of, timezone=timezone, economics=Economics(**economics))
    found: dict[date, dict[str, dict[str, Any]]] = {day: {} for day in as_of}
    for row in engine.table(query).to_pylist():
        day, customer_id = row.pop("as_of"), row.pop("customer_id")
        if customer_id in found[day]:
            raise AssertionError(f"{customer_id} has two rows at {day}")
        found[day][customer_id] = row
    return found


def outcome_of(
    engine: DuckDBEngine, as_of: date, *, horizon_days: int, lead_days: int = 0, timezone: str = "UTC"
) -> dict[str, tuple[int, float]]:
    """Orders and revenue of everyone who ordered in the outcome window."""
    query = outcome_query(Schema.of(engine), as_of, horizon_days=horizon_days, lead_days=lead_days, timezone=timezone)
    return {row["customer_id"]: (row["n_orders"], row["revenue"]) for row in engine.table(query).to_pylist()}


def subscription(customer_id: str, started: str, ended: str | None = None, **columns: Any) -> dict[str, Any]:
    """One subscription from noon of a day to noon of another; running where there is none."""
    end = None if ended is None else noon(ended)
    return {"customer_id": customer_id, "started_at": noon(started), "ended_at": end, **columns}
