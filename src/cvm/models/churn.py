"""Churn: the probability that a customer does not stay. Baselines and the anchored booster, one interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from cvm.features.churn import ChurnDefinition
from cvm.models.boosting import Boosted, Encoder, Task, fit_boosted, refit_boosted
from cvm.models.churn_anchor import anchor_p_churn
from cvm.models.samples import Sample

Floats = NDArray[np.float64]


class ChurnModel(Protocol):
    """A way to turn features into churn probabilities."""

    name: ClassVar[str]

    def p_churn(self, features: pd.DataFrame) -> Floats:
        """Probability of churn in the outcome window, for the customers it is asked of."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything but the trees, as JSON values."""
        ...


@dataclass(frozen=True)
class LogisticRule:
    """One number per customer decides: P = expit(intercept + slope log(1 + score)), or a rate where the score is null."""

    score: str
    intercept: float
    slope: float
    rate_without_score: float

    def p_churn(self, features: pd.DataFrame) -> Floats:
        """See ``ChurnModel.p_churn``."""
        score = features[self.score].to_numpy(float)
        return np.where(
            np.isnan(score),
            self.rate_without_score,
            expit(self.intercept + self.slope * np.log1p(np.nan_to_num(score))),
        )

    def state(self) -> dict[str, Any]:
        """See ``ChurnModel.state``."""
        return {"intercept": self.intercept, "slope": self.slope, "rate_without_score": self.rate_without_score}


class RecencyRule(LogisticRule):
    """Who has not ordered for long is gone."""

    name: ClassVar[str] = "recency rule"


class ChurnFactorRule(LogisticRule):
    """Who has waited longer than usual for them is gone: days since the last order over the own mean gap."""

    name: ClassVar[str] = "churn factor"


@dataclass(frozen=True)
class BtydChurn:
    """What BTYD says, unchanged."""

    name: ClassVar[str] = "BTYD"

    def p_churn(self, features: pd.DataFrame) -> Floats:
        """See ``ChurnModel.p_churn``."""
        return anchor_p_churn(features)

    def state(self) -> dict[str, Any]:
        """See ``ChurnModel.state``."""
        return {}


@dataclass(frozen=True)
class SbgChurn(BtydChurn):
    """What the retention curve says of a subscriber's tenure, unchanged."""

    name: ClassVar[str] = "sBG"


@dataclass(frozen=True)
class BaseRate:
    """Everybody is as likely to churn as everybody was."""

    name: ClassVar[str] = "base rate"
    rate: float

    def p_churn(self, features: pd.DataFrame) -> Floats:
        """See ``ChurnModel.p_churn``."""
        return np.full(len(features), self.rate)

    def state(self) -> dict[str, Any]:
        """See ``ChurnModel.state``."""
        return {"rate": self.rate}


@dataclass(frozen=True)
class AnchoredChurn:
    """Trees on top of the anchor's logit, then one slope for confidence: logit P = slope (logit anchor + trees)."""

    name: ClassVar[str] = "anchored LightGBM"
    boosted: Boosted
    slope: float

    def p_churn(self, features: pd.DataFrame) -> Floats:
        """See ``ChurnModel.p_churn``."""
        return expit(self.slope * (_anchor(features) + self.boosted.margin(features)))

    def state(self) -> dict[str, Any]:
        """See ``ChurnModel.state``."""
        return {"slope": self.slope, "encoder": self.boosted.encoder.state()}


def anchor_alone(definition: ChurnDefinition) -> BtydChurn:
    """The candidate that needs no outcome: what the anchor says, unchanged."""
    return SbgChurn() if definition.is_contractual else BtydChurn()


def fit_base_rate(samples: Sequence[Sample]) -> BaseRate:
    """Churn rate of all samples; never quite 0 or 1."""
    churned = np.concatenate([sample.churned for sample in samples])
    return BaseRate(float((churned.sum() + 0.5) / (len(churned) + 1)))


def fit_recency_rule(samples: Sequence[Sample]) -> RecencyRule:
    """Fit the rule on days since the last order."""
    return RecencyRule("recency_days", *_logistic(samples, "recency_days"))


def fit_churn_factor_rule(samples: Sequence[Sample]) -> ChurnFactorRule:
    """Fit the rule on the churn factor; customers with one order have none and get their own rate."""
    return ChurnFactorRule("recency_over_mean_gap", *_logistic(samples, "recency_over_mean_gap"))


def fit_anchored_churn(
    samples: Sequence[Sample], *, columns: Sequence[str], settings: Mapping[str, Any], seed: int
) -> AnchoredChurn:
    """Fit trees to what BTYD misses.

    The anchor of every snapshot is first shifted to that snapshot's own churn rate: the level of one window (a season, an
    ageing cohort) says nothing about the next, so trees must not learn it. At prediction BTYD's level stands.

    Parameters
    ----------
    samples : sequence of Sample
        Training snapshots.
    columns : sequence of str
        Columns the trees may use.
    settings : mapping
        LightGBM settings that differ from the defaults.
    seed : int
    """
    task = _task(samples, columns=columns, settings=settings, seed=seed)
    fitted = fit_boosted(task)
    return AnchoredChurn(fitted.boosted, _slope(task.anchor + fitted.margin_out_of_fold, task.target))


def refit_anchored_churn(
    judged: AnchoredChurn, samples: Sequence[Sample], *, columns: Sequence[str], settings: Mapping[str, Any], seed: int
) -> AnchoredChurn:
    """The judged recipe on other samples: its rounds and its slope stay."""
    task = _task(samples, columns=columns, settings=settings, seed=seed)
    return AnchoredChurn(refit_boosted(task, rounds=judged.boosted.rounds), judged.slope)


def out_of_fold_churn(
    samples: Sequence[Sample], *, columns: Sequence[str], settings: Mapping[str, Any], seed: int
) -> tuple[Floats, Floats]:
    """Outcome and out-of-fold probability of every training row: what tuning compares settings by."""
    task = _task(samples, columns=columns, settings=settings, seed=seed)
    return task.target, expit(task.anchor + fit_boosted(task).margin_out_of_fold)


def _task(samples: Sequence[Sample], *, columns: Sequence[str], settings: Mapping[str, Any], seed: int) -> Task:
    return Task(
        samples,
        target=np.concatenate([sample.churned for sample in samples]),
        anchor=np.concatenate([_levelled_anchor(sample) for sample in samples]),
        columns=columns,
        objective={"objective": "binary"},
        settings=settings,
        seed=seed,
    )


def churn_from_state(name: str, state: Mapping[str, Any], trees: str | None) -> ChurnModel:
    """The churn model ``state`` was taken from; ``trees`` is the booster's text, where there is one.

    Raises
    ------
    KeyError
        If the name is unknown.
    """
    if name == AnchoredChurn.name and trees is not None:
        return AnchoredChurn(Boosted(Encoder.from_state(state["encoder"]), trees), state["slope"])
    rules: dict[str, ChurnModel] = {BtydChurn.name: BtydChurn(), SbgChurn.name: SbgChurn()}
    if name == BaseRate.name:
        rules[name] = BaseRate(**state)
    if name == RecencyRule.name:
        rules[name] = RecencyRule("recency_days", **state)
    if name == ChurnFactorRule.name:
        rules[name] = ChurnFactorRule("recency_over_mean_gap", **state)
    return rules[name]


def _anchor(features: pd.DataFrame) -> Floats:
    return logit(np.clip(anchor_p_churn(features), 1e-6, 1 - 1e-6))


def _levelled_anchor(sample: Sample) -> Floats:
    anchor = _anchor(sample.features)
    rate = float(np.clip(sample.churned.mean(), 1e-6, 1 - 1e-6))
    return anchor + brentq(lambda shift: expit(anchor + shift).mean() - rate, -50, 50)


def _slope(margin: Floats, churned: Floats) -> float:
    """Confidence of out-of-fold margins, without an intercept: the level stays the anchor's."""
    model = LogisticRegression(fit_intercept=False, C=np.inf).fit(margin[:, None], churned)
    return float(np.clip(model.coef_[0, 0], 0.2, 2.0))


def _logistic(samples: Sequence[Sample], score: str) -> tuple[float, float, float]:
    values = np.concatenate([sample.features[score].to_numpy(float) for sample in samples])
    churned = np.concatenate([sample.churned for sample in samples])
    missing = np.isnan(values)
    rate_missing = float(churned[missing].mean()) if missing.any() else float(churned.mean())
    known = churned[~missing]
    if len(known) == 0 or known.min() == known.max():
        rate = float(np.clip(known.mean() if len(known) else churned.mean(), 1e-6, 1 - 1e-6))
        return float(logit(rate)), 0.0, rate_missing
    model = LogisticRegression().fit(np.log1p(values[~missing])[:, None], known)
    return float(model.intercept_[0]), float(model.coef_[0, 0]), rate_missing
