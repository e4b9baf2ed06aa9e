"""How long an outcome window should be: long enough for the next purchase, short enough for the history."""

from __future__ import annotations

from dataclasses import dataclass

from cvm.engines import Engine
from cvm.engines.sql import local_day
from cvm.ingest.orders import ORDER

STEPS = (7, 14, 30, 60, 90, 181, 365)
# So many of the gaps between purchases should be shorter than the window, or who only pauses counts as lost.
_SHARE = 0.9
# A window to learn from, one to judge on, and days of purchases before them.
WINDOWS = 2.5


@dataclass(frozen=True)
class Gaps:
    """How far purchases lie apart.

    Attributes
    ----------
    n_gaps : int
        Between two days of orders of one customer that follow each other.
    long_days : float or None
        So many days or fewer lie in nine of ten gaps.
    history_days : int
        From the first order to the last.
    """

    n_gaps: int
    long_days: float | None
    history_days: int

    @property
    def horizon_days(self) -> int:
        """The first step that holds nine of ten gaps, or the longest one that the history affords."""
        affordable = [step for step in STEPS if step * WINDOWS <= self.history_days] or [STEPS[0]]
        if self.long_days is None:
            return affordable[-1]
        return next((step for step in affordable if step >= self.long_days), affordable[-1])

    @property
    def reason(self) -> str:
        """Why the horizon is what it is."""
        history = "a single day of history" if self.history_days == 1 else f"{self.history_days:,} days of history"
        if self.long_days is None:
            return f"nobody bought twice; the longest step for {history}"
        gaps = f"{_SHARE:.0%} of {self.n_gaps:,} gaps between purchases are {self.long_days:.0f} days or shorter"
        if self.long_days <= self.horizon_days:
            return gaps
        return f"{gaps}, but {history} afford no more"


def purchase_gaps(engine: Engine, *, timezone: str) -> Gaps:
    """The gaps of the clean transactions.

    Parameters
    ----------
    engine : Engine
        Holds the tables of ``order_tables``.
    timezone : str
        Zone that cuts days.
    """
    day = local_day("placed_at", timezone)
    row = engine.row(
        f"WITH bought AS (SELECT DISTINCT customer_id, {day} AS day FROM {ORDER} WHERE is_order), "
        "gap AS (SELECT day, day - lag(day) OVER (PARTITION BY customer_id ORDER BY day) AS days FROM bought) "
        f"SELECT count(days) AS n_gaps, quantile_cont(days, {_SHARE}) AS long_days, "
        "coalesce(max(day) - min(day) + 1, 0) AS history_days FROM gap"
    )
    return Gaps(**row)
