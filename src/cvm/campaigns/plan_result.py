"""What a plan says: who was left out and why, and the draws of those who were not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Fate:
    """Customers whom the same became of.

    Attributes
    ----------
    step : str
        by hand, audience, consent, suppression, contact policy, value, drawn.
    fate : str
        In plain words.
    n : int
    """

    step: str
    fate: str
    n: int


@dataclass(frozen=True)
class PlannedArm:
    """One arm of a draw.

    ``n`` are those drawn; ``cost`` is of all contacts, put in by hand or not, and ``value`` what they are worth together,
    None in control or where it is unknown.
    """

    arm: str
    channel: str | None
    n: int
    cost: float
    value: float | None


@dataclass(frozen=True)
class Cell:
    """One draw: a campaign of the ledger.

    Attributes
    ----------
    campaign_id : str
    is_exploration : bool
    arms : tuple of PlannedArm
        Control first.
    n_by_hand : int
        Beside the draw; an evaluation leaves them out.
    draw_holds : bool or None
        Whether sizes and balance are what chance gives; None where the cell is too small to tell.
    draw : str
        The same in a sentence.
    largest_difference : float or None
        Between arms before anything happens, in standard deviations; None where the cell is too small to tell.
    detectable_conversion, detectable_revenue : float or None
        Effects per customer that its evaluation finds in four of five cases, as a share and in currency; None where nothing
        is known.
    """

    campaign_id: str
    is_exploration: bool
    arms: tuple[PlannedArm, ...]
    n_by_hand: int
    draw_holds: bool | None
    draw: str
    largest_difference: float | None
    detectable_conversion: float | None
    detectable_revenue: float | None

    @property
    def n(self) -> int:
        """Customers drawn."""
        return sum(arm.n for arm in self.arms)

    @property
    def n_treated(self) -> int:
        """Of them not held out."""
        return sum(arm.n for arm in self.arms if arm.channel is not None)

    @property
    def cost(self) -> float:
        """Of all contacts."""
        return sum(arm.cost for arm in self.arms)

    @property
    def value(self) -> float | None:
        """Of all contacts, as far as it is known."""
        known = [arm.value for arm in self.arms if arm.value is not None]
        return sum(known) if known else None


@dataclass(frozen=True)
class PlanSummary:
    """Everything but the customers.

    Attributes
    ----------
    name : str
    as_of, on : date
        Of the scores, and of the contacts.
    model_version, currency : str
    by_uplift : bool
        Whether values are expected net values; otherwise margin at risk.
    n_scored : int
    fates : tuple of Fate
        They add up to ``n_scored``.
    cells : tuple of Cell
    budget : float or None
    spent : float
    capacity, used : dict of str to int
        Contacts by channel: allowed, and planned.
    gap : float
        Share of the best possible value that the choice may be short of.
    floor_share : float
    n_floor : int
        Chosen customers of low value or high growth potential.
    floor_cost : float or None
        Value given up for the floor.
    margin_rate : float or None
        Share of revenue that is margin; None where no history tells.
    notes : tuple of str
    """

    name: str
    as_of: date
    on: date
    model_version: str
    currency: str
    by_uplift: bool
    n_scored: int
    fates: tuple[Fate, ...]
    cells: tuple[Cell, ...]
    budget: float | None
    spent: float
    capacity: dict[str, int]
    used: dict[str, int]
    gap: float
    floor_share: float
    n_floor: int
    floor_cost: float | None
    margin_rate: float | None
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        budget = "" if self.budget is None else f" of {self.budget:,.2f}"
        return (
            f"<PlanSummary {self.name}, as of {self.as_of}: {self.n_contacts:,} contacts of {self.n_scored:,} customers, "
            f"{self.spent:,.2f}{budget} {self.currency} spent>"
        )

    @property
    def n_contacts(self) -> int:
        """All of them."""
        return sum(self.used.values())

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "as_of": self.as_of.isoformat(), "on": self.on.isoformat()}
