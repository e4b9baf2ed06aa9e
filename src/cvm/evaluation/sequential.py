"""Effects that may be looked at as often as one likes while they come in.

An ordinary 95 % interval errs once in twenty looks; looked at every day it errs on some day far more often. The intervals
here hold at all looks at once with the same level, at the price of being half as wide again at the end.
"""

from __future__ import annotations

from math import exp, isnan, log, nan, sqrt

from scipy.special import lambertw

from cvm.evaluation.effects import Effect


def always_valid(effect: Effect, *, information: float, level: float = 0.95) -> Effect:
    """The effect with an interval and a p-value that hold at any number of looks.

    The normal mixture boundary: with r the information in units of the mixing variance, half the width is
    ``standard_error * sqrt((1 + 1 / r) * (log(1 + r) - 2 log(1 - level)))``, and the p-value that of the mixture
    sequential probability ratio test. The mixing variance is the one that makes the interval narrowest when all information
    is in.

    Parameters
    ----------
    effect : Effect
        As of this look, its standard error large-sample (hundreds of customers an arm).
    information : float
        Share of the planned information that is in, above 0, at most 1, for example of the customers' outcome days. It must
        not be chosen for what was seen.
    level : float
        1 less the share of experiments without effect that may ever, at any look, seem to have one.

    Source
    ------
    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), "Time-uniform central limit theory and asymptotic confidence
    sequences", Ann. Stat. 52(6), theorem 2.2, its boundary that of Robbins (1970), Ann. Math. Stat. 41; the mixing variance:
    Howard, Ramdas, McAuliffe and Sekhon (2021), Ann. Stat. 49(2), section 3.5; the p-value: Johari, Koomen, Pekelis and
    Walsh (2022), "Always valid inference", Oper. Res. 70(3).
    """
    alpha = 1 - level
    if isnan(effect.standard_error) or not 0 < information <= 1:
        return Effect(effect.value, nan, nan, nan, nan)
    ratio = information * narrowest_ratio(alpha)
    width = effect.standard_error * _bound(ratio, alpha)
    z_squared = (effect.value / effect.standard_error) ** 2
    p_value = min(1.0, sqrt(1 + ratio) * exp(-z_squared * ratio / (2 * (1 + ratio))))
    return Effect(effect.value, effect.standard_error, effect.value - width, effect.value + width, p_value)


def always_valid_bound(alpha: float) -> float:
    """Half the width of an always-valid interval in standard errors, when all information is in."""
    return _bound(narrowest_ratio(alpha), alpha)


def _bound(ratio: float, alpha: float) -> float:
    return sqrt((1 + 1 / ratio) * (log(1 + ratio) - 2 * log(alpha)))


def narrowest_ratio(alpha: float) -> float:
    """Information over the mixing variance at which ``always_valid`` is narrowest."""
    return float(-lambertw(-(alpha**2) / exp(1), -1).real) - 1
