"""Value tiers, RFM, lifecycle and the segments of ordered rules: pure functions of scores at frozen cut points."""

from cvm.segments.conditions import Condition
from cvm.segments.lifecycle import LIFECYCLE_STAGES, lifecycle_stage
from cvm.segments.migrations import border_crossers, matched, migration_matrix
from cvm.segments.rfm import RFM_SEGMENTS, RfmCuts, rfm_scores, rfm_segment
from cvm.segments.rule_check import NUMBER_COLUMNS, TEXT_COLUMNS, UNKNOWN
from cvm.segments.rules import DEFAULT_RULES, SEGMENTS, RuleSet, SegmentRule, SegmentRulesError
from cvm.segments.segmentation import Around, Segmentation, may_stay
from cvm.segments.tiers import VALUE_TIERS, ValueCuts, value_percentile, value_tier

__all__ = [
    "DEFAULT_RULES",
    "LIFECYCLE_STAGES",
    "NUMBER_COLUMNS",
    "RFM_SEGMENTS",
    "SEGMENTS",
    "TEXT_COLUMNS",
    "UNKNOWN",
    "VALUE_TIERS",
    "Around",
    "Condition",
    "RfmCuts",
    "RuleSet",
    "SegmentRule",
    "SegmentRulesError",
    "Segmentation",
    "ValueCuts",
    "border_crossers",
    "lifecycle_stage",
    "matched",
    "may_stay",
    "migration_matrix",
    "rfm_scores",
    "rfm_segment",
    "value_percentile",
    "value_tier",
]
