"""By what customers are told apart: a column of theirs, or one of the scores that were on file when the campaign began."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from cvm.campaigns.effect_campaign import DrawnCampaign
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.engines import Engine, identifier, literal
from cvm.engines.sql import local_day, parquet
from cvm.errors import ExperimentError

MAX_SEGMENTS = 50
# A segment is one value; these are many, or none.
_UNFIT = ("[]", "STRUCT", "MAP", "BLOB")


@dataclass(frozen=True)
class SegmentColumn:
    """One column of one relation with ``customer_id``; ``as_of`` is that of the scores, None for a column of customers."""

    relation: str
    column: str
    as_of: date | None

    @property
    def segment(self) -> str:
        """SQL for the segment of a customer joined as ``g``."""
        return f"coalesce(CAST(g.{identifier(self.column)} AS VARCHAR), 'unknown')"


def segment_column(engine: Engine, campaign: DrawnCampaign, settings: EvaluationSettings) -> SegmentColumn | None:
    """What ``segment_by`` means; None where it was not asked for.

    Scores count only if their ``as_of`` is not later than the first assignment: later ones know what the campaign did, and
    customers that it moved into a segment would be compared with others.

    Raises
    ------
    ExperimentError
        If there is no such column, or only in scores later than the campaign, or it has too many values to compare.
    """
    column = settings.segment_by
    if column is None:
        return None
    customers = engine.columns("customers") if "customers" in engine.tables() else {}
    if column in customers:
        return _checked(engine, campaign, SegmentColumn("customers", column, None), customers)
    began = _day(engine, campaign.first_at, settings.timezone)
    younger = None
    for as_of in sorted(settings.score_files, reverse=True):
        relation = parquet([settings.score_files[as_of]])
        columns = engine.columns(relation)
        if column in columns and as_of <= began:
            return _checked(engine, campaign, SegmentColumn(relation, column, as_of), columns)
        if column in columns:
            younger = as_of
    if younger:
        raise ExperimentError(
            f"segment_by == {column!r} is a column of scores, and those on file that have it ({younger} is the first) are "
            f"younger than the campaign ({began}): they know what it did. Score with windows.as_of={began} first, or name a "
            "column of customers."
        )
    last = max(settings.score_files, default=None)
    raise ExperimentError(
        f"segment_by == {column!r} is no column of customers (it has {sorted(set(customers) - {'customer_id'})}), "
        f"nor of scores {f'of {last}' if last else '(there are none)'}."
    )


def _checked(engine: Engine, campaign: DrawnCampaign, found: SegmentColumn, columns: dict[str, str]) -> SegmentColumn:
    kind = columns[found.column]
    if any(unfit in kind for unfit in _UNFIT):
        raise ExperimentError(f"segment_by == {found.column!r} is {kind}, not one value per customer. Name another column.")
    n = engine.row(
        f"SELECT count(DISTINCT {found.segment}) AS n FROM ({campaign.person}) "
        f"LEFT JOIN {found.relation} AS g USING (customer_id)"
    )["n"]
    if n > MAX_SEGMENTS:
        raise ExperimentError(
            f"segment_by == {found.column!r} has {n:,} values, at most {MAX_SEGMENTS} can be compared. "
            "Group them into fewer, or choose another column."
        )
    return found


def _day(engine: Engine, moment: datetime, timezone: str) -> date:
    found: Any = engine.row(f"SELECT {local_day(literal(moment), timezone)} AS day")["day"]
    return found
