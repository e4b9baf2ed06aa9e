"""Metrics on plain arrays; nothing here knows the rest of cvm."""

from cvm.evaluation.area_interval import Estimate, area_difference, area_estimate
from cvm.evaluation.calibration import Reliability, brier_score, calibration_error, reliability
from cvm.evaluation.curves import Lift, cumulative_gains, lift_by_group, wilson_interval
from cvm.evaluation.decision import ContactDecision, ContactTerms, contact_decision, expected_profit
from cvm.evaluation.effect_signals import arm_values, effect_qini, effect_signal
from cvm.evaluation.heterogeneity import (
    Heterogeneity,
    UpliftGroups,
    heterogeneity,
    score_cuts,
    transported_effect,
    uplift_by_group,
)
from cvm.evaluation.policy import policy_difference, policy_value
from cvm.evaluation.ranking import area_under_roc, average_precision, lift_at, normalised_gini, spearman, value_share_at
from cvm.evaluation.uplift import (
    UpliftCurve,
    auuc_per_customer,
    qini_difference,
    qini_estimate,
    qini_per_customer,
    uplift_curve,
)
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
    "Heterogeneity",
    "Lift",
    "Reliability",
    "UpliftCurve",
    "UpliftGroups",
    "area_difference",
    "area_estimate",
    "area_under_roc",
    "arm_values",
    "auuc_per_customer",
    "average_precision",
    "brier_score",
    "calibration_error",
    "contact_decision",
    "cumulative_gains",
    "decile_error",
    "effect_qini",
    "effect_signal",
    "expected_profit",
    "heterogeneity",
    "interval_score",
    "lift_at",
    "lift_by_group",
    "mean_absolute_error",
    "normalised_gini",
    "policy_difference",
    "policy_value",
    "qini_difference",
    "qini_estimate",
    "qini_per_customer",
    "ratio",
    "reliability",
    "root_mean_squared_error",
    "score_cuts",
    "spearman",
    "transported_effect",
    "tweedie_deviance",
    "uplift_by_group",
    "uplift_curve",
    "value_share_at",
    "wilson_interval",
]
