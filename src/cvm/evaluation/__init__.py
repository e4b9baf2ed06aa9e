"""Metrics on plain arrays; nothing here knows the rest of cvm."""

from cvm.evaluation.area_interval import Estimate, area_difference, area_estimate
from cvm.evaluation.calibration import Reliability, brier_score, calibration_error, reliability
from cvm.evaluation.curves import Lift, cumulative_gains, lift_by_group, wilson_interval
from cvm.evaluation.decision import ContactDecision, ContactTerms, contact_decision, expected_profit
from cvm.evaluation.ranking import area_under_roc, average_precision, lift_at, normalised_gini, spearman, value_share_at
from cvm.evaluation.value import (
    decile_error,
    interval_score,
    mean_absolute_error,
    ratio,
    root_mean_squared_error,
    tweedie_deviance,
)

__all__ = [
    "ContactDecision",
    "ContactTerms",
    "Estimate",
    "Lift",
    "Reliability",
    "area_difference",
    "area_estimate",
    "area_under_roc",
    "average_precision",
    "brier_score",
    "calibration_error",
    "contact_decision",
    "cumulative_gains",
    "decile_error",
    "expected_profit",
    "interval_score",
    "lift_at",
    "lift_by_group",
    "mean_absolute_error",
    "normalised_gini",
    "ratio",
    "reliability",
    "root_mean_squared_error",
    "spearman",
    "tweedie_deviance",
    "value_share_at",
    "wilson_interval",
]
