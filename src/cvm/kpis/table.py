"""All KPIs of all periods and groups, in one long table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cvm.engines import Engine
from cvm.features.query import Schema
from cvm.kpis.catalogue import KPIS
from cvm.kpis.cells import (
    behaviour_rows,
    cells,
    hold_periods,
    hold_start_segments,
    joined_rows,
    leader_rows,
    purchase_rows,
    scored_rows,
    snapshot_of,
    standing_rows,
)
from cvm.kpis.coverage import Coverage
from cvm.kpis.definition import Kpi, formula
from cvm.kpis.periods import Period, calendar_periods
from cvm.kpis.settings import KpiSettings, Scores

Floats = NDArray[np.float64]

_NOTHING = np.array(None, dtype=object)
# Scores may be so old to tell the segments at the start of a period.
START_SEGMENT_DAYS = 31
SCHEMA = pa.schema(
    {
        "kpi": pa.string(), "period": pa.string(), "period_start": pa.date32(), "period_end": pa.date32(),
        "group_by": pa.string(), "group": pa.string(), "value": pa.float64(), "numerator": pa.float64(),
        "denominator": pa.float64(), "unit": pa.string(), "currency": pa.string(), "reason": pa.string(),
    }
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A table of cells: what it can be grouped by, and the relations whose measures it holds."""

    table: str
    groups: tuple[str, ...]
    relations: frozenset[str]


def kpi_rows(engine: Engine, schema: Schema, settings: KpiSettings, scores: Scores, coverage: Coverage) -> pd.DataFrame:
    """Every KPI of every period and group.

    Parameters
    ----------
    engine : Engine
        Within ``base_tables``.
    schema : Schema
    settings : KpiSettings
    scores : Scores
        Up to ``coverage.as_of``.
    coverage : Coverage

    Returns
    -------
    DataFrame
        The columns of ``SCHEMA``. All periods of everybody; of a group those in which it has a row in any table.
    """
    calendar = calendar_periods(settings.periods, first=coverage.orders.first, end=coverage.as_of)
    runs = list(scores.files)[-2:]
    periods = dict(enumerate([*calendar, *map(snapshot_of, runs)]))
    hold_calendar(engine, dict(enumerate(calendar)), scores)
    snapshots = list(periods)[len(calendar) :]
    sources = list(_sources(engine, schema, settings, scores, coverage, snapshots=snapshots))
    kpis, frames = coverage.kpis(), []
    for source in sources:
        for group_by in source.groups:
            held = _held(kpis, group_by, source)
            if held:
                summed = engine.table(_sums(held, group_by, source)).to_pandas()
                if group_by == "all":  # a month without anybody has no row, and counts 0
                    summed = (
                        summed.set_index("number").drop(columns="group").reindex(list(periods)).fillna(0.0).reset_index()
                    )
                    summed["group"] = None
                columns = {str(name): column.to_numpy() for name, column in summed.items()}
                frames += [_rows(kpi, columns, group_by, periods, coverage) for kpi in held]
    found = pd.DataFrame({name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]})
    for name, attribute in {"period": "kind", "period_start": "start", "period_end": "end"}.items():
        found[name] = found["number"].map({number: getattr(period, attribute) for number, period in periods.items()})
    found = _with_changes(found, kpis)
    found["unit"] = found["kpi"].map({kpi.name: kpi.unit for kpi in kpis})
    found["currency"] = found["unit"].map({"currency": settings.economics.currency})
    found["place"] = found["kpi"].map({name: place for place, name in enumerate(KPIS)})
    order = ["place", "period", "group_by", "period_start", "group"]
    return found.sort_values(order, ignore_index=True)[SCHEMA.names]


def hold_calendar(engine: Engine, periods: Mapping[int, Period], scores: Scores) -> None:
    """Hold periods of the calendar under their numbers, and the segments that customers began them in, for ``cells``."""
    hold_periods(engine, periods)
    starts = {number: scores.before(period.start, within_days=START_SEGMENT_DAYS) for number, period in periods.items()}
    hold_start_segments(engine, {number: path for number, path in starts.items() if path})


def _sources(
    engine: Engine,
    schema: Schema,
    settings: KpiSettings,
    scores: Scores,
    coverage: Coverage,
    *,
    snapshots: Sequence[int],
) -> Iterator[Source]:
    """Fill the tables of cells that this warehouse and these settings call for."""
    asked = set(settings.group_by)
    rows = relation_rows(coverage)
    attributes = [name for name in ("segment", "acquisition_channel", "cohort") if name in asked]
    if not scores.files:
        attributes = [name for name in attributes if name != "segment"]
    if not schema.has("customers", "acquisition_channel"):
        attributes = [name for name in attributes if name != "acquisition_channel"]
    scored = {"scored": scored_rows(runs_of(scores, snapshots))} if snapshots else {}
    yield _filled(engine, "kpi_cell", {**rows, **scored}, by=attributes, groups=("all", *attributes))
    if "segment_at_start" in asked and scores.files:
        yield _filled(engine, "kpi_cell_then", rows, by=["segment_at_start"], groups=("segment_at_start",))
    if "channel" in asked and schema.has("transactions", "channel"):
        of_orders = {"joined": joined_rows(), "purchase": purchase_rows(by_channel=True)}
        yield _filled(engine, "kpi_cell_order_channel", of_orders, by=["channel"], groups=("channel",))
    if "channel" in asked and coverage.events:
        of_events = {"behaviour": behaviour_rows(by_channel=True)}
        yield _filled(engine, "kpi_cell_event_channel", of_events, by=["channel"], groups=("channel",))


def relation_rows(coverage: Coverage) -> dict[str, str]:
    """Query of the rows of each relation of the calendar."""
    rows = {
        "joined": joined_rows(),
        "standing": standing_rows("kpi_standing"),
        "quiet": standing_rows("kpi_quiet"),
        "purchase": purchase_rows(),
        "leader": leader_rows(),
    }
    return {**rows, "behaviour": behaviour_rows()} if coverage.events else rows


def runs_of(scores: Scores, numbers: Sequence[int]) -> dict[int, tuple[Path, Path | None]]:
    """The latest runs under these numbers, each with the run before it."""
    files = list(scores.files.values())
    before: list[Path | None] = [None, *files]
    pairs = list(zip(files, before, strict=False))[-len(numbers) :]
    return dict(zip(numbers, pairs, strict=True))


def _filled(engine: Engine, table: str, rows: Mapping[str, str], *, by: Sequence[str], groups: tuple[str, ...]) -> Source:
    fill(engine, table, rows, by={name: name for name in by})
    return Source(table, groups, frozenset(rows))


def fill(engine: Engine, table: str, rows: Mapping[str, str], *, by: Mapping[str, str]) -> None:
    """Make a temporary table hold the cells of several relations; ``rows`` and ``by`` as ``cells`` takes them."""
    engine.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {cells(rows, by=by)}")


def _held(kpis: Sequence[Kpi], group_by: str, source: Source) -> list[Kpi]:
    return [
        kpi
        for kpi in kpis
        if group_by in ("all", *kpi.groups) and {measure.relation for measure in kpi.measures} <= source.relations
    ]


def _sums(kpis: Collection[Kpi], group_by: str, source: Source) -> str:
    columns = []
    for kpi in kpis:
        columns.append(f"{formula(kpi.numerator)} AS n_{kpi.name}")
        if kpi.denominator:
            columns.append(f"{formula(kpi.denominator)} AS d_{kpi.name}")
    group = "CAST(NULL AS VARCHAR)" if group_by == "all" else group_by
    return f'SELECT period AS number, {group} AS "group", {", ".join(columns)} FROM {source.table} GROUP BY ALL'


def _rows(
    kpi: Kpi, columns: Mapping[str, NDArray[Any]], group_by: str, periods: Mapping[int, Period], coverage: Coverage
) -> dict[str, NDArray[Any]]:
    """Of one KPI and kind of group."""
    told = np.array([(period.kind == "snapshot") == kpi.is_snapshot for period in periods.values()])
    own = told[columns["number"]]
    number = columns["number"][own]
    numerator = columns[f"n_{kpi.name}"][own].astype(float)
    denominator = columns[f"d_{kpi.name}"][own].astype(float) if kpi.denominator else np.full(len(number), np.nan)
    value, reason = valued(kpi, numerator, denominator)
    gaps = np.array([coverage.reason(kpi, period) for period in periods.values()], dtype=object)[number]
    is_gap = np.array([gap is not None for gap in gaps], dtype=bool)
    blank = np.where(is_gap, np.nan, 1.0)
    return {
        "kpi": np.full(len(number), kpi.name, dtype=object),
        "number": number,
        "group_by": np.full(len(number), group_by, dtype=object),
        "group": columns["group"][own].astype(object),
        "value": value * blank,
        "numerator": numerator * blank,
        "denominator": denominator * blank,
        "reason": np.where(is_gap, gaps, reason),
    }


def valued(kpi: Kpi, numerator: Floats, denominator: Floats) -> tuple[Floats, NDArray[Any]]:
    """Values, and the reason where there is none: two arrays of the shape of ``numerator``."""
    if not kpi.denominator:
        return numerator, np.full(len(numerator), None, dtype=object)
    exists = denominator > 0
    value = np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=exists)
    return value, np.where(exists, _NOTHING, np.array(kpi.without, dtype=object))


def _with_changes(found: pd.DataFrame, kpis: Collection[Kpi]) -> pd.DataFrame:
    """KPIs that are the change of another: each row's value against the period before it."""
    for kpi in kpis:
        if kpi.change_of:
            found = pd.concat([found[found["kpi"] != kpi.name], _changes(found, kpi)], ignore_index=True)
    return found.drop(columns="number")


def _changes(found: pd.DataFrame, kpi: Kpi) -> pd.DataFrame:
    keys = ["period", "group_by", "group"]
    now = found[found["kpi"] == kpi.change_of].copy()
    earlier = now.assign(number=now["number"] + 1)[[*keys, "number", "value"]]
    joined = now.merge(earlier, on=[*keys, "number"], how="left", suffixes=("", "_before"))
    before = joined["value_before"].to_numpy(dtype=float)
    change = joined["value"].to_numpy(dtype=float) - before
    exists = before > 0
    value = np.divide(change, before, out=np.full(len(change), np.nan), where=exists)
    without = np.array(f"no {kpi.change_of} above 0 in the period before", dtype=object)
    missing = np.where(np.isnan(value), without, _NOTHING)
    return now.assign(
        kpi=kpi.name,
        value=value,
        numerator=np.where(exists, change, np.nan),
        denominator=np.where(exists, before, np.nan),
        reason=np.where(joined["reason"].notna(), joined["reason"], missing),
    )
