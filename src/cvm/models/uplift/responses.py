"""Outcome expected in each arm: trees that start from the arm's mean, and may or may not see the arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from cvm.models.boosting import Boosted, Task, TrainingRows, customer_folds, fit_boosted, refit_boosted
from cvm.models.uplift.experiment import Experiment

Floats = NDArray[np.float64]

# Name of the column by which trees see the arm; no column of a user is called so.
ARM = "experiment arm"
_OBJECTIVES: dict[str, dict[str, Any]] = {
    "logit": {"objective": "binary"},
    "log": {"objective": "tweedie", "tweedie_variance_power": 1.5},
    "identity": {"objective": "regression"},
}
# Trees seldom add more than a factor of 20; beyond that they extrapolate.
_MAX_MARGIN = 3.0
# A catalogue has hundreds of columns, most of which say what a few dozen say already.
_N_TELLING, _QUICK_ROWS, _QUICK_ROUNDS = 40, 20_000, 60


@dataclass(frozen=True)
class Learning:
    """LightGBM settings that differ from the defaults, and a seed."""

    settings: Mapping[str, Any]
    seed: int


def link_of(outcome: Floats) -> str:
    """Probabilities add up on the logit, money on the log; what may be negative as it is."""
    if set(np.unique(outcome)) <= {0.0, 1.0}:
        return "logit"
    return "log" if outcome.min() >= 0 else "identity"


@dataclass(frozen=True)
class Response:
    """``inverse link(anchor of the arm + trees)``.

    Attributes
    ----------
    boosted : Boosted
    link : {"logit", "log", "identity"}
    arms : tuple of str
        Control first.
    anchors : tuple of float
        Mean outcome of each arm, on the scale of the link.
    sees_arm : bool
        Whether trees tell arms apart. If not, a treatment changes everybody's odds, or money, by the same factor.
    """

    boosted: Boosted
    link: str
    arms: tuple[str, ...]
    anchors: tuple[float, ...]
    sees_arm: bool

    def expected(self, features: pd.DataFrame) -> Floats:
        """Expected outcome in each arm: array of shape (n_customers, n_arms)."""
        if self.sees_arm:
            margins = [self.boosted.margin(features.assign(**{ARM: arm})) for arm in self.arms]
        else:
            margins = [self.boosted.margin(features)] * len(self.arms)
        pairs = zip(self.anchors, margins, strict=True)
        return np.stack([_unlinked(self.link, anchor, margin) for anchor, margin in pairs], axis=1)

    def state(self) -> dict[str, Any]:
        """Everything but the trees, as JSON values."""
        state = {name: getattr(self, name) for name in ("link", "sees_arm")}
        return {**state, "arms": list(self.arms), "anchors": list(self.anchors)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], boosted: Boosted) -> Response:
        """The response ``state`` was taken from."""
        return cls(boosted, state["link"], tuple(state["arms"]), tuple(state["anchors"]), state["sees_arm"])


def fit_response(experiment: Experiment, *, link: str, sees_arm: bool, learning: Learning) -> Response:
    """One response of all arms together; on the log link outcomes below 0 count as 0."""
    task, anchors = _response_task(experiment, link, sees_arm, learning)
    return Response(fit_boosted(task).boosted, link, experiment.arms, anchors, sees_arm)


def fit_common_response(experiment: Experiment, *, link: str, learning: Learning) -> tuple[Response, Floats]:
    """One response that does not see the arm, and what was expected of each customer by trees of the other folds.

    Returns
    -------
    response : Response
    expected : array of shape (n_customers, n_arms)
    """
    task, anchors = _response_task(experiment, link, False, learning)
    fit = fit_boosted(task)
    expected = np.stack([_unlinked(link, anchor, fit.margin_out_of_fold) for anchor in anchors], axis=1)
    return Response(fit.boosted, link, experiment.arms, anchors, sees_arm=False), expected


def with_telling_columns(experiment: Experiment, *, link: str, learning: Learning) -> Experiment:
    """The experiment with the columns that say most of the outcome to a quick look; treatments play no part in that."""
    if len(experiment.columns) <= _N_TELLING:
        return experiment
    rows = np.random.default_rng(learning.seed).permutation(len(experiment))[:_QUICK_ROWS]
    task, _ = _response_task(experiment.take(np.sort(rows)), link, False, learning)
    importance = refit_boosted(task, rounds=_QUICK_ROUNDS).importance()
    most = list(importance.items())[:_N_TELLING]
    # Where no column says anything, as many of them as ever: trees need something to look at.
    telling = {name for name, gain in most if gain > 0} or {name for name, _ in most}
    return replace(experiment, columns=tuple(name for name in experiment.columns if name in telling))


def _response_task(experiment: Experiment, link: str, sees_arm: bool, learning: Learning) -> tuple[Task, tuple[float, ...]]:
    outcome = experiment.outcome if link != "log" else np.maximum(experiment.outcome, 0.0)
    means = np.array([outcome[experiment.arm == position].mean() for position in range(len(experiment.arms))])
    anchors = _linked(link, means)
    features, columns = experiment.features, experiment.columns
    if sees_arm:
        features = features.assign(**{ARM: np.array(experiment.arms, dtype=object)[experiment.arm]})
        columns = (*columns, ARM)
    task = boosting_task(features, columns, outcome, anchors[experiment.arm], _OBJECTIVES[link], learning)
    return task, tuple(anchors.tolist())


@dataclass(frozen=True)
class ArmResponses:
    """A response per arm, each learned in that arm alone.

    Attributes
    ----------
    responses : tuple of Response
        Of one arm each.
    out_of_sample : array of shape (n_customers, n_arms)
        What was expected of each customer of the experiment by trees that did not learn from that customer.
    """

    responses: tuple[Response, ...]
    out_of_sample: Floats


def fit_arm_responses(experiment: Experiment, *, link: str, learning: Learning) -> ArmResponses:
    """Fit a response in each arm, and predict every customer, of whatever arm, by trees of the other folds.

    What is expected of a customer must not depend on the arm drawn: trees of all customers would say more of those in other
    arms than of their own, and signals of effects would hold differences that are none.
    """
    responses, expected = [], np.empty((len(experiment), len(experiment.arms)))
    folds = customer_folds(experiment.features["customer_id"].to_numpy(), seed=learning.seed)
    for position, arm in enumerate(experiment.arms):
        rows = np.flatnonzero(experiment.arm == position)
        task, anchor = _arm_task(experiment.take(rows), link, learning)
        boosted = fit_boosted(task).boosted
        responses.append(Response(boosted, link, (arm,), (anchor,), sees_arm=False))
        for train, test in folds:
            task, anchor = _arm_task(experiment.take(np.intersect1d(train, rows)), link, learning)
            response = Response(refit_boosted(task, rounds=boosted.rounds), link, (arm,), (anchor,), sees_arm=False)
            expected[test, position] = response.expected(experiment.features.iloc[test])[:, 0]
    return ArmResponses(tuple(responses), expected)


def _arm_task(own: Experiment, link: str, learning: Learning) -> tuple[Task, float]:
    anchor = float(_linked(link, own.outcome.mean(keepdims=True))[0])
    start = np.full(len(own), anchor)
    return boosting_task(own.features, own.columns, own.outcome, start, _OBJECTIVES[link], learning), anchor


def boosting_task(
    features: pd.DataFrame,
    columns: Sequence[str],
    target: Floats,
    anchor: Floats,
    objective: Mapping[str, Any],
    learning: Learning,
) -> Task:
    """What trees are fitted to, in the form of ``boosting``."""
    return Task(TrainingRows([features], columns), target, anchor, objective, learning.settings, learning.seed)


def _linked(link: str, mean: Floats) -> Floats:
    if link == "identity":
        return mean
    return np.log(np.maximum(mean, 1e-9)) if link == "log" else logit(np.clip(mean, 1e-6, 1 - 1e-6))


def _unlinked(link: str, anchor: float, margin: Floats) -> Floats:
    if link == "identity":
        return anchor + margin
    clipped = np.clip(margin, -_MAX_MARGIN, _MAX_MARGIN)
    return np.exp(anchor + clipped) if link == "log" else expit(anchor + clipped)
