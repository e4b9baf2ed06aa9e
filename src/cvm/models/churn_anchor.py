"""What is said of churn before any outcome is learned from: the quantity that churn models start from.

================  ==================================================================================================
``no_order``      BTYD's probability of no order in the outcome window
``inactivity``    BTYD's probability of no order in the days of silence asked for; activity beside orders is what BTYD
                  cannot see
``subscription``  of who holds a subscription, the sBG's probability of its end by the end of the outcome window; of
                  others, BTYD's probability of no order
================  ==================================================================================================

BTYD and sBG are fitted at each snapshot to nothing but its past. The last two are put at the level learned from the
outcomes of training snapshots: BTYD speaks of something narrower than inactivity, and in sBG nobody grows readier to leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from cvm.errors import FeatureMismatchError
from cvm.features.churn import ChurnDefinition
from cvm.models.btyd import Btyd
from cvm.models.logits import finite_logit
from cvm.models.retention import Retention

Floats = NDArray[np.float64]

# Beside the catalogue's features, where the definition is not BTYD's own; no tree is offered it.
ANCHOR = "churn_anchor"
# What the subscription definition is computed from.
CONTRACT_COLUMNS = ("n_subscriptions", "subscription_tenure_days")


@dataclass(frozen=True)
class LogitLine:
    """A line through the logits of an anchor; by default none."""

    intercept: float = 0.0
    slope: float = 1.0

    def apply(self, p: Floats) -> Floats:
        """Probabilities whose logits are ``intercept + slope * logit(p)``: an array of the shape of ``p``."""
        return expit(self.intercept + self.slope * finite_logit(p))


@dataclass(frozen=True)
class ChurnAnchor:
    """The definition of churn with all it needs to speak of customers.

    Attributes
    ----------
    definition : ChurnDefinition
    retention : Retention or None
        Where churn is the end of subscriptions.
    level : LogitLine
        Learned where churn is not defined by orders alone.
    """

    definition: ChurnDefinition = field(default_factory=ChurnDefinition)
    retention: Retention | None = None
    level: LogitLine = field(default_factory=LogitLine)

    def with_anchor(
        self, known: pd.DataFrame, *, btyd: Btyd, horizon_days: int, lead_days: int, as_of: date
    ) -> pd.DataFrame:
        """``known`` with the column ``ANCHOR``; unchanged where BTYD's own probability of no order is the anchor.

        Parameters
        ----------
        known : DataFrame of shape (n_customers, ...)
            Features of a snapshot and ``BTYD_COLUMNS``.
        btyd : Btyd
            Fitted at that snapshot.
        horizon_days, lead_days : int
            Outcome window.
        as_of : date

        Raises
        ------
        FeatureMismatchError
            If somebody holds a subscription of unknown age.
        """
        if self.definition.definition == "inactivity":
            silence_days = min(self.definition.inactivity_days, horizon_days)
            expected = btyd.predict(known, horizon_days=silence_days, lead_days=lead_days, as_of=as_of)
            return anchored(known, self.level.apply(expected["btyd_p_no_order"].to_numpy(float)))
        if self.retention is None:
            return known
        tenure, holds = known["subscription_tenure_days"].to_numpy(float), holds_subscription(known)
        n_unknown = int((holds & ~(tenure >= 0)).sum())
        if n_unknown:
            raise FeatureMismatchError(
                f"{n_unknown:,} of {len(known):,} rows have n_subscriptions > 0 and no subscription_tenure_days >= 0; "
                "send both as `cvm features` writes them."
            )
        ends = self.retention.p_end_within(lead_days + horizon_days, tenure_days=np.nan_to_num(tenure))
        return anchored(known, np.where(holds, self.level.apply(ends), known["btyd_p_no_order"].to_numpy(float)))

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "definition": self.definition.state(),
            "retention": self.retention.state() if self.retention else None,
            "level": asdict(self.level),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ChurnAnchor:
        """The anchor ``state`` was taken from."""
        retention = Retention.from_state(state["retention"]) if state["retention"] else None
        return cls(ChurnDefinition.from_state(state["definition"]), retention, LogitLine(**state["level"]))


def anchored(known: pd.DataFrame, p_churn: Floats) -> pd.DataFrame:
    """``known`` with this anchor."""
    column = pd.Series(p_churn, index=known.index, name=ANCHOR)
    return pd.concat([known.drop(columns=ANCHOR, errors="ignore"), column], axis=1)


def anchor_p_churn(known: pd.DataFrame) -> Floats:
    """The anchor of each customer, a probability: the column ``ANCHOR``, else BTYD's probability of no order."""
    return known[ANCHOR if ANCHOR in known else "btyd_p_no_order"].to_numpy(float)


def holds_subscription(features: pd.DataFrame) -> NDArray[np.bool_]:
    """Who holds a subscription at the snapshot: array of shape (n_customers,)."""
    return (features["n_subscriptions"] > 0).to_numpy()
