"""Who may be contacted: every scored customer against every hurdle, in one query.

Hurdles stand in a fixed order; of each treatment the first one that a customer does not take is remembered. Who takes all of
them for at least one treatment is open to be chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

import pyarrow as pa

from cvm.campaigns.assignment import draw_key, draw_sql
from cvm.campaigns.customer_lists import read_customer_list
from cvm.campaigns.holdout import held_out_sql
from cvm.campaigns.limits import Treatment
from cvm.campaigns.plan_contacts import (
    Hurdle,
    Known,
    consent_query,
    contacts_query,
    cooldown_query,
    held_out_query,
    optout_query,
)
from cvm.campaigns.plan_settings import PlanError, PlanInputs, PlanSettings
from cvm.engines import DuckDBEngine, QueryError, identifier, literal
from cvm.engines.sql import literals, parquet
from cvm.errors import MissingOutputError
from cvm.ingest.column_types import is_number
from cvm.ingest.quality.people import NOBODY
from cvm.segments import LIFECYCLE_STAGES, SEGMENTS, VALUE_TIERS

# One row per scored customer, while a plan is made.
PEOPLE = "plan_people"
_LISTED = "plan_listed"


@dataclass(frozen=True)
class People:
    """What the temporary table ``PEOPLE`` holds.

    One row per scored customer: ``customer_id``, ``value_tier``, ``growth_potential``, ``is_included``, ``is_control`` (of a
    campaign that still runs), ``tie`` and ``lottery`` (draws); for each treatment, by its position, ``hurdle_<n>`` (position
    in ``hurdles``, null = open) and ``value_<n>`` (null = unknown); and ``hurdle``: null where a treatment is open, else
    that of the one that came farthest.

    Attributes
    ----------
    hurdles : tuple of Hurdle
        In their order.
    by_uplift : bool
        Whether values are expected effects less cost; otherwise they are margin at risk.
    n_scored : int
    model_version : str
    notes : tuple of str
    """

    hurdles: tuple[Hurdle, ...]
    by_uplift: bool
    n_scored: int
    model_version: str
    notes: tuple[str, ...]


@contextmanager
def read_people(engine: DuckDBEngine, settings: PlanSettings, inputs: PlanInputs, *, on: date) -> Iterator[People]:
    """Put everybody who is scored before the hurdles; ``PEOPLE`` can be queried while the block runs.

    Parameters
    ----------
    engine : DuckDBEngine
        Opened on the warehouse.
    settings : PlanSettings
    inputs : PlanInputs
    on : date
        Day of the contacts.

    Raises
    ------
    PlanError
        If the audience names what scores do not have, a consent column is missing, a customer is both included and excluded,
        or the scores have a customer twice or without an id.
    MissingOutputError
        If the scores or the expected effects cannot be read.
    """
    known = Known.of(engine, settings, inputs, on=on)
    scores = _relation(engine, inputs, settings)
    _write_listed(engine, settings, inputs)
    uplift, notes = _uplift(engine, settings, inputs)
    hurdles = _hurdles(settings, known)
    held_out = held_out_sql("customer_id", settings.holdout, on=on, salt=settings.salt)
    relations = {
        "listed": f"SELECT * FROM {_LISTED}",
        "optout": optout_query(known),
        "consent": consent_query(known),
        "contact": contacts_query(known),
        "cooldown": cooldown_query(known),
        "running": held_out_query(known),
    }
    if uplift:
        relations["effect"] = uplift
    joins = "".join(f" LEFT JOIN ({query}) AS {name} USING (customer_id)" for name, query in relations.items())
    columns = [
        "score.customer_id",
        "score.value_tier",
        f"{_finite('score.growth_potential')} AS growth_potential",
        "coalesce(listed.is_included, FALSE) AS is_included",
        "coalesce(running.is_control, FALSE) AS is_control",
        *(
            f"{draw_sql('score.customer_id', key=draw_key(settings.salt, what, settings.name))} AS {name}"
            for name, what in (("tie", "tie"), ("lottery", "exploration"))
        ),
        *_columns(settings.treatments, hurdles, by_uplift=uplift is not None),
    ]
    each = [f"hurdle_{number}" for number in range(len(settings.treatments))]
    last = f"CASE WHEN {' AND '.join(f'{name} IS NOT NULL' for name in each)} THEN greatest({', '.join(each)}) END"
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE {PEOPLE} AS SELECT *, {last} AS hurdle "
        f"FROM (SELECT {', '.join(columns)} FROM (SELECT *, {held_out} AS is_held_out FROM {scores}) AS score{joins})"
    )
    row = engine.row(f"SELECT count(*) AS n, coalesce(max(model_version), 'unknown') AS version FROM {scores}")
    strangers = engine.row(
        f"SELECT count(*) AS n FROM {_LISTED} ANTI JOIN {PEOPLE} USING (customer_id) WHERE is_included OR is_excluded"
    )["n"]
    if strangers:
        notes = (*notes, f"{strangers:,} customers of --include and --exclude are not among the scores and were passed over")
    try:
        yield People(hurdles, bool(uplift), row["n"], row["version"], (*notes, *known.notes))
    finally:
        for table in (PEOPLE, _LISTED):
            engine.execute(f"DROP TABLE IF EXISTS {table}")


def _columns(treatments: Sequence[Treatment], hurdles: Sequence[Hurdle], *, by_uplift: bool) -> Iterator[str]:
    for number, treatment in enumerate(treatments):
        branches = " ".join(f"WHEN {hurdle.conditions[number]} THEN {place}" for place, hurdle in enumerate(hurdles))
        yield f"CASE {branches} END AS hurdle_{number}"
        value = f"effect.uplift_{number} - {treatment.cost!r}" if by_uplift else "score.p_churn * score.clv"
        yield f"{_finite(value)} AS value_{number}"


def _hurdles(settings: PlanSettings, known: Known) -> tuple[Hurdle, ...]:
    """All of them, in their order; a customer put in by hand need not belong to the audience."""
    treatments = settings.treatments
    found: list[Hurdle] = []

    def for_all(step: str, reason: str, condition: str) -> None:
        found.append(Hurdle(step, reason, (condition,) * len(treatments)))

    for_all("by hand", "left out by hand", "listed.is_excluded")
    for reason, condition in _outside(settings):
        for_all("audience", reason, f"NOT coalesce(listed.is_included, FALSE) AND ({condition})")
    found += known.consent_hurdles()
    for_all("suppression", "an id of nobody", f"lower(score.customer_id) IN ({literals(NOBODY)})")
    for_all("suppression", "on a suppression list", "listed.is_suppressed")
    for_all("suppression", "in the global holdout", "score.is_held_out")
    return (*found, *known.contact_hurdles())


def _outside(settings: PlanSettings) -> Iterator[tuple[str, str]]:
    """What puts a customer outside of the audience, and its SQL."""
    audience = settings.audience
    for column, allowed in (
        ("segment", audience.segments),
        ("value_tier", audience.value_tiers),
        ("lifecycle_stage", audience.lifecycle_stages),
    ):
        if allowed:
            yield f"another {column.replace('_', ' ')}", f"coalesce(score.{column}, '') NOT IN ({literals(allowed)})"
    bounded = dict.fromkeys([*audience.minimum, *audience.maximum])
    for name in bounded:
        column = f"score.{identifier(name)}"
        yield f"{name} unknown", f"{_finite(column)} IS NULL"
        limits = [f"{column} < {audience.minimum[name]!r}"] if name in audience.minimum else []
        limits += [f"{column} > {audience.maximum[name]!r}"] if name in audience.maximum else []
        yield f"{name} out of bounds", " OR ".join(limits)


def _relation(engine: DuckDBEngine, inputs: PlanInputs, settings: PlanSettings) -> str:
    """The scores as a relation, once they are known to have what the audience asks for."""
    if not inputs.scores.exists():
        raise MissingOutputError.from_stage(inputs.scores, command="cvm score")
    scores = parquet([inputs.scores])
    try:
        kinds = engine.columns(scores)
    except QueryError:
        raise MissingOutputError.from_damage(inputs.scores, command="cvm score") from None
    numbers = [name for name, kind in kinds.items() if is_number(kind)]
    audience = settings.audience
    unknown = sorted({*audience.minimum, *audience.maximum} - set(numbers))
    if unknown:
        raise PlanError(
            f"plans.{settings.name}.audience bounds {unknown}, which are no columns of numbers of the scores; "
            f"they have {numbers}."
        )
    for column, allowed, names in (
        ("segment", audience.segments, SEGMENTS),
        ("value_tier", audience.value_tiers, VALUE_TIERS),
        ("lifecycle_stage", audience.lifecycle_stages, LIFECYCLE_STAGES),
    ):
        found = engine.table(f"SELECT DISTINCT {column} FROM {scores} WHERE {column} IS NOT NULL") if allowed else None
        there = list(dict.fromkeys([*names, *(found.column(0).to_pylist() if found else [])]))
        strange = [name for name in allowed if name not in there]
        if strange:
            near = get_close_matches(strange[0], there, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {there}."
            raise PlanError(f"plans.{settings.name}.audience names the {column} {strange[0]!r}, which nobody has; {hint}")
    row = engine.row(f"SELECT count(*) AS n, count(DISTINCT customer_id) FILTER (customer_id <> '') AS n_told FROM {scores}")
    if row["n"] > row["n_told"]:
        raise PlanError(
            f"{inputs.scores} has {row['n']:,} rows of {row['n_told']:,} customers, so nobody can be drawn from it: each "
            "must stand there once, with an id. Run `cvm score` to write it again."
        )
    return scores


def _write_listed(engine: DuckDBEngine, settings: PlanSettings, inputs: PlanInputs) -> None:
    """Write ``_LISTED``: who is put in, left out or suppressed by a list."""
    both = set(inputs.included) & set(inputs.excluded)
    if both:
        raise PlanError(
            f"{len(both):,} customers are both included and excluded by hand; keep each in one of the two lists."
        )
    suppressed = {name for file in settings.suppression for name in read_customer_list(file, pseudonyms=settings.pseudonyms)}
    ids = sorted({*inputs.included, *inputs.excluded, *suppressed})
    flags = {"is_included": set(inputs.included), "is_excluded": set(inputs.excluded), "is_suppressed": suppressed}
    columns = {name: pa.array([one in members for one in ids], pa.bool_()) for name, members in flags.items()}
    engine.register("plan_listed_given", pa.table({"customer_id": pa.array(ids, pa.string()), **columns}))
    engine.execute(f"CREATE OR REPLACE TEMP TABLE {_LISTED} AS SELECT * FROM plan_listed_given")


def _uplift(engine: DuckDBEngine, settings: PlanSettings, inputs: PlanInputs) -> tuple[str | None, tuple[str, ...]]:
    """Query of one row per customer with the expected effect of each treatment; none where no treatment's is known."""
    if inputs.uplift is None:
        return None, ()
    effects = parquet([inputs.uplift])
    try:
        arms = set(engine.table(f"SELECT DISTINCT arm FROM {effects} WHERE expected_uplift IS NOT NULL")["arm"].to_pylist())
    except QueryError:
        raise MissingOutputError.from_damage(inputs.uplift, command="cvm score") from None
    names = [treatment.name for treatment in settings.treatments]
    missing = [name for name in names if name not in arms]
    if len(missing) == len(names):
        return None, (f"no effect of {', '.join(names)} has been learned yet; learned: {', '.join(sorted(arms)) or 'none'}",)
    notes = (
        [f"no effect of {', '.join(missing)} has been learned yet: given to those who are explored alone"] if missing else []
    )
    notes += _other_window(engine, effects, settings)
    columns = ", ".join(
        f"max(expected_uplift) FILTER (WHERE arm = {literal(name)}) AS uplift_{number}" for number, name in enumerate(names)
    )
    return f"SELECT customer_id, {columns} FROM {effects} GROUP BY customer_id", tuple(notes)


def _other_window(engine: DuckDBEngine, effects: str, settings: PlanSettings) -> list[str]:
    """That the expected effects are those of another outcome window than the campaign will be judged by."""
    if "outcome_days" not in engine.columns(effects):
        return []
    learned = engine.table(f"SELECT DISTINCT outcome_days AS days FROM {effects} ORDER BY 1")["days"].to_pylist()
    if learned == [settings.outcome_days]:
        return []
    return [
        f"expected effects are of {', '.join(map(str, learned))} days, campaigns.outcome_days is {settings.outcome_days}: a "
        "contact may be worth more or less than said here. Run `cvm features`, `cvm train` and `cvm score` first"
    ]


def _finite(value: str) -> str:
    """SQL for a number that is one, else null."""
    return f"CASE WHEN isfinite(CAST({value} AS DOUBLE)) THEN CAST({value} AS DOUBLE) END"
