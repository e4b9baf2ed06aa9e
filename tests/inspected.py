"""Clean tables put before the checks of their quality, in one line."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import shop
from cvm.engines import DuckDBEngine
from cvm.ingest.clean import TableOutcome
from cvm.ingest.orders import order_tables
from cvm.ingest.quality import Finding, quality_findings
from cvm.ingest.sufficiency import sufficiency
from cvm.ingest.sufficiency_verdict import SufficiencyVerdict

NOW = datetime(2024, 1, 10)


def outcomes_of(engine: DuckDBEngine, tables: Any) -> list[TableOutcome]:
    """All rows kept; exact duplicates counted as ingest does."""
    found = []
    for table in tables:
        query = f"SELECT count(*) AS n, count(*) - count(DISTINCT hash(t)) AS n_twice FROM {table} AS t"
        row = engine.row(query)
        found.append(TableOutcome(table, row["n"], row["n"], {}, row["n_twice"]))
    return found


def findings_of(
    *, timezone: str = "UTC", now: datetime = NOW, is_converted: bool = False, **tables: list[dict[str, Any]]
) -> dict[str, Finding]:
    """What the checks find in these rows, by name of the check."""
    engine = shop.warehouse(**tables)
    with order_tables(engine, timezone=timezone):
        findings = quality_findings(
            engine,
            outcomes_of(engine, tables),
            currency="USD",
            is_converted=is_converted,
            timezone=timezone,
            now=now,
        )
    return {finding.check: finding for finding in findings}


def verdicts_of(
    *, horizon_days: int = 60, lead_days: int = 0, **tables: list[dict[str, Any]]
) -> dict[str, SufficiencyVerdict]:
    """What these rows are enough for, by purpose."""
    engine = shop.warehouse(**tables)
    with order_tables(engine, timezone="UTC"):
        return {each.purpose: each for each in sufficiency(engine, horizon_days=horizon_days, lead_days=lead_days)}
