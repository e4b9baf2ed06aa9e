"""What a campaign really earned: intention to treat, from the ledger and the orders alone.

Everybody counts in the arm that chance drew, reached or not. The engine reduces customers to sums per arm, segment and bin
in one pass; everything after that is arithmetic on a few numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cvm.campaigns.effect_campaign import DrawnCampaign, read_campaign
from cvm.campaigns.effect_estimates import ArmComparison, arm_effects, guardrails, replicates, segment_effects, timeline
from cvm.campaigns.effect_gates import BREAKS_RANDOMISATION, gates
from cvm.campaigns.effect_money import Cost, Replicates, earned, total
from cvm.campaigns.effect_result import ArmEffect, ArmFigures, CampaignEffect, Earned
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.campaigns.effect_sums import CampaignSums, campaign_sums
from cvm.campaigns.effect_variables import OUTCOMES, RATIOS, Variables, choose_variables
from cvm.campaigns.effect_verdict import verdict
from cvm.engines import Engine
from cvm.evaluation import BinnedSums, Moments, Resample
from cvm.features.treatments import CONTROL

# Name of all treatments together, where there are several.
ANY = "any treatment"


@dataclass(frozen=True)
class ResampledEffect:
    """What was found, and the resamples of each arm's money: what a total over campaigns is made of."""

    found: CampaignEffect
    replicates: list[Replicates | None]


def evaluate(
    engine: Engine,
    campaign_id: str,
    settings: EvaluationSettings,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> CampaignEffect:
    """Judge one campaign against its holdout.

    Parameters
    ----------
    engine : Engine
        Holds ``assignments`` and ``transactions``, perhaps ``events`` and ``customers``.
    campaign_id : str
    settings : EvaluationSettings
    progress : callable
        Told in words what is being done.

    Raises
    ------
    ExperimentError
        If the campaign is unknown, was not randomised, is not over, or the settings ask for what is not there.
    InsufficientDataError
        If an arm has fewer than two customers.
    """
    return evaluate_resampled(engine, campaign_id, settings, progress=progress).found


def evaluate_resampled(
    engine: Engine, campaign_id: str, settings: EvaluationSettings, *, progress: Callable[[str], None]
) -> ResampledEffect:
    """As ``evaluate``, with the resamples."""
    progress(f"reading the ledger of {campaign_id}")
    with read_campaign(engine, campaign_id, settings) as campaign:
        variables = choose_variables(engine, campaign, settings)
        progress(f"adding up orders by arm of {campaign_id}")
        sums = campaign_sums(engine, campaign, variables, settings)
        return _resampled_effect(engine, campaign, variables, sums, settings)


def _resampled_effect(
    engine: Engine, campaign: DrawnCampaign, variables: Variables, sums: CampaignSums, settings: EvaluationSettings
) -> ResampledEffect:
    checks = gates(engine, campaign, settings, sums, covariates=variables.covariates)
    broken = [check.name for check in checks if check.severity == "serious" and check.name in BREAKS_RANDOMISATION]
    compared = _comparisons(campaign, sums)
    arms = [one for one in compared if one.arm != ANY]
    effects = [
        effect for one in compared for effect in arm_effects(one, variables, settings, information=campaign.share_seen)
    ]
    guards = [guard for one in arms for guard in guardrails(one.arm, effects)]
    n_all = sum(one.treated.n for one in arms)
    fixed = {one.arm: settings.fixed_cost * one.treated.n / n_all for one in arms}
    resampled = [replicates(one, variables, fixed=fixed[one.arm]) for one in arms]
    money = [
        _earned(one, effects, drawn, variables, settings, fixed=fixed[one.arm])
        for one, drawn in zip(arms, resampled, strict=True)
    ]
    main = {effect.arm: effect for effect in effects if effect.metric == settings.metric}
    groups = {CONTROL: arms[0].control, **{one.arm: one.treated for one in arms}}
    found = CampaignEffect(
        campaign_id=campaign.campaign_id,
        currency=settings.economics.currency,
        metric=settings.metric,
        level=settings.level,
        assigned_from=campaign.first_at,
        assigned_to=campaign.last_at,
        observed_until=campaign.observed_until,
        window_days=campaign.window_days,
        is_partial=campaign.is_partial,
        information=campaign.share_seen,
        incentives=_incentives(variables, settings),
        gates=checks,
        arms=[_figures(arm, group, variables) for arm, group in groups.items()],
        effects=effects,
        timeline=[point for one in arms for point in timeline(one, variables, settings)],
        segment_by=settings.segment_by,
        scores_as_of=variables.segment_column.as_of if variables.segment_column else None,
        segments=segment_effects(campaign, sums.segments, variables, settings),
        guardrails=guards,
        earned=money,
        total=total(money, resampled, level=settings.level) if len(money) > 1 else None,
        verdicts=[
            verdict(
                main[one.arm],
                paid,
                [guard for guard in guards if guard.arm == one.arm],
                n=one.treated.n + one.control.n,
                n_arms=len(arms),
                broken=broken,
                settings=settings,
            )
            for one, paid in zip(arms, money, strict=True)
        ],
    )
    return ResampledEffect(found, resampled)


def _comparisons(campaign: DrawnCampaign, sums: CampaignSums) -> list[ArmComparison]:
    """Each treatment against the one control, and all of them together where there are several."""
    # The same campaign gives the same intervals; two campaigns are resampled independently.
    rng = np.random.default_rng(list(hashlib.sha256(campaign.campaign_id.encode()).digest()))
    groups = {arm.name: sums.arms[arm.name] for arm in campaign.arms}
    drawn = {arm: Resample.of(group, rng) for arm, group in groups.items()}
    names = [arm.name for arm in campaign.treatments]
    control = groups[CONTROL].moments
    found = [ArmComparison(arm, groups[arm].moments, control, drawn[arm], drawn[CONTROL]) for arm in names]
    if len(names) > 1:
        parts = [drawn[arm] for arm in names]
        together = Resample.together([part for part in parts if part is not None]) if None not in parts else None
        everybody = BinnedSums.together(groups[arm] for arm in names)
        found.append(ArmComparison(ANY, everybody.moments, control, together, drawn[CONTROL]))
    return found


def _earned(
    one: ArmComparison,
    effects: list[ArmEffect],
    resampled: Replicates | None,
    variables: Variables,
    settings: EvaluationSettings,
    *,
    fixed: float,
) -> Earned:
    of = {effect.metric: effect for effect in effects if effect.arm == one.arm and effect.metric in OUTCOMES}
    return earned(
        one.arm,
        one.treated,
        Cost.of_arm(one.treated, one.control, fixed=fixed, covariates=variables.covariates),
        orders=of["orders"],
        revenue=of["revenue"],
        margin=of["margin"],
        replicates=resampled,
        level=settings.level,
    )


def _incentives(variables: Variables, settings: EvaluationSettings) -> str:
    if settings.cost_per_redemption:
        return (
            f"a discount is in the margin, not in the cost; each redemption is in the cost with "
            f"{settings.cost_per_redemption:g} {settings.economics.currency}"
        )
    redeemed = "; redemptions cost nothing beside (cost_per_redemption is 0)" if variables.has_redemptions else ""
    return f"a discount is in the margin, not in the cost{redeemed}"


def _figures(arm: str, group: Moments, variables: Variables) -> ArmFigures:
    names = (*variables.outcomes, *variables.after)
    means: dict[str, float | None] = {name: float(group.of(name).mean[0]) for name in names}
    for ratio, (top, bottom) in RATIOS.items():
        denominator = float(group.of(bottom).mean[0])
        means[ratio] = float(group.of(top).mean[0]) / denominator if denominator else None
    return ArmFigures(arm, group.n, float(group.of("cost").mean[0]) * group.n, means)
