"""What past campaigns can teach about effects: who was drawn for what, what was known of them, and what they earned.

Only draws by chance are taken: campaigns of the ledger with a control arm and propensities between 0 and 1, whose outcome
windows are over. Features are those of the day of the draw, before it; the outcome is the margin of the days from there on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from cvm.engines import Engine, literal
from cvm.engines.sql import literals, local_day
from cvm.errors import ExperimentError
from cvm.features.economics import Economics, line_margin
from cvm.features.files import DRAWN_FILE, EXPERIMENTS_FILE, features_file
from cvm.features.query import Schema, features_query
from cvm.features.treatments import CONTROL, REACHABLE
from cvm.ingest.profiles import MIXED
from cvm.workspace import replaced_directory

# Every day on which somebody was drawn is one more snapshot of the whole base.
MAX_DAYS = 6
_DRAWN = "experiment_drawn"


@dataclass(frozen=True)
class PastCampaign:
    """A campaign that was drawn by chance and is over.

    Attributes
    ----------
    campaign_id : str
    days : tuple of date
        On which customers were drawn.
    shares : mapping of str to float
        Arm to the probability of being drawn for it; where the ledger has none, the share of customers in it.
    costs : mapping of str to float
        Arm to the ledger's mean cost of a customer in it.
    n_customers : int
    """

    campaign_id: str
    days: tuple[date, ...]
    shares: Mapping[str, float]
    costs: Mapping[str, float]
    n_customers: int


@dataclass(frozen=True)
class Experiments:
    """The campaigns that were written down to learn from, and why others were not.

    Attributes
    ----------
    outcome_days : int
        Days of margin that are the outcome, the day of the draw the first.
    campaigns : tuple of PastCampaign
        The newest first.
    notes : tuple of str
        A sentence on each campaign that was left out.
    """

    outcome_days: int
    campaigns: tuple[PastCampaign, ...] = ()
    notes: tuple[str, ...] = ()


def write_experiments(
    engine: Engine,
    folder: Path,
    *,
    as_of: date,
    outcome_days: int,
    wanted: Sequence[str] | Literal["auto"] = "auto",
    timezone: str,
    economics: Economics,
    progress: Callable[[str], None] = lambda _: None,
) -> Experiments:
    """Write draws, features and outcomes of past campaigns in the place of ``folder``; none without a ledger.

    Parameters
    ----------
    engine : Engine
        Opened on the warehouse.
    folder : Path
        Replaced as a whole: who was drawn and their outcome, features by day of the draw, and ``experiments.json``.
    as_of : date
        What happened from this day on is not known.
    outcome_days : int
        Days of margin that are the outcome, the day of the draw the first.
    wanted : sequence of str, or "auto"
        Campaigns to learn from, none if empty; auto = the newest, as long as they were drawn on six days at most in all.
    timezone : str
        Zone that cuts days.
    economics : Economics
        Margin of lines without one.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    ExperimentError
        If a campaign that was named is not in the ledger, or cannot teach.
    """
    found = Experiments(outcome_days)
    if "assignments" in engine.tables() and wanted:
        engine.execute(f"CREATE OR REPLACE TEMP TABLE {_DRAWN} AS {_drawn_query(engine, timezone=timezone)}")
        found = _choose(engine, as_of=as_of, outcome_days=outcome_days, wanted=wanted)
    elif wanted and wanted != "auto":
        raise ExperimentError(
            f"campaigns.learn_from names {list(wanted)}, but there is no ledger. Add data.assignments, or write auto."
        )
    with replaced_directory(folder) as target:
        if found.campaigns:
            days = sorted({day for campaign in found.campaigns for day in campaign.days})
            progress(f"features of customers drawn for {', '.join(c.campaign_id for c in found.campaigns)}")
            _write_rows(engine, target, found, days=days, timezone=timezone, economics=economics)
        (target / EXPERIMENTS_FILE).write_text(json.dumps(asdict(found), indent=1, default=str) + "\n", encoding="utf-8")
    engine.execute(f"DROP TABLE IF EXISTS {_DRAWN}")
    return found


def _drawn_query(engine: Engine, *, timezone: str) -> str:
    """One row per campaign and customer whom chance put into one arm."""
    columns = engine.columns("assignments")
    propensity = "propensity" if "propensity" in columns else "CAST(NULL AS DOUBLE)"
    cost = "CAST(cost AS DOUBLE)" if "cost" in columns else "CAST(NULL AS DOUBLE)"
    return (
        f"SELECT campaign_id, customer_id, min(arm) AS arm, min({propensity}) AS propensity, max({cost}) AS cost, "
        f"CAST(min({local_day('assigned_at', timezone)}) AS DATE) AS day FROM assignments "
        # The global holdout is no campaign: nothing was done to those it left.
        f"WHERE campaign_id NOT IN (SELECT campaign_id FROM assignments WHERE arm = {literal(REACHABLE)}) "
        # Merged accounts that had drawn different arms are in none.
        f"GROUP BY campaign_id, customer_id HAVING min(arm) = max(arm) AND min(arm) <> {literal(MIXED)} "
        f"AND coalesce(min({propensity}), 0.5) > 0 AND coalesce(max({propensity}), 0.5) < 1"
    )


def _choose(engine: Engine, *, as_of: date, outcome_days: int, wanted: Sequence[str] | Literal["auto"]) -> Experiments:
    known = _campaigns(engine)
    if wanted != "auto":
        unknown = sorted(set(wanted) - set(known))
        if unknown:
            raise ExperimentError(f"campaigns.learn_from names {unknown}; the ledger has {sorted(known)[:10]}. Correct it.")
        known = {name: known[name] for name in wanted}
    chosen: list[PastCampaign] = []
    notes, days = list[str](), set[date]()
    for campaign, fault in sorted(known.values(), key=lambda pair: (pair[0].days[-1], pair[0].campaign_id), reverse=True):
        if not fault and campaign.days[-1] + timedelta(days=outcome_days) > as_of:
            fault = f"its outcome window of {outcome_days} days is not over on {as_of}"
        if not fault and len(days | set(campaign.days)) > MAX_DAYS:
            fault = f"with it there would be more than {MAX_DAYS} days of draws"
        if fault and wanted != "auto":
            raise ExperimentError(f"Nothing can be learned from campaign {campaign.campaign_id!r}: {fault}.")
        if fault:
            notes.append(f"No effects are learned from campaign {campaign.campaign_id!r}: {fault}.")
            continue
        days |= set(campaign.days)
        chosen.append(campaign)
    return Experiments(outcome_days, tuple(chosen), tuple(notes))


def _campaigns(engine: Engine) -> dict[str, tuple[PastCampaign, str]]:
    """Campaigns by name, each with what keeps it from teaching, or nothing."""
    rows = engine.table(
        "SELECT campaign_id, arm, count(*) AS n, count(propensity) AS n_propensity, min(propensity) AS least, "
        f"max(propensity) AS most, coalesce(avg(cost), 0) AS cost, count(*) FILTER (cost < 0) AS n_negative, "
        f"array_agg(DISTINCT day) AS days FROM {_DRAWN} GROUP BY ALL ORDER BY campaign_id, arm"
    ).to_pylist()
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(row["campaign_id"], []).append(row)
    return {name: _campaign(name, arms) for name, arms in by_name.items()}


def _campaign(name: str, arms: list[dict[str, Any]]) -> tuple[PastCampaign, str]:
    n = sum(row["n"] for row in arms)
    days = sorted({day for row in arms for day in row["days"]})
    recorded = sum(row["n_propensity"] for row in arms)
    fault = ""
    if CONTROL not in {row["arm"] for row in arms}:
        fault = "nobody was drawn for control"
    elif len(arms) < 2:
        fault = "nobody was drawn for a treatment"
    elif 0 < recorded < n:
        fault = f"the ledger has a propensity for {recorded:,} of {n:,} customers; complete it, or leave it out"
    elif recorded and any(row["least"] != row["most"] for row in arms):
        fault = "propensities differ within an arm; give every group that was drawn by itself a campaign_id of its own"
    elif n_negative := sum(row["n_negative"] for row in arms):
        fault = f"the ledger has a cost below 0 for {n_negative:,} of {n:,} customers; a contact costs 0 or more"
    shares = {row["arm"]: float(row["least"] or 0.0) if recorded else row["n"] / n for row in arms}
    if not fault and abs(sum(shares.values()) - 1) > 0.01:
        fault = f"the propensities of its arms add up to {sum(shares.values()):.2f}, not 1"
    costs = {row["arm"]: float(row["cost"]) for row in arms if row["arm"] != CONTROL}
    return PastCampaign(name, tuple(days), shares, costs, n), fault


def _write_rows(
    engine: Engine,
    target: Path,
    found: Experiments,
    *,
    days: Sequence[date],
    timezone: str,
    economics: Economics,
) -> None:
    schema = Schema.of(engine)
    names = literals(campaign.campaign_id for campaign in found.campaigns)
    own = f"(SELECT * FROM {_DRAWN} WHERE campaign_id IN ({names}))"
    engine.write_parquet(
        f"SELECT campaign_id, d.customer_id, CAST(d.day AS VARCHAR) AS as_of, arm, coalesce(margin, 0) AS margin "
        f"FROM {own} AS d LEFT JOIN ({_margin_query(schema, own, found.outcome_days, timezone, economics)}) AS m "
        "USING (customer_id, day) ORDER BY campaign_id, d.customer_id",
        target / DRAWN_FILE,
    )
    query = features_query(schema, days, timezone=timezone, economics=economics)
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE experiment_features AS SELECT f.* FROM ({query}) AS f "
        f"SEMI JOIN {own} AS d ON f.customer_id = d.customer_id AND f.as_of = d.day"
    )
    for day in days:
        path = features_file(target, day)
        path.parent.mkdir()
        rows = f"FROM experiment_features WHERE as_of = {literal(day)} ORDER BY customer_id"
        engine.write_parquet(f"SELECT CAST(as_of AS VARCHAR) AS as_of, * EXCLUDE (as_of) {rows}", path)
    engine.execute("DROP TABLE experiment_features")


def _margin_query(schema: Schema, own: str, outcome_days: int, timezone: str, economics: Economics) -> str:
    day = local_day("occurred_at", timezone)
    margin = line_margin(economics, columns=schema.columns["transactions"])
    return (
        f"SELECT customer_id, d.day, sum(CAST({margin} AS DOUBLE)) AS margin "
        f"FROM (SELECT DISTINCT customer_id, day FROM {own}) AS d JOIN transactions USING (customer_id) "
        f"WHERE {day} >= d.day AND {day} < d.day + {int(outcome_days)} GROUP BY customer_id, d.day"
    )
