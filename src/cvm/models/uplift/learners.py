"""Ways to learn who gains how much from each treatment.

- **S**: one response that sees the arm; **T**: one response per arm. The effect is the difference between arms.
- **proportional**: one response that does not see the arm, so a treatment multiplies everybody's odds, or money, alike.
- **X**: forests for what treated customers have over their expected outcome in control, and control customers under
  treatment, mixed by the shares of the arms. **DR**: a forest for doubly robust signals of each customer's effect.
  **ridge**: a straight line for the same signals.
- **response**: no effect at all but the outcome expected in control, the baseline that ranks by who buys anyhow.
- **relative**: a straight line and trees for the effect as a share of the outcome expected; see ``relative.py``.
- **hurdle**: for money, what S says of who spends at all, times what spenders spend; see ``hurdle.py``.
- **mean**: the plain mean of S, X, DR and ridge. No single one wins everywhere; this is within noise of the best one.

Source
------
Kunzel, Sekhon, Bickel and Yu (2019), PNAS 116 (S, T, X); Kennedy (2023), Electronic Journal of Statistics 17 (DR).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.evaluation import arm_values
from cvm.models.boosting import Boosted, below, boosters_from_state
from cvm.models.uplift.experiment import Experiment
from cvm.models.uplift.forest import fit_forest
from cvm.models.uplift.hurdle import HurdleDifference, fit_hurdle
from cvm.models.uplift.linear import LinearEffect, fit_linear_effect
from cvm.models.uplift.relative import RelativeEffect, fit_relative
from cvm.models.uplift.responses import (
    Learning,
    Response,
    fit_arm_responses,
    fit_common_response,
    fit_response,
    link_of,
    with_telling_columns,
)

Floats = NDArray[np.float64]

MEAN, PROPORTIONAL, HURDLE, RELATIVE = "mean of S, X, DR and ridge", "proportional", "hurdle", "relative"


class Learner(Protocol):
    """A fitted way to turn features into the effect of each treatment."""

    kind: ClassVar[str]

    @property
    def boosters(self) -> Mapping[str, Boosted]:
        """The trees by their part in it."""
        ...

    def effect(self, features: pd.DataFrame) -> Floats:
        """Effect expected of each treatment: array of shape (n_customers, n_treatments), in units of the outcome."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything but the trees, as JSON values."""
        ...


@dataclass(frozen=True)
class ResponseDifference:
    """What responses expect of each treatment less what they expect of control; one response of all arms, or one each."""

    kind: ClassVar[str] = "responses"
    responses: tuple[Response, ...]

    @property
    def boosters(self) -> Mapping[str, Boosted]:
        """See ``Learner.boosters``."""
        return {str(position): response.boosted for position, response in enumerate(self.responses)}

    def effect(self, features: pd.DataFrame) -> Floats:
        """See ``Learner.effect``."""
        expected = np.hstack([response.expected(features) for response in self.responses])
        return expected[:, 1:] - expected[:, :1]

    def state(self) -> dict[str, Any]:
        """See ``Learner.state``."""
        return {"responses": [response.state() for response in self.responses]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], boosters: Mapping[str, Boosted]) -> ResponseDifference:
        """See ``learner_from_state``."""
        given = enumerate(state["responses"])
        return cls(tuple(Response.from_state(one, boosters[str(position)]) for position, one in given))


@dataclass(frozen=True)
class ControlResponse:
    """What is expected in control, for every treatment: good for nothing but comparing rankings with it."""

    kind: ClassVar[str] = "control"
    response: Response
    n_treatments: int

    @property
    def boosters(self) -> Mapping[str, Boosted]:
        """See ``Learner.boosters``."""
        return {"0": self.response.boosted}

    def effect(self, features: pd.DataFrame) -> Floats:
        """See ``Learner.effect``."""
        return np.repeat(self.response.expected(features), self.n_treatments, axis=1)

    def state(self) -> dict[str, Any]:
        """See ``Learner.state``."""
        return {"response": self.response.state(), "n_treatments": self.n_treatments}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], boosters: Mapping[str, Boosted]) -> ControlResponse:
        """See ``learner_from_state``."""
        return cls(Response.from_state(state["response"], boosters["0"]), state["n_treatments"])


@dataclass(frozen=True)
class SignalMean:
    """Weighted sum of what forests fitted to signals of the effect say.

    Attributes
    ----------
    terms : tuple of tuple of (float, float, Boosted)
        Weight, level and trees of each term, by treatment.
    """

    kind: ClassVar[str] = "signals"
    terms: tuple[tuple[tuple[float, float, Boosted], ...], ...]

    @property
    def boosters(self) -> Mapping[str, Boosted]:
        """See ``Learner.boosters``."""
        return {f"{row}.{column}": term[2] for row, terms in enumerate(self.terms) for column, term in enumerate(terms)}

    def effect(self, features: pd.DataFrame) -> Floats:
        """See ``Learner.effect``."""
        # The margin is the sum of the trees, a forest is their mean.
        return np.column_stack(
            [
                sum(weight * (level + trees.margin(features) / trees.rounds) for weight, level, trees in terms)
                for terms in self.terms
            ]
        )

    def state(self) -> dict[str, Any]:
        """See ``Learner.state``."""
        return {"terms": [[[weight, level] for weight, level, _ in terms] for terms in self.terms]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], boosters: Mapping[str, Boosted]) -> SignalMean:
        """See ``learner_from_state``."""
        return cls(
            tuple(
                tuple((weight, level, boosters[f"{row}.{column}"]) for column, (weight, level) in enumerate(terms))
                for row, terms in enumerate(state["terms"])
            )
        )


@dataclass(frozen=True)
class MeanLearner:
    """The plain mean of several, in alphabetical order, so that it rounds alike when it comes back from a file."""

    kind: ClassVar[str] = "mean"
    parts: Mapping[str, Learner]

    @property
    def boosters(self) -> Mapping[str, Boosted]:
        """See ``Learner.boosters``."""
        return {f"{name}.{part}": trees for name, one in self.parts.items() for part, trees in one.boosters.items()}

    def effect(self, features: pd.DataFrame) -> Floats:
        """See ``Learner.effect``."""
        return np.mean([part.effect(features) for part in self.parts.values()], axis=0)

    def state(self) -> dict[str, Any]:
        """See ``Learner.state``."""
        return {"parts": {name: learner_state(part) for name, part in self.parts.items()}}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], boosters: Mapping[str, Boosted]) -> MeanLearner:
        """See ``learner_from_state``."""
        parts = sorted(state["parts"].items())
        return cls({name: _learner(part, below(name, boosters)) for name, part in parts})


_FORMS = (ResponseDifference, ControlResponse, SignalMean, LinearEffect, HurdleDifference, RelativeEffect, MeanLearner)
_KINDS = {form.kind: form for form in _FORMS}


def learner_state(learner: Learner) -> dict[str, Any]:
    """Everything but the trees, as JSON values."""
    encoders = {part: trees.encoder.state() for part, trees in learner.boosters.items()}
    return {"kind": learner.kind, "encoders": encoders, "state": learner.state()}


def learner_from_state(state: Mapping[str, Any], trees: Mapping[str, str]) -> Learner:
    """The learner ``learner_state`` was taken from; ``trees`` are its boosters' texts by part.

    Raises
    ------
    KeyError
        If the kind is unknown, or trees are missing.
    """
    return _learner(state, boosters_from_state(state["encoders"], trees))


def _learner(state: Mapping[str, Any], boosters: Mapping[str, Boosted]) -> Learner:
    learner: Learner = _KINDS[state["kind"]].from_state(state["state"], boosters)
    return learner


@dataclass(frozen=True)
class FittedLearners:
    """All learners of one experiment, and the responses below them.

    Attributes
    ----------
    learners : dict of str to Learner
        ``PROPORTIONAL`` and ``RELATIVE``; where it need not be quick, S, T, X, DR, ridge, response, ``MEAN`` and, for money
        that not everybody spends, ``HURDLE``, too.
    responses : tuple of Response
        Outcome expected in each arm.
    """

    learners: dict[str, Learner]
    responses: tuple[Response, ...]

    def expected(self, features: pd.DataFrame) -> Floats:
        """Expected outcome in each arm: array of shape (n_customers, n_arms)."""
        return np.hstack([response.expected(features) for response in self.responses])


def fit_learners(experiment: Experiment, *, learning: Learning, quick: bool = False) -> FittedLearners:
    """Fit every learner to one experiment, or, to be quick, only those of effects relative to the outcome."""
    link = link_of(experiment.outcome)
    anyhow = "log" if link == "identity" else link
    few = with_telling_columns(experiment, link=anyhow, learning=learning)
    alike, expected = fit_common_response(few, link=anyhow, learning=learning)
    relative: dict[str, Learner] = {
        PROPORTIONAL: ResponseDifference((alike,)),
        RELATIVE: fit_relative(experiment, alike, expected, learning=learning),
    }
    if quick:
        return FittedLearners(relative, (alike,))
    by_arm = fit_arm_responses(few, link=link, learning=learning)
    expected = by_arm.out_of_sample
    values = arm_values(
        experiment.outcome, experiment.arm, experiment.drawn_with, n_arms=len(experiment.arms), expected=expected
    )
    signals = values[:, 1:] - values[:, :1]
    features, columns = experiment.features, experiment.columns
    doubly_robust = [fit_forest(features, signal, columns=columns, learning=learning) for signal in signals.T]
    parts: dict[str, Learner] = {
        "S": ResponseDifference((fit_response(few, link=link, sees_arm=True, learning=learning),)),
        "X": SignalMean(_crossed(experiment, expected, learning)),
        "DR": SignalMean(tuple(((1.0, *fit),) for fit in doubly_robust)),
        "ridge": fit_linear_effect(features, signals, columns=columns),
    }
    others: dict[str, Learner] = {
        "T": ResponseDifference(by_arm.responses),
        "response": ControlResponse(by_arm.responses[0], signals.shape[1]),
        MEAN: MeanLearner(dict(sorted(parts.items()))),
    }
    hurdle = fit_hurdle(few, learning=learning)
    if hurdle is not None:
        others[HURDLE] = hurdle
    return FittedLearners({**relative, **parts, **others}, by_arm.responses)


def _crossed(
    experiment: Experiment, expected: Floats, learning: Learning
) -> tuple[tuple[tuple[float, float, Boosted], ...], ...]:
    """Trees of the X learner by treatment: those of control count by the treatment's share, and the other way round."""
    terms = []
    control = np.flatnonzero(experiment.arm == 0)
    for position in range(1, len(experiment.arms)):
        treated = np.flatnonzero(experiment.arm == position)
        share = len(treated) / (len(treated) + len(control))
        pair = []
        for rows, weight, gained in (
            (treated, 1 - share, experiment.outcome[treated] - expected[treated, 0]),
            (control, share, expected[control, position] - experiment.outcome[control]),
        ):
            own = experiment.features.iloc[rows].reset_index(drop=True)
            pair.append((weight, *fit_forest(own, gained, columns=experiment.columns, learning=learning)))
        terms.append(tuple(pair))
    return tuple(terms)
