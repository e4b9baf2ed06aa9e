"""The level of an anchor that is not BTYD's own, learned from snapshots whose outcome is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from scipy.special import logit

from cvm.models.churn_anchor import LogitLine, anchor_p_churn, anchored
from cvm.models.logits import finite_logit, shift_to
from cvm.models.samples import Sample, Snapshot

Customers = TypeVar("Customers", bound=Snapshot)

# Below this many of either kind a line has too little to lean on, and is only shifted.
_MIN_PER_CLASS = 20


def learn_level(samples: Sequence[Sample]) -> LogitLine:
    """The line through the logits of the anchor that fits what followed; none without samples.

    Parameters
    ----------
    samples : sequence of Sample
        Training snapshots, their anchors as BTYD and sBG have them.
    """
    samples = [sample.of_churn for sample in samples]
    churned = np.concatenate([sample.churned for sample in samples]) if samples else np.empty(0)
    n_churned, n = float(churned.sum()), len(churned)
    if n == 0:
        return LogitLine()
    anchor = finite_logit(np.concatenate([anchor_p_churn(sample.features) for sample in samples]))
    if min(n_churned, n - n_churned) < _MIN_PER_CLASS:
        return LogitLine(intercept=shift_to(anchor, (n_churned + 0.5) / (n + 1)))
    from sklearn.linear_model import LogisticRegression  # imports late: it takes long, and scoring does without

    model = LogisticRegression(C=np.inf).fit(anchor[:, None], churned)
    # A falling line would turn the anchor upside down: it says no more than that the anchor tells nothing here.
    if model.coef_[0, 0] < 0:
        return LogitLine(float(logit(n_churned / n)), 0.0)
    return LogitLine(float(model.intercept_[0]), float(model.coef_[0, 0]))


def at_level(snapshot: Customers, level: LogitLine) -> Customers:
    """The snapshot with the anchor of churn at another level."""
    if level == LogitLine():
        return snapshot
    if snapshot.holders:
        return replace(snapshot, holders=at_level(snapshot.holders, level))
    return replace(snapshot, features=anchored(snapshot.features, level.apply(anchor_p_churn(snapshot.features))))
