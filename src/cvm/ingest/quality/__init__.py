"""What is wrong with the data, or worth knowing about it: checks, their findings and the file they are kept in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cvm.engines import Engine
from cvm.ingest.clean import TableOutcome
from cvm.ingest.quality import implausible, people, repeats
from cvm.ingest.quality.calendar import calendar_findings
from cvm.ingest.quality.check import Tables, check_findings
from cvm.ingest.quality.finding import Finding, by_gravity, read_findings, write_findings
from cvm.ingest.quality.levels import level_findings
from cvm.ingest.quality.outcomes import outcome_findings

__all__ = ["Finding", "by_gravity", "quality_findings", "read_findings", "write_findings"]

_RELATIONS = (*repeats.RELATIONS, *implausible.RELATIONS, *people.RELATIONS)
_CHECKS = (*repeats.CHECKS, *implausible.CHECKS, *people.CHECKS)


def quality_findings(
    engine: Engine,
    outcomes: Sequence[TableOutcome],
    *,
    currency: str,
    is_converted: bool,
    timezone: str,
    now: datetime,
) -> list[Finding]:
    """Everything the checks find, the gravest first.

    Parameters
    ----------
    engine : Engine
        Holds the clean tables, those of ``order_tables``, and ``rejected_<table>`` as long as examples of rejected rows
        are wanted.
    outcomes : sequence of TableOutcome
        What became of each table.
    currency : str
        Currency of the business.
    is_converted : bool
        Whether amounts in other currencies have been converted to it.
    timezone : str
        Zone that cuts days.
    now : datetime
        UTC, without zone.
    """
    filled = [outcome.table for outcome in outcomes if outcome.n_kept]
    tables = Tables.of(engine, filled, currency=currency, is_converted=is_converted, timezone=timezone)
    findings = [
        *outcome_findings(engine, outcomes),
        *check_findings(engine, tables, _RELATIONS, _CHECKS),
        *people.empty_attributes(engine, tables),
        *calendar_findings(engine, tables=set(filled), timezone=timezone, now=now),
        *level_findings(engine, timezone=timezone),
    ]
    return by_gravity(findings)
