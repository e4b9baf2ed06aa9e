"""What a KPI is: the ratio of two sums of measures, and by what it may be grouped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from typing import Literal

from cvm.kpis.measures import MEASURES, Measure

GROUPS: dict[str, str] = {
    "all": "everybody",
    "channel": "channel of the order, of the event, or for new customers of their first order",
    "segment": "segment in the latest scores",
    "segment_at_start": "segment in the last scores before the period, where there are any of the month before it",
    "acquisition_channel": "acquisition_channel of customers",
    "cohort": "year of the first order",
}
# The segment of today would explain a loss of the past by itself: nobody in vip has ever been lost.
UNBIASED = ("segment_at_start", "acquisition_channel", "cohort")
ATTRIBUTES = ("segment", *UNBIASED)
Unit = Literal["customers", "orders", "events", "share", "currency", "ratio", "change", "periods", "minutes", "score"]


@dataclass(frozen=True)
class Kpi:
    """One entry of the catalogue.

    Attributes
    ----------
    name : str
    meaning : str
        The formula in words.
    numerator : str
    denominator : str or None
        None where the value is the numerator.
    unit : str
    groups : tuple of str
        What it can be grouped by beside ``all``.
    adds_up : tuple of str
        Groups over which the values add up to that of all.
    without : str
        Why there is no value where the denominator is 0.
    needs : tuple of str
        Tables, or columns as ``table.column``, without which it does not exist.
    change_of : str
        KPI whose relative change against the period before it is.
    is_share : bool
        Whether numerator and denominator count customers, the one among the other.
    """

    name: str
    meaning: str
    numerator: str
    denominator: str | None
    unit: Unit
    groups: tuple[str, ...] = ATTRIBUTES
    adds_up: tuple[str, ...] = ()
    without: str = ""
    needs: tuple[str, ...] = ()
    change_of: str = ""
    is_share: bool = False

    @cached_property
    def measures(self) -> tuple[Measure, ...]:
        """Those its formula names."""
        parts = Formatter().parse(f"{self.numerator} {self.denominator or ''}")
        return tuple(MEASURES[name] for name in dict.fromkeys(name for _, name, _, _ in parts if name))

    @property
    def is_snapshot(self) -> bool:
        """Whether it is of a run of scores, not of a period."""
        return any(measure.relation == "scored" for measure in self.measures)


def ratio(kpi: Kpi) -> str:
    """SQL of the value of a KPI over cells; null where its denominator is not above 0."""
    top = formula(kpi.numerator)
    if kpi.denominator is None:
        return top
    bottom = formula(kpi.denominator)
    # A warehouse may divide before it looks at the condition.
    return f"CASE WHEN {bottom} > 0 THEN ({top}) / nullif({bottom}, 0) END"


def formula(template: str) -> str:
    """SQL of a numerator or denominator over cells: each ``{name}`` is the sum of a measure, 0 where nothing is."""
    return template.format_map({name: f"coalesce(sum({name}), 0)" for name in MEASURES})
