"""The section ``scoring`` of ``params.yaml``."""

from __future__ import annotations

from cvm.params_data import Section, Share


class ScoringParams(Section):
    """What scores tell of whom."""

    reasons_share: Share = 1.0
