"""Learning from a campaign that was not drawn at random: only on request, and never without saying what that means.

Who was contacted is then explained by what was known before, by trees that did not learn from the customer, and customers
count by one over that probability. This mends differences the features show. Of differences nobody recorded (a manager's
hunch, a list from elsewhere) it knows nothing, and then the effects are wrong by as much.

- **Common support**: customers who, as far as can be told, had next to no chance of one of the arms are left out. Nobody
  like them was seen in it.
- **Clipping**: probabilities count as at least 5 %, so that no single customer stands for more than twenty.

Source
------
Rosenbaum and Rubin (1983), Biometrika 70; trimming: Crump, Hotz, Imbens and Mitnik (2009), Biometrika 96.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from cvm.errors import ExperimentError
from cvm.models.boosting import fit_boosted
from cvm.models.uplift.experiment import Experiment, check_enough, experiment_parts
from cvm.models.uplift.linear import LinearDesign
from cvm.models.uplift.responses import Learning, boosting_task

Floats = NDArray[np.float64]

TRIMMED_BELOW, CLIPPED_BELOW = 0.02, 0.05
# With more left out, what is left is no longer the campaign that was asked about.
_MAX_TRIMMED_SHARE = 0.5


@dataclass(frozen=True)
class ArmOverlap:
    """How far customers could have been in an arm.

    Attributes
    ----------
    arm : str
    lowest, median, highest : float
        Estimated probability of that arm, of all customers (lowest and highest: 1 in 100 lie beyond).
    n_customers : int
        In the arm, after trimming.
    effective : float
        As many equally counting customers would say as much.
    """

    arm: str
    lowest: float
    median: float
    highest: float
    n_customers: int
    effective: float


@dataclass(frozen=True)
class Overlap:
    """What had to be done to compare arms that were not drawn at random.

    Attributes
    ----------
    arms : tuple of ArmOverlap
        Control first.
    n_trimmed, n_clipped, n_customers : int
        Left out for lack of an alternative, counted less than their probability says, and all there were.
    difference_before, difference_after : float
        Largest difference of an arm from all in anything known before, in standard deviations; as they are and weighted.
    """

    arms: tuple[ArmOverlap, ...]
    n_trimmed: int
    n_clipped: int
    n_customers: int
    difference_before: float
    difference_after: float

    @property
    def sentence(self) -> str:
        """What was done, and what it means, in words."""
        return (
            "Not drawn at random: effects are true only if everything that decided who was contacted is among the features. "
            f"{self.n_trimmed:,} of {self.n_customers:,} customers had next to no chance of one of the arms and are left "
            f"out, {self.n_clipped:,} are rare in theirs and count less than they should; the largest difference between "
            f"arms went from {self.difference_before:.2f} to {self.difference_after:.2f} standard deviations. Hold some "
            "customers out by chance next time."
        )


def observational_experiment(
    features: pd.DataFrame,
    *,
    outcome: pd.Series[Any],
    arm: pd.Series[Any],
    allow_observational: bool = False,
    seed: int = 7,
) -> tuple[Experiment, Overlap]:
    """A campaign whose customers were picked, brought into the form of an experiment by estimated propensities.

    Parameters
    ----------
    features, outcome, arm
        See ``experiment_of``. Features have to hold all that decided who was contacted.
    allow_observational : bool
        Has to be said. What is learned then carries ``Overlap.sentence``.
    seed : int

    Raises
    ------
    ExperimentError
        If nobody allowed it, arms hardly overlap, or as ``experiment_of`` does.
    InsufficientDataError
        If too few customers or responses are left in an arm.
    """
    if not allow_observational:
        raise ExperimentError(
            "The arms were not drawn at random by a known design, so differences between them may come from who was picked. "
            "Hand over the propensities of the design, or say allow_observational=True to compare like with like as far as "
            "the features tell."
        )
    everybody = experiment_parts(features, outcome=outcome, arm=arm, propensity=None)
    check_enough(everybody)
    p = _propensities(everybody, Learning({}, seed))
    kept = np.flatnonzero((p >= TRIMMED_BELOW).all(axis=1))
    n_trimmed = len(everybody) - len(kept)
    if n_trimmed > _MAX_TRIMMED_SHARE * len(everybody):
        raise ExperimentError(
            f"{n_trimmed:,} of {len(everybody):,} customers had next to no chance (below {TRIMMED_BELOW:.0%}) of one of the "
            "arms: the arms hardly overlap, so nothing can be compared. Hold some customers out by chance."
        )
    own = p[kept, everybody.arm[kept]]
    experiment = replace(everybody.take(kept), drawn_with=np.maximum(own, CLIPPED_BELOW))
    check_enough(experiment)
    overlap = _overlap(experiment, p, n_trimmed=n_trimmed, n_clipped=int((own < CLIPPED_BELOW).sum()))
    return replace(experiment, caveat=overlap.sentence), overlap


def _propensities(experiment: Experiment, learning: Learning) -> Floats:
    """Probability of each arm by trees of other folds: array of shape (n_customers, n_arms) that sums to 1."""
    p = np.empty((len(experiment), len(experiment.arms)))
    for position, share in enumerate(experiment.shares):
        anchor = np.full(len(experiment), logit(share))
        own = (experiment.arm == position).astype(float)
        task = boosting_task(experiment.features, experiment.columns, own, anchor, {"objective": "binary"}, learning)
        p[:, position] = expit(anchor + fit_boosted(task).margin_out_of_fold)
    return p / p.sum(axis=1, keepdims=True)


def _overlap(experiment: Experiment, p: Floats, *, n_trimmed: int, n_clipped: int) -> Overlap:
    arms = []
    weight = 1 / experiment.drawn_with
    for position, name in enumerate(experiment.arms):
        own = weight[experiment.arm == position]
        spread = np.quantile(p[:, position], [0.01, 0.5, 0.99])
        lowest, median, highest = (float(value) for value in spread)
        arms.append(ArmOverlap(name, lowest, median, highest, len(own), float(own.sum() ** 2 / (own**2).sum())))
    equal = np.ones(len(experiment))
    before, after = (_largest_difference(experiment, weights) for weights in (equal, weight))
    return Overlap(tuple(arms), n_trimmed, n_clipped, len(experiment) + n_trimmed, before, after)


def _largest_difference(experiment: Experiment, weight: Floats) -> float:
    """Of a weighted arm from all customers, over all columns of mean 0 and variance 1."""
    X = LinearDesign.fit(experiment.features, experiment.columns).matrix(experiment.features)
    arms = (experiment.arm == position for position in range(len(experiment.arms)))
    means = [np.average(X[own], axis=0, weights=weight[own]) for own in arms]
    return float(np.abs(means).max()) if X.shape[1] else 0.0
