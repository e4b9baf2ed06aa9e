"""What contacting whom the uplift model names would have earned, against the ways it is done without one.

On the experiment itself: each customer's uplift is by trees that did not learn from that customer (the mean effect and the
one slope that sizes it are of all). Every rule but "all" and "none" contacts as many as the learned policy does, so that
they differ in whom, and not in how many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvm.errors import ExperimentError
from cvm.evaluation import Estimate, PolicyWorth, arm_values, policy_difference, policy_table
from cvm.models.uplift.experiment import Experiment
from cvm.models.uplift.model import UpliftFit

Floats = NDArray[np.float64]
Arms = NDArray[np.intp]

NONE, LEARNED, RANDOM = "none", "learned", "random"


@dataclass(frozen=True)
class PolicyEvidence:
    """Policies of one campaign, in money per customer, net of contacts.

    Attributes
    ----------
    rows : tuple of PolicyWorth
        Nobody first, over whom gains are told, then the learned policy, everybody (per treatment), as many by chance, and
        as many by each ranking.
    over_others : dict of str to Estimate
        What the learned policy brings more than each other, on the same customers.
    """

    rows: tuple[PolicyWorth, ...]
    over_others: dict[str, Estimate]

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        learned = next(row for row in self.rows if row.name == LEARNED)
        beaten = [name for name, more in self.over_others.items() if more.lower > 0]
        lost = [name for name, more in self.over_others.items() if more.upper < 0]
        head = (
            f"Contacting the {learned.contacted:.0%} that the model names would have added {learned.gain.value:.4g} per "
            f"customer (95 % interval {learned.gain.lower:.4g} to {learned.gain.upper:.4g}), net of contacts"
        )
        told = [f"surely more than {', '.join(beaten)}"] if beaten else []
        told += [f"surely less than {', '.join(lost)}"] if lost else []
        return f"{head}; {' and '.join(told) or 'too little to tell it from any other rule'}."

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        rows = [
            {
                "policy": row.name,
                "contacted": row.contacted,
                **{name: vars(getattr(row, name)) for name in ("value", "by_propensity", "gain")},
            }
            for row in self.rows
        ]
        return {"rows": rows, "learned_over": {name: vars(more) for name, more in self.over_others.items()}}


def policy_evidence(
    fit: UpliftFit,
    experiment: Experiment,
    *,
    costs: Sequence[float],
    outcome_value: float = 1.0,
    rankings: Mapping[str, ArrayLike] | None = None,
    seed: int = 7,
) -> PolicyEvidence:
    """IPS and DR value of the learned policy and of its rivals.

    Parameters
    ----------
    fit : UpliftFit
        Of this experiment.
    experiment : Experiment
    costs : sequence of float, >= 0
        Of contacting one customer, by treatment, in money.
    outcome_value : float
        Money that one unit of the outcome is worth.
    rankings : mapping of str to array of shape (n_customers,), optional
        Scores known before the draw by which one would contact otherwise, such as churn risk or value; highest first,
        customers without a score last.
    seed : int
        Decides where customers tie in a ranking.

    Raises
    ------
    ExperimentError
        If there is not one cost per treatment, a cost is negative, or a ranking is not of these customers.
    """
    treatments = experiment.arms[1:]
    if len(costs) != len(treatments) or not all(np.isfinite(cost) and cost >= 0 for cost in costs):
        raise ExperimentError(f"costs are {list(costs)}: one number of at least 0 for each of {list(treatments)} is needed.")
    by_arm = np.array([0.0, *costs])
    net = outcome_value * fit.arm_values - by_arm
    given = (outcome_value * experiment.outcome - by_arm[experiment.arm], experiment.arm, experiment.drawn_with)
    by_propensity = arm_values(*given, n_arms=len(experiment.arms))
    policies = _policies(fit, outcome_value, by_arm[1:], treatments)
    best = 1 + int((net[:, 1:].mean(axis=0)).argmax())
    n_contacted = int((policies[LEARNED] > 0).sum())
    rng = np.random.default_rng(seed)
    for name, score in (rankings or {}).items():
        policies[f"by {name}"] = best * _first(name, score, n_contacted, len(experiment), rng)
    others = {name: policy_difference(net, policies[LEARNED], arms) for name, arms in policies.items() if name != LEARNED}
    return PolicyEvidence(policy_table(net, by_propensity, policies), others)


def _policies(fit: UpliftFit, outcome_value: float, costs: Floats, treatments: tuple[str, ...]) -> dict[str, Arms | Floats]:
    """Those that need no ranking."""
    n, n_arms = fit.arm_values.shape
    gain = outcome_value * fit.out_of_fold - costs
    learned = np.where(gain.max(axis=1) > 0, gain.argmax(axis=1) + 1, 0)
    policies: dict[str, Arms | Floats] = {NONE: np.zeros(n, dtype=np.intp), LEARNED: learned}
    for position, treatment in enumerate(treatments, start=1):
        policies["all" if n_arms == 2 else f"all {treatment}"] = np.full(n, position, dtype=np.intp)
    policies[RANDOM] = np.bincount(learned, minlength=n_arms) / n
    return policies


def _first(name: str, score: ArrayLike, n_contacted: int, n: int, rng: np.random.Generator) -> Arms:
    """1 for the first of a ranking, ties by chance, else 0."""
    values = np.asarray(score, dtype=float)
    if values.shape != (n,):
        raise ExperimentError(f"The ranking {name!r} has shape {values.shape}: one score per customer, ({n},), is needed.")
    order = np.lexsort((rng.random(n), -np.where(np.isnan(values), -np.inf, values)))
    first = np.zeros(n, dtype=np.intp)
    first[order[:n_contacted]] = 1
    return first
