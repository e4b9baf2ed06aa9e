"""The sums that truth and posterior share, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from cvm.datasets.simulate.chance import sums
from cvm.datasets.simulate.expectation import EDGES, HORIZONS, expected_renewals, late_renewals, weighted, weights_of
from cvm.datasets.simulate.truth import true_expectation
from cvm.datasets.simulate.world import World
from simulated_base import Base


@pytest.mark.parametrize("horizon_days", HORIZONS)
def test_weights_of_the_immortal_add_up_to_the_season(base: Base, horizon_days: int) -> None:
    weights = weights_of(base.world, base.calendar, start=0, days=horizon_days)
    season = base.calendar.season[-base.calendar.first_day :][:horizon_days].sum()
    # 4 % of the orders come back, 63 % of them wholly (0.45 + 0.55 / 3), sixteen days later in the mean.
    in_time = (horizon_days - 16) / horizon_days
    assert weights.orders.sum() / season == pytest.approx(1 - 0.04 * 0.633 * in_time, abs=0.002)
    assert weights.money.sum() < weights.orders.sum() < season
    immortal = np.ones((1, len(EDGES)))
    assert weighted(immortal, weights.money)[0] == pytest.approx(weights.money.sum())


@pytest.mark.parametrize("horizon_days", HORIZONS)
def test_expected_money_is_what_comes(base: Base, horizon_days: int) -> None:
    """Sum of the true expectations against the simulated future, net of what comes back within the horizon."""
    expected = true_expectation(base.world, base.calendar, base.chunk, horizon_days=horizon_days)
    lines, n = base.lines, len(base.chunk.customers)
    comes = (lines.placed >= 0) & (lines.day < horizon_days)
    for value, mean in ((lines.amount, expected.revenue), (lines.margin, expected.margin)):
        actual = sums(lines.customer[comes], value[comes], n=n)
        # Three standard errors of the sum of what deviates from its expectation.
        assert abs((actual - mean).sum()) < 3 * (actual - mean).std() * np.sqrt(n)
        # And where it is expected: the upper half by expectation.
        top = mean > np.median(mean)
        assert abs((actual - mean)[top].sum()) < 3 * (actual - mean)[top].std() * np.sqrt(top.sum())


def test_expected_orders_are_what_comes_less_what_goes_back_wholly(base: Base) -> None:
    expected = true_expectation(base.world, base.calendar, base.chunk, horizon_days=365).orders
    lines = base.lines
    comes = (lines.placed >= 0) & (lines.day < 365)
    value = np.bincount(lines.order[comes], weights=np.round(lines.amount[comes] * 100))
    n_orders = (value > 0).sum()
    # 85,000 orders, over-dispersed by lifetimes: the standard error of the total is about 0.6 per cent.
    assert n_orders / expected.sum() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("cycle", "age", "horizon"), [(30.0, 5.0, 181), (30.0, 33.0, 90), (90.0, 60.0, 365), (60.0, 0.0, 45)]
)
def test_renewals_against_simulated_ones(cycle: float, age: float, horizon: int) -> None:
    rng, n, hazard = np.random.default_rng(3), 40_000, 0.002
    shape = World().interval_shape
    first = rng.gamma(shape, cycle / shape, 20 * n)
    first = first[first > age][:n] - age
    interval = np.concatenate([first[:, None], rng.gamma(shape, cycle / shape, (n, 30))], axis=1)
    end = np.minimum(rng.exponential(1 / hazard, n), horizon)
    simulated = (np.cumsum(interval, axis=1) < end[:, None]).sum(axis=1)
    expected = expected_renewals(
        World(),
        cycle_days=np.array([cycle]),
        cycle_precision=np.inf,
        age_days=np.array([age]),
        horizon_days=horizon,
        survival=np.exp(-hazard * EDGES)[None],
    )
    # Three standard errors of the simulation, 0.027, and the stated approximation.
    assert expected[0] == pytest.approx(simulated.mean(), abs=0.035)


def test_renewals_with_an_uncertain_cycle_against_simulated_ones() -> None:
    rng, n, shape, cycle, age, horizon = np.random.default_rng(4), 40_000, World().interval_shape, 30.0, 10.0, 181
    precision = World().cycle_shape + shape  # one interval seen
    own = shape * (precision - 1) * cycle / shape / rng.gamma(precision, 1.0, n)
    interval = rng.gamma(shape, 1 / shape, (n, 20)) * own[:, None]
    alive = interval[:, 0] > age
    simulated = (np.cumsum(interval[alive], axis=1) < age + horizon).sum(axis=1).mean()
    expected = expected_renewals(
        World(),
        cycle_days=np.array([cycle]),
        cycle_precision=precision,
        age_days=np.array([age]),
        horizon_days=horizon,
        survival=np.ones((1, len(EDGES))),
    )
    # One per cent of six orders.
    assert expected[0] == pytest.approx(simulated, abs=0.06)


def test_habits_that_have_not_begun_against_simulated_ones() -> None:
    rng, n, world, horizon = np.random.default_rng(6), 200_000, World(), 181
    start = rng.exponential(world.late_start_mean_days, n)
    leaves = start + rng.exponential(1 / 0.002, n)
    renewals = sum(((start + k * 30.0 < np.minimum(leaves, horizon)).mean() for k in range(1, 10)), 0.0)
    first, later = late_renewals(
        world, horizon_days=horizon, cycle_days=np.array([30.0]), dropouts_per_day=np.array([0.002])
    )
    assert first == pytest.approx((start < horizon).mean(), abs=0.004)
    assert later[0] == pytest.approx(renewals, abs=0.01)
