"""Intervals that hold at any number of looks, by looking often."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from cvm.evaluation import Effect, always_valid
from cvm.evaluation.sequential import narrowest_ratio

ALPHA = 0.05


def effect(z: float) -> Effect:
    return Effect(z, 1.0, z - 1.96, z + 1.96, float(2 * norm.sf(abs(z))))


def test_at_the_end_the_interval_is_as_narrow_as_it_can_be():
    best = narrowest_ratio(ALPHA)
    widths = [((1 + 1 / r) * (np.log(1 + r) - 2 * np.log(ALPHA))) ** 0.5 for r in np.linspace(0.5, 2, 31) * best]
    assert np.argmin(widths) == 10
    found = always_valid(effect(0.0), information=1.0)
    assert found.upper == pytest.approx(min(widths))
    assert found.upper == pytest.approx(3.035, abs=0.001)


@pytest.mark.parametrize("information", [0.05, 0.3, 1.0])
def test_the_p_value_is_the_level_where_the_interval_touches_zero(information):
    edge = always_valid(effect(0.0), information=information).upper
    assert always_valid(effect(edge), information=information).p_value == pytest.approx(ALPHA)
    assert always_valid(effect(0.1), information=information).p_value == 1.0


@pytest.mark.parametrize("information", [0.0, 1.2])
def test_without_information_nothing_is_identified(information):
    assert np.isnan(always_valid(effect(9.0), information=information).p_value)


def alarms(outcomes: np.ndarray, treated: np.ndarray, looks: np.ndarray) -> tuple[float, float]:
    """Share of experiments that some look calls an effect: by the ordinary and by the always-valid p-value.

    ``outcomes``: cumulative per customer, of shape (n_experiments, n_looks, n_customers).
    """
    n = [treated.sum(), (~treated).sum()]
    sides = [outcomes[:, :, mask] for mask in (treated, ~treated)]
    gap = sides[0].mean(axis=2) - sides[1].mean(axis=2)
    error = np.sqrt(sides[0].var(axis=2, ddof=1) / n[0] + sides[1].var(axis=2, ddof=1) / n[1])
    ordinary = np.abs(gap / error) > norm.ppf(1 - ALPHA / 2)
    held = np.array(
        [
            [
                always_valid(Effect(g, e, 0.0, 0.0, 0.5), information=share).p_value < ALPHA
                for g, e, share in zip(gaps, errors, looks, strict=True)
            ]
            for gaps, errors in zip(gap, error, strict=True)
        ]
    )
    return float(ordinary.any(axis=1).mean()), float(held.any(axis=1).mean())


def test_daily_looks_at_a_campaign_without_effect_stay_below_the_level():
    """400 campaigns of 600 customers, looked at on each of 30 days; tastes differ, so that days are not independent."""
    rng = np.random.default_rng(21)
    n_campaigns, n_customers, days = 400, 600, 30
    rates = rng.gamma(2.0, 0.03, (n_campaigns, 1, n_customers))
    orders = rng.poisson(np.broadcast_to(rates, (n_campaigns, days, n_customers)))
    spend = np.cumsum(orders * rng.gamma(3.0, 5.0, orders.shape), axis=1)
    treated = np.arange(n_customers) < 400
    ordinary, held = alarms(spend, treated, np.arange(1, days + 1) / days)
    assert ordinary > 0.12
    assert held < ALPHA


def test_looks_at_independent_days_stay_below_the_level():
    """The hardest case: what comes in each day knows nothing of the days before."""
    rng = np.random.default_rng(22)
    n_campaigns, days = 4_000, 50
    sums = np.cumsum(rng.normal(size=(n_campaigns, days)), axis=1)
    looks = np.arange(1, days + 1) / days
    z = sums / np.sqrt(np.arange(1, days + 1))
    bounds = np.array([always_valid(effect(0.0), information=share).upper for share in looks])
    assert (np.abs(z) > 1.96).any(axis=1).mean() > 0.3
    assert (np.abs(z) > bounds).any(axis=1).mean() < ALPHA
