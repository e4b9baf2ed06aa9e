"""Churn: the probability that a customer does not stay. What every model of it can say, and the baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from cvm.features.churn import ChurnDefinition
from cvm.models.boosting import Boosted, WithoutTrees
from cvm.models.churn_anchor import anchor_p_churn
from cvm.models.logits import finite_logit
from cvm.models.samples import Sample

Floats = NDArray[np.float64]


class ChurnModel(Protocol):
    """A way to turn features into churn probabilities."""

    name: ClassVar[str]

    @property
    def boosters(self) -> Mapping[str, Boosted]:
        """The trees by their part in the model; none where it has none."""
        ...

    def p_churn(self, features: pd.DataFrame) -> Floats:
        """Probability of churn in the outcome window, for the customers it is asked of."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything but the trees, as JSON values."""
        ...


@dataclass(frozen=True)
class LogisticRule(WithoutTrees):
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
class BtydChurn(WithoutTrees):
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
class BaseRate(WithoutTrees):
    """Everybody is as likely to churn as everybody was."""

    name: ClassVar[str] = "base rate"
    rate: float

    def p_churn(self, features: pd.DataFrame) -> Floats:
        """See ``ChurnModel.p_churn``."""
        return np.full(len(features), self.rate)

    def state(self) -> dict[str, Any]:
        """See ``ChurnModel.state``."""
        return {"rate": self.rate}


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


def _logistic(samples: Sequence[Sample], score: str) -> tuple[float, float, float]:
    values = np.concatenate([sample.features[score].to_numpy(float) for sample in samples])
    churned = np.concatenate([sample.churned for sample in samples])
    missing = np.isnan(values)
    rate_missing = float(churned[missing].mean()) if missing.any() else float(churned.mean())
    known = churned[~missing]
    if len(known) == 0 or known.min() == known.max():
        rate = known.mean() if len(known) else churned.mean()
        return float(finite_logit(rate)), 0.0, rate_missing
    from sklearn.linear_model import LogisticRegression  # imports late: it takes long, and scoring does without

    model = LogisticRegression().fit(np.log1p(values[~missing])[:, None], known)
    return float(model.intercept_[0]), float(model.coef_[0, 0]), rate_missing


@dataclass(frozen=True)
class ChurnRule:
    """A baseline: how it is fitted, how it is read out of a bundle, and of which definitions of churn it is a rule.

    Attributes
    ----------
    fit : callable
        Samples to the rule.
    read : callable
        The rule again, by the values of its ``state``.
    definitions : tuple of str
    """

    fit: Callable[[Sequence[Sample]], ChurnModel]
    read: Callable[..., ChurnModel]
    definitions: tuple[str, ...] = ("no_order", "inactivity", "subscription")


# Adding a baseline is adding one entry. The churn factor is about orders only, so it competes where churn is to place none.
CHURN_RULES: Mapping[str, ChurnRule] = {
    RecencyRule.name: ChurnRule(fit_recency_rule, partial(RecencyRule, "recency_days")),
    ChurnFactorRule.name: ChurnRule(fit_churn_factor_rule, partial(ChurnFactorRule, "recency_over_mean_gap"), ("no_order",)),
    BaseRate.name: ChurnRule(fit_base_rate, BaseRate, ("inactivity", "subscription")),
}


def rule_from_state(name: str, state: Mapping[str, Any]) -> ChurnModel:
    """The rule ``state`` was taken from.

    Raises
    ------
    KeyError
        If no rule has this name.
    """
    anchors: dict[str, ChurnModel] = {BtydChurn.name: BtydChurn(), SbgChurn.name: SbgChurn()}
    return anchors[name] if name in anchors else CHURN_RULES[name].read(**state)
