"""The best arm per customer under a budget."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from cvm.datasets.simulate.policy import best_arms, net_value

COST = np.array([0.05, 1.1])


def test_without_a_budget_everyone_gets_what_pays_most() -> None:
    effect = np.array([[1.0, 1.5], [1.0, 3.0], [0.01, 0.5], [-1.0, -1.0]])
    arms = best_arms(effect, COST)
    assert arms.tolist() == [0, 1, -1, -1]
    assert net_value(arms, effect, COST) == pytest.approx(0.95 + 1.9)


def test_a_budget_is_kept_and_used_nearly_as_well_as_by_trying_everything() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        effect = rng.normal(1.0, 1.5, (7, 2))
        budget = rng.uniform(0.5, 5.0)
        arms = best_arms(effect, COST, budget=budget)
        assert COST[arms[arms >= 0]].sum() <= budget
        tried = (np.array(choice) for choice in product((-1, 0, 1), repeat=7))
        best = max(net_value(choice, effect, COST) for choice in tried if COST[choice[choice >= 0]].sum() <= budget)
        # What the Lagrangian leaves on the table is at most one customer's best gain.
        assert best - effect.max() <= net_value(arms, effect, COST) <= best + 1e-9


def test_nobody_is_contacted_when_nothing_pays() -> None:
    assert (best_arms(np.full((3, 2), -1.0), COST) == -1).all()
    assert net_value(np.full(3, -1), np.ones((3, 2)), COST) == 0
