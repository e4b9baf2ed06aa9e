"""Which KPIs the data can carry, and in which periods: everything else has a reason instead of a value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from cvm.engines import Engine
from cvm.engines.sql import local_day
from cvm.errors import InsufficientDataError
from cvm.features.query import Schema
from cvm.features.stage import history_days
from cvm.kpis.catalogue import KPIS
from cvm.kpis.definition import Kpi
from cvm.kpis.periods import Period, Span, unfinished
from cvm.kpis.settings import KpiSettings, Scores


@dataclass(frozen=True)
class Coverage:
    """What is known of each table.

    Attributes
    ----------
    as_of : date
        Before which all must be known.
    orders, events : Span
        Days told of; None where there is no table of events, or none of its rows is known.
    looks_back_days : mapping of str to int
        By relation, how long before a moment one may have ordered to be a customer at it, and not new after it.
    missing : frozenset of str
        Of what KPIs need: tables and columns that are not there.
    """

    as_of: date
    orders: Span
    events: Span | None
    looks_back_days: Mapping[str, int]
    missing: frozenset[str]

    @classmethod
    def of(cls, engine: Engine, schema: Schema, settings: KpiSettings, scores: Scores, *, as_of: date | None) -> Coverage:
        """Of a warehouse and the runs of scores up to ``as_of``, by default the day after the last transaction.

        Raises
        ------
        InsufficientDataError
            If no transaction lies before ``as_of``.
        """
        first, last = history_days(engine, timezone=settings.timezone)
        as_of = as_of or last + timedelta(days=1)
        if as_of <= first:
            raise InsufficientDataError(
                f"There is no transaction before {as_of}: they begin on {first}. "
                "Set windows.as_of in params.yaml to a later day."
            )
        events = None
        if schema.has("events"):
            days = {which: local_day(f"{which}(occurred_at)", settings.timezone) for which in ("min", "max")}
            row = engine.row(f"SELECT {days['min']} AS first, {days['max']} AS last FROM events")
            if row["first"] and row["first"] < as_of:
                events = Span(row["first"], min(row["last"] + timedelta(days=1), as_of))
        needed = {need for kpi in KPIS.values() for need in kpi.needs}
        there = {need for need in needed if need != "scores" and schema.has(*need.split("."))}
        if events is None:
            there = {need for need in there if not need.startswith("events")}
        return cls(
            as_of=as_of,
            orders=Span(first, max(min(last + timedelta(days=1), as_of), first)),
            events=events,
            looks_back_days={
                "joined": settings.active_days,
                "standing": settings.active_days,
                "quiet": settings.inactivity_days,
            },
            missing=frozenset(needed - there - ({"scores"} if scores.until(as_of).files else set())),
        )

    def kpis(self) -> list[Kpi]:
        """Those that the data can carry."""
        return [kpi for kpi in KPIS.values() if not self.missing & set(kpi.needs)]

    def left_out(self) -> dict[str, list[str]]:
        """Names of the others, by the first thing that is missing."""
        found: dict[str, list[str]] = {}
        for kpi in KPIS.values():
            lacking = [need for need in kpi.needs if need in self.missing]
            if lacking:
                found.setdefault(lacking[0], []).append(kpi.name)
        return found

    def reason(self, kpi: Kpi, period: Period) -> str | None:
        """Why a KPI has no value in a period of the calendar; ``None`` where it has."""
        if period.kind == "snapshot":
            return None
        relations = {measure.relation for measure in kpi.measures}
        return (
            unfinished(period, as_of=self.as_of)
            or self._without_orders(relations, period)
            or self._without_events(relations, period)
            or self._without_past(kpi, period)
        )

    def _without_orders(self, relations: Collection[str], period: Period) -> str | None:
        if not {"joined", "standing", "quiet", "purchase"} & set(relations):
            return None
        return self.orders.gap(period, what="orders")

    def _without_events(self, relations: Collection[str], period: Period) -> str | None:
        return self.events.gap(period, what="events") if "behaviour" in relations and self.events else None

    def _without_past(self, kpi: Kpi, period: Period) -> str | None:
        for measure in kpi.measures:
            moment = {"start": period.start, "end": period.end}.get(measure.looks_back)
            days = self.looks_back_days.get(measure.relation, 0)
            if moment and (moment - self.orders.first).days < days:
                asked = f"is new from {moment} on" if measure.relation == "joined" else f"was a customer on {moment}"
                needs = f"who {asked} needs {days} days of orders before it"
                return f"{needs}, and orders begin on {self.orders.first}"
        return None
