"""Metrics on plain arrays; nothing here knows the rest of cvm. Names are imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvm.late_names import getter_of

if TYPE_CHECKING:
    from cvm.evaluation.area_interval import Estimate, area_difference, area_estimate
    from cvm.evaluation.binned import BinnedSums, SumColumns
    from cvm.evaluation.bootstrap import REPLICATES, Interval, Resample, middle, resampled_pair
    from cvm.evaluation.calibration import Reliability, brier_score, calibration_error, reliability
    from cvm.evaluation.contact_value import ContactCurve, contact_curve
    from cvm.evaluation.curves import Lift, cumulative_gains, lift_by_group
    from cvm.evaluation.decision import ContactDecision, ContactTerms, contact_decision, expected_profit
    from cvm.evaluation.drift import (
        LEAST_SHARING,
        CategoryProfile,
        Drift,
        NumberProfile,
        Profile,
        category_drift,
        number_drift,
        profile_from_state,
    )
    from cvm.evaluation.effect_signals import arm_values, effect_qini, effect_signal
    from cvm.evaluation.effects import (
        Effect,
        MeanPair,
        adjusting,
        covariance_with,
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
    from cvm.evaluation.paired import LEAST_PAIRED, PairedFigure, compare_probabilities, compare_values
    from cvm.evaluation.policy import PolicyWorth, policy_difference, policy_table, policy_value
    from cvm.evaluation.ranking import area_under_roc, average_precision, lift_at, normalised_gini, spearman, value_share_at
    from cvm.evaluation.sequential import always_valid, always_valid_bound
    from cvm.evaluation.shares import wilson_interval
    from cvm.evaluation.uplift import (
        UpliftCurve,
        auuc_per_customer,
        qini_difference,
        qini_estimate,
        qini_per_customer,
        uplift_curve,
    )
    from cvm.evaluation.uplift_bootstrap import bootstrap_qini, bootstrap_qini_difference
    from cvm.evaluation.uplift_by_share import UpliftTable, uplift_at_share, uplift_at_share_of_each_arm, uplift_table
    from cvm.evaluation.uplift_groups import (
        Heterogeneity,
        UpliftGroups,
        heterogeneity,
        score_cuts,
        transported_effect,
        uplift_by_group,
    )
    from cvm.evaluation.uplift_variants import uplift_coefficient
    from cvm.evaluation.value import (
        decile_error,
        interval_score,
        mean_absolute_error,
        ratio,
        ratio_estimate,
        root_mean_squared_error,
        tweedie_deviance,
    )

_NAMES_OF = {
    "area_interval": ("Estimate", "area_difference", "area_estimate"),
    "binned": ("BinnedSums", "SumColumns"),
    "bootstrap": ("REPLICATES", "Interval", "Resample", "middle", "resampled_pair"),
    "calibration": ("Reliability", "brier_score", "calibration_error", "reliability"),
    "contact_value": ("ContactCurve", "contact_curve"),
    "curves": ("Lift", "cumulative_gains", "lift_by_group"),
    "decision": ("ContactDecision", "ContactTerms", "contact_decision", "expected_profit"),
    "drift": (
        "LEAST_SHARING",
        "CategoryProfile",
        "Drift",
        "NumberProfile",
        "Profile",
        "category_drift",
        "number_drift",
        "profile_from_state",
    ),
    "effect_signals": ("arm_values", "effect_qini", "effect_signal"),
    "effects": (
        "Effect",
        "MeanPair",
        "adjusting",
        "covariance_with",
        "cuped_means",
        "difference",
        "fieller",
        "lin_means",
        "plain_means",
        "ratio_means",
        "relative",
    ),
    "moments": ("Moments",),
    "multiplicity": ("false_discovery_rates", "sample_ratio_test"),
    "paired": ("LEAST_PAIRED", "PairedFigure", "compare_probabilities", "compare_values"),
    "policy": ("PolicyWorth", "policy_difference", "policy_table", "policy_value"),
    "ranking": ("area_under_roc", "average_precision", "lift_at", "normalised_gini", "spearman", "value_share_at"),
    "sequential": ("always_valid", "always_valid_bound"),
    "shares": ("wilson_interval",),
    "uplift": ("UpliftCurve", "auuc_per_customer", "qini_difference", "qini_estimate", "qini_per_customer", "uplift_curve"),
    "uplift_bootstrap": ("bootstrap_qini", "bootstrap_qini_difference"),
    "uplift_by_share": ("UpliftTable", "uplift_at_share", "uplift_at_share_of_each_arm", "uplift_table"),
    "uplift_groups": (
        "Heterogeneity",
        "UpliftGroups",
        "heterogeneity",
        "score_cuts",
        "transported_effect",
        "uplift_by_group",
    ),
    "uplift_variants": ("uplift_coefficient",),
    "value": (
        "decile_error",
        "interval_score",
        "mean_absolute_error",
        "ratio",
        "ratio_estimate",
        "root_mean_squared_error",
        "tweedie_deviance",
    ),
}

__all__ = [
    "LEAST_PAIRED",
    "LEAST_SHARING",
    "REPLICATES",
    "BinnedSums",
    "CategoryProfile",
    "ContactCurve",
    "ContactDecision",
    "ContactTerms",
    "Drift",
    "Effect",
    "Estimate",
    "Heterogeneity",
    "Interval",
    "Lift",
    "MeanPair",
    "Moments",
    "NumberProfile",
    "PairedFigure",
    "PolicyWorth",
    "Profile",
    "Reliability",
    "Resample",
    "SumColumns",
    "UpliftCurve",
    "UpliftGroups",
    "UpliftTable",
    "adjusting",
    "always_valid",
    "always_valid_bound",
    "area_difference",
    "area_estimate",
    "area_under_roc",
    "arm_values",
    "auuc_per_customer",
    "average_precision",
    "bootstrap_qini",
    "bootstrap_qini_difference",
    "brier_score",
    "calibration_error",
    "category_drift",
    "compare_probabilities",
    "compare_values",
    "contact_curve",
    "contact_decision",
    "covariance_with",
    "cumulative_gains",
    "cuped_means",
    "decile_error",
    "difference",
    "effect_qini",
    "effect_signal",
    "expected_profit",
    "false_discovery_rates",
    "fieller",
    "heterogeneity",
    "interval_score",
    "lift_at",
    "lift_by_group",
    "lin_means",
    "mean_absolute_error",
    "middle",
    "normalised_gini",
    "number_drift",
    "plain_means",
    "policy_difference",
    "policy_table",
    "policy_value",
    "profile_from_state",
    "qini_difference",
    "qini_estimate",
    "qini_per_customer",
    "ratio",
    "ratio_estimate",
    "ratio_means",
    "relative",
    "reliability",
    "resampled_pair",
    "root_mean_squared_error",
    "sample_ratio_test",
    "score_cuts",
    "spearman",
    "transported_effect",
    "tweedie_deviance",
    "uplift_at_share",
    "uplift_at_share_of_each_arm",
    "uplift_by_group",
    "uplift_coefficient",
    "uplift_curve",
    "uplift_table",
    "value_share_at",
    "wilson_interval",
]

_HOMES = {name: f"{__name__}.{home}" for home, names in _NAMES_OF.items() for name in names}

if not TYPE_CHECKING:  # whom a __getattr__ would tell that there is every name
    __getattr__ = getter_of(globals(), _HOMES)


def __dir__() -> list[str]:
    return __all__
