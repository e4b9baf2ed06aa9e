"""Effects of one arm against control, from the sums of both: every metric, ratio, guardrail, point in time and segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Literal

import numpy as np

from cvm.campaigns.effect_campaign import DrawnCampaign
from cvm.campaigns.effect_money import Replicates
from cvm.campaigns.effect_result import ArmEffect, Guardrail, SegmentEffect, TimedEffect
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.campaigns.effect_variables import GUARDED_EVENTS, RATIOS, Variables
from cvm.evaluation import (
    Effect,
    Interval,
    MeanPair,
    Moments,
    Resample,
    adjusting,
    always_valid,
    cuped_means,
    difference,
    false_discovery_rates,
    lin_means,
    middle,
    plain_means,
    ratio_means,
    relative,
    resampled_pair,
)
from cvm.features.treatments import CONTROL

# What a campaign may do harm to by raising it.
GUARDRAILS = (*(f"did_{name}" for name in GUARDED_EVENTS), "return_share", "discount_share")


@dataclass(frozen=True)
class ArmComparison:
    """Two groups of customers that chance parted; the resamples are None where there are too few to resample."""

    arm: str
    treated: Moments
    control: Moments
    resampled_treated: Resample | None
    resampled_control: Resample | None


def arm_effects(
    found: ArmComparison, variables: Variables, settings: EvaluationSettings, *, information: float
) -> list[ArmEffect]:
    """Of all metrics and ratios of one arm."""
    metrics = (*variables.outcomes, *variables.after)
    intervals = _intervals(found, metrics, variables, level=settings.level)
    treated, control = found.treated, found.control
    effects = []
    for metric in metrics:
        plain, cuped = plain_means(treated, control, metric), _cuped(treated, control, metric, variables)
        adjusted = lin_means(treated, control, metric, variables.covariates)
        best = adjusted or plain
        effect = difference(best, level=settings.level)
        effects.append(
            ArmEffect(
                arm=found.arm,
                metric=metric,
                control_mean=best.control,
                plain=difference(plain, level=settings.level),
                cuped=difference(cuped, level=settings.level) if cuped else None,
                adjusted=effect if adjusted else None,
                relative=relative(best, level=settings.level),
                bootstrap=None if isnan(effect.standard_error) else intervals.get(metric),
                always_valid=always_valid(effect, information=information, level=settings.level)
                if settings.sequential and metric not in variables.after
                else None,
            )
        )
    return effects + _ratio_effects(found, level=settings.level)


def guardrails(arm: str, effects: list[ArmEffect]) -> list[Guardrail]:
    """What one arm may have harmed."""
    of = {effect.metric: effect for effect in effects if effect.arm == arm}
    found = []
    for metric in GUARDRAILS:
        if metric in of:
            best = of[metric].best
            word: Literal["harmed", "no harm seen", "not identified"] = "harmed" if best.lower > 0 else "no harm seen"
            found.append(
                Guardrail(arm, metric, of[metric].control_mean, best, "not identified" if isnan(best.p_value) else word)
            )
    return found


def replicates(found: ArmComparison, variables: Variables, *, fixed: float) -> Replicates | None:
    """Incremental money and cost in each resample; None where there are too few customers."""
    treated, control = found.resampled_treated, found.resampled_control
    if treated is None or control is None:
        return None
    used = adjusting(found.treated, found.control, variables.covariates)
    one, other = resampled_pair(treated, control, ("margin", "revenue"), used)
    gained = (one - other) * found.treated.n
    return Replicates(gained[:, 0], gained[:, 1], treated.means(("cost",))[:, 0] * found.treated.n + fixed)


def timeline(found: ArmComparison, variables: Variables, settings: EvaluationSettings) -> list[TimedEffect]:
    """Cumulative effects, by days since the assignment."""
    return [
        TimedEffect(
            found.arm,
            name.partition("_by_")[0],
            day,
            _best(found.treated, found.control, name, variables, settings.level),
        )
        for day, name in variables.timeline.items()
    ]


def segment_effects(
    campaign: DrawnCampaign, groups: Mapping[tuple[str, str], Moments], variables: Variables, settings: EvaluationSettings
) -> list[SegmentEffect]:
    """Effects on the main metric within segments, with the rate of false finds among them."""
    if variables.segment_column is None:
        return []
    rows: list[tuple[str, str, int, int, Effect | None]] = []
    for segment in sorted({segment for _, segment in groups}):
        control = groups.get((CONTROL, segment))
        for arm in campaign.treatments:
            treated = groups.get((arm.name, segment))
            sizes = (treated.n if treated else 0, control.n if control else 0)
            effect = None
            if treated and control and min(sizes) > 1:
                effect = _best(treated, control, settings.metric, variables, settings.level)
            rows.append((segment, arm.name, *sizes, effect))
    rates = false_discovery_rates(np.array([row[4].p_value if row[4] else np.nan for row in rows]))
    return [SegmentEffect(*row, None if isnan(rate) else float(rate)) for row, rate in zip(rows, rates, strict=True)]


def _intervals(found: ArmComparison, metrics: tuple[str, ...], variables: Variables, *, level: float) -> dict[str, Interval]:
    treated, control = found.resampled_treated, found.resampled_control
    if treated is None or control is None:
        return {}
    used = adjusting(found.treated, found.control, variables.covariates)
    one, other = resampled_pair(treated, control, metrics, used)
    return {metric: middle(gap, level=level) for metric, gap in zip(metrics, (one - other).T, strict=True)}


def _ratio_effects(found: ArmComparison, *, level: float) -> list[ArmEffect]:
    effects = []
    for ratio, (top, bottom) in RATIOS.items():
        pair = ratio_means(found.treated, found.control, top, bottom)
        if pair is not None and not isnan(pair.df):
            effects.append(
                ArmEffect(
                    found.arm, ratio, pair.control, difference(pair, level=level), None, None, relative(pair, level=level)
                )
            )
    return effects


def _cuped(treated: Moments, control: Moments, metric: str, variables: Variables) -> MeanPair | None:
    """By the metric's own past; without one by whether the customer bought, else by the first that is known of all."""
    own = f"{metric.removesuffix('_after')}_before"
    known = [f"known_{name}" for name in variables.attributes]
    candidates = (name for name in (own, "active_before", *known) if name in variables.covariates)
    pairs = (cuped_means(treated, control, metric, name) for name in candidates)
    return next((pair for pair in pairs if pair is not None), None)


def _best(treated: Moments, control: Moments, metric: str, variables: Variables, level: float) -> Effect:
    pair = lin_means(treated, control, metric, variables.covariates) or plain_means(treated, control, metric)
    return difference(pair, level=level)
