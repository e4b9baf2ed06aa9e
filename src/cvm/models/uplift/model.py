"""Who gains from which treatment: learned, tested on customers who did not teach, and no bolder than the test allows.

Candidates compete for each treatment: the mean of several learners, the proportional effect, shares of the outcome expected
that differ between customers, and for money the hurdle. The one that ranks customers of other folds better is tested. Where
it cannot tell who gains more, everybody is expected to gain the mean effect, and the evidence says so. Where it can, its
differences are stretched or shrunk to the size found to be true:

    uplift = mean_effect + slope * (learned effect - its mean)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.evaluation import Estimate, Heterogeneity, UpliftGroups, arm_values, effect_qini, heterogeneity, uplift_by_group
from cvm.models.boosting import Boosted, below, customer_folds
from cvm.models.uplift.experiment import Experiment
from cvm.models.uplift.learners import (
    HURDLE,
    MEAN,
    PROPORTIONAL,
    RELATIVE,
    FittedLearners,
    Learner,
    fit_learners,
    learner_from_state,
    learner_state,
)
from cvm.models.uplift.responses import Learning

Floats = NDArray[np.float64]

CANDIDATES = (MEAN, PROPORTIONAL, HURDLE, RELATIVE)
_PLACES = {name: place for place, name in enumerate(CANDIDATES)}
# Beyond so many customers only shares are learned: the others take an hour and hear few of so many.
_MANY = 30_000
# Where effects are small trees stop early anyhow: half as many, twice as bold, rank as well and take two thirds of the time.
_SETTINGS = {"learning_rate": 0.1}
# Of claiming differences where there are none.
_FALSE_CLAIMS = 0.05


@dataclass(frozen=True)
class ArmUplift:
    """``mean_effect + slope * (effect by learner - centre)``; without a learner everybody gains the mean effect."""

    arm: str
    mean_effect: float
    learner: str | None = None
    slope: float = 0.0
    centre: float = 0.0


@dataclass(frozen=True)
class UpliftModel:
    """Expected uplift per customer and treatment.

    Attributes
    ----------
    arms : tuple of ArmUplift
        One per treatment.
    learners : dict of str to Learner
        Those that the arms name.
    """

    arms: tuple[ArmUplift, ...]
    learners: Mapping[str, Learner]

    def expected_uplift(self, features: pd.DataFrame) -> Floats:
        """Outcome added by each treatment: array of shape (n_customers, n_treatments), in the order of ``arms``."""
        effects = {name: learner.effect(features) for name, learner in self.learners.items()}
        uplift = np.empty((len(features), len(self.arms)))
        for column, arm in enumerate(self.arms):
            uplift[:, column] = arm.mean_effect
            if arm.learner is not None:
                uplift[:, column] += arm.slope * (effects[arm.learner][:, column] - arm.centre)
        return uplift

    @property
    def boosters(self) -> dict[str, Boosted]:
        """The trees by candidate, learner and part."""
        found: dict[str, Boosted] = {}
        for name, place in _PLACES.items():
            if name in self.learners:
                found |= {f"{place}.{part}": trees for part, trees in self.learners[name].boosters.items()}
        return found

    def state(self) -> dict[str, Any]:
        """Everything but the trees, as JSON values."""
        learners = {name: learner_state(learner) for name, learner in self.learners.items()}
        return {"arms": [vars(arm) for arm in self.arms], "learners": learners}


def uplift_from_state(state: Mapping[str, Any], trees: Mapping[str, str]) -> UpliftModel:
    """The model ``state`` was taken from; ``trees`` are the boosters' texts by part.

    Raises
    ------
    KeyError
        If a learner is unknown, or trees are missing.
    """
    learners = {name: learner_from_state(own, below(str(_PLACES[name]), trees)) for name, own in state["learners"].items()}
    return UpliftModel(tuple(ArmUplift(**arm) for arm in state["arms"]), learners)


@dataclass(frozen=True)
class CandidateRanking:
    """How well one candidate ranked customers of other folds.

    Attributes
    ----------
    qini : Estimate
        Per customer, by doubly robust signals; 0 where it knows nothing.
    heterogeneity : Heterogeneity
    """

    qini: Estimate
    heterogeneity: Heterogeneity


@dataclass(frozen=True)
class ArmEvidence:
    """What is known of one treatment.

    Attributes
    ----------
    arm : str
    mean_effect : Estimate
        Of assigning everybody, doubly robust.
    candidates : dict of str to CandidateRanking
    chosen : str
        The candidate that ranked better.
    p_value : float
        Of the chosen one knowing nothing, times the number of candidates it was chosen from.
    groups : UpliftGroups
        Expected uplift out of fold against what came, by tenths; one group where differences are not detectable.
    caveat : str
        What has to be said with it; see ``Experiment``.
    """

    arm: str
    mean_effect: Estimate
    candidates: dict[str, CandidateRanking]
    chosen: str
    p_value: float
    groups: UpliftGroups
    caveat: str = ""

    @property
    def is_heterogeneous(self) -> bool:
        """Whether some customers are known to gain more than others."""
        return self.p_value < _FALSE_CLAIMS

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return f"{self._verdict} {self.caveat}".rstrip()

    @property
    def calibration(self) -> str:
        """How far expected and actual uplift agree on customers who did not teach, in words."""
        groups = self.groups
        n_groups = len(groups.effect)
        if n_groups == 1:
            return f"{self.arm}: everybody is expected to gain the same, so there are no groups to compare."
        held = int(((groups.lower <= groups.predicted) & (groups.predicted <= groups.upper)).sum())
        return (
            f"{self.arm}: in {held} of {n_groups} groups by expected uplift what came agrees with what was expected (95 % "
            f"intervals); the first expected {groups.predicted[0]:.4g} and gained {groups.effect[0]:.4g}, the last "
            f"{groups.predicted[-1]:.4g} and {groups.effect[-1]:.4g}."
        )

    @property
    def _verdict(self) -> str:
        mean = self.mean_effect
        level = f"{self.arm}: mean effect {mean.value:.4g} per customer (95 % interval {mean.lower:.4g} to {mean.upper:.4g})"
        if self.is_heterogeneous:
            qini = self.candidates[self.chosen].qini
            return (
                f"{level}; who gains more can be told (p = {self.p_value:.2g}, learner: {self.chosen}, qini per customer "
                f"{qini.value:.3g}, {qini.lower:.3g} to {qini.upper:.3g})."
            )
        return (
            f"{level}; no difference between customers is detectable (p = {self.p_value:.2g}), so everybody is expected to "
            "gain the mean effect. Rank them by value, or learn from a larger campaign."
        )


@dataclass(frozen=True)
class UpliftFit:
    """A model, and what it was judged by.

    Attributes
    ----------
    model : UpliftModel
        Fitted to all customers.
    evidence : tuple of ArmEvidence
        By treatment.
    out_of_fold : array of shape (n_customers, n_treatments)
        Expected uplift of each customer by trees that did not learn from that customer.
    arm_values : array of shape (n_customers, n_arms)
        Signals of each customer's outcome in each arm, for ``policy_value``.
    candidates : dict of str to Learner
        Fitted to all customers, whether or not the model needs them.
    """

    model: UpliftModel
    evidence: tuple[ArmEvidence, ...]
    out_of_fold: Floats
    arm_values: Floats
    candidates: Mapping[str, Learner]

    def ranking(self, features: pd.DataFrame) -> Floats:
        """Effects as the chosen learners see them, proven or not: array of shape (n_customers, n_treatments).

        For judging how learners rank; what to expect of a customer is ``model.expected_uplift``.
        """
        effects = {name: learner.effect(features) for name, learner in self.candidates.items()}
        return np.column_stack([effects[one.chosen][:, column] for column, one in enumerate(self.evidence)])


def fit_uplift(experiment: Experiment, *, settings: Mapping[str, Any] | None = None, seed: int = 7) -> UpliftFit:
    """Learn the uplift of every treatment of an experiment.

    Parameters
    ----------
    experiment : Experiment
        See ``experiment_of``.
    settings : mapping, optional
        LightGBM settings that differ from the defaults.
    seed : int
    """
    learning = Learning(_SETTINGS | dict(settings or {}), seed)
    fitted = fit_learners(experiment, learning=learning, quick=len(experiment) > _MANY)
    others = _out_of_fold(experiment, learning)
    arms, evidence, out_of_fold = [], [], []
    for column, arm in enumerate(experiment.arms[1:]):
        signal = others.arm_values[:, column + 1] - others.arm_values[:, 0]
        effects = {name: effect[:, column] for name, effect in others.effects.items()}
        known, uplift = _judged(arm, signal, effects, others.fold, caveat=experiment.caveat)
        evidence.append(known)
        out_of_fold.append(uplift)
        arms.append(_arm_uplift(known, fitted, experiment, column))
    used = {arm.learner for arm in arms}
    candidates = {name: fitted.learners[name] for name in others.effects}
    model = UpliftModel(tuple(arms), {name: learner for name, learner in candidates.items() if name in used})
    return UpliftFit(model, tuple(evidence), np.column_stack(out_of_fold), others.arm_values, candidates)


@dataclass(frozen=True)
class _OutOfFold:
    """What fits to the other folds say of each customer.

    Attributes
    ----------
    fold : array of int of shape (n_customers,)
    effects : dict of str to array of shape (n_customers, n_treatments)
        By candidate, each fold's of mean 0: folds differ in their level by accident.
    arm_values : array of shape (n_customers, n_arms)
        Doubly robust signals, by responses that learned from nobody in the fold either.
    """

    fold: NDArray[np.intp]
    effects: dict[str, Floats]
    arm_values: Floats


def _out_of_fold(experiment: Experiment, learning: Learning) -> _OutOfFold:
    n, n_arms = len(experiment), len(experiment.arms)
    fold, expected = np.empty(n, dtype=np.intp), np.empty((n, n_arms))
    effects = {name: np.full((n, n_arms - 1), np.nan) for name in CANDIDATES}
    folds = customer_folds(experiment.features["customer_id"].to_numpy(), seed=learning.seed)
    for number, (train, test) in enumerate(folds):
        fitted = fit_learners(experiment.take(train), learning=learning, quick=n > _MANY)
        features = experiment.features.iloc[test].reset_index(drop=True)
        fold[test], expected[test] = number, fitted.expected(features)
        for name in CANDIDATES:
            if name in fitted.learners:
                found = fitted.learners[name].effect(features)
                effects[name][test] = found - found.mean(axis=0)
    in_every_fold = {name: found for name, found in effects.items() if np.isfinite(found).all()}
    given = (experiment.outcome, experiment.arm, experiment.drawn_with)
    return _OutOfFold(fold, in_every_fold, arm_values(*given, n_arms=n_arms, expected=expected))


def _judged(
    arm: str, signal: Floats, effects: Mapping[str, Floats], fold: NDArray[np.intp], *, caveat: str
) -> tuple[ArmEvidence, Floats]:
    """The evidence on one treatment, and the uplift it leaves of the chosen candidate's effects."""
    candidates = {
        name: CandidateRanking(effect_qini(signal, effect), heterogeneity(signal, effect, fold=fold))
        for name, effect in effects.items()
    }
    chosen = max(candidates, key=lambda name: candidates[name].qini.value)
    found = candidates[chosen].heterogeneity
    p_value = min(1.0, len(candidates) * found.p_value)
    slope = found.slope.value if p_value < _FALSE_CLAIMS else 0.0
    uplift = found.mean_effect.value + slope * effects[chosen]
    groups = uplift_by_group(signal, uplift)
    evidence = ArmEvidence(arm, found.mean_effect, candidates, chosen, p_value, groups, caveat)
    return evidence, uplift


def _arm_uplift(evidence: ArmEvidence, fitted: FittedLearners, experiment: Experiment, column: int) -> ArmUplift:
    if not evidence.is_heterogeneous:
        return ArmUplift(evidence.arm, evidence.mean_effect.value)
    effect = fitted.learners[evidence.chosen].effect(experiment.features)[:, column]
    slope = evidence.candidates[evidence.chosen].heterogeneity.slope.value
    return ArmUplift(evidence.arm, evidence.mean_effect.value, evidence.chosen, slope, float(effect.mean()))
