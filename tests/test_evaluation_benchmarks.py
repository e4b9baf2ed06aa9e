"""The benchmarks of evaluations in small: intervals hold what they promise within the error of a few hundred campaigns."""

from __future__ import annotations

import numpy as np
import pytest

import interval_coverage

SPEND, RARE, HEAVY = interval_coverage.WORLDS
REPLICATIONS = 600


def within(share: float, promised: float, n: int, *, errors: float = 3.5) -> bool:
    return abs(share - promised) < errors * (promised * (1 - promised) / n) ** 0.5


def test_the_truth_of_a_world_is_what_its_customers_do():
    rng = np.random.default_rng(1)
    for world in interval_coverage.WORLDS:
        treated, control = (world.customers(rng, 400_000, treated=arm) for arm in (True, False))
        gap = treated["margin"].mean() - control["margin"].mean()
        error = ((treated["margin"].var() + control["margin"].var()) / 400_000) ** 0.5
        assert abs(gap - world.effect) < 4 * error
        assert treated["cost"].mean() == pytest.approx(world.mean_cost, rel=0.02)
        assert control["cost"].sum() == 0


def test_a_few_campaigns_run():
    found = interval_coverage.judge_worlds(SPEND, replications=8)
    assert {"effect, Welch", "ROI, Fieller", "ROI, bootstrap", "A/A alarms, adjusted"} <= set(found)
    assert "**no**" in interval_coverage.line("x", 0.5, (0.9, 1.0))
    assert interval_coverage.wanted(HEAVY, "effect, Welch") == interval_coverage.LOGNORMAL


@pytest.mark.slow
@pytest.mark.parametrize("world", [SPEND, RARE], ids=lambda world: world.name)
def test_intervals_hold(world):
    found = interval_coverage.judge_worlds(world, replications=REPLICATIONS)
    for name, share in found.items():
        n = REPLICATIONS // 4 if "bootstrap" in name or name.startswith("P(") else REPLICATIONS
        promised = 0.05 if name.startswith("A/A") else 0.025 if name.startswith("P(") else 0.95
        assert within(share, promised, n), (name, share)


@pytest.mark.slow
def test_intervals_hold_nearly_where_revenue_is_lognormal():
    found = interval_coverage.judge_worlds(HEAVY, replications=400)
    assert found["effect, Welch"] > 0.91
    assert found["effect, adjusted"] > 0.91
    assert found["ROI, bootstrap"] > 0.86


@pytest.mark.slow
@pytest.mark.parametrize("binary", [True, False])
def test_intervals_of_the_qini_hold(binary):
    assert within(interval_coverage.judge_qini(replications=800, binary=binary), 0.95, 800)


def test_sample_ratio_tests_are_uniform_under_independent_draws():
    assert interval_coverage.srm_uniform(replications=2_000) > 0.01
