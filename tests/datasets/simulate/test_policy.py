"""The best arm per customer under a budget."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from cvm.datasets.simulate import simulate
from cvm.datasets.simulate.ceiling import ceiling
from cvm.datasets.simulate.policy import best_arms, net_value, policy_ceiling
from cvm.errors import MissingOutputError, ParamsError

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


def test_the_ceiling_grows_with_the_budget_and_the_arms(tmp_path: Path) -> None:
    simulate(tmp_path, n_customers=2_000, seed=4)
    ceiling(tmp_path)
    everything, little = policy_ceiling(tmp_path), policy_ceiling(tmp_path, budget=20.0)
    assert everything.truth > everything.observable > little.observable > 0
    assert everything.observable > policy_ceiling(tmp_path, arms=["email"]).observable
    assert set(everything.for_all) == {"email", "letter"}
    assert everything.n_eligible < 2_000


def test_a_policy_ceiling_needs_a_ceiling_a_known_arm_and_a_budget(tmp_path: Path) -> None:
    simulate(tmp_path, n_customers=50, seed=4)
    with pytest.raises(MissingOutputError, match=r"oracle\.parquet does not exist yet"):
        policy_ceiling(tmp_path)
    ceiling(tmp_path)
    with pytest.raises(ParamsError, match=r"arms == \['fax'\], must be some of \['email', 'letter'\]"):
        policy_ceiling(tmp_path, arms=["fax"])
    with pytest.raises(ParamsError, match=r"budget == 0, must be > 0"):
        policy_ceiling(tmp_path, budget=0.0)
