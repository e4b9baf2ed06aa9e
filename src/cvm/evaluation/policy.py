"""What a policy, a rule that gives every customer an arm, would have brought on a randomised experiment.

Both functions take the signals of ``arm_values``: with a prediction of outcomes the estimates are doubly robust (DR),
without one they are by inverse propensity (IPS). The policy must have been learned from other customers. For net value,
hand over outcomes less the cost of the arm each customer was drawn for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvm.errors import ExperimentError
from cvm.evaluation.area_interval import Estimate
from cvm.evaluation.uplift import interval_of

Floats = NDArray[np.float64]
Arms = NDArray[np.intp]


def policy_value(values: Floats, arms: Arms | Floats, *, level: float = 0.95) -> Estimate:
    """Mean outcome per customer under a policy.

    Parameters
    ----------
    values : array of shape (n_customers, n_arms)
        See ``arm_values``.
    arms : array of int of shape (n_customers,), or of float of shape (n_customers, n_arms) or (n_arms,)
        The arm of each customer (0 is control), or the probabilities of a policy that draws.
    level : float, 0 to 1
        Of the interval.

    Raises
    ------
    ExperimentError
        If there is no such arm, or the shapes do not fit.
    """
    own = _own_values(values, arms)
    return interval_of(float(own.mean()), own - own.mean(), level=level)


def policy_difference(values: Floats, arms: Arms | Floats, others: Arms | Floats, *, level: float = 0.95) -> Estimate:
    """Mean outcome per customer under a policy less that under another, on the same customers; see ``policy_value``."""
    own = _own_values(values, arms) - _own_values(values, others)
    return interval_of(float(own.mean()), own - own.mean(), level=level)


@dataclass(frozen=True)
class PolicyWorth:
    """What one policy would have brought, per customer.

    Attributes
    ----------
    name : str
    contacted : float
        Share of customers not left in control.
    value : Estimate
        Doubly robust.
    by_propensity : Estimate
        By inverse propensity alone: wider, and free of any prediction.
    gain : Estimate
        Doubly robust, over the policy that the table starts with, on the same customers.
    """

    name: str
    contacted: float
    value: Estimate
    by_propensity: Estimate
    gain: Estimate


def policy_table(
    values: Floats, by_propensity: Floats, policies: Mapping[str, Arms | Floats], *, level: float = 0.95
) -> tuple[PolicyWorth, ...]:
    """Policies beside each other on the same customers.

    Parameters
    ----------
    values, by_propensity : arrays of shape (n_customers, n_arms)
        Signals of ``arm_values`` with and without expected outcomes.
    policies : mapping of str to arms
        See ``policy_value``; gains are over the first.
    level : float, 0 to 1
        Of the intervals.
    """
    first = next(iter(policies.values()))
    return tuple(
        PolicyWorth(
            name,
            _share_contacted(arms),
            policy_value(values, arms, level=level),
            policy_value(by_propensity, arms, level=level),
            policy_difference(values, arms, first, level=level),
        )
        for name, arms in policies.items()
    )


def _share_contacted(arms: Arms | Floats) -> float:
    given = np.asarray(arms)
    return float((given > 0).mean()) if np.issubdtype(given.dtype, np.integer) else float(1 - given[..., 0].mean())


def _own_values(values: Floats, arms: Arms | Floats) -> Floats:
    n, n_arms = values.shape
    given = np.asarray(arms)
    if np.issubdtype(given.dtype, np.integer) and given.shape == (n,):
        if n and not 0 <= given.min() <= given.max() < n_arms:
            raise ExperimentError(f"The policy names arms outside of 0 to {n_arms - 1}, those the experiment had.")
        return values[np.arange(n), given]
    if np.issubdtype(given.dtype, np.floating) and given.shape in ((n_arms,), (n, n_arms)):
        if not ((given >= 0).all() and np.allclose(given.sum(axis=-1), 1)):
            raise ExperimentError("The policy holds numbers that are no probabilities: each customer's must sum to 1.")
        return (values * given).sum(axis=1)
    raise ExperimentError(
        f"The policy has shape {given.shape} and type {given.dtype}: whole numbers of shape ({n},), or probabilities of "
        f"shape ({n}, {n_arms}), are needed."
    )
