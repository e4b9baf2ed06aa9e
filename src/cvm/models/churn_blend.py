"""Churn by two boosters: one corrects the anchor (BTYD, or sBG), one starts from nothing; their logits are mixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from cvm.models.blend import consistent_miss, learn_weight
from cvm.models.boosting import Boosted, Task, TrainingRows, boosters_from_state, fit_boosted, refit_boosted
from cvm.models.churn import ChurnModel, baseline_from_state
from cvm.models.churn_anchor import anchor_p_churn
from cvm.models.logits import finite_logit, shift_to, within
from cvm.models.samples import Sample, Snapshot

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BlendedChurn:
    """A weighted mean of two logits, at a level of its own.

    ``logit P = weight * anchored_slope * (anchor + trees) + (1 - weight) * free_slope * trees + shift``, where the anchor is
    the logit of what is said before any outcome is learned from: BTYD's of no order, where churn means that.

    Attributes
    ----------
    anchored, free : Boosted
    anchored_slope, free_slope : float
        By which logits have to be multiplied to be neither over- nor under-confident.
    weight : float between 0 and 1
        Of the anchored logit.
    misses : tuple of float
        What the level of the anchored logit lacked at each snapshot known, as a shift of the logit of the mean.
    shift : float
    """

    name: ClassVar[str] = "blended LightGBM"
    anchored: Boosted
    free: Boosted
    anchored_slope: float
    free_slope: float
    weight: float
    misses: tuple[float, ...]
    shift: float = 0.0

    @property
    def boosters(self) -> Mapping[str, Boosted]:
        """See ``ChurnModel.boosters``."""
        return {"anchored": self.anchored, "free": self.free}

    @property
    def scales(self) -> Mapping[str, float]:
        """What a booster's margin is multiplied by, by part; that of ``anchored`` holds for the anchor, too."""
        return {"anchored": self.weight * self.anchored_slope, "free": (1 - self.weight) * self.free_slope}

    def p_churn(self, features: pd.DataFrame) -> Floats:
        """See ``ChurnModel.p_churn``."""
        return expit(self.margin(features))

    def margin(self, features: pd.DataFrame) -> Floats:
        """Logit of the probability."""
        anchored, free = anchor_logit(features) + self.anchored.margin(features), self.free.margin(features)
        return self.scales["anchored"] * anchored + self.scales["free"] * free + self.shift

    def state(self) -> dict[str, Any]:
        """See ``ChurnModel.state``."""
        return {
            "anchored_slope": self.anchored_slope,
            "free_slope": self.free_slope,
            "weight": self.weight,
            "misses": list(self.misses),
            "shift": self.shift,
            "encoders": {part: boosted.encoder.state() for part, boosted in self.boosters.items()},
        }


def fit_blended_churn(
    samples: Sequence[Sample], ahead: Snapshot, *, columns: Sequence[str], settings: Mapping[str, Any], seed: int
) -> BlendedChurn:
    """Fit both boosters, learn how to mix them, and set the level.

    In training each snapshot is at its own level, for both: trees learn who churns and not how good the season was. The
    weight is the one under which out-of-fold predictions fit best. The level of what lies ahead is the anchored logit's,
    corrected by what it lacked at every training snapshot where no hindsight has corrected it before.

    Parameters
    ----------
    samples : sequence of Sample
        Training snapshots.
    ahead : Snapshot
        The one the model is for; nothing but its features is known.
    columns : sequence of str
        Columns the trees may use.
    settings : mapping
        LightGBM settings that differ from the defaults.
    seed : int
    """
    anchored_task = churn_task(samples, columns=columns, settings=settings, seed=seed)
    free_task = _free_task(anchored_task, samples)
    anchored, free = fit_boosted(anchored_task), fit_boosted(free_task)
    churned = anchored_task.target
    of_anchored, of_free = (
        task.anchor + fit.margin_out_of_fold for task, fit in ((anchored_task, anchored), (free_task, free))
    )
    slopes = _slope(of_anchored, churned), _slope(of_free, churned)

    def log_loss(weight: float) -> float:
        margin = weight * slopes[0] * of_anchored + (1 - weight) * slopes[1] * of_free
        return float(np.mean(np.logaddexp(0.0, margin) - churned * margin))

    asked = np.concatenate([anchor_logit(sample.features) for sample in samples]) + anchored.margin_out_of_fold
    parts = np.split(expit(slopes[0] * asked), np.cumsum([len(sample.churned) for sample in samples])[:-1])
    misses = tuple(_miss(part, sample) for part, sample in zip(parts, samples, strict=True))
    model = BlendedChurn(anchored.boosted, free.boosted, *slopes, weight=learn_weight(log_loss), misses=misses)
    return _levelled(model, ahead)


def churn_seen_at(model: BlendedChurn, test: Sample) -> BlendedChurn:
    """The model, after what its level lacked at a snapshot that it was judged on has become known, too."""
    if test.has_hindsight or test.features.empty:
        return model
    return replace(model, misses=(*model.misses, _miss(_anchored(model, test.features), test)))


def refit_blended_churn(
    judged: BlendedChurn,
    samples: Sequence[Sample],
    ahead: Snapshot,
    *,
    columns: Sequence[str],
    settings: Mapping[str, Any],
    seed: int,
) -> BlendedChurn:
    """The judged recipe on other samples: rounds, slopes, weight and misses stay."""
    task = churn_task(samples, columns=columns, settings=settings, seed=seed)
    anchored = refit_boosted(task, rounds=judged.anchored.rounds)
    free = refit_boosted(_free_task(task, samples), rounds=judged.free.rounds)
    return _levelled(replace(judged, anchored=anchored, free=free), ahead)


def _levelled(model: BlendedChurn, ahead: Snapshot) -> BlendedChurn:
    """The model at the level of its anchored logit among the customers ahead, corrected by what that lacked."""
    features = ahead.features
    if features.empty:
        return model
    missed = 0.0 if ahead.has_hindsight else consistent_miss(np.array(model.misses))
    rate = float(expit(finite_logit(_anchored(model, features).mean()) + missed))
    return replace(model, shift=shift_to(replace(model, shift=0.0).margin(features), rate))


def _anchored(model: BlendedChurn, features: pd.DataFrame) -> Floats:
    """What the anchored trees alone say."""
    return expit(model.anchored_slope * (anchor_logit(features) + model.anchored.margin(features)))


def _miss(p_churn: Floats, sample: Sample) -> float:
    return float(logit(_rate(sample)) - finite_logit(p_churn.mean()))


def churn_from_state(name: str, state: Mapping[str, Any], trees: Mapping[str, str]) -> ChurnModel:
    """The churn model ``state`` was taken from; ``trees`` are the boosters' texts by part.

    Raises
    ------
    KeyError
        If the name is unknown, or trees are missing.
    """
    if name != BlendedChurn.name:
        return baseline_from_state(name, state)
    parts = boosters_from_state(state["encoders"], trees)
    numbers: dict[str, Any] = {key: value for key, value in state.items() if key != "encoders"}
    return BlendedChurn(parts["anchored"], parts["free"], **{**numbers, "misses": tuple(numbers["misses"])})


def churn_task(samples: Sequence[Sample], *, columns: Sequence[str], settings: Mapping[str, Any], seed: int) -> Task:
    """What the anchored trees are fitted to: the outcome, from the anchor's logit at each snapshot's own level."""
    rows = TrainingRows([sample.features for sample in samples], columns)
    churned = np.concatenate([sample.churned for sample in samples])
    anchor = np.concatenate([_levelled_anchor(sample) for sample in samples])
    return Task(rows, churned, anchor, {"objective": "binary"}, settings, seed)


def _free_task(anchored: Task, samples: Sequence[Sample]) -> Task:
    """What the free trees are fitted to: the same, from each snapshot's rate."""
    rates = [np.full(len(sample.churned), logit(_rate(sample))) for sample in samples]
    return replace(anchored, anchor=np.concatenate(rates))


def anchor_logit(features: pd.DataFrame) -> Floats:
    """Logit of what is said of each customer before any outcome is learned from, kept finite."""
    return finite_logit(anchor_p_churn(features))


def _levelled_anchor(sample: Sample) -> Floats:
    anchor = anchor_logit(sample.features)
    return anchor + shift_to(anchor, _rate(sample))


def _rate(sample: Sample) -> float:
    return float(within(sample.churned.mean()))


def _slope(margin: Floats, churned: Floats) -> float:
    """Confidence of out-of-fold margins, without an intercept: the level stays what it is."""
    from sklearn.linear_model import LogisticRegression  # imports late: it takes long, and scoring does without

    model = LogisticRegression(fit_intercept=False, C=np.inf).fit(margin[:, None], churned)
    return float(np.clip(model.coef_[0, 0], 0.2, 2.0))
