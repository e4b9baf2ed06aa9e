"""The draws of a plan: are they fair, what do they cost, and what will their evaluation be able to find."""

from __future__ import annotations

from contextlib import suppress

from cvm.campaigns.assignment import Split
from cvm.campaigns.balance import draw_check
from cvm.campaigns.outcome_history import OutcomeHistory, outcome_history
from cvm.campaigns.plan_result import Cell, PlannedArm
from cvm.campaigns.plan_settings import PlanInputs, PlanSettings
from cvm.campaigns.power import Baseline, Design, PowerError, detectable_effect
from cvm.engines import DuckDBEngine, identifier, literal
from cvm.engines.sql import parquet
from cvm.errors import InsufficientDataError

# What arms are compared on before anything happens, as far as the scores have it.
_COVARIATES = (
    "p_churn",
    "clv",
    "expected_orders",
    "historic_value",
    "growth_potential",
    "rfm_recency",
    "segment",
    "lifecycle_stage",
)


def revenue_history(engine: DuckDBEngine, settings: PlanSettings) -> tuple[OutcomeHistory | None, tuple[str, ...]]:
    """What customers bring without a campaign in windows as long as its outcome; where nothing tells, a note why."""
    try:
        found = outcome_history(
            engine,
            "revenue",
            days=settings.outcome_days,
            active_days=settings.active_days,
            timezone=settings.timezone,
            economics=settings.economics,
        )
    except InsufficientDataError as error:
        return None, (f"what an evaluation can find is not known: {error}",)
    return found, ()


def read_cell(
    engine: DuckDBEngine,
    fates: str,
    settings: PlanSettings,
    inputs: PlanInputs,
    *,
    campaign_id: str,
    split: Split,
    history: OutcomeHistory | None,
) -> Cell | None:
    """One draw of a plan; None where it has nobody.

    Parameters
    ----------
    engine : DuckDBEngine
    fates : str
        Table of everybody's fate.
    settings : PlanSettings
    inputs : PlanInputs
        Name the scores, on which the arms are compared.
    campaign_id : str
    split : Split
        Arms and shares it was drawn with.
    history : OutcomeHistory or None
    """
    here = f"campaign_id = {literal(campaign_id)}"
    rows = engine.table(
        "SELECT arm, count(*) FILTER (WHERE propensity < 1) AS n, count(*) FILTER (WHERE propensity = 1) AS n_by_hand, "
        f"{exact_sum('cost')} AS cost, {exact_sum('value')} AS value FROM {fates} WHERE {here} GROUP BY arm"
    ).to_pylist()
    if not rows:
        return None
    by_arm = {row["arm"]: row for row in rows}
    channels = {treatment.name: treatment.channel for treatment in settings.treatments}
    empty = {"n": 0, "cost": 0.0, "value": None}
    arms = tuple(
        PlannedArm(name, channels.get(name), row["n"], row["cost"], row["value"])
        for name, row in ((name, by_arm.get(name, empty)) for name in split.shares)
    )
    holds, largest, sentence = None, None, f"Too few for an evaluation: {', '.join(f'{arm.arm} {arm.n:,}' for arm in arms)}."
    if min(arm.n for arm in arms) >= 2:
        assigned = f"(SELECT customer_id, arm FROM {fates} WHERE {here} AND propensity < 1)"
        check = draw_check(engine, assigned, _covariates(engine, inputs), split)
        holds, sentence = check.ratio.holds and not check.unbalanced, check.sentence
        largest = round(max((abs(found.difference) for found in check.balance), default=0.0), 6)
    conversion, revenue = _detectable(split, sum(arm.n for arm in arms), history)
    return Cell(
        campaign_id=campaign_id,
        is_exploration=campaign_id == settings.exploration_id,
        arms=arms,
        n_by_hand=sum(row["n_by_hand"] for row in rows),
        draw_holds=holds,
        draw=sentence,
        largest_difference=largest,
        detectable_conversion=conversion,
        detectable_revenue=revenue,
    )


def exact_sum(column: str) -> str:
    """SQL for a sum of money that is the same in any order of rows."""
    return f"CAST(sum(CAST({column} AS DECIMAL(24, 6))) AS DOUBLE)"


def _covariates(engine: DuckDBEngine, inputs: PlanInputs) -> str:
    scores = parquet([inputs.scores])
    there = engine.columns(scores)
    columns = "".join(f", {identifier(name)}" for name in _COVARIATES if name in there)
    return f"(SELECT customer_id{columns} FROM {scores})"


def _detectable(split: Split, n: int, history: OutcomeHistory | None) -> tuple[float | None, float | None]:
    """Effects on conversion and on revenue that a cell finds in four of five campaigns."""
    if history is None:
        return None, None
    active = history.baseline.active_share
    conversion = Baseline.of_conversion(active) if 0 < active < 1 else None
    return _found(split, n, conversion), _found(split, n, history.baseline)


def _found(split: Split, n: int, baseline: Baseline | None) -> float | None:
    found = None
    with suppress(PowerError):  # an arm of one customer
        found = detectable_effect(baseline, Design.of(split), n_customers=n) if baseline else None
    # The last digits of the moments depend on the order in which rows were read.
    return None if found is None else round(found, 9)
