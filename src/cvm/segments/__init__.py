"""Value tiers, RFM, lifecycle and the combined segment: pure functions of scores at frozen cut points."""

from cvm.segments.combined import SEGMENTS, segment
from cvm.segments.lifecycle import LIFECYCLE_STAGES, lifecycle_stage
from cvm.segments.rfm import RFM_SEGMENTS, RfmCuts, rfm_scores, rfm_segment
from cvm.segments.tiers import VALUE_TIERS, ValueCuts, value_percentile, value_tier

__all__ = [
    "LIFECYCLE_STAGES",
    "RFM_SEGMENTS",
    "SEGMENTS",
    "VALUE_TIERS",
    "RfmCuts",
    "ValueCuts",
    "lifecycle_stage",
    "rfm_scores",
    "rfm_segment",
    "segment",
    "value_percentile",
    "value_tier",
]
