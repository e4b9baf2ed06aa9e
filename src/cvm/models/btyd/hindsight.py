"""Hindsight: what the model, asked on the same day a year ago, would have got wrong, put right today.

The error of the latest window is a trap, because it holds that window's season. The error of the same window a year earlier
holds the same season and all that was wrong for good: order values that do not fit one distribution for everybody, buying
so regular that silence says more than a Poisson process hears.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit

Floats = NDArray[np.float64]

# Level errors that a year leaves behind are of this size, as log ratios; noisier ones are shrunk.
_TYPICAL_ERROR = 0.2
# A first customer base is whoever happened to buy when the data began: of a correction learned on it, this many days of
# history leave 1 - 1/e.
_SETTLING_DAYS = 240.0
# Orders that fail to come from those long silent may mean that more of them are gone, or that those alive buy more rarely
# than thought; a window cannot tell, so each gets half. Chosen on simulated bases kept apart from those that judge.
_GONE_NOT_RARE = 0.5
_MIN_CUSTOMERS = 200
_MAX_SHIFT = 1.5


@dataclass(frozen=True)
class Hindsight:
    """Corrections of a BTYD model; the defaults correct nothing.

    Attributes
    ----------
    revenue_factor : float
        Multiplies expected order values.
    churn_shift : float
        Added to the logit of P(no order in the window).
    alive_intercept, alive_slope : float
        logit P(alive) becomes ``intercept + slope * logit``.
    """

    revenue_factor: float = 1.0
    churn_shift: float = 0.0
    alive_intercept: float = 0.0
    alive_slope: float = 1.0

    def p_no_order(self, p: Floats) -> Floats:
        """P(no order in the window), corrected."""
        return expit(_logit(p) + self.churn_shift) if self.churn_shift else p

    def p_alive(self, p: Floats) -> Floats:
        """P(alive), corrected; certainty stays certainty."""
        if (self.alive_intercept, self.alive_slope) == (0.0, 1.0):
            return p
        return expit(self.alive_intercept + self.alive_slope * _logit(p))

    def state(self) -> dict[str, float]:
        """Corrections by name."""
        return asdict(self)


@dataclass(frozen=True)
class HindsightWindow:
    """What was expected of customers in one window, and what happened; arrays of shape (n_customers,)."""

    p_alive: Floats
    p_no_order: Floats
    expected_revenue: Floats
    ordered: Floats
    revenue: Floats


def learn_hindsight(window: HindsightWindow, silence: HindsightWindow, *, history_days: int) -> Hindsight:
    """Corrections from one snapshot of a year ago.

    Parameters
    ----------
    window : HindsightWindow
        Over the outcome window.
    silence : HindsightWindow
        Over the longest window known, from which P(alive) learns: who is silent for a year is likelier gone.
    history_days : int
        Behind that snapshot; a short history is trusted less.

    Returns
    -------
    Hindsight
        Without correction where fewer than 200 customers ordered or did not.
    """
    n_ordered = float(window.ordered.sum())
    if min(n_ordered, len(window.ordered) - n_ordered) < _MIN_CUSTOMERS:
        return Hindsight()
    settled = 1 - np.exp(-history_days / _SETTLING_DAYS)
    intercept, slope = _alive_line(silence)
    return Hindsight(
        revenue_factor=float(np.exp(settled * _log_ratio(window))),
        churn_shift=float(settled * _churn_shift(window)),
        alive_intercept=float(settled * _GONE_NOT_RARE * intercept),
        alive_slope=float(1 + settled * _GONE_NOT_RARE * (slope - 1)),
    )


def _log_ratio(window: HindsightWindow) -> float:
    """Log of actual over expected revenue, shrunk by its standard error (empirical Bayes, normal-normal)."""
    actual, expected = window.revenue.sum(), window.expected_revenue.sum()
    if min(actual, expected) <= 0:
        return 0.0
    error = np.sqrt(np.sum((window.revenue - window.expected_revenue * actual / expected) ** 2)) / actual
    return float(np.log(actual / expected) * _TYPICAL_ERROR**2 / (_TYPICAL_ERROR**2 + error**2))


def _churn_shift(window: HindsightWindow) -> float:
    """Shift of logits that makes the mean probability the rate."""
    rate, logits = 1 - window.ordered.mean(), _logit(window.p_no_order)

    def excess(shift: float) -> float:
        return float(expit(logits + shift).mean() - rate)

    if excess(-_MAX_SHIFT) > 0 or excess(_MAX_SHIFT) < 0:
        return 0.0
    return float(brentq(excess, -_MAX_SHIFT, _MAX_SHIFT))


def _alive_line(silence: HindsightWindow) -> tuple[float, float]:
    """Line through the logits of P(alive) under which orders of the window are likeliest.

    Whoever is alive orders with probability ``(1 - P(no order)) / P(alive)`` of the model; aliveness is all that changes.
    """
    alive = np.clip(silence.p_alive, 1e-6, 1 - 1e-6)
    orders_if_alive = np.clip((1 - silence.p_no_order) / alive, 0.0, 1.0)
    logits = _logit(alive)

    def loss(line: Floats) -> tuple[float, Floats]:
        p_alive = expit(line[0] + line[1] * logits)
        p = np.clip(p_alive * orders_if_alive, 1e-9, 1 - 1e-9)
        value = -np.mean(silence.ordered * np.log(p) + (1 - silence.ordered) * np.log1p(-p))
        slope_of_loss = -(silence.ordered / p - (1 - silence.ordered) / (1 - p)) * orders_if_alive * p_alive * (1 - p_alive)
        return float(value), np.array([slope_of_loss.mean(), (slope_of_loss * logits).mean()])

    bounds = [(-_MAX_SHIFT, _MAX_SHIFT), (0.5, 2.0)]
    found = minimize(loss, np.array([0.0, 1.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(found.x[0]), float(found.x[1])


def _logit(p: Floats) -> Floats:
    return logit(np.clip(p, 1e-9, 1 - 1e-9))
