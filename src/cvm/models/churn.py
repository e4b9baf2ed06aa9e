"""Churn: the probability of no order in the outcome window. What every model of it can say, and the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from cvm.models.boosting import Boosted, WithoutTrees
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
        """Probability of no order in the outcome window, for customers with at least one order."""
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
        return features["btyd_p_no_order"].to_numpy(float)

    def state(self) -> dict[str, Any]:
        """See ``ChurnModel.state``."""
        return {}


def fit_recency_rule(samples: Sequence[Sample]) -> RecencyRule:
    """Fit the rule on days since the last order."""
    return RecencyRule("recency_days", *_logistic(samples, "recency_days"))


def fit_churn_factor_rule(samples: Sequence[Sample]) -> ChurnFactorRule:
    """Fit the rule on the churn factor; customers with one order have none and get their own rate."""
    return ChurnFactorRule("recency_over_mean_gap", *_logistic(samples, "recency_over_mean_gap"))


def churn_logit(p_churn: Floats) -> Floats:
    """Logit of a probability, kept finite."""
    return logit(np.clip(p_churn, 1e-6, 1 - 1e-6))


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


def rule_from_state(name: str, state: Mapping[str, Any]) -> ChurnModel:
    """The rule ``state`` was taken from.

    Raises
    ------
    KeyError
        If no rule has this name.
    """
    rules: dict[str, ChurnModel] = {BtydChurn.name: BtydChurn()}
    if name == RecencyRule.name:
        rules[name] = RecencyRule("recency_days", **state)
    if name == ChurnFactorRule.name:
        rules[name] = ChurnFactorRule("recency_over_mean_gap", **state)
    return rules[name]
