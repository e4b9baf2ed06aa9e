"""What customers may get, and what may be spent on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import floor

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Treatment:
    """What a customer may get.

    Attributes
    ----------
    name : str
        The arm.
    channel : str
    cost : float, >= 0
        Of one contact.
    """

    name: str
    channel: str
    cost: float


@dataclass(frozen=True)
class Limits:
    """What may be spent.

    Attributes
    ----------
    budget : float or None
        In currency; None = no limit.
    capacity : mapping of str to int
        Contacts by channel; a channel that is not there has no limit.
    """

    budget: float | None = None
    capacity: Mapping[str, int] = field(default_factory=dict)

    def share(self, share: float) -> Limits:
        """A part of it; contacts are whole."""
        budget = None if self.budget is None else self.budget * share
        return Limits(budget, {channel: floor(n * share + 1e-9) for channel, n in self.capacity.items()})

    def less(self, treatments: Sequence[Treatment], contacts: Sequence[int]) -> Limits:
        """What is left after so many contacts of each treatment; below 0 where they were too many."""
        cost = sum(treatment.cost * n for treatment, n in zip(treatments, contacts, strict=True))
        used = dict.fromkeys(self.capacity, 0)
        for treatment, n in zip(treatments, contacts, strict=True):
            if treatment.channel in used:
                used[treatment.channel] += n
        budget = None if self.budget is None else self.budget - cost
        return Limits(budget, {channel: n - used[channel] for channel, n in self.capacity.items()})

    @property
    def are_any(self) -> bool:
        """Whether anything is limited."""
        return self.budget is not None or bool(self.capacity)

    def hold(self, treatments: Sequence[Treatment], contacts: Sequence[int]) -> bool:
        """Whether so many contacts of each treatment are within them."""
        left = self.less(treatments, contacts)
        return (left.budget is None or left.budget >= -1e-9) and all(n >= 0 for n in left.capacity.values())

    def rows(self, treatments: Sequence[Treatment]) -> tuple[Floats, Floats]:
        """Use of each limit by one contact of each treatment, shape (n_limits, n_treatments), and the limits."""
        uses, bounds = [], []
        if self.budget is not None:
            uses.append([treatment.cost for treatment in treatments])
            bounds.append(self.budget)
        for channel, n in sorted(self.capacity.items()):
            uses.append([float(treatment.channel == channel) for treatment in treatments])
            bounds.append(float(n))
        return np.array(uses, dtype=float).reshape(len(uses), len(treatments)), np.array(bounds, dtype=float)
