"""The best use of a budget when effects are known, exactly or in expectation."""

from __future__ import annotations

import numpy as np

from cvm.datasets.simulate.chance import Floats, Ints

_HALVINGS = 60


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
