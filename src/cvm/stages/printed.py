"""Queries as files for a warehouse of the user's own; nothing is computed and nothing of the workspace is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from difflib import get_close_matches
from textwrap import wrap

from cvm import __version__
from cvm.campaigns.effect_campaign import only_campaign, read_campaign, start_moment
from cvm.campaigns.printed import sums_script
from cvm.engines import DuckDBEngine, QueryError, identifier, literal
from cvm.engines.script import Script
from cvm.engines.warehouses import WAREHOUSES, Warehouse
from cvm.errors import CvmError, ExperimentError, MissingOutputError
from cvm.features.printed import features_script, labels_script
from cvm.features.query import Schema
from cvm.features.stage import history_days
from cvm.ingest.contracts import CONTRACTS
from cvm.kpis.catalogue import ACTIVE_EVENTS
from cvm.kpis.printed import kpis_script
from cvm.params import Params
from cvm.stages.context import engine_trouble
from cvm.stages.inputs import churn_definition_of, economics_of, evaluation_settings_of, kpi_settings_of
from cvm.stages.warehouse import open_warehouse, warehouse_path

_WIDTH = 110
_CONTACTS = ("email_sent", "push_sent", "sms_sent", "message_sent", "nps", "complaint", "unsubscribe", "support_ticket")


@dataclass(frozen=True)
class Target:
    """Where a query shall run.

    Attributes
    ----------
    dialect : str
        One of ``WAREHOUSES``.
    schema : str or None
        Where the tables are there.
    with_markers : bool
        Parameters as the markers of the warehouse, instead of values.
    """

    dialect: str
    schema: str | None = None
    with_markers: bool = False

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse.

        Raises
        ------
        CvmError
            If cvm knows none of that name.
        """
        if self.dialect not in WAREHOUSES:
            near = get_close_matches(self.dialect.lower(), WAREHOUSES, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise CvmError(f"--sql == {self.dialect!r}, must be one of {list(WAREHOUSES)}.{hint}")
        return WAREHOUSES[self.dialect]


@dataclass(frozen=True)
class Known:
    """The schema that queries are written for, where it is from, and the last day of data, if there is any."""

    schema: Schema
    origin: tuple[str, ...]
    last_day: date | None


def known_schema(params: Params) -> Known:
    """Of the warehouse that ``cvm ingest`` wrote; where there is none, what params say of the tables."""
    with suppress(MissingOutputError):
        with engine_trouble(), open_warehouse(params) as engine:
            schema = Schema.of(engine)
            last_day = history_days(engine, timezone=params.business.timezone)[1]
        return Known(schema, (f"columns and types of event are those of {warehouse_path(params).name}.",), last_day)
    if params.data.dataset:
        columns = {"transactions": {name: _kind("transactions", name) for name in ("customer_id", "occurred_at", "amount")}}
    else:
        columns = {table: _assumed(table, list(source.columns)) for table, source in params.data.tables.items()}
        columns = {
            table: found for table, found in columns.items() if table not in ("identities", "exchange_rates", "features")
        }
    types = tuple(dict.fromkeys((*ACTIVE_EVENTS, *_CONTACTS))) if "events" in columns else ()
    origin = [
        "ASSUMED: there is no warehouse of cvm yet, so columns are those that a table must have and those that params.yaml",
        "maps under data.<table>.columns. Map more of them, or run `cvm ingest`, and print the query again.",
    ]
    if types:
        origin.append(f"Types of event are assumed, too: {', '.join(types)}.")
    return Known(Schema(columns, types), tuple(origin), None)


def features_sql(params: Params, target: Target, *, as_of: date | None, labels: bool = False) -> str:
    """The query of all features, or of the labels, at one date: by default that of params."""
    known, business, windows = known_schema(params), params.business, params.windows
    day = as_of or _date(params, known)
    if labels:
        script = labels_script(
            known.schema,
            day,
            horizon_days=windows.horizon_days,
            lead_days=windows.lead_days,
            timezone=business.timezone,
            churn=churn_definition_of(params),
        )
        title = "what every customer did in the outcome window"
        result = ["customer_id, n_orders, revenue, stayed: who ordered in the window or stayed; all others did neither."]
    else:
        script = features_script(known.schema, day, timezone=business.timezone, economics=economics_of(params))
        title = f"all {len(script.columns)} features of every customer at one date"
        result = [f"as_of, customer_id and {len(script.columns)} features, one row per customer known at as_of."]
        if known.schema.own:
            result.append("Own features (own_...) are left out: join your table of them.")
    return _file(title, script, target, known, result=result, timezone=business.timezone)


def kpis_sql(params: Params, target: Target, *, as_of: date | None) -> str:
    """The query of the KPIs of all periods that are over at one date: by default that of params."""
    known, settings = known_schema(params), kpi_settings_of(params)
    script = kpis_script(known.schema, settings, as_of or _date(params, known))
    result = [
        f"One row per {', '.join(settings.periods)} that is over, and group (group_by, group); {len(script.columns)} KPIs.",
        "Null where there is nothing to divide by. Where the data begin, who was a customer before is not known: "
        f"read no retention, churn or new customers in the first {settings.active_days} days.",
        "By segment, and of scores, there are none: scores are files of cvm. Join a table of segments to kpi_customer.",
    ]
    return _file(
        f"{len(script.columns)} KPIs by period and group", script, target, known, result=result, timezone=settings.timezone
    )


def campaign_sql(params: Params, target: Target, campaign_id: str | None) -> str:
    """The query of a campaign's sums by arm and segment."""
    known = known_schema(params)
    settings = evaluation_settings_of(params, score_files={})
    tables = known.schema.columns
    if "assignments" not in tables:
        raise ExperimentError(
            "There is no table assignments, so no campaign. Name the campaign ledger under data.assignments in params.yaml."
        )
    notes = ["One row per arm and segment: the number of customers, sums of quantities and of products of two of them."]
    with engine_trouble():
        if known.last_day is not None:
            with open_warehouse(params) as engine:
                name = campaign_id or only_campaign(engine)
                with read_campaign(engine, name, replace(settings, segment_by=None)) as campaign:
                    script = sums_script(
                        engine,
                        name,
                        settings,
                        start=start_moment(engine, settings.timezone),
                        is_weighted=campaign.is_weighted,
                        has_after=campaign.has_after,
                        tables=tables,
                    )
        else:
            if campaign_id is None:
                raise ExperimentError("Name the campaign: there is no warehouse yet that knows which there are.")
            name = campaign_id
            with _empty_tables(known.schema) as engine:
                script = sums_script(
                    engine, name, settings, start="assigned_at", is_weighted=False, has_after=False, tables=tables
                )
            notes.append("Assumed: arms were drawn with equal propensities, and orders carry a time of day.")
    if settings.until_next or settings.allow_partial:
        notes.append("Windows are whole here: neither until_next nor allow_partial cuts them.")
    return _file(f"sums of campaign {name!r} by arm", script, target, known, result=notes, timezone=settings.timezone)


def _empty_tables(schema: Schema) -> DuckDBEngine:
    """An engine with the tables of a schema, and a row for each type of event."""
    engine = DuckDBEngine()
    for table, columns in schema.columns.items():
        engine.execute(f"CREATE TABLE {table} ({', '.join(f'{identifier(name)} {kind}' for name, kind in columns.items())})")
    for event_type in schema.event_types:
        engine.execute(f"INSERT INTO events (event_type) VALUES ({literal(event_type)})")
    return engine


def _file(title: str, script: Script, target: Target, known: Known, *, result: Sequence[str], timezone: str) -> str:
    warehouse = target.warehouse
    try:
        statements = script.statements(warehouse, schema=target.schema, with_markers=target.with_markers)
    except QueryError as error:
        raise CvmError(f"This query cannot be printed for {warehouse.title}: {error}.") from error
    run = warehouse.run_with_markers if target.with_markers and warehouse.run_with_markers else warehouse.run
    run += warehouse.run_with_tables if len(statements) > 1 else ()
    lines = _header(title, script, target, known, result=result, timezone=timezone, run=run)
    # A line break in a name of the user's would end the comment.
    return "\n".join(f"-- {' '.join(line.splitlines())}".rstrip() for line in lines) + "\n\n" + "\n".join(statements)


def _header(
    title: str, script: Script, target: Target, known: Known, *, result: Sequence[str], timezone: str, run: Sequence[str]
) -> Iterator[str]:
    warehouse = target.warehouse
    yield f"{title[0].upper()}{title[1:]}, for {warehouse.title}."
    yield f"Written by cvm {__version__}. Comments give the meaning of each piece and of each column."
    yield ""
    yield "Parameters"
    for one in script.parameters:
        marker = warehouse.marker.format(name=one.name)
        yield f"  {one.name:13s} {f'{marker}, for example {one.value}' if target.with_markers else one.value}"
    yield f"  time zone     {timezone}, which cuts days; it is written where times become days"
    yield "Result"
    for line in result:
        yield from (f"  {part}" for part in wrap(line, _WIDTH))
    yield f"Tables{f' of {target.schema}' if target.schema else ''}; times are UTC and carry no zone"
    for table, columns in script.used().items():
        listed = ", ".join(f"{name} {warehouse.types.get(kind, kind)}" for name, kind in columns.items())
        yield from wrap(
            f"{table:13s} {listed}", _WIDTH, initial_indent="  ", subsequent_indent=" " * 16, break_long_words=False
        )
    yield from (f"  {part}" for line in known.origin for part in wrap(line, _WIDTH))
    yield "Run it"
    yield from (f"  {line}" for line in run)


def _date(params: Params, known: Known) -> date:
    if params.windows.as_of != "latest":
        return params.windows.as_of
    if known.last_day is None:
        raise CvmError(
            "windows.as_of is latest, and there is no warehouse yet that tells the last day of data. "
            "Name the date: --as-of 2024-06-30."
        )
    return known.last_day + timedelta(days=1)


def _assumed(table: str, mapped: Sequence[str]) -> dict[str, str]:
    contract = CONTRACTS[table]
    names = dict.fromkeys([*contract.required, *(name for name in mapped if name not in ("currency", "is_test", "source"))])
    return {name: _kind(table, name) for name in names if contract.column(name) or contract.open_ended}


def _kind(table: str, name: str) -> str:
    column = CONTRACTS[table].column(name)
    return column.kind.value if column else "VARCHAR"
