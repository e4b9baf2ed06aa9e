"""The best use of a budget when effects are known, exactly or in expectation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from cvm.datasets.simulate.chance import Floats, Ints
from cvm.datasets.simulate.recipe import SimulationRecipe
from cvm.errors import MissingOutputError, ParamsError

_HALVINGS = 60


@dataclass(frozen=True)
class PolicyCeiling:
    """True net value of a next campaign at ``as_of``, summed over its customers.

    Attributes
    ----------
    n_eligible : int
    observable : float
        By the policy that is best given the observables: the ceiling of any plan.
    truth : float
        By the policy that knows every own effect; nobody can.
    for_all : dict of str to float
        Each arm for everybody eligible, whatever the budget.
    """

    n_eligible: int
    observable: float
    truth: float
    for_all: dict[str, float]


def policy_ceiling(folder: Path, *, budget: float = np.inf, arms: Sequence[str] | None = None) -> PolicyCeiling:
    """The ceiling of a plan under a budget.

    Parameters
    ----------
    folder : Path
        Of a simulated base whose ``ceiling`` was computed.
    budget : float, > 0
        Sum of contact costs, in currency.
    arms : sequence of str, optional
        Treatments the plan may choose from; all by default.

    Raises
    ------
    MissingOutputError
        If ``truth/oracle.parquet`` is not there.
    ParamsError
        If an arm is unknown, or there is no budget.
    """
    world = SimulationRecipe.read(folder / "truth" / "recipe.json").world
    path = folder / "truth" / "oracle.parquet"
    if not path.is_file():
        raise MissingOutputError.from_stage(path, command="cvm simulate --ceiling")
    costs = {treatment.name: treatment.cost for treatment in world.treatments}
    chosen = list(costs) if arms is None else list(arms)
    if not chosen or not set(chosen) <= set(costs):
        raise ParamsError(f"arms == {chosen}, must be some of {sorted(costs)}.")
    if not budget > 0:
        raise ParamsError(f"budget == {budget:g}, must be > 0.")
    truth, oracle = pq.read_table(folder / "truth" / "truth.parquet"), pq.read_table(path)
    eligible = truth["is_eligible_next"].to_numpy()
    true = np.stack([truth[f"effect_next_{arm}"].to_numpy()[eligible] for arm in chosen], axis=1)
    known = np.stack([oracle[f"effect_given_observables_{arm}"].to_numpy()[eligible] for arm in chosen], axis=1)
    cost = np.array([costs[arm] for arm in chosen])
    n = len(true)
    return PolicyCeiling(
        n_eligible=n,
        observable=net_value(best_arms(known, cost, budget=budget), true, cost),
        truth=net_value(best_arms(true, cost, budget=budget), true, cost),
        for_all={arm: net_value(np.full(n, position), true, cost) for position, arm in enumerate(chosen)},
    )


def best_arms(effect: Floats, cost: Floats, *, budget: float = np.inf) -> Ints:
    """Arm per customer that maximises the summed effect minus cost within a budget; -1 for no contact.

    Parameters
    ----------
    effect : array of shape (n_customers, n_arms)
        Margin that each arm adds, by the best knowledge there is.
    cost : array of shape (n_arms,)
        Of one contact.
    budget : float, > 0
        Sum of costs that may not be exceeded.

    Returns
    -------
    array of shape (n_customers,)

    Notes
    -----
    Multiple-choice knapsack by its Lagrangian: optimal up to the one customer at which the budget runs out.
    """
    arms = _priced(effect, cost, price=1.0)
    if _spent(arms, cost) <= budget:
        return arms
    low, high = 1.0, 1.0 + float(np.nanmax(effect)) / float(cost[cost > 0].min())
    for _ in range(_HALVINGS):
        price = (low + high) / 2
        low, high = (price, high) if _spent(_priced(effect, cost, price=price), cost) > budget else (low, price)
    return _priced(effect, cost, price=high)


def net_value(arms: Ints, effect: Floats, cost: Floats) -> float:
    """Sum over customers of the effect of their arm minus its cost.

    Parameters
    ----------
    arms : array of shape (n_customers,)
        -1 for no contact.
    effect : array of shape (n_customers, n_arms)
        True effects.
    cost : array of shape (n_arms,)
    """
    rows = np.flatnonzero(arms >= 0)
    return float((effect[rows, arms[rows]] - cost[arms[rows]]).sum())


def _priced(effect: Floats, cost: Floats, *, price: float) -> Ints:
    gain = np.concatenate([np.zeros((len(effect), 1)), effect - price * cost], axis=1)
    return np.argmax(gain, axis=1) - 1


def _spent(arms: Ints, cost: Floats) -> float:
    return float(cost[arms[arms >= 0]].sum())
