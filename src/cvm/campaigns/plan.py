"""From scores to a drawn campaign: everybody's fate, in one file.

Whoever may be contacted and is worth it is chosen; chance then holds a share of them out. Every campaign id of the result
is one draw with constant shares, so that its evaluation needs no weights: ``NAME`` where there is one treatment,
``NAME.<treatment>`` for those whose best one it is where there are several, ``NAME.explore`` for those drawn to learn from,
whatever they are worth.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cvm.campaigns.assignment import Split
from cvm.campaigns.plan_cells import exact_sum, read_cell, revenue_history
from cvm.campaigns.plan_people import PEOPLE, People, read_people
from cvm.campaigns.plan_result import Fate, PlanSummary
from cvm.campaigns.plan_selection import (
    BEYOND,
    CHOSEN,
    EXPLORED,
    INCLUDED,
    NOT_WORTH,
    UNKNOWN,
    Pool,
    Selection,
    select,
    treated_value,
)
from cvm.campaigns.plan_settings import PlanError, PlanInputs, PlanSettings
from cvm.campaigns.stratified import balanced_query
from cvm.engines import DuckDBEngine, literal
from cvm.features.treatments import CONTROL

_CHOICE, _DRAWN, _PLAN = "plan_choice", "plan_drawn", "plan_fates"
_DRAWN_STEP, _VALUE_STEP = "drawn", "value"
_MAX_REASONS = 4


def make_plan(
    engine: DuckDBEngine,
    settings: PlanSettings,
    inputs: PlanInputs,
    path: Path,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> PlanSummary:
    """Decide on everybody who is scored, and write it down.

    Parameters
    ----------
    engine : DuckDBEngine
        Opened on the warehouse.
    settings : PlanSettings
    inputs : PlanInputs
    path : Path
        Parquet file to write, a row per scored customer in the order of their ids: ``customer_id``, ``step`` and ``fate``
        (why left out, or how drawn), and of those drawn ``campaign_id``, ``arm``, ``channel``, ``cost``, ``propensity``,
        ``assigned_at`` (UTC) and ``value`` of the contact.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    PlanError
        If the plan cannot be made as asked, nobody may be contacted, or nobody is worth it.
    """
    on = settings.day(inputs.as_of)
    progress("who may be contacted")
    with read_people(engine, settings, inputs, on=on) as people:
        ids, pool = _pool(engine, settings, people)
        progress(f"choosing among {len(ids):,} customers")
        selection = select(pool, settings)
        _write_choice(engine, ids, selection)
        engine.execute(f"CREATE OR REPLACE TEMP TABLE {_DRAWN} AS {_drawn_query(settings)}")
        engine.execute(f"CREATE OR REPLACE TEMP TABLE {_PLAN} AS {_fates_query(settings, people, at=settings.midnight(on))}")
        if not engine.row(f"SELECT count(arm) AS n FROM {_PLAN}")["n"]:
            raise PlanError(_nobody(engine, settings, people))
        progress("checking the draw")
        engine.write_parquet(f"SELECT * FROM {_PLAN} ORDER BY customer_id", path)
        return _summary(engine, settings, inputs, people, selection)


def _pool(engine: DuckDBEngine, settings: PlanSettings, people: People) -> tuple[pa.ChunkedArray, Pool]:
    numbers = range(len(settings.treatments))
    columns = "".join(f", hurdle_{n} IS NULL AS open_{n}, value_{n}" for n in numbers)
    rows = engine.table(
        "SELECT customer_id, is_included, coalesce(value_tier = 'low', FALSE) AS is_low, growth_potential, tie, lottery"
        f"{columns} FROM {PEOPLE} WHERE hurdle IS NULL ORDER BY customer_id"
    )

    def column(name: str) -> Any:
        return rows[name].to_numpy(zero_copy_only=False)

    values = np.column_stack([column(f"value_{n}").astype(float) for n in numbers])
    return rows["customer_id"], Pool(
        values=treated_value(settings.treatments, values, by_uplift=people.by_uplift),
        is_open=np.column_stack([column(f"open_{n}").astype(bool) for n in numbers]),
        is_included=column("is_included").astype(bool),
        is_low=column("is_low").astype(bool),
        growth_potential=column("growth_potential").astype(float),
        tie=column("tie"),
        lottery=column("lottery"),
    )


def _write_choice(engine: DuckDBEngine, ids: pa.ChunkedArray, selection: Selection) -> None:
    role, arm = pa.array(selection.role, pa.string()), pa.array(selection.arm, pa.int64())
    engine.register(_CHOICE, pa.table({"customer_id": ids, "role": role, "choice": arm}))


def _splits(settings: PlanSettings) -> dict[str, tuple[str, Split]]:
    """Campaign to the condition of who belongs to it, and its arms."""
    share = settings.control_share
    found = {
        settings.campaign_id(treatment): (
            f"role = {literal(CHOSEN)} AND choice = {number}",
            Split.even([treatment.name], control_share=share),
        )
        for number, treatment in enumerate(settings.treatments)
    }
    names = [treatment.name for treatment in settings.treatments]
    found[settings.exploration_id] = (
        f"role = {literal(EXPLORED)}",
        Split.even(names, control_share=1 / (len(names) + 1)),
    )
    return found


def _drawn_query(settings: PlanSettings) -> str:
    """Ledger rows of all draws, and of those put in by hand, whose propensity is 1."""
    draws = [
        balanced_query(
            f"(SELECT customer_id FROM {_CHOICE} WHERE {members})",
            split,
            stratum="'all'",
            campaign_id=campaign_id,
            salt=settings.salt,
        )
        for campaign_id, (members, split) in _splits(settings).items()
    ]
    for number, treatment in enumerate(settings.treatments):
        campaign_id, arm = literal(settings.campaign_id(treatment)), literal(treatment.name)
        draws.append(
            f"SELECT {campaign_id} AS campaign_id, customer_id, {arm} AS arm, CAST(1 AS DOUBLE) AS propensity "
            f"FROM {_CHOICE} WHERE role = {literal(INCLUDED)} AND choice = {number}"
        )
    return " UNION ALL ".join(f"SELECT * FROM ({draw})" for draw in draws)


def _fates_query(settings: PlanSettings, people: People, *, at: datetime) -> str:
    """Everybody's fate; ``at`` is when the campaign begins, UTC."""
    hurdles = ", ".join(
        f"({place}, {literal(hurdle.step)}, {literal(hurdle.reason)})" for place, hurdle in enumerate(people.hurdles)
    )
    treatments = ", ".join(f"({literal(one.name)}, {literal(one.channel)}, {one.cost!r})" for one in settings.treatments)
    value = " ".join(f"WHEN {literal(one.name)} THEN value_{n}" for n, one in enumerate(settings.treatments))
    return (
        f"SELECT customer_id, CASE WHEN drawn.arm IS NOT NULL THEN {literal(_DRAWN_STEP)} "
        f"ELSE coalesce(failed.step, {literal(_VALUE_STEP)}) END AS step, coalesce(failed.reason, role) AS fate, "
        "campaign_id, drawn.arm AS arm, treatment.channel AS channel, "
        f"CASE WHEN drawn.arm = {literal(CONTROL)} THEN 0.0 ELSE CAST(treatment.cost AS DOUBLE) END AS cost, propensity, "
        f"CASE WHEN drawn.arm IS NOT NULL THEN {literal(at)} END AS assigned_at, CASE drawn.arm {value} END AS value "
        f"FROM {PEOPLE} LEFT JOIN {_CHOICE} USING (customer_id) LEFT JOIN {_DRAWN} AS drawn USING (customer_id) "
        f"LEFT JOIN (VALUES {hurdles}) AS failed(place, step, reason) ON hurdle = place "
        f"LEFT JOIN (VALUES {treatments}) AS treatment(name, channel, cost) ON treatment.name = drawn.arm"
    )


def _summary(
    engine: DuckDBEngine, settings: PlanSettings, inputs: PlanInputs, people: People, selection: Selection
) -> PlanSummary:
    history, unknown = revenue_history(engine, settings)
    cells = (
        read_cell(engine, _PLAN, settings, inputs, campaign_id=campaign_id, split=split, history=history)
        for campaign_id, (_, split) in _splits(settings).items()
    )
    contacts = engine.table(
        f"SELECT channel, count(*) AS n, {exact_sum('cost')} AS cost FROM {_PLAN} WHERE channel IS NOT NULL GROUP BY channel"
    ).to_pylist()
    return PlanSummary(
        name=settings.name,
        as_of=inputs.as_of,
        on=settings.day(inputs.as_of),
        model_version=people.model_version,
        currency=settings.economics.currency,
        by_uplift=people.by_uplift,
        n_scored=people.n_scored,
        fates=_fates(engine, people),
        cells=tuple(cell for cell in cells if cell),
        budget=settings.limits.budget,
        spent=sum(row["cost"] for row in contacts),
        capacity=dict(settings.limits.capacity),
        used=dict.fromkeys(settings.channels, 0) | {row["channel"]: row["n"] for row in contacts},
        gap=selection.gap,
        floor_share=settings.floor_share,
        n_floor=selection.n_floor,
        floor_cost=selection.floor_cost,
        margin_rate=history.margin_rate if history else None,
        notes=(
            *people.notes,
            *selection.notes,
            *unknown,
            *_not_worth_it(engine, settings, people),
            *_not_included(engine),
            *_mixing(engine),
        ),
    )


def _fates(engine: DuckDBEngine, people: People) -> tuple[Fate, ...]:
    found = {
        (row["step"], row["fate"]): row["n"]
        for row in engine.table(f"SELECT step, fate, count(*) AS n FROM {_PLAN} GROUP BY step, fate").to_pylist()
    }
    order = [
        *((hurdle.step, hurdle.reason) for hurdle in people.hurdles),
        *((_VALUE_STEP, reason) for reason in (UNKNOWN, NOT_WORTH, BEYOND)),
        *((_DRAWN_STEP, role) for role in (CHOSEN, EXPLORED, INCLUDED)),
    ]
    return tuple(Fate(step, fate, found.get((step, fate), 0)) for step, fate in order)


def _not_worth_it(engine: DuckDBEngine, settings: PlanSettings, people: People) -> tuple[str, ...]:
    """That nobody is chosen as no contact pays, and what is missing."""
    if not people.by_uplift or engine.row(f"SELECT count(*) AS n FROM {_PLAN} WHERE fate = {literal(CHOSEN)}")["n"]:
        return ()
    best = engine.row(
        "SELECT "
        + ", ".join(
            f"max(value_{n}) FILTER (WHERE hurdle_{n} IS NULL) AS best_{n}" for n, _ in enumerate(settings.treatments)
        )
        + f" FROM {PEOPLE}"
    )
    told = ", ".join(
        f"{treatment.name} {best[f'best_{n}'] + treatment.cost:,.2f} for a cost of {treatment.cost:,.2f}"
        for n, treatment in enumerate(settings.treatments)
        if best[f"best_{n}"] is not None and best[f"best_{n}"] <= 0
    )
    if not told:
        return ()
    return (
        "nobody is chosen: no contact is expected to bring more than it costs (extra margin at most: "
        f"{told}). Widen the audience, lower the cost, or learn more with a larger exploration_share; to rank by margin at "
        "risk instead, set campaigns.learn_from to [] and run `cvm features`, `cvm train` and `cvm score`",
    )


def _not_included(engine: DuckDBEngine) -> tuple[str, ...]:
    """Why customers put in by hand are not in the campaign all the same."""
    rows = _counts(engine, f"{_PLAN} JOIN {PEOPLE} USING (customer_id) WHERE is_included AND arm IS NULL")
    if not rows:
        return ()
    reasons = ", ".join(f"{n:,} {fate}" for fate, n in rows.items())
    return (f"{sum(rows.values()):,} customers of --include may not be contacted: {reasons}",)


def _mixing(engine: DuckDBEngine) -> tuple[str, ...]:
    """That contacts reach those whom other campaigns still hold out."""
    query = f"SELECT count(*) AS n FROM {_PLAN} JOIN {PEOPLE} USING (customer_id) WHERE is_control AND channel IS NOT NULL"
    n = engine.row(query)["n"]
    if not n:
        return ()
    return (
        f"{n:,} of those to be contacted are held out by campaigns whose outcome windows are not over: their evaluation "
        "will warn of an overlap; a later starts_on spares it",
    )


def _nobody(engine: DuckDBEngine, settings: PlanSettings, people: People) -> str:
    """That nobody is left, and why most are not."""
    reasons = ", ".join(f"{n:,} {fate}" for fate, n in list(_counts(engine, _PLAN).items())[:_MAX_REASONS])
    return (
        f"Campaign {settings.name!r}: none of {people.n_scored:,} customers is left to be contacted ({reasons}). "
        f"Widen plans.{settings.name} in params.yaml, or correct the data that leave them out."
    )


def _counts(engine: DuckDBEngine, rows: str) -> dict[str, int]:
    """Customers by fate, the commonest first."""
    found = engine.table(f"SELECT fate, count(*) AS n FROM {rows} GROUP BY fate ORDER BY n DESC, fate").to_pylist()
    return {row["fate"]: row["n"] for row in found}
