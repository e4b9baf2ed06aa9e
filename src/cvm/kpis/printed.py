"""The query of the KPIs, for people with a warehouse of their own: a row per period and group, a column per KPI."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from cvm.engines import identifier, literal
from cvm.engines.script import SNAPSHOT, Parameter, Script, assembled
from cvm.features.printed import GIVEN, MARKED, usable
from cvm.features.query import Schema, contract_days
from cvm.features.subscriptions import subscription_days
from cvm.kpis.base import base_queries, number_of
from cvm.kpis.catalogue import KPIS
from cvm.kpis.cells import (
    behaviour_rows,
    bought_rows,
    cells,
    joined_rows,
    leader_ranks,
    part_rows,
    purchase_rows,
    standing_rows,
)
from cvm.kpis.definition import Kpi, ratio
from cvm.kpis.event_kinds import EVENT_KINDS, event_kinds
from cvm.kpis.periods import MONTHS
from cvm.kpis.settings import KpiSettings, Scores

# Days that the calendar reaches back: 27 years.
_DIGITS = 4
_PIECES = {
    **GIVEN,
    "kpi_digit": "0 to 9, to count days with.",
    "kpi_calendar": "10,000 days up to as_of, with their months; months are numbers since year 0.",
    "kpi_begin": "First day of the data.",
    "kpi_day": "Days from the January before the data begin.",
    EVENT_KINDS: "What types of event mean: 1 where a type is what the column says.",
    "kpi_person": "Everybody who did anything or is on file, with a number.",
    "kpi_line": "Transaction lines known at as_of.",
    "kpi_placed": "Orders before returns that name none.",
    "kpi_order": "Orders net of the returns known.",
    "kpi_subscription": "Subscriptions: held at every midnight in (starts, ends].",
    "kpi_customer": "Customers: day and channel of the first order, attributes.",
    "kpi_spell": "Where spells of being a customer begin.",
    "kpi_standing": "Spells of being a customer, by business.active_days: at every midnight in (starts, ends].",
    "kpi_quiet": "The same by kpis.inactivity_days.",
    "kpi_purchase": "Orders, revenue, margin and cost by customer, month and channel.",
    "kpi_message": "Messages sent, opened and clicked.",
    "kpi_behaviour": "Events by customer, month and channel.",
    "kpi_period": "Months, quarters and years that are over.",
    "kpi_part": "Months of each period.",
    "kpi_bought": "What each customer bought in each period.",
    "kpi_bought_by_channel": "The same by channel.",
    "kpi_leader": "Buyers of each period by what they brought.",
    "kpi_cell": "Sums by period and attributes of customers: all KPIs are made of these.",
    "kpi_channel_cell": "Sums by period and channel: of orders and events, and of new customers by their first order.",
    "kpi_value": "KPIs by period and group.",
}


def kpis_script(schema: Schema, settings: KpiSettings, as_of: date) -> Script:
    """KPIs of all periods that are over, for everybody and by acquisition channel, cohort and channel.

    Those by segment are left out, and those of scores: the warehouse has none.

    Parameters
    ----------
    schema : Schema
    settings : KpiSettings
    as_of : date
    """
    schema = usable(schema)
    base = base_queries(schema, settings, Scores(), first=MARKED, as_of=MARKED)
    base = {"kpi_line" if name == "line" else name: query for name, query in base.items()}
    pieces = _calendar(schema, settings)
    if schema.has("events"):
        kinds = event_kinds(schema.event_types, active=settings.active_events).to_pylist()
        pieces[EVENT_KINDS] = " UNION ALL ".join(f"SELECT {_listed(row)}" for row in kinds)
    pieces |= {name: query for name, query in base.items() if name != "kpi_day"} | _periods(settings)
    rows = {
        "joined": joined_rows(),
        "standing": standing_rows("kpi_standing"),
        "quiet": standing_rows("kpi_quiet"),
        "purchase": purchase_rows(),
        "leader": "SELECT * FROM kpi_leader",
    }
    by_channel: dict[str, str] = {}
    if schema.has("transactions", "channel"):
        by_channel |= {"joined": joined_rows(), "purchase": "SELECT * FROM kpi_bought_by_channel"}
    if schema.has("events"):
        rows["behaviour"] = behaviour_rows()
        by_channel["behaviour"] = behaviour_rows(by_channel=True)
    attributes = [name for name in ("acquisition_channel", "cohort") if name == "cohort" or schema.has("customers", name)]
    pieces["kpi_cell"] = cells(rows, by={name: name for name in attributes})
    if by_channel:
        pieces["kpi_channel_cell"] = cells(by_channel, by={"channel": "channel"})
    kpis = [kpi for kpi in KPIS.values() if _is_told(kpi, schema, rows)]
    values = [_values(kpis, "all")]
    values += [_values([kpi for kpi in kpis if name in kpi.groups], name, every=kpis) for name in attributes]
    if by_channel:
        of_orders, of_events = set(by_channel) - {"behaviour"}, {"behaviour"} & set(by_channel)
        alone = (of_orders, of_events)  # nothing is made of both
        held = [kpi for kpi in kpis if "channel" in kpi.groups and any(_relations(kpi) <= of for of in alone)]
        values.append(_values(held, "channel", every=kpis))
    pieces["kpi_value"] = " UNION ALL ".join(values)
    names = ", ".join(kpi.name for kpi in kpis)
    last = (
        "SELECT kind AS period, DATE '1970-01-01' + start_day AS period_start, DATE '1970-01-01' + end_day AS period_end, "
        f'group_by, "group", {names} FROM kpi_value JOIN kpi_period USING (period) '
        'ORDER BY kind, group_by, start_day, "group"'
    )
    return Script(
        assembled(pieces, last, renamed={"line": "kpi_line"}),
        (Parameter("as_of", "DATE", as_of.isoformat()),),
        schema.columns,
        first=SNAPSHOT,
        values={str(number_of(MARKED)): "(SELECT as_of_day FROM snapshot)"},
        pieces=_PIECES,
        columns={kpi.name: f"{kpi.meaning} [{kpi.unit}]" for kpi in kpis},
    )


def _is_told(kpi: Kpi, schema: Schema, relations: Collection[str]) -> bool:
    there = all(need != "scores" and schema.has(*need.split(".")) for need in kpi.needs)
    return there and not kpi.is_snapshot and not kpi.change_of and _relations(kpi) <= set(relations)


def _relations(kpi: Kpi) -> set[str]:
    return {measure.relation for measure in kpi.measures}


def _calendar(schema: Schema, settings: KpiSettings) -> dict[str, str]:
    """``kpi_day`` without a function that makes rows, which every warehouse calls otherwise."""
    days = contract_days(schema, settings.timezone) if schema.has("subscriptions") else {}
    begins = [f"SELECT min({_day_of(settings)}) AS day FROM transactions"]
    if days:
        begins.append(f"SELECT min(started_day) FROM ({subscription_days(**days)})")
    powers = " + ".join(f"{10**place} * d{place}.n" for place in range(_DIGITS))
    digits = " ".join(f"CROSS JOIN kpi_digit AS d{place}" for place in range(_DIGITS))
    that_day = "DATE '1970-01-01' + day"
    return {
        "kpi_digit": " UNION ALL ".join(f"SELECT {n} AS n" for n in range(10)),
        "kpi_calendar": (
            f"SELECT day, CAST(extract(year FROM {that_day}) * 12 + extract(month FROM {that_day}) - 1 AS INTEGER) AS month "
            f"FROM (SELECT as_of_day - ({powers}) AS day FROM snapshot {digits})"
        ),
        "kpi_begin": f"SELECT min(day) AS day FROM ({' UNION ALL '.join(begins)})",
        "kpi_day": (
            "SELECT day, month FROM kpi_calendar WHERE month >= "
            "(SELECT min(month // 12) * 12 FROM kpi_calendar JOIN kpi_begin USING (day))"
        ),
    }


def _day_of(settings: KpiSettings) -> str:
    return contract_days(Schema({"subscriptions": {}}), settings.timezone)["started_day"].replace(
        "started_at", "occurred_at"
    )


def _periods(settings: KpiSettings) -> dict[str, str]:
    kinds = [
        # A period is over when a later day is known to be no part of it.
        f"SELECT {100_000 * place} + number AS period, {literal(kind)} AS kind, min(day) AS start_day, "
        "max(day) + 1 AS end_day "
        f"FROM (SELECT day, month // {MONTHS[kind]} AS number FROM kpi_day) GROUP BY number "
        "HAVING max(day) < (SELECT as_of_day FROM snapshot)"
        for place, kind in enumerate(settings.periods)
    ]
    return {
        "kpi_period": " UNION ALL ".join(kinds),
        "kpi_part": part_rows(),
        "kpi_bought": bought_rows("period, who"),
        "kpi_bought_by_channel": purchase_rows(by_channel=True),
        "kpi_leader": (
            f"SELECT period, who, revenue, margin, count(*) OVER (PARTITION BY period) AS n_ranked, {leader_ranks()} "
            "FROM kpi_bought JOIN kpi_person USING (who) WHERE n_orders > 0"
        ),
    }


def _values(kpis: Sequence[Kpi], group_by: str, *, every: Sequence[Kpi] | None = None) -> str:
    """KPIs of one kind of group; of ``every`` other they are null."""
    source = "kpi_channel_cell" if group_by == "channel" else "kpi_cell"
    told = {kpi.name for kpi in kpis}
    columns = [f"{ratio(kpi) if kpi.name in told else 'CAST(NULL AS DOUBLE)'} AS {kpi.name}" for kpi in (every or kpis)]
    if group_by == "all":  # a period without anybody counts 0
        return (
            f"SELECT period, 'all' AS group_by, CAST(NULL AS VARCHAR) AS \"group\", {', '.join(columns)} "
            f"FROM kpi_period LEFT JOIN {source} USING (period) GROUP BY period"
        )
    return (
        f'SELECT period, {literal(group_by)} AS group_by, {group_by} AS "group", {", ".join(columns)} '
        f"FROM {source} GROUP BY period, {group_by}"
    )


def _listed(row: Mapping[str, Any]) -> str:
    """Columns with the values of a row: texts, numbers and nulls of text."""
    values = ("CAST(NULL AS VARCHAR)" if value is None else literal(value) for value in row.values())
    return ", ".join(f"{value} AS {identifier(name)}" for name, value in zip(row, values, strict=True))
