"""``promotion`` in ``params.yaml``: what a challenger has to pass."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cvm.params_data import Section

Tolerance = Annotated[float, Field(ge=0, le=1)]


class ToleranceParams(Section):
    """By how much a figure may be worse than the champion's before proof of it counts."""

    auc: Tolerance = 0.005
    brier: Tolerance = 0.002
    ngini: Tolerance = 0.01
    decmape: Tolerance = 0.05
    ratio: Tolerance = 0.05


class PromotionParams(Section):
    """Limits of the gates between challenger and champion."""

    tolerance: ToleranceParams = ToleranceParams()
    max_calibration_error: Annotated[float, Field(gt=0, le=1)] = 0.05
    max_group_error: Annotated[float, Field(gt=0, le=1)] = 0.10
    max_group_ratio: Annotated[float, Field(gt=1)] = 1.5
    max_score_drift: Annotated[float, Field(gt=0)] = 0.25
    max_tier_changes: Annotated[float, Field(gt=0, le=1)] = 0.30
    keep: Annotated[int, Field(ge=1, le=100)] = 5
