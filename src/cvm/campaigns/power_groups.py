"""What a campaign can show arm by arm and segment by segment, beside what it shows in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cvm.campaigns.assignment import Split
from cvm.campaigns.outcome_history import SegmentHistory
from cvm.campaigns.power import Baseline, Design, PowerError, detectable_effect, power_at
from cvm.campaigns.power_plan import EffectToFind, PowerPlan
from cvm.engines import DuckDBEngine, identifier
from cvm.engines.sql import parquet
from cvm.features.treatments import CONTROL

MAX_SEGMENTS = 50
_NESTED = ("[]", "STRUCT", "MAP", "UNION")


@dataclass(frozen=True)
class GroupPower:
    """What is found in one arm against control, or in one segment.

    Attributes
    ----------
    name : str
    n_customers : int
        Of the arm; of the segment in all arms.
    baseline : Baseline or None
        None where history says too little; ``gap`` tells what it lacks.
    detectable : float or None
        Smallest effect found with the power wanted, in the outcome's unit; none = no possible one.
    power : float or None
        To find the effect asked for; none without one, or where it cannot be.
    gap : str
    """

    name: str
    n_customers: int
    baseline: Baseline | None
    detectable: float | None = None
    power: float | None = None
    gap: str = ""


def arm_powers(plan: PowerPlan, split: Split) -> tuple[GroupPower, ...]:
    """Each treatment of a campaign of unequal arms against its control."""
    found = []
    for arm, share in split.shares.items():
        if arm != CONTROL:
            # As the only comparison, at the level that each has among all.
            design = Design(plan.design.control_share, share, alpha=plan.design.alpha_each, power=plan.design.power)
            n = round(plan.n_customers * share)
            found.append(_group(arm, n, plan.baseline, design, n_customers=plan.n_customers, effect=plan.effect))
    return tuple(found)


def segment_powers(
    plan: PowerPlan, segments: Sequence[SegmentHistory], effect: EffectToFind | None
) -> tuple[GroupPower, ...]:
    """Each segment by itself, at its share of the campaign and with the spread of its own past.

    Parameters
    ----------
    plan : PowerPlan
        Of all customers.
    segments : sequence of SegmentHistory
    effect : EffectToFind, optional
        Asked for; a relative one is relative to the segment's own mean.
    """
    n_base, found = sum(segment.n_customers for segment in segments), []
    for segment in segments:
        n = round(plan.n_customers * segment.n_customers / n_base)
        if segment.history is None:
            found.append(GroupPower(segment.segment, n, None, gap=segment.gap))
            continue
        baseline = segment.history.baseline
        wanted = None if effect is None else effect.of(baseline)
        found.append(_group(segment.segment, n, baseline, plan.design, n_customers=n, effect=wanted))
    return tuple(found)


def segment_relation(engine: DuckDBEngine, column: str, *, scores: Path | None) -> str:
    """A query in parentheses that names the segment of each customer, out of the scores or the table ``customers``.

    Parameters
    ----------
    engine : DuckDBEngine
    column : str
        Of the scores, else of ``customers``.
    scores : Path, optional
        The latest scores; none where there are none.

    Raises
    ------
    PowerError
        If neither has the column, or its values are no segments.
    """
    relations = [parquet([scores])] if scores else []
    relations += ["customers"] if "customers" in engine.tables() else []
    known = {relation: engine.columns(relation) for relation in relations}
    relation = next((relation for relation in relations if column in known[relation]), None)
    if relation is None:
        names = sorted({name for columns in known.values() for name in columns} - {"customer_id"})
        raise PowerError(
            f"No scores and no table customers have a column {column!r}; "
            + (f"they have {names}." if names else "there are neither. Run `cvm run` first, or leave --segment-by out.")
        )
    if any(kind in known[relation][column] for kind in _NESTED):
        raise PowerError(f"The column {column!r} holds lists or other nested values; choose one of single values.")
    segments = f"(SELECT customer_id, {identifier(column)} AS segment FROM {relation})"
    n_values = engine.row(f"SELECT count(DISTINCT segment) AS n FROM {segments}")["n"]
    if n_values > MAX_SEGMENTS:
        raise PowerError(
            f"The column {column!r} has {n_values:,} values, must be at most {MAX_SEGMENTS} to be segments; "
            "choose another, such as value_tier or segment."
        )
    return segments


def _group(name: str, n: int, baseline: Baseline, design: Design, *, n_customers: int, effect: float | None) -> GroupPower:
    """With the gap told where an arm would have next to nobody."""
    try:
        detectable = detectable_effect(baseline, design, n_customers=n_customers)
    except PowerError:
        return GroupPower(name, n, baseline, gap="fewer than two customers in an arm")
    try:
        power = None if effect is None else power_at(baseline, design, n_customers=n_customers, effect=effect)
    except PowerError:
        power = None  # an effect that cannot be here, such as one beyond a conversion of 1
    return GroupPower(name, n, baseline, detectable, power)
