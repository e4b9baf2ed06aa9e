"""The playbook: ordered rules, of which the first that holds and has room decides what is next for a customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvm.segments.conditions import Condition

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

NO_RULE = -1


@dataclass(frozen=True)
class PlaybookRule:
    """Who gets what, and why.

    Attributes
    ----------
    name : str
    when : Condition
        On columns of the scores.
    goal : str or None
        What it serves; None only where no playbook is written.
    offer : str or None
        In words.
    treatment : str or None
        The arm of campaigns that it is, so that its effect may be known.
    channel : str or None
        By which customers are contacted; None = they are not.
    cost : float
        Of one customer.
    cap : int or None
        Customers a run at most.
    """

    name: str
    when: Condition
    goal: str | None = None
    offer: str | None = None
    treatment: str | None = None
    channel: str | None = None
    cost: float = 0.0
    cap: int | None = None

    @property
    def action(self) -> str:
        """What the scores call it."""
        return self.treatment or self.name


@dataclass(frozen=True)
class Candidates:
    """Customers before one rule: arrays of shape (n_customers,).

    Attributes
    ----------
    holds : whether the rule's condition does
    may_be_reached : by the rule's channel
    is_harmed : known to do worse with its treatment
    value : what the action is worth, NaN where nobody knows
    """

    holds: Bools
    may_be_reached: Bools
    is_harmed: Bools
    value: Floats


@dataclass(frozen=True)
class RuleCounts:
    """What became of those for whom a rule holds and whom no earlier rule took; the other four add up to ``n_held``."""

    n_held: int
    n_out_of_reach: int
    n_harmed: int
    n_over_cap: int
    n_given: int


def resolved(rules: Sequence[PlaybookRule], candidates: Sequence[Candidates]) -> tuple[Ints, list[RuleCounts]]:
    """The rule that decides for each customer.

    Parameters
    ----------
    rules : sequence of PlaybookRule
    candidates : sequence of Candidates
        Of each rule, customers in the order of their ids, which decides where values tie.

    Returns
    -------
    rule : array of shape (n_customers,)
        Position of the rule; ``NO_RULE`` where none holds, may be used and has room.
    counts : list of RuleCounts
        By rule.
    """
    found = np.full(len(candidates[0].holds) if candidates else 0, NO_RULE, dtype=np.int64)
    counts = []
    for position, (rule, one) in enumerate(zip(rules, candidates, strict=True)):
        held = one.holds & (found == NO_RULE)
        reached = held & one.may_be_reached
        fit = np.flatnonzero(reached & ~one.is_harmed)
        # The most valuable first; those of whom nobody knows at the end.
        given = fit[np.argsort(-one.value[fit], kind="stable")[: rule.cap]]
        found[given] = position
        counts.append(
            RuleCounts(
                n_held=int(held.sum()),
                n_out_of_reach=int((held & ~one.may_be_reached).sum()),
                n_harmed=int((reached & one.is_harmed).sum()),
                n_over_cap=len(fit) - len(given),
                n_given=len(given),
            )
        )
    return found, counts
