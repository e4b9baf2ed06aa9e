"""Churn: the probability that a customer does not stay. What every model of it can say, and the baselines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

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


class ChurnBaseline(WithoutTrees, ABC):
    """A baseline, and under which definitions of churn it competes; ``state`` holds its constructor's values."""

    name: ClassVar[str]
    definitions: ClassVar[tuple[str, ...]] = ("no_order", "inactivity", "subscription")

    @classmethod
    @abstractmethod
    def fit(cls, samples: Sequence[Sample]) -> Self:
        """The baseline that these samples teach; at least one, none of them empty."""

    @abstractmethod
    def p_churn(self, features: pd.DataFrame) -> Floats:
        """See ``ChurnModel.p_churn``."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """See ``ChurnModel.state``."""


@dataclass(frozen=True)
class LogisticBaseline(ChurnBaseline):
    """One number per customer decides: P = expit(intercept + slope log(1 + score)), or a rate where the score is null.

    Reasons follow from it: the score is told against that of customers on time, a score that is null as ``null_means``.

    Attributes
    ----------
    score : str
        The feature, never below 0.
    null_means : str
        The feature that tells why there is no score.
    """

    score: ClassVar[str]
    null_means: ClassVar[str] = "n_orders"
    intercept: float
    slope: float
    rate_without_score: float

    @classmethod
    def fit(cls, samples: Sequence[Sample]) -> Self:
        """See ``ChurnBaseline.fit``; customers without a score get a rate of their own."""
        values = np.concatenate([sample.features[cls.score].to_numpy(float) for sample in samples])
        churned = np.concatenate([sample.churned for sample in samples])
        missing = np.isnan(values)
        rate_missing = float(churned[missing].mean()) if missing.any() else float(churned.mean())
        known = churned[~missing]
        if len(known) == 0 or known.min() == known.max():
            rate = known.mean() if len(known) else churned.mean()
            return cls(float(finite_logit(rate)), 0.0, rate_missing)
        from sklearn.linear_model import LogisticRegression  # imports late: it takes long, and scoring does without

        model = LogisticRegression().fit(np.log1p(values[~missing])[:, None], known)
        return cls(float(model.intercept_[0]), float(model.coef_[0, 0]), rate_missing)

    def logits(self, scores: Floats) -> Floats:
        """Logits of customers with these scores, NaN among them; all finite, as reasons have to be."""
        return np.where(np.isnan(scores), finite_logit(np.array(self.rate_without_score)), self._of_score(scores))

    def p_churn(self, features: pd.DataFrame) -> Floats:
        """See ``ChurnModel.p_churn``."""
        scores = features[self.score].to_numpy(float)
        return np.where(np.isnan(scores), self.rate_without_score, expit(self._of_score(scores)))

    def _of_score(self, scores: Floats) -> Floats:
        return self.intercept + self.slope * np.log1p(np.nan_to_num(scores))

    def state(self) -> dict[str, Any]:
        """See ``ChurnModel.state``."""
        return {"intercept": self.intercept, "slope": self.slope, "rate_without_score": self.rate_without_score}


class RecencyRule(LogisticBaseline):
    """Who has not ordered for long is gone."""

    name: ClassVar[str] = "recency rule"
    score: ClassVar[str] = "recency_days"


class ChurnFactorRule(LogisticBaseline):
    """Who has waited longer than usual for them is gone: days since the last order over the own mean gap.

    About orders only, so it competes where churn is to place none; customers with one order have no gap.
    """

    name: ClassVar[str] = "churn factor"
    score: ClassVar[str] = "recency_over_mean_gap"
    definitions: ClassVar[tuple[str, ...]] = ("no_order",)


@dataclass(frozen=True)
class BaseRate(ChurnBaseline):
    """Everybody is as likely to churn as everybody was."""

    name: ClassVar[str] = "base rate"
    definitions: ClassVar[tuple[str, ...]] = ("inactivity", "subscription")
    rate: float

    @classmethod
    def fit(cls, samples: Sequence[Sample]) -> Self:
        """See ``ChurnBaseline.fit``; never quite 0 or 1."""
        churned = np.concatenate([sample.churned for sample in samples])
        return cls(float((churned.sum() + 0.5) / (len(churned) + 1)))

    def p_churn(self, features: pd.DataFrame) -> Floats:
        """See ``ChurnModel.p_churn``."""
        return np.full(len(features), self.rate)

    def state(self) -> dict[str, Any]:
        """See ``ChurnModel.state``."""
        return {"rate": self.rate}


# Adding a baseline is adding its class here.
CHURN_BASELINES: Mapping[str, type[ChurnBaseline]] = {one.name: one for one in (RecencyRule, ChurnFactorRule, BaseRate)}


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


def anchor_alone(definition: ChurnDefinition) -> BtydChurn:
    """The candidate that needs no outcome: what the anchor says, unchanged."""
    return SbgChurn() if definition.is_contractual else BtydChurn()


def baseline_from_state(name: str, state: Mapping[str, Any]) -> ChurnModel:
    """The baseline or anchor ``state`` was taken from.

    Raises
    ------
    KeyError
        If neither has this name.
    """
    readers: dict[str, Callable[..., ChurnModel]] = {BtydChurn.name: BtydChurn, SbgChurn.name: SbgChurn, **CHURN_BASELINES}
    return readers[name](**state)
