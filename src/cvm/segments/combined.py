"""The segment people act on: one of eight, from value, risk, age and potential."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SEGMENTS = ("vip", "core", "promising", "new", "at_risk", "low_value", "lost", "prospect")


def segment(
    value_tier: NDArray[np.str_], lifecycle_stage: NDArray[np.str_], growth_potential: NDArray[np.float64]
) -> NDArray[np.str_]:
    """Segment of each customer; the first rule that holds decides, so there is exactly one.

    The lifecycle stage carries age and risk: ``active`` is low risk, ``slowing`` medium, ``lapsing`` high.

    ==========  ===============================================  ==========================================
    segment     rule                                             goal
    ==========  ===============================================  ==========================================
    prospect    no order yet                                     first order
    lost        stage lost                                       win back, or let go
    new         stage new                                        second order
    vip         value top                                        keep
    at_risk     value high or medium, stage slowing or lapsing   reactivate while there is something to lose
    core        value high                                       raise frequency
    promising   value medium, or expected to be worth more than  grow
                so far
    low_value   everybody else                                   automate cheaply
    ==========  ===============================================  ==========================================

    Parameters
    ----------
    value_tier : array of shape (n_customers,)
        One of ``VALUE_TIERS``.
    lifecycle_stage : array of shape (n_customers,)
        One of ``LIFECYCLE_STAGES``.
    growth_potential : array of shape (n_customers,)
        Expected margin per year less margin per year so far; null counts as none.
    """
    valued = np.isin(value_tier, ("high", "medium"))
    rules = [
        ("prospect", lifecycle_stage == "prospect"),
        ("lost", lifecycle_stage == "lost"),
        ("new", lifecycle_stage == "new"),
        ("vip", value_tier == "top"),
        ("at_risk", valued & np.isin(lifecycle_stage, ("slowing", "lapsing"))),
        ("core", value_tier == "high"),
        ("promising", (value_tier == "medium") | (np.nan_to_num(growth_potential) > 0)),
    ]
    return np.select([holds for _, holds in rules], [name for name, _ in rules], "low_value")
