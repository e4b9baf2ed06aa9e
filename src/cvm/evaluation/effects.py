"""Effects of a treatment from the moments of two randomised groups: differences, adjusted differences, ratios.

Everything goes through a ``MeanPair``: what the two groups' means are and how surely they are known. Which way they were
come by (as they are, adjusted by what was known before, or a ratio of two means) makes no difference to what follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from cvm.evaluation.moments import Moments

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Effect:
    """An effect with its interval; all but ``value`` are NaN where the data cannot tell them.

    ``p_value`` is two-sided, against no effect.
    """

    value: float
    standard_error: float
    lower: float
    upper: float
    p_value: float

    def scaled(self, factor: float) -> Effect:
        """The same in other units; ``factor`` > 0."""
        return Effect(
            self.value * factor, self.standard_error * factor, self.lower * factor, self.upper * factor, self.p_value
        )


@dataclass(frozen=True)
class MeanPair:
    """Means of the treated and the control group, their variances and covariance, and degrees of freedom."""

    treated: float
    control: float
    variance_treated: float
    variance_control: float
    covariance: float
    df: float


def plain_means(treated: Moments, control: Moments, metric: str) -> MeanPair:
    """Means as they are. With ``difference`` this is Welch's test (Welch 1947, Biometrika 34)."""
    one, other = treated.of(metric), control.of(metric)
    v1, v0 = float(one.covariance[0, 0]), float(other.covariance[0, 0])
    return MeanPair(float(one.mean[0]), float(other.mean[0]), v1, v0, 0.0, _welch_df((v1, one.n - 1), (v0, other.n - 1)))


def cuped_means(treated: Moments, control: Moments, metric: str, covariate: str) -> MeanPair | None:
    """Means adjusted by what the customers did before, one slope for both groups; None where the covariate is constant.

    Source
    ------
    Deng, Xu, Kohavi and Walker (2013), "Improving the sensitivity of online controlled experiments by utilizing
    pre-experiment data", WSDM, section 3. The slope is pooled within groups.
    """
    if not treated.varying([covariate]) and not control.varying([covariate]):
        return None
    first, second = (group.n * (group.n - 1) * group.of(metric, covariate).covariance for group in (treated, control))
    pooled = first + second
    slope = np.array([pooled[0, 1] / pooled[1, 1]])
    return _adjusted(treated, control, metric, (covariate,), slope, slope, n_slopes=0)


def lin_means(treated: Moments, control: Moments, metric: str, covariates: Sequence[str]) -> MeanPair | None:
    """Means adjusted by a regression within each group; None where there is nothing to adjust by, or too few customers.

    Unbiased in large groups whatever the true relation, and never less precise than the plain difference there.
    Beside the residuals' variance it carries that of the covariates' mean, as customers are a sample themselves.

    Source
    ------
    Lin (2013), "Agnostic notes on regression adjustments to experimental data", Ann. Appl. Stat. 7(1), section 4; the
    variance for sampled customers: Negi and Wooldridge (2021), Econometric Reviews 40(5), theorem 5.2.
    """
    used = adjusting(treated, control, covariates)
    if not used:
        return None
    slopes = [_slopes(group, metric, used) for group in (treated, control)]
    return _adjusted(treated, control, metric, used, slopes[0], slopes[1], n_slopes=len(used))


def adjusting(treated: Moments, control: Moments, covariates: Sequence[str]) -> tuple[str, ...]:
    """Those of the covariates that ``lin_means`` adjusts by; none where there are too few customers."""
    used = tuple(name for name in treated.varying(covariates) if name in control.varying(covariates))
    # Ten customers per slope, the usual least of a regression.
    return used if min(treated.n, control.n) >= 10 * (len(used) + 1) else ()


def covariance_with(treated: Moments, control: Moments, metric: str, other: str, covariates: Sequence[str]) -> float:
    """Covariance of the effect on ``metric``, adjusted as far as may be, with the mean of ``other`` among the treated."""
    plain, used = float(treated.of(metric, other).covariance[0, 1]), adjusting(treated, control, covariates)
    if not used:
        return plain
    share = treated.n / (treated.n + control.n)
    slope = (1 - share) * _slopes(treated, metric, used) + share * _slopes(control, metric, used)
    return plain - float(slope @ treated.of(*used, other).covariance[:-1, -1])


def ratio_means(treated: Moments, control: Moments, numerator: str, denominator: str) -> MeanPair | None:
    """Ratios of two means, such as revenue per order, by the delta method; None where a denominator is 0."""
    sides = [_ratio(group.of(numerator, denominator)) for group in (treated, control)]
    if sides[0] is None or sides[1] is None:
        return None
    (one, v1), (other, v0) = sides[0], sides[1]
    return MeanPair(one, other, v1, v0, 0.0, _welch_df((v1, treated.n - 1), (v0, control.n - 1)))


def difference(pair: MeanPair, *, level: float = 0.95) -> Effect:
    """Treated less control."""
    variance = pair.variance_treated + pair.variance_control - 2 * pair.covariance
    value = pair.treated - pair.control
    if not variance > 0:
        return Effect(value, nan, nan, nan, nan)
    error = sqrt(variance)
    width = _critical(level, pair.df) * error
    return Effect(value, error, value - width, value + width, float(2 * student.sf(abs(value) / error, pair.df)))


def relative(pair: MeanPair, *, level: float = 0.95) -> Effect:
    """Treated over control, less 1. The standard error is the delta method's, the interval Fieller's.

    The p-value is that of the difference. Bounds are infinite where the control mean itself may be 0.
    """
    found = difference(pair, level=level)
    if not pair.control or np.isnan(found.p_value):
        return Effect(nan, nan, nan, nan, nan)
    ratio = pair.treated / pair.control
    variance = pair.variance_treated - 2 * ratio * pair.covariance + ratio**2 * pair.variance_control
    lower, upper = fieller(
        (pair.treated, pair.control),
        (pair.variance_treated, pair.variance_control, pair.covariance),
        critical=_critical(level, pair.df),
    )
    return Effect(ratio - 1, sqrt(max(variance, 0.0)) / abs(pair.control), lower - 1, upper - 1, found.p_value)


def fieller(means: tuple[float, float], variances: tuple[float, float, float], *, critical: float) -> tuple[float, float]:
    """Interval of a ratio of two means.

    Parameters
    ----------
    means : tuple of float
        Numerator and denominator.
    variances : tuple of float
        Of the numerator, of the denominator, and their covariance.
    critical : float
        Quantile of the interval, 1.96 for 95 %.

    Returns
    -------
    tuple of float
        Infinite where the denominator is not told from 0.

    Source
    ------
    Fieller (1954), "Some problems in interval estimation", JRSS B 16(2).
    """
    (top, bottom), (v_top, v_bottom, covariance) = means, variances
    a = bottom**2 - critical**2 * v_bottom
    b = top * bottom - critical**2 * covariance
    c = top**2 - critical**2 * v_top
    if a <= 0:
        return -inf, inf
    root = sqrt(max(b**2 - a * c, 0.0))
    return (b - root) / a, (b + root) / a


def _adjusted(
    treated: Moments,
    control: Moments,
    metric: str,
    covariates: tuple[str, ...],
    slopes_treated: Floats,
    slopes_control: Floats,
    *,
    n_slopes: int,
) -> MeanPair:
    """Both means moved to the covariates' mean over both groups."""
    n1, n0 = treated.n, control.n
    x1, x0 = treated.of(*covariates), control.of(*covariates)
    share = n1 / (n1 + n0)
    centre = share * x1.mean + (1 - share) * x0.mean
    of_centre = share**2 * x1.covariance + (1 - share) ** 2 * x0.covariance
    means, variances, degrees = [], [], []
    for group, x, slopes in ((treated, x1, slopes_treated), (control, x0, slopes_control)):
        full = group.of(metric, *covariates)
        cross = full.covariance[0, 1:]
        df = group.n - 1 - n_slopes
        residual = full.covariance[0, 0] - 2 * slopes @ cross + slopes @ x.covariance @ slopes
        means.append(float(full.mean[0] - slopes @ (x.mean - centre)))
        variances.append(max(float(residual), 0.0) * (group.n - 1) / df)
        degrees.append(df)
    shared = [float(a @ of_centre @ b) for a, b in _pairs(slopes_treated, slopes_control)]
    return MeanPair(
        means[0],
        means[1],
        variances[0] + shared[0],
        variances[1] + shared[1],
        shared[2],
        _welch_df((variances[0], degrees[0]), (variances[1], degrees[1])),
    )


def _pairs(one: Floats, other: Floats) -> tuple[tuple[Floats, Floats], ...]:
    return (one, one), (other, other), (one, other)


def _slopes(group: Moments, metric: str, covariates: tuple[str, ...]) -> Floats:
    """Of the regression on standardised covariates, those that repeat others being left out by the pseudo-inverse."""
    full = group.of(metric, *covariates).covariance
    scale = np.sqrt(np.diag(full)[1:])
    correlation = full[1:, 1:] / np.outer(scale, scale)
    found: Floats = np.linalg.pinv(correlation, rcond=1e-10, hermitian=True) @ (full[0, 1:] / scale) / scale
    return found


def _ratio(group: Moments) -> tuple[float, float] | None:
    top, bottom = (float(mean) for mean in group.mean)
    if not bottom:
        return None
    ratio, v = top / bottom, group.covariance
    variance = (v[0, 0] - 2 * ratio * v[0, 1] + ratio**2 * v[1, 1]) / bottom**2
    # What rounding leaves of a ratio that is the same for everybody is no variance.
    negligible = 1e-12 * (v[0, 0] + ratio**2 * v[1, 1]) / bottom**2
    return ratio, float(variance) if variance > negligible else 0.0


def _welch_df(*sides: tuple[float, float]) -> float:
    """Welch-Satterthwaite, from each side's variance of the mean and its degrees of freedom."""
    total = sum(variance for variance, _ in sides)
    if not total > 0:
        return nan
    return total**2 / sum(variance**2 / max(df, 1) for variance, df in sides)


def _critical(level: float, df: float) -> float:
    return float(student.ppf(0.5 + level / 2, df))
