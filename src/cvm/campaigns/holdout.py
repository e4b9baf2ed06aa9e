"""The global holdout: customers whom no campaign reaches for a while, and campaigns drawn among the others.

Each period of the rotation draws anew, independently of the period before: whoever was held out last time is as likely to be
so again as anybody else, so that holdout and the rest do not differ in what they have been through. Within a period the
holdout stands still. A campaign's own control is drawn among the customers that the global holdout leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from cvm.campaigns.assignment import (
    AssignmentError,
    Split,
    draw_key,
    draw_sql,
    ledger_rows,
)
from cvm.engines import literal
from cvm.features.treatments import CONTROL, REACHABLE


@dataclass(frozen=True)
class HoldoutPeriod:
    """One turn of the rotation.

    Attributes
    ----------
    number : int
        From 0.
    starts_on, ends_on : date
        First day, and the day after the last.
    """

    number: int
    starts_on: date
    ends_on: date

    @property
    def campaign_id(self) -> str:
        """Under which the ledger holds the period, so that all campaigns together can be evaluated as one."""
        return f"global_holdout_{self.starts_on.isoformat()}"


@dataclass(frozen=True)
class GlobalHoldout:
    """The share of all customers that is left alone, and for how long.

    Attributes
    ----------
    share : float
        Above 0, below 1.
    starts_on : date
        First day of the first period.
    rotation_days : int
        Length of a period.
    ends_on : date, optional
        From that day on nobody is held out; none = never.

    Raises
    ------
    AssignmentError
        If a value is outside its bounds, or the end does not lie after the start.
    """

    share: float
    starts_on: date
    rotation_days: int = 90
    ends_on: date | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise AssignmentError(f"The share of the global holdout == {self.share:g}, must be above 0 and below 1.")
        if self.rotation_days < 1:
            raise AssignmentError(f"The rotation of the global holdout == {self.rotation_days} days, must be at least 1.")
        if self.ends_on and self.ends_on <= self.starts_on:
            raise AssignmentError(
                f"The global holdout starts on {self.starts_on} and ends on {self.ends_on}; it must end on a later day."
            )

    @property
    def split(self) -> Split:
        """As arms: ``control`` is held out, ``reachable`` are the others."""
        return Split({CONTROL: self.share, REACHABLE: 1 - self.share})

    def period(self, on: date) -> HoldoutPeriod | None:
        """The period in which a day lies; none before the start and from the end on."""
        if on < self.starts_on or (self.ends_on and on >= self.ends_on):
            return None
        number = (on - self.starts_on).days // self.rotation_days
        start = self.starts_on + timedelta(days=number * self.rotation_days)
        end = start + timedelta(days=self.rotation_days)
        return HoldoutPeriod(number, start, min(end, self.ends_on or end))


def held_out_sql(customer_id: str, holdout: GlobalHoldout | None, *, on: date, salt: str) -> str:
    """SQL for whether a customer is in the global holdout on a day; false where there is no global holdout on that day."""
    period = holdout.period(on) if holdout else None
    if holdout is None or period is None:
        return "FALSE"
    return f"{draw_sql(customer_id, key=_key(period, salt=salt))} < {holdout.split.cuts[CONTROL]}"


def holdout_query(customers: str, holdout: GlobalHoldout, *, on: date, salt: str) -> str:
    """SQL for the global holdout as ledger rows of a campaign of its own.

    Parameters
    ----------
    customers : str
        A table, or a query in parentheses, with ``customer_id`` once per customer and never empty, which the caller sees to.
    holdout : GlobalHoldout
    on : date
    salt : str

    Returns
    -------
    str
        A query with ``campaign_id``, ``customer_id``, ``arm`` (``control`` or ``reachable``), ``propensity`` and
        ``assigned_at`` (the first day of the period).

    Raises
    ------
    AssignmentError
        If there is no holdout on that day.
    """
    period = holdout.period(on)
    if period is None:
        end = f" and ends on {holdout.ends_on}" if holdout.ends_on else ""
        raise AssignmentError(
            f"There is no global holdout on {on}: it starts on {holdout.starts_on}{end}. Choose another day, "
            "or change campaigns.global_holdout in params.yaml."
        )
    arm = holdout.split.arm_sql(draw_sql("customer_id", key=_key(period, salt=salt)))
    drawn = f"SELECT customer_id, {arm} AS arm FROM {customers}"
    rows = ledger_rows(drawn, holdout.split, campaign_id=period.campaign_id)
    return f"SELECT *, CAST({literal(period.starts_on)} AS TIMESTAMP) AS assigned_at FROM ({rows})"


def _key(period: HoldoutPeriod, *, salt: str) -> str:
    return draw_key(salt, "global holdout", period.starts_on.isoformat())
