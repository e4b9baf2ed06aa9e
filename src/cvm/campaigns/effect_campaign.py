"""What the ledger says of one campaign: who was drawn for which arm, when, and whether chance decided it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

from cvm.campaigns.assignment import draw_key, draw_sql
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.engines import Engine, literal
from cvm.engines.sql import literals, local_moment
from cvm.errors import ExperimentError, InsufficientDataError
from cvm.features.treatments import CONTROL, UNTREATED
from cvm.ingest.profiles import MIXED

_MAX_SHOWN = 10
# One row per customer of the campaign, while it is evaluated.
PEOPLE = "campaign_people"
_OPTIONAL = {
    "cost": "DECIMAL(18, 4)",
    "exposed_at": "TIMESTAMP",
    "propensity": "DOUBLE",
    "channel": "VARCHAR",
    "stratum": "VARCHAR",
}
# Of each arm, for its bootstrap: the standard error is then known within 2 %.
N_BINS = 1_024
# A propensity of 0 or 1 marks who was put into an arm by hand.
_CHANCE = "(propensity IS NULL OR (propensity > 0 AND propensity < 1))"
_DRAWN = f"NOT is_mixed AND {_CHANCE}"
_DAYS = "(epoch(stop) - epoch(start)) / 86400"


@dataclass(frozen=True)
class DrawnArm:
    """One arm as the ledger has it; ``propensity`` is None where it is not recorded or not the same for all."""

    name: str
    n: int
    cost: float
    n_with_cost: int
    n_exposed: int
    propensity: float | None


@dataclass(frozen=True)
class DrawnCampaign:
    """One campaign's customers and their windows.

    Attributes
    ----------
    campaign_id : str
    arms : tuple of DrawnArm
        Control first, then by name.
    n_mixed : int
        Customers left out because the ledger has them in several arms.
    n_targeted : int
        Customers left out because their propensity is 0 or 1: nobody drew them.
    first_at, last_at : datetime
        Of the assignments, UTC.
    window_days : float
        Longest outcome window.
    is_partial : bool
        Whether data end before some outcome window does.
    has_after : bool
        Whether the window after the outcome window is over, too.
    is_weighted : bool
        Whether customers count by one over their propensity, because it differs within an arm.
    records_exposure : bool
        Whether the ledger says who was reached.
    observed_until : datetime
    share_seen : float
        Of the days of all customers' full outcome windows, those that are over.
    person : str
        Query of one row per customer: ``customer_id``, ``arm``, ``start``, ``stop``, ``cost``, ``exposed_at``,
        ``weight``, ``bin`` (one of ``N_BINS`` by chance); windows are ``[start, stop)``.
    strata : mapping of (stratum, arm) to int
        Customers drawn, where the ledger says in which stratum; those later left out among them.
    """

    campaign_id: str
    arms: tuple[DrawnArm, ...]
    n_mixed: int
    n_targeted: int
    first_at: datetime
    last_at: datetime
    window_days: float
    is_partial: bool
    has_after: bool
    is_weighted: bool
    records_exposure: bool
    observed_until: datetime
    share_seen: float
    person: str
    strata: Mapping[tuple[str, str], int]

    @property
    def treatments(self) -> tuple[DrawnArm, ...]:
        """Arms other than control."""
        return tuple(arm for arm in self.arms if arm.name != CONTROL)


def campaigns_of(engine: Engine) -> list[str]:
    """Campaigns of the ledger, by name.

    Raises
    ------
    ExperimentError
        If there is no ledger.
    """
    if "assignments" not in engine.tables():
        raise ExperimentError(
            "There is no table assignments, so nobody knows who was treated and who was held out. "
            "Name the campaign ledger (campaign_id, customer_id, assigned_at, arm) under data.assignments in params.yaml."
        )
    found = engine.table("SELECT DISTINCT campaign_id FROM assignments ORDER BY campaign_id")
    return [str(name) for name in found.column(0).to_pylist()]


def only_campaign(engine: Engine) -> str:
    """The ledger's campaign, where it has no more than one.

    Raises
    ------
    ExperimentError
        If it has several, or there is no ledger.
    """
    known = campaigns_of(engine)
    if len(known) != 1:
        raise ExperimentError(f"The ledger has {len(known):,} campaigns ({_listed(known)}). Name the one to evaluate.")
    return known[0]


def bears_campaign(column: str, campaign_id: str) -> str:
    """SQL for whether a row bears the campaign's name, or that of the campaign which it is a cell of."""
    name = literal(campaign_id)
    return f"({column} = {name} OR starts_with({name}, {column} || '.'))"


@contextmanager
def read_campaign(engine: Engine, campaign_id: str, settings: EvaluationSettings) -> Iterator[DrawnCampaign]:
    """Read and check one campaign; its ``person`` can be queried while the block runs.

    Raises
    ------
    ExperimentError
        If it is unknown, was not randomised against a control arm, or its windows are not over.
    InsufficientDataError
        If an arm has fewer than two customers.
    """
    known = campaigns_of(engine)
    if campaign_id not in known:
        families = [name.rpartition(".")[0] for name in known if "." in name]
        near = get_close_matches(campaign_id, [*dict.fromkeys(families), *known], n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {_listed(known)}."
        raise ExperimentError(f"The ledger knows no campaign {campaign_id!r}; {hint}")
    if "transactions" not in engine.tables():
        raise InsufficientDataError("There is no table transactions, so no outcome. Add data.transactions and ingest.")
    columns = engine.columns("assignments")
    engine.execute(f"CREATE OR REPLACE TEMP TABLE {PEOPLE} AS {people_query(campaign_id, columns, bin_=_bin(campaign_id))}")
    try:
        yield _campaign(engine, campaign_id, settings, records_exposure="exposed_at" in columns)
    finally:
        engine.execute(f"DROP TABLE {PEOPLE}")


def _campaign(engine: Engine, campaign_id: str, settings: EvaluationSettings, *, records_exposure: bool) -> DrawnCampaign:
    rows = engine.table(_arms_query()).to_pylist()
    arms = _checked_arms(campaign_id, rows)
    observed_until = settings.observed_until or _end_of_data(engine, settings.timezone)
    until = _next_campaign(engine, campaign_id, rows) if settings.until_next else None
    start = start_moment(engine, settings.timezone)
    stop = f"assigned_start + INTERVAL {int(settings.outcome_days)} DAY"
    limits = [literal(moment) for moment in (until, observed_until if settings.allow_partial else None) if moment]
    stop = f"least({', '.join([stop, *limits])})" if limits else stop
    varies = any(row["least_propensity"] != row["most_propensity"] for row in rows if row["n"])
    _check_propensities(campaign_id, rows, varies=varies)
    person = person_query(start, stop, is_weighted=varies)
    span = engine.row(
        f"SELECT max(start) AS last_start, min({_DAYS}) AS shortest, max({_DAYS}) AS longest, max(stop) AS stop, "
        f"sum({_DAYS}) / (count(*) * {int(settings.outcome_days)}) AS share_seen, "
        f"max(stop + (stop - start)) AS after_stop FROM ({person})"
    )
    _check_windows(campaign_id, span, observed_until)
    wanted = span["last_start"] + timedelta(days=settings.outcome_days)
    return DrawnCampaign(
        campaign_id=campaign_id,
        arms=arms,
        n_mixed=sum(row["n_mixed"] for row in rows),
        n_targeted=sum(row["n_targeted"] for row in rows),
        first_at=min(row["first_at"] for row in rows if row["n"]),
        last_at=max(row["last_at"] for row in rows if row["n"]),
        window_days=span["longest"],
        is_partial=min(wanted, until or wanted) > observed_until,
        has_after=span["after_stop"] <= observed_until,
        is_weighted=varies,
        records_exposure=records_exposure,
        observed_until=observed_until,
        share_seen=min(span["share_seen"], 1.0),
        person=person,
        strata={
            (row["stratum"], row["arm"]): row["n"]
            for row in engine.table(
                f"SELECT stratum, arm, count(*) AS n FROM {PEOPLE} WHERE {_CHANCE} AND stratum IS NOT NULL GROUP BY ALL"
            ).to_pylist()
        },
    )


def _bin(campaign_id: str) -> str:
    return f"{draw_sql('customer_id', key=draw_key(campaign_id, 'bins'))} % {N_BINS}"


def people_query(campaign_id: str, columns: Collection[str], *, bin_: str) -> str:
    """SQL of one row per customer of the campaign, each in a bin; the same row of the ledger twice is one row."""
    optional = ", ".join(name if name in columns else f"CAST(NULL AS {kind}) AS {name}" for name, kind in _OPTIONAL.items())
    return (
        "SELECT customer_id, min(arm) AS arm, "
        # Ingest calls an arm mixed where accounts of one person had drawn different ones.
        f"min(arm) <> max(arm) OR min(arm) = {literal(MIXED)} AS is_mixed, min(assigned_at) AS assigned_at, "
        "sum(cost) AS cost, min(cost) AS least_cost, min(exposed_at) AS exposed_at, min(propensity) AS propensity, "
        f"min(stratum) AS stratum, {bin_} AS bin FROM ("
        f"SELECT DISTINCT customer_id, arm, assigned_at, {optional} FROM assignments "
        f"WHERE campaign_id = {literal(campaign_id)}) GROUP BY customer_id"
    )


def person_query(start: str, stop: str, *, is_weighted: bool) -> str:
    """SQL of ``DrawnCampaign.person``: whoever chance drew, with the moments at which their window begins and ends."""
    weight = "1 / propensity" if is_weighted else "CAST(1 AS DOUBLE)"
    return (
        f"SELECT customer_id, arm, assigned_start AS start, {stop} AS stop, cost, exposed_at, bin, {weight} AS weight "
        f"FROM (SELECT *, {start} AS assigned_start FROM {PEOPLE} WHERE {_DRAWN})"
    )


def _arms_query() -> str:
    drawn = f"FILTER (WHERE {_DRAWN})"
    return (
        f"SELECT arm, count(*) {drawn} AS n, count(*) FILTER (WHERE is_mixed) AS n_mixed, "
        f"count(*) FILTER (WHERE NOT is_mixed AND NOT {_CHANCE}) AS n_targeted, "
        f"CAST(coalesce(sum(cost) {drawn}, 0) AS DOUBLE) AS cost, count(*) FILTER (WHERE least_cost < 0) AS n_negative, "
        f"count(*) FILTER (WHERE {_DRAWN} AND cost > 0) AS n_with_cost, count(exposed_at) {drawn} AS n_exposed, "
        f"min(propensity) {drawn} AS least_propensity, max(propensity) {drawn} AS most_propensity, "
        f"count(propensity) {drawn} AS n_propensity, "
        f"min(assigned_at) {drawn} AS first_at, max(assigned_at) {drawn} AS last_at "
        f"FROM {PEOPLE} GROUP BY arm ORDER BY arm <> {literal(CONTROL)}, arm"
    )


def _checked_arms(campaign_id: str, rows: list[dict[str, Any]]) -> tuple[DrawnArm, ...]:
    drawn = [row for row in rows if row["n"]]
    names = [row["arm"] for row in drawn]
    n_targeted, n_negative = (sum(row[key] for row in rows) for key in ("n_targeted", "n_negative"))
    if n_negative:
        raise ExperimentError(
            f"Campaign {campaign_id!r}: the cost of {n_negative:,} customers is negative. Correct cost in the ledger."
        )
    if n_targeted and (CONTROL not in names or len(names) < 2):
        raise ExperimentError(
            f"Campaign {campaign_id!r} was targeted, not randomised: the propensity of {n_targeted:,} customers is 0 or 1, "
            "so those treated and those not would have bought differently anyway and no effect can be told. "
            "Draw a holdout by chance next time, and record the propensity it was drawn with."
        )
    n_mixed = sum(row["n_mixed"] for row in rows)
    if not names and n_mixed:
        raise ExperimentError(
            f"Campaign {campaign_id!r}: no customer is left, as the ledger has all of them in several arms. One campaign_id "
            "may stand for several draws; give each draw its own."
        )
    if CONTROL not in names:
        raise ExperimentError(
            f"Campaign {campaign_id!r} has no arm {CONTROL!r}, only {names}: what its customers would have bought without "
            f"it is not known. Hold customers out by chance and record them as {CONTROL!r}; if they are there under another "
            "name, rename that arm in the ledger."
        )
    if len(names) < 2:
        raise ExperimentError(
            f"Campaign {campaign_id!r} has only the arm {CONTROL!r}: nobody was treated, so nothing to tell."
        )
    for row in drawn:
        if row["n"] < 2:
            raise InsufficientDataError(
                f"Campaign {campaign_id!r}: arm {row['arm']!r} has 1 customer, at least 2 are needed for any interval "
                "(and hundreds for a useful one). Correct the ledger or wait for more customers."
            )
    return tuple(
        DrawnArm(
            row["arm"],
            row["n"],
            row["cost"],
            row["n_with_cost"],
            row["n_exposed"],
            row["least_propensity"] if row["least_propensity"] == row["most_propensity"] else None,
        )
        for row in drawn
    )


def _check_propensities(campaign_id: str, rows: list[dict[str, Any]], *, varies: bool) -> None:
    missing = sum(row["n"] - row["n_propensity"] for row in rows)
    if varies and missing:
        raise ExperimentError(
            f"Campaign {campaign_id!r}: propensities differ within an arm, and {missing:,} customers have none, so nobody "
            "knows how much they should count. Complete propensity in the ledger, or leave the column out."
        )


def _check_windows(campaign_id: str, span: dict[str, Any], observed_until: datetime) -> None:
    if span["shortest"] <= 0:
        raise ExperimentError(
            f"Campaign {campaign_id!r}: customers were assigned up to {span['last_start']}, data end at {observed_until}: "
            "there are no outcomes yet. Wait for data, and ingest them."
        )
    if span["stop"] > observed_until:
        raise ExperimentError(
            f"Campaign {campaign_id!r}: its last outcome window ends {span['stop']}, data end {observed_until}: it is not "
            "over. Wait, shorten campaigns.outcome_days, or ask for the part that is over with --partial."
        )


def _next_campaign(engine: Engine, campaign_id: str, rows: list[dict[str, Any]]) -> datetime | None:
    """When the first campaign begins after all assignments of this one; the same for all customers, so it favours no arm."""
    last = max(row["last_at"] for row in rows if row["n"])
    found = engine.row(
        f"SELECT min(first_at) AS moment FROM (SELECT min(assigned_at) AS first_at FROM assignments "
        f"WHERE campaign_id <> {literal(campaign_id)} AND arm NOT IN ({literals(UNTREATED)}) "
        f"GROUP BY campaign_id) WHERE first_at > {literal(last)}"
    )
    at: datetime | None = found["moment"]
    return at


def _end_of_data(engine: Engine, timezone: str) -> datetime:
    tables = [table for table in ("transactions", "events") if table in engine.tables()]
    rows = " UNION ALL ".join(f"SELECT max(occurred_at) AS latest FROM {table}" for table in tables)
    day = f"date_trunc('day', {local_moment('max(latest)', timezone)}) + INTERVAL 1 DAY"
    end: datetime | None = engine.row(f"SELECT {_utc(day, timezone)} AS moment FROM ({rows})")["moment"]
    if end is None:
        raise InsufficientDataError(
            "There is neither an order nor an event, so no outcome. Add data.transactions and ingest."
        )
    return end


def start_moment(engine: Engine, timezone: str) -> str:
    """SQL for when outcomes begin: the assignment; its day where orders carry no time of day."""
    local = local_moment("occurred_at", timezone)
    timed = f"SELECT 1 FROM transactions WHERE {local} <> date_trunc('day', {local}) LIMIT 1"
    if engine.row(f"SELECT count(*) AS n FROM ({timed})")["n"]:
        return "assigned_at"
    return _utc(f"date_trunc('day', {local_moment('assigned_at', timezone)})", timezone)


def _utc(local: str, timezone: str) -> str:
    return local if timezone == "UTC" else f"timezone('UTC', timezone({literal(timezone)}, {local}))"


def _listed(known: list[str]) -> str:
    rest = f" and {len(known) - _MAX_SHOWN:,} more" if len(known) > _MAX_SHOWN else ""
    return ", ".join(known[:_MAX_SHOWN]) + rest
