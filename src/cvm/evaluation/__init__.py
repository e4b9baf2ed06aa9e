"""Metrics on plain arrays; nothing here knows the rest of cvm."""

from cvm.evaluation.area_interval import Estimate, area_difference, area_estimate
from cvm.evaluation.calibration import Reliability, brier_score, calibration_error, reliability
from cvm.evaluation.curves import Lift, cumulative_gains, lift_by_group, wilson_interval
from cvm.evaluation.decision import ContactDecision, ContactTerms, contact_decision, expected_profit
from cvm.evaluation.effects import (
    Effect,
    MeanPair,
    cuped_means,
    difference,
    fieller,
    lin_means,
    plain_means,
    ratio_means,
    relative,
)
from cvm.evaluation.moments import Moments
from cvm.evaluation.multiplicity import false_discovery_rates, sample_ratio_test
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
    "Effect",
    "Estimate",
    "Lift",
    "MeanPair",
    "Moments",
    "Reliability",
    "area_difference",
    "area_estimate",
    "area_under_roc",
    "average_precision",
    "brier_score",
    "calibration_error",
    "contact_decision",
    "cumulative_gains",
    "cuped_means",
    "decile_error",
    "difference",
    "expected_profit",
    "false_discovery_rates",
    "fieller",
    "interval_score",
    "lift_at",
    "lift_by_group",
    "lin_means",
    "mean_absolute_error",
    "normalised_gini",
    "plain_means",
    "ratio",
    "ratio_means",
    "relative",
    "reliability",
    "root_mean_squared_error",
    "sample_ratio_test",
    "spearman",
    "tweedie_deviance",
    "value_share_at",
    "wilson_interval",
]
