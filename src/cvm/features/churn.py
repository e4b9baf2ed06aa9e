"""What churn means, and SQL for who stayed by that meaning in an outcome window.

================  ==================================================================================================
``no_order``      stays who orders in the outcome window
``inactivity``    stays who orders, or does anything of their own accord, in the first ``inactivity_days`` of it
``subscription``  stays who holds a subscription at the end of it; asked of those who hold one at ``as_of``
================  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cvm.engines.sql import literals
from cvm.errors import FeatureMismatchError

# What the firm does alone, beside every message sent (``*_sent``).
_FIRM_EVENTS = ("cashback", "points_earned", "tier_change")
# SQL for what an event is called, whatever its case and punctuation; and for whether it is of the customer's own accord.
EVENT_NAME = "trim(regexp_replace(lower(event_type), '[^a-z0-9]+', '_', 'g'), '_')"
OWN_ACCORD = f"NOT ends_with({EVENT_NAME}, '_sent') AND {EVENT_NAME} NOT IN ({literals(_FIRM_EVENTS)})"


@dataclass(frozen=True)
class ChurnDefinition:
    """A definition of churn.

    Attributes
    ----------
    definition : {"no_order", "inactivity", "subscription"}
    inactivity_days : int
        Length of the silence that ``inactivity`` asks for; at most the outcome window counts.
    """

    definition: Literal["no_order", "inactivity", "subscription"] = "no_order"
    inactivity_days: int = 30

    @property
    def is_contractual(self) -> bool:
        """Whether churn is the end of subscriptions."""
        return self.definition == "subscription"

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ChurnDefinition:
        """The definition ``state`` was taken from."""
        return cls(**state)

    def check_same(self, found: ChurnDefinition, *, what: str, fix: str) -> None:
        """Refuse an output made under another definition.

        Raises
        ------
        FeatureMismatchError
            Names both definitions.
        """
        if str(self) != str(found):
            raise FeatureMismatchError(f"{what} churn as {found}, params.yaml says {self}. {fix}")

    def __str__(self) -> str:
        return f"inactivity of {self.inactivity_days} days" if self.definition == "inactivity" else self.definition


def subscribed_at(day: int, *, subscriptions: str) -> str:
    """SQL for the customers who hold a subscription at the beginning of a day.

    Parameters
    ----------
    day : int
        Number since 1970-01-01.
    subscriptions : str
        A query as ``subscription_days`` gives.
    """
    return (
        f"SELECT DISTINCT customer_id FROM ({subscriptions}) "
        f"WHERE started_day < {day} AND (ended_day IS NULL OR ended_day >= {day})"
    )


def active_between(start: int, end: int, *, event_day: str | None) -> str:
    """SQL for the customers who ordered or did anything of their own accord in ``[start, end)``, given ``orders``.

    Parameters
    ----------
    start, end : int
        Days since 1970-01-01.
    event_day : str or None
        SQL for the day of an event; ``None`` where there is no table of events.
    """
    ordered = f"SELECT customer_id FROM orders WHERE first_day < {end}"
    if event_day is None:
        return ordered
    return (
        f"{ordered} UNION SELECT customer_id FROM events WHERE {event_day} >= {start} AND {event_day} < {end} "
        f"AND {OWN_ACCORD}"
    )
