"""Money in two parts: a treatment changes who spends at all, and those who do spend what customers like them spend.

A few large amounts say little of effects but drown what many small decisions say. Asking who spends leaves them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.features.treatments import CONTROL
from cvm.models.boosting import Boosted
from cvm.models.uplift.experiment import Experiment
from cvm.models.uplift.responses import Learning, Response, fit_response, link_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HurdleDifference:
    """``(P(spends | treatment) - P(spends | control)) * amount of those who spend``.

    Attributes
    ----------
    spends : Response
        Probability by arm, from one response that sees the arm.
    amount : Response
        Of those who spend, whatever their arm.
    """

    kind: ClassVar[str] = "hurdle"
    spends: Response
    amount: Response

    @property
    def boosters(self) -> Mapping[str, Boosted]:
        """See ``Learner.boosters``."""
        return {"spends": self.spends.boosted, "amount": self.amount.boosted}

    def effect(self, features: pd.DataFrame) -> Floats:
        """See ``Learner.effect``."""
        p_spends = self.spends.expected(features)
        return (p_spends[:, 1:] - p_spends[:, :1]) * self.amount.expected(features)

    def state(self) -> dict[str, Any]:
        """See ``Learner.state``."""
        return {"spends": self.spends.state(), "amount": self.amount.state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], boosters: Mapping[str, Boosted]) -> HurdleDifference:
        """See ``learner_from_state``."""
        return cls(*(Response.from_state(state[part], boosters[part]) for part in ("spends", "amount")))


def fit_hurdle(experiment: Experiment, *, learning: Learning) -> HurdleDifference | None:
    """Fit both parts; ``None`` where the outcome is no money, or everybody spends."""
    outcome = experiment.outcome
    if link_of(outcome) != "log" or outcome.min() > 0:
        return None
    yes_or_no = replace(experiment, outcome=(outcome > 0).astype(float))
    spenders = experiment.take(np.flatnonzero(outcome > 0))
    of_one_kind = replace(spenders, arms=(CONTROL,), arm=np.zeros(len(spenders), dtype=np.intp))
    return HurdleDifference(
        fit_response(yes_or_no, link="logit", sees_arm=True, learning=learning),
        fit_response(of_one_kind, link="log", sees_arm=False, learning=learning),
    )
