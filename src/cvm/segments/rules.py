"""Ordered rules that put every customer into exactly one segment, and the eight that hold unless others are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cvm.errors import CvmError
from cvm.segments.conditions import Condition
from cvm.segments.rule_check import problems


class SegmentRulesError(CvmError, ValueError):
    """A list of rules does not give every customer exactly one segment, or holds a rule that means nothing."""


@dataclass(frozen=True)
class SegmentRule:
    """One segment: its name, what is wanted of it, and who is in it unless an earlier rule took them."""

    name: str
    goal: str
    when: Condition = field(default_factory=Condition)


@dataclass(frozen=True)
class RuleSet:
    """Rules in order; the first that holds decides.

    Raises
    ------
    SegmentRulesError
        If somebody could fall under no rule, a rule could never decide, a name stands twice, or a condition asks for what
        there is not.
    """

    rules: tuple[SegmentRule, ...]

    def __post_init__(self) -> None:
        found = problems([(rule.name, rule.when) for rule in self.rules])
        if found:
            raise SegmentRulesError("; ".join(found))

    @property
    def names(self) -> tuple[str, ...]:
        """Segments, in the order of the rules."""
        return tuple(rule.name for rule in self.rules)

    @property
    def goals(self) -> dict[str, str]:
        """Goal of each segment, in words."""
        return {rule.name: rule.goal for rule in self.rules}

    def segment(self, columns: Mapping[str, NDArray[np.generic]], *, n: int) -> NDArray[np.str_]:
        """Segment of each of ``n`` customers: array of shape (n,).

        Parameters
        ----------
        columns : mapping of str to array of shape (n,)
            Of the scores, at least those that the rules ask about.
        n : int
        """
        holds = [rule.when.holds(columns, n=n) for rule in self.rules]
        return np.select(holds, self.names, "")  # every customer falls under a rule

    def state(self) -> list[dict[str, Any]]:
        """As JSON values."""
        return [{"name": rule.name, "goal": rule.goal, "when": rule.when.state()} for rule in self.rules]

    @classmethod
    def from_state(cls, state: Sequence[Mapping[str, Any]]) -> Self:
        """Back from ``state``."""
        return cls(tuple(SegmentRule(each["name"], each["goal"], Condition(**each["when"])) for each in state))


def _where(
    tiers: Sequence[str] = (), stages: Sequence[str] = (), *, maximum: Mapping[str, float] | None = None
) -> Condition:
    values = {"value_tier": list(tiers), "lifecycle_stage": list(stages)}
    return Condition({name: allowed for name, allowed in values.items() if allowed}, maximum=maximum or {})


# The lifecycle stage carries age and risk: active is low risk, slowing medium, lapsing high.
DEFAULT_RULES = RuleSet(
    (
        SegmentRule("prospect", "first order", _where(stages=["prospect"])),
        SegmentRule("lost", "win back or let go", _where(stages=["lost"])),
        SegmentRule("new", "second order", _where(stages=["new"])),
        SegmentRule("vip", "keep", _where(["top"])),
        SegmentRule("at_risk", "reactivate", _where(["high", "medium"], ["slowing", "lapsing"])),
        SegmentRule("core", "raise frequency", _where(["high"])),
        SegmentRule("low_value", "automate cheaply", _where(["low"], maximum={"growth_potential": 0.0})),
        SegmentRule("promising", "grow"),  # medium value, or expected to bring more a year than so far
    )
)

SEGMENTS = DEFAULT_RULES.names
