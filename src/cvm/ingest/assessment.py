"""The data judged: findings and verdicts, computed together and kept beside the warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cvm.engines import Engine
from cvm.ingest.clean import TableOutcome
from cvm.ingest.orders import order_tables
from cvm.ingest.quality import Finding, quality_findings, read_findings, write_findings
from cvm.ingest.sufficiency import sufficiency
from cvm.ingest.sufficiency_verdict import SufficiencyVerdict, read_verdicts, write_verdicts
from cvm.workspace import Workspace


@dataclass(frozen=True)
class Assessment:
    """What is wrong with the data, and what it is enough for."""

    findings: list[Finding]
    verdicts: list[SufficiencyVerdict]


def write_assessment(
    engine: Engine,
    outcomes: Sequence[TableOutcome],
    workspace: Workspace,
    *,
    currency: str,
    is_converted: bool,
    timezone: str,
    horizon_days: int,
    lead_days: int,
    now: datetime,
) -> None:
    """Judge the clean tables and write ``quality.parquet`` and ``sufficiency.json``.

    Parameters
    ----------
    engine : Engine
        Holds the clean tables, ``transactions`` among them, and ``rejected_<table>`` of those with rejected rows.
    outcomes : sequence of TableOutcome
        What became of each table.
    workspace : Workspace
        Where to write.
    currency, timezone : str
        Of the business.
    is_converted : bool
        Whether amounts in other currencies have been converted to it.
    horizon_days, lead_days : int
        Outcome window.
    now : datetime
        UTC, without zone.
    """
    with order_tables(engine, timezone=timezone):
        findings = quality_findings(
            engine, outcomes, currency=currency, is_converted=is_converted, timezone=timezone, now=now
        )
        verdicts = sufficiency(engine, horizon_days=horizon_days, lead_days=lead_days, timezone=timezone)
    write_findings(findings, workspace.quality)
    write_verdicts(verdicts, workspace.sufficiency)


def read_assessment(workspace: Workspace) -> Assessment:
    """The assessment on file.

    Raises
    ------
    MissingOutputError
        If a file is not there or damaged.
    """
    return Assessment(read_findings(workspace.quality), read_verdicts(workspace.sufficiency))
