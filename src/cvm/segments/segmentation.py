"""How customers are segmented: rules, and how far scores may wobble before anybody moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cvm.segments.conditions import Condition
from cvm.segments.rules import DEFAULT_RULES, RuleSet

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Texts = NDArray[np.str_]


@dataclass(frozen=True)
class Segmentation:
    """Rules, and the margin of their borders.

    Attributes
    ----------
    rules : RuleSet
    hysteresis : float, 0 to below 1
        Who may belong to the previous segment when predictions are off by so much stays there: a share of money and orders,
        a difference of probabilities. 0 = whoever crosses a border moves.
    """

    rules: RuleSet = field(default_factory=lambda: DEFAULT_RULES)
    hysteresis: float = 0.0

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {"rules": self.rules.state(), "hysteresis": self.hysteresis}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Back from ``state``."""
        return cls(RuleSet.from_state(state["rules"]), float(state["hysteresis"]))


@dataclass(frozen=True)
class Around:
    """What the columns of customers may be within the margin.

    Attributes
    ----------
    texts : mapping of str to sequence of arrays of shape (n,)
        All values that each column of text may have.
    lower, upper : mapping of str to array of shape (n,)
        Ends of what each column of numbers may be; null where there is no number.
    """

    texts: Mapping[str, Sequence[Texts]]
    lower: Mapping[str, Floats]
    upper: Mapping[str, Floats]

    def may_hold(self, when: Condition, *, n: int) -> Bools:
        """Whether a condition holds somewhere within the margin, each column by itself: array of shape (n,)."""
        found = np.ones(n, dtype=bool)
        for name, allowed in when.values.items():
            found &= np.any([np.isin(values, list(allowed)) for values in self.texts[name]], axis=0)
        return found & _bounded(when, low=self.upper, high=self.lower, n=n)

    def must_hold(self, when: Condition, *, n: int) -> Bools:
        """Whether it holds everywhere within the margin: array of shape (n,)."""
        found = np.ones(n, dtype=bool)
        for name, allowed in when.values.items():
            found &= np.all([np.isin(values, list(allowed)) for values in self.texts[name]], axis=0)
        return found & _bounded(when, low=self.lower, high=self.upper, n=n)


def _bounded(when: Condition, *, low: Mapping[str, Floats], high: Mapping[str, Floats], n: int) -> Bools:
    return Condition(minimum=when.minimum).holds(low, n=n) & Condition(maximum=when.maximum).holds(high, n=n)


def may_stay(rules: RuleSet, previous: Texts, around: Around) -> Bools:
    """Whether customers may still be in their previous segment: its rule may hold, and every earlier one may fail.

    So a change of scores that is smaller than the margin moves nobody: the scores of before lie within the margin of
    those of now, and there the previous rule held and the earlier ones failed.

    Parameters
    ----------
    rules : RuleSet
    previous : array of shape (n,)
        Previous segments.
    around : Around
        What the customers' scores may be.

    Returns
    -------
    array of shape (n,)
    """
    n = len(previous)
    found, may_be_left = np.zeros(n, dtype=bool), np.ones(n, dtype=bool)
    for rule in rules.rules:
        found |= (previous == rule.name) & may_be_left & around.may_hold(rule.when, n=n)
        may_be_left &= ~around.must_hold(rule.when, n=n)
    return found
