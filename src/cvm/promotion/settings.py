"""What ``params.yaml`` says about promotion, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PromotionSettings:
    """Limits of the gates.

    Attributes
    ----------
    tolerances : mapping of str to float
        By how much a figure of the challenger may be worse than the champion's before proof of it counts.
    max_calibration_error : float
    max_group_error : float
        Mean predicted less observed churn of a group, either way.
    max_group_ratio : float
        Predicted over actual revenue of a group, or its inverse.
    max_score_drift : float
        Stability index between the scores of the two models.
    max_tier_changes : float
        Share of customers in another value tier under the challenger.
    keep : int
        Former champions kept on file.
    seed : int
        Of the bootstrap.
    """

    tolerances: Mapping[str, float] = field(
        default_factory=lambda: {"auc": 0.005, "brier": 0.002, "ngini": 0.01, "decmape": 0.05, "ratio": 0.05}
    )
    max_calibration_error: float = 0.05
    max_group_error: float = 0.10
    max_group_ratio: float = 1.5
    max_score_drift: float = 0.25
    max_tier_changes: float = 0.30
    keep: int = 5
    seed: int = 7
