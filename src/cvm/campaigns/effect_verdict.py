"""What to make of an arm: a word and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf, isnan
from typing import Literal

from scipy.stats import norm

from cvm.campaigns.effect_result import ArmEffect, ArmVerdict, Earned, Guardrail
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.evaluation import Effect, always_valid_bound

# To be found in four of five campaigns, an effect must lie so many standard errors beyond the bound (Cohen 1988).
_POWER_Z = 0.84
# Beyond so many times the customers, a number of them would be no advice.
_MOST_TIMES = 100


def verdict(
    effect: ArmEffect,
    money: Earned,
    guards: Sequence[Guardrail],
    *,
    n: int,
    n_arms: int,
    broken: Sequence[str],
    settings: EvaluationSettings,
) -> ArmVerdict:
    """In plain words; with several arms each must be as many times surer (Bonferroni).

    Parameters
    ----------
    effect : ArmEffect
        On the main metric.
    money : Earned
    guards : sequence of Guardrail
        Of this arm.
    n : int
        Customers of the arm and of control.
    n_arms : int
        Treatments compared with that control.
    broken : sequence of str
        Checks that leave no comparison to make.
    settings : EvaluationSettings
    """
    best, metric = effect.always_valid or effect.best, settings.metric
    if isnan(best.p_value):
        return ArmVerdict(effect.arm, "not identified", f"{effect.arm}: {metric} does not vary, so no effect can be told.")
    size = f"{best.value:+,.4g} {metric} per customer ({best.lower:+,.4g} to {best.upper:+,.4g})"
    if broken:
        why = f"failed {' and '.join(broken)}: the arms do not differ by chance alone, so {size} is no effect"
        return ArmVerdict(effect.arm, "not identified", f"{effect.arm} {why}.")
    rest = _paid(money) + _harmed(guards)
    alpha = (1 - settings.level) / n_arms
    if best.p_value < alpha:
        word: Literal["works", "does harm"] = "works" if best.value > 0 else "does harm"
        return ArmVerdict(effect.arm, word, f"{effect.arm} {word}: {size}.{rest}")
    bound = always_valid_bound(alpha) if effect.always_valid else float(norm.isf(alpha / 2))
    settle = _settles(best, n, z=bound + _POWER_Z)
    return ArmVerdict(effect.arm, "inconclusive", f"{effect.arm} is inconclusive: {size}.{settle}{rest}")


def _paid(money: Earned) -> str:
    """Whether it earned its cost; that an arm works does not say so."""
    if money.p_pays is None:
        return ""
    bounds = money.bootstrap.net if money.bootstrap else money.net
    sure = ">99.9%" if money.p_pays > 0.999 else "<0.1%" if money.p_pays < 0.001 else f"{money.p_pays:.1%}"
    return f" After its cost: {money.net.value:+,.0f} ({bounds.lower:+,.0f} to {bounds.upper:+,.0f}); P(ROI > 0) {sure}."


def _harmed(guards: Sequence[Guardrail]) -> str:
    harmed = [guard.metric.removeprefix("did_").replace("_", " ") for guard in guards if guard.word == "harmed"]
    return f" It raised {' and '.join(harmed)}." if harmed else ""


def _settles(effect: Effect, n: int, *, z: float) -> str:
    """How many customers beyond the n there were, at the same shares, find an effect of the size seen."""
    factor = (z * effect.standard_error / effect.value) ** 2 if effect.value else inf
    if factor > _MOST_TIMES:
        return f" An effect as small as it seems takes more than {_MOST_TIMES} times as many customers to be told from none."
    more = ceil(n * (factor - 1))
    return f" If the effect is what it seems, some {more:,} more customers would settle it." if more > 0 else ""
