"""The features stage: snapshots and outcomes out of the warehouse, one folder per ``as_of``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from cvm.engines import Engine
from cvm.engines.sql import local_day, parquet, pretty
from cvm.features.catalogue import Feature
from cvm.features.churn import ChurnDefinition
from cvm.features.clustered import clustered_tables
from cvm.features.contract_notes import contract_notes
from cvm.features.economics import Economics
from cvm.features.files import (
    CATALOGUE_FILE,
    CHURN_FILE,
    HISTORY_FILE,
    NOTES_FILE,
    PLAN_FILE,
    QUERY_FILE,
    calendar_file,
    features_file,
    outcome_file,
    renewals_file,
    treatments_file,
)
from cvm.features.notes import money_notes
from cvm.features.own import own_notes
from cvm.features.query import Schema, calendar_query, catalogue, features_query, outcome_query, renewals_query
from cvm.features.raw_tables import RawTables
from cvm.features.snapshots import SnapshotPlan
from cvm.features.treatments import treatments_query
from cvm.workspace import replaced_directory


@dataclass(frozen=True)
class FeaturesOutcome:
    """What the stage wrote, and what a reader should be warned of."""

    plan: SnapshotPlan
    features: list[Feature]
    n_customers: dict[date, int]
    notes: tuple[str, ...]


def history_days(engine: Engine, *, timezone: str) -> tuple[date, date]:
    """Local days of the first and the last transaction."""
    first, last = (local_day(f"{which}(occurred_at)", timezone) for which in ("min", "max"))
    row = engine.row(f"SELECT {first} AS first_day, {last} AS last_day FROM transactions")
    return row["first_day"], row["last_day"]


def snapshot_query(schema: Schema, as_of: date, *, timezone: str, economics: Economics) -> str:
    """SQL for the features of one date with the columns of ``features_file``, unordered."""
    query = features_query(schema, [as_of], timezone=timezone, economics=economics)
    return f"SELECT CAST(as_of AS VARCHAR) AS as_of, * EXCLUDE (as_of) FROM ({query})"


def write_features(
    engine: Engine,
    folder: Path,
    plan: SnapshotPlan,
    *,
    timezone: str,
    economics: Economics,
    churn: ChurnDefinition | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> FeaturesOutcome:
    """Compute all snapshots, one after the other out of one clustered copy, and put them in the place of ``folder``.

    Parameters
    ----------
    engine : Engine
        Opened on the warehouse.
    folder : Path
        Replaced as a whole: by snapshot features, outcomes, treatments, orders by day and renewals (``features/files.py``);
        ``catalogue.json``, ``churn.json``, ``features.sql``, ``history.json``, ``notes.json``, ``plan.json``.
    plan : SnapshotPlan
        Which snapshots, and which outcomes.
    timezone : str
        Zone that cuts days.
    economics : Economics
        Margin rates and unit costs.
    churn : ChurnDefinition, optional
        What churn means; no order in the outcome window by default.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    ParamsError
        If rates, costs or the definition of churn need a table or a column that the warehouse does not have.
    InsufficientDataError
        If there are own features, but no column of them can be used; or churn is the end of subscriptions and nobody
        holds one.
    """
    schema, churn = Schema.of(engine), churn or ChurnDefinition()
    notes = (
        *money_notes(engine, schema, economics, as_of=plan.score, timezone=timezone),
        *contract_notes(engine, schema, churn, as_of=plan.score, timezone=timezone),
    )
    features = catalogue(schema, economics)
    query = features_query(schema, plan.as_of, timezone=timezone, economics=economics)
    with replaced_directory(folder) as target, clustered_tables(engine, schema) as clustered:
        counts = {}
        for number, as_of in enumerate(plan.as_of, start=1):
            progress(f"{len(features)} features at {as_of} ({number} of {len(plan.as_of)})")
            path = features_file(target, as_of)
            path.parent.mkdir()
            clustered.write(snapshot_query(schema, as_of, timezone=timezone, economics=economics), path)
            counts[as_of] = engine.row(f"SELECT count(*) AS n FROM {parquet([path])}")["n"]
        taught = sorted({*plan.training, *plan.labelled})
        written = parquet(features_file(target, as_of) for as_of in plan.as_of)
        written = f"(SELECT CAST(as_of AS DATE) AS as_of, * EXCLUDE (as_of) FROM {written})"
        notes += tuple(own_notes(engine, schema.own, snapshots=written, labelled=taught, score=plan.score))
        for as_of in filter(plan.knows_season, plan.as_of):
            by_day = calendar_query(schema, [as_of], timezone=timezone)
            engine.write_parquet(f"SELECT * EXCLUDE (as_of) FROM ({by_day}) ORDER BY day", calendar_file(target, as_of))
        if schema.has("subscriptions"):
            for as_of in plan.as_of:
                query_of_spells = renewals_query(schema, as_of, timezone=timezone)
                engine.write_parquet(f"{query_of_spells} ORDER BY churned, periods", renewals_file(target, as_of))
        for as_of, horizon_days in plan.outcomes:
            outcome = outcome_query(
                schema, as_of, horizon_days=horizon_days, lead_days=plan.lead_days, timezone=timezone, churn=churn
            )
            clustered.write(outcome, outcome_file(target, as_of, horizon_days))
            treatments = treatments_query(
                frozenset(schema.columns.get("assignments", ())),
                as_of,
                horizon_days=horizon_days,
                lead_days=plan.lead_days,
                timezone=timezone,
            )
            engine.write_parquet(f"{treatments} ORDER BY customer_id", treatments_file(target, as_of, horizon_days))
        (target / CATALOGUE_FILE).write_text(json.dumps([asdict(f) for f in features], indent=1) + "\n", encoding="utf-8")
        (target / QUERY_FILE).write_text(pretty(query), encoding="utf-8")
        (target / NOTES_FILE).write_text(json.dumps(notes, indent=1) + "\n", encoding="utf-8")
        (target / CHURN_FILE).write_text(json.dumps(churn.state(), indent=1) + "\n", encoding="utf-8")
        raw = RawTables.of(schema, timezone=timezone, economics=economics).state()
        (target / HISTORY_FILE).write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
        (target / PLAN_FILE).write_text(json.dumps(asdict(plan), indent=1, default=str) + "\n", encoding="utf-8")
    return FeaturesOutcome(plan, features, counts, notes)
