"""Return on a campaign's cost, and how sure it is."""

from __future__ import annotations

import numpy as np
import pytest

from cvm.campaigns.effect_money import Cost, earned
from cvm.campaigns.effect_result import ArmEffect
from cvm.evaluation import Moments, difference, plain_means, relative


def judged(treated: dict, control: dict, *, fixed: float = 0.0):
    one, other = Moments.from_values(treated), Moments.from_values(control)
    of = {}
    for metric in ("orders", "revenue", "margin"):
        pair = plain_means(one, other, metric)
        of[metric] = ArmEffect("mail", metric, pair.control, difference(pair), None, None, relative(pair))
    return earned("mail", one, Cost.of_arm(one, other, fixed=fixed), replicates=None, level=0.95, **of)


def group(rng, n, *, orders, cost_per_order, base=0.4):
    bought = rng.poisson(orders, n).astype(float)
    margin = bought * rng.gamma(2, 5, n)
    cost = base + cost_per_order * bought
    return {"orders": bought, "revenue": 2 * margin, "margin": margin, "cost": cost, "redeemed": bought}


def test_a_given_cost_only_shifts_and_scales():
    rng = np.random.default_rng(1)
    found = judged(*(group(rng, 500, orders=orders, cost_per_order=0, base=1.5) for orders in (1, 0.5)), fixed=250.0)
    assert found.cost == pytest.approx(1_000)
    assert found.net.value == pytest.approx(found.incremental_margin.value - 1_000)
    assert found.roi.value == pytest.approx(found.net.value / 1_000)
    assert found.roi_revenue.value == pytest.approx(2 * (found.roi.value + 1) - 1)


def test_intervals_of_the_return_hold_where_cost_follows_orders():
    """Redemptions make cost and margin move together; the true return is known."""
    rng = np.random.default_rng(2)
    truth = (1.0 - 0.6) * 10 / (0.4 + 1.5 * 1.0) - 1
    held, n_draws = 0, 800
    for _ in range(n_draws):
        treated, control = (group(rng, 250, orders=orders, cost_per_order=1.5) for orders in (1.0, 0.6))
        found = judged(treated, control).roi
        held += found.lower < truth < found.upper
    assert abs(held / n_draws - 0.95) < 3 * (0.05 * 0.95 / n_draws) ** 0.5


def test_nothing_spent_is_no_return():
    rng = np.random.default_rng(3)
    found = judged(*(group(rng, 50, orders=1, cost_per_order=0, base=0.0) for _ in range(2)))
    assert (found.roi, found.roi_revenue, found.p_pays) == (None, None, None)
