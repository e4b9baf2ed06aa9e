"""What a campaign really earned: intention to treat, from the ledger and the orders alone.

Everybody counts in the arm that chance drew, reached or not. The engine reduces customers to sums per arm and segment in
one pass; everything after that is arithmetic on a few numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, isnan

import numpy as np

from cvm.campaigns.effect_gates import BREAKS_RANDOMISATION, gates
from cvm.campaigns.effect_money import Cost, earned
from cvm.campaigns.effect_result import (
    ArmEffect,
    ArmFigures,
    CampaignEffect,
    Earned,
    SegmentEffect,
    TimedEffect,
    Verdict,
)
from cvm.campaigns.effect_settings import CONTROL, EvaluationSettings
from cvm.campaigns.effect_sums import Sums, arm_sums
from cvm.campaigns.effect_trial import Trial, read_trial
from cvm.campaigns.effect_variables import OUTCOMES, RATIOS, Variables, choose_variables
from cvm.engines import DuckDBEngine
from cvm.evaluation import (
    Effect,
    MeanPair,
    Moments,
    cuped_means,
    difference,
    false_discovery_rates,
    lin_means,
    plain_means,
    ratio_means,
    relative,
)

# Name of all treatments together, where there are several.
ANY = "any treatment"
# Two-sided at 5 % with a power of 80 %: 1.96 + 0.84 standard errors (Cohen 1988, Statistical Power Analysis).
_POWER_Z = 2.80


def evaluate(
    engine: DuckDBEngine,
    campaign_id: str,
    settings: EvaluationSettings,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> CampaignEffect:
    """Judge one campaign against its holdout.

    Parameters
    ----------
    engine : DuckDBEngine
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
    progress("reading the ledger")
    with read_trial(engine, campaign_id, settings) as trial:
        return _evaluate(engine, trial, settings, progress)


def _evaluate(
    engine: DuckDBEngine, trial: Trial, settings: EvaluationSettings, progress: Callable[[str], None]
) -> CampaignEffect:
    variables = choose_variables(engine, trial, settings)
    progress("adding up orders by arm")
    by_segment = arm_sums(engine, trial, variables, settings)
    by_arm = {
        arm.name: Sums.total(found for (name, _), found in by_segment.items() if name == arm.name) for arm in trial.arms
    }
    checks = gates(engine, trial, settings, by_arm, covariates=variables.covariates)
    moments = {arm: found.moments for arm, found in by_arm.items()}
    treated = {arm.name: moments[arm.name] for arm in trial.treatments}
    if len(treated) > 1:
        together = Sums.total(by_arm[arm.name] for arm in trial.treatments)
        treated[ANY] = together.moments
    effects = [
        effect
        for arm, group in treated.items()
        for effect in _arm_effects(arm, group, moments[CONTROL], variables, settings)
    ]
    main = {effect.arm: effect for effect in effects if effect.metric == settings.metric}
    money = [_earned(arm, group, effects, trial, settings) for arm, group in treated.items() if arm != ANY]
    broken = [check.name for check in checks if check.severity == "serious" and check.name in BREAKS_RANDOMISATION]
    n_control, n_arms = moments[CONTROL].n, len(trial.treatments)
    return CampaignEffect(
        campaign_id=trial.campaign_id,
        currency=settings.economics.currency,
        metric=settings.metric,
        level=settings.level,
        assigned_from=trial.first_at,
        assigned_to=trial.last_at,
        observed_until=trial.observed_until,
        window_days=trial.window_days,
        is_partial=trial.is_partial,
        gates=checks,
        arms=[_figures(arm, moments[arm], trial, variables, settings) for arm in moments],
        effects=effects,
        timeline=_timeline(treated, moments[CONTROL], variables, settings),
        segment_by=settings.segment_by,
        segments=_segments(trial, by_segment, variables, settings),
        earned=money,
        verdicts=[
            _verdict(main[found.arm], found, n=found.n_treated + n_control, n_arms=n_arms, broken=broken, settings=settings)
            for found in money
        ],
    )


def _arm_effects(
    arm: str, treated: Moments, control: Moments, variables: Variables, settings: EvaluationSettings
) -> list[ArmEffect]:
    """Of all metrics and ratios of one arm."""
    found = []
    for metric in (*variables.outcomes, *variables.after):
        plain = plain_means(treated, control, metric)
        found.append(
            _effect(
                arm,
                metric,
                plain,
                _cuped(treated, control, metric, variables),
                lin_means(treated, control, metric, variables.covariates),
                level=settings.level,
            )
        )
    for ratio, (top, bottom) in RATIOS.items():
        pair = ratio_means(treated, control, top, bottom)
        if pair is not None and not isnan(pair.df):
            found.append(_effect(arm, ratio, pair, None, None, level=settings.level))
    return found


def _cuped(treated: Moments, control: Moments, metric: str, variables: Variables) -> MeanPair | None:
    """By the metric's own past; without one by whether the customer bought, else by the first that is known of all."""
    own = f"{metric.removesuffix('_after')}_before"
    known = [f"known_{name}" for name in variables.attributes]
    candidates = (name for name in (own, "active_before", *known) if name in variables.covariates)
    pairs = (cuped_means(treated, control, metric, name) for name in candidates)
    return next((pair for pair in pairs if pair is not None), None)


def _effect(
    arm: str, metric: str, plain: MeanPair, cuped: MeanPair | None, adjusted: MeanPair | None, *, level: float
) -> ArmEffect:
    best = adjusted or plain
    return ArmEffect(
        arm=arm,
        metric=metric,
        control_mean=best.control,
        plain=difference(plain, level=level),
        cuped=difference(cuped, level=level) if cuped else None,
        adjusted=difference(adjusted, level=level) if adjusted else None,
        relative=relative(best, level=level),
    )


def _best(treated: Moments, control: Moments, metric: str, variables: Variables, level: float) -> Effect:
    pair = lin_means(treated, control, metric, variables.covariates) or plain_means(treated, control, metric)
    return difference(pair, level=level)


def _figures(arm: str, group: Moments, trial: Trial, variables: Variables, settings: EvaluationSettings) -> ArmFigures:
    means: dict[str, float | None] = {
        name: float(group.of(name).mean[0]) for name in (*variables.outcomes, *variables.after)
    }
    for ratio, (top, bottom) in RATIOS.items():
        denominator = float(group.of(bottom).mean[0])
        means[ratio] = float(group.of(top).mean[0]) / denominator if denominator else None
    on_ledger = next(found for found in trial.arms if found.name == arm)
    given = None if arm == CONTROL else settings.cost_per_customer
    return ArmFigures(arm, group.n, on_ledger.cost if given is None else given * group.n, means)


def _timeline(
    treated: Mapping[str, Moments], control: Moments, variables: Variables, settings: EvaluationSettings
) -> list[TimedEffect]:
    return [
        TimedEffect(arm, name.partition("_by_")[0], day, _best(group, control, name, variables, settings.level))
        for arm, group in treated.items()
        if arm != ANY
        for day, name in variables.timeline.items()
    ]


def _segments(
    trial: Trial, by_segment: Mapping[tuple[str, str], Sums], variables: Variables, settings: EvaluationSettings
) -> list[SegmentEffect]:
    """Effects on the main metric within segments, with the rate of false finds among them."""
    if settings.segment_by is None:
        return []
    groups = {key: found.moments for key, found in by_segment.items()}
    rows: list[tuple[str, str, int, int, Effect | None]] = []
    for segment in sorted({segment for _, segment in groups}):
        control = groups.get((CONTROL, segment))
        for arm in trial.treatments:
            treated = groups.get((arm.name, segment))
            sizes = (treated.n if treated else 0, control.n if control else 0)
            effect = None
            if treated and control and min(sizes) > 1:
                effect = _best(treated, control, settings.metric, variables, settings.level)
            rows.append((segment, arm.name, *sizes, effect))
    rates = false_discovery_rates(np.array([row[4].p_value if row[4] else np.nan for row in rows]))
    return [SegmentEffect(*row, None if isnan(rate) else float(rate)) for row, rate in zip(rows, rates, strict=True)]


def _earned(arm: str, treated: Moments, effects: list[ArmEffect], trial: Trial, settings: EvaluationSettings) -> Earned:
    of = {effect.metric: effect for effect in effects if effect.arm == arm and effect.metric in OUTCOMES}
    n_all = sum(found.n for found in trial.treatments)
    cost = Cost.of_arm(treated, given=settings.cost_per_customer, fixed=settings.fixed_cost * treated.n / n_all)
    return earned(
        arm, treated.n, cost, orders=of["orders"], revenue=of["revenue"], margin=of["margin"], level=settings.level
    )


def _verdict(
    effect: ArmEffect, money: Earned, *, n: int, n_arms: int, broken: Sequence[str], settings: EvaluationSettings
) -> Verdict:
    """In plain words; with several arms each must be as many times surer (Bonferroni)."""
    best, metric = effect.best, settings.metric
    if isnan(best.p_value):
        return Verdict(effect.arm, "not identified", f"{effect.arm}: {metric} does not vary, so no effect can be told.")
    size = f"{best.value:+,.4g} {metric} per customer ({best.lower:+,.4g} to {best.upper:+,.4g})"
    if broken:
        why = f"failed {' and '.join(broken)}: the arms do not differ by chance alone, so {size} is no effect"
        return Verdict(effect.arm, "not identified", f"{effect.arm} {why}.")
    if best.p_value < (1 - settings.level) / n_arms:
        word = "works" if best.value > 0 else "does harm"
        return Verdict(effect.arm, "works" if best.value > 0 else "does harm", f"{effect.arm} {word}: {size}.{_paid(money)}")
    more = _more_customers(best, n)
    settle = f" If the effect is what it seems, some {more:,} more customers would settle it." if more else ""
    return Verdict(effect.arm, "inconclusive", f"{effect.arm} is inconclusive: {size}.{settle}{_paid(money)}")


def _paid(money: Earned) -> str:
    """Whether it earned its cost; that an arm works does not say so."""
    if money.p_pays is None:
        return ""
    net = money.net
    return f" After its cost: {net.value:+,.0f} ({net.lower:+,.0f} to {net.upper:+,.0f}); it paid with {money.p_pays:.0%}."


def _more_customers(effect: Effect, n: int) -> int:
    """Beyond the n there were, at the same shares, to find an effect of the size seen in four of five campaigns."""
    if not effect.value:
        return 0
    factor = (_POWER_Z * effect.standard_error / effect.value) ** 2
    return ceil(n * (factor - 1)) if 1 < factor < 1e6 else 0
