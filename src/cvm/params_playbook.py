"""Sections ``playbook``, ``triggers`` and ``actions`` of ``params.yaml``: what to do next, with whom, and when."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from math import nextafter
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cvm.params_data import Cost, Days, Section, Title
from cvm.params_plans import Count, Name, WhoParams

# Numbers of scores that rules of actions may bound beside those that rules of segments may.
UPLIFT_COLUMNS = ("expected_uplift", "expected_net_value")
TriggerName = Literal[
    "cart_left", "inactive", "falling_activity", "add_on_dropped", "complaint", "anniversary", "replenishment"
]

# Ten years; a day so long before as_of is still a date.
TriggerDays = Annotated[Days, Field(le=3650)]


class PlaybookWhenParams(WhoParams):
    """Whom a rule is for, by their scores; ``uplift: positive`` = the treatment is expected to add margin."""

    rfm_segments: list[str] = Field(default_factory=list)
    uplift: Literal["positive"] | None = None

    def condition(self) -> dict[str, dict[str, Any]]:
        """The arguments of a ``Condition`` on columns of the scores."""
        asked = {
            "segment": self.segments,
            "value_tier": self.value_tiers,
            "lifecycle_stage": self.lifecycle_stages,
            "rfm_segment": self.rfm_segments,
        }
        minimum = dict(self.min)
        if self.uplift:
            minimum["expected_uplift"] = max(nextafter(0, 1), minimum.get("expected_uplift", 0.0))
        return {
            "values": {column: allowed for column, allowed in asked.items() if allowed},
            "minimum": minimum,
            "maximum": dict(self.max),
        }


class PlaybookRuleParams(Section):
    """One rule: who gets what, for which goal, and how many at most."""

    name: Title
    goal: Title
    when: PlaybookWhenParams = PlaybookWhenParams()
    offer: Name | None = None
    treatment: Name | None = None
    channel: Name | None = None
    cost: Cost | None = None
    cap: Count | None = None

    @model_validator(mode="after")
    def _one_way_to_say_how(self) -> Self:
        if self.treatment is not None and (self.channel is not None or self.cost is not None):
            raise ValueError(
                f"rule {self.name!r} has a treatment, and a channel or cost of its own; keep the treatment, whose channel "
                "and cost stand under campaigns.treatments, or the other two"
            )
        if self.cost is not None and self.channel is None:
            raise ValueError(f"rule {self.name!r} has a cost and no channel; add the channel by which it is spent")
        if self.when.uplift and self.treatment is None:
            raise ValueError(
                f"rule {self.name!r} asks for uplift: positive and names no treatment whose effect that is; add it"
            )
        return self


class TriggerParams(Section):
    """Which lists of customers are written because something happened, and what counts as that."""

    window_days: TriggerDays = 7
    without: list[TriggerName] = Field(default_factory=list)
    cart_hours: Annotated[int, Field(ge=1, le=24 * 365)] = 24
    inactive_days: TriggerDays = 60
    falling_days: TriggerDays = 30
    falling_against_days: TriggerDays = 90


class ActionParams(Section):
    """What the stage ``actions`` writes beside the rest."""

    recommendations: bool = False


def playbook_problems(
    rules: Sequence[PlaybookRuleParams],
    *,
    goals: Collection[str],
    treatments: Collection[str],
    values: Mapping[str, Collection[str]],
    numbers: Collection[str],
) -> Iterator[str]:
    """What is wrong with a playbook as a whole, one sentence each.

    Parameters
    ----------
    rules : sequence of PlaybookRuleParams
    goals, treatments : collection of str
        Names there are.
    values : dict of str to collection of str
        Key of ``when`` to the values there are.
    numbers : collection of str
        Columns of numbers that scores have.
    """
    names = [rule.name for rule in rules]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{names.count(name)} rules are called {name!r}; give each a name of its own"
    for position, rule in enumerate(rules):
        where, later = f"rule {rule.name!r}", len(rules) - position - 1
        if rule.goal not in goals:
            yield f"{where} serves the goal {rule.goal!r}, which is not under goals; {_there(rule.goal, goals)}"
        if rule.treatment is not None and rule.treatment not in treatments:
            there = _there(rule.treatment, treatments)
            yield f"{where} gives {rule.treatment!r}, which is not under campaigns.treatments; {there}"
        yield from (f"{where} {problem}" for problem in _condition_problems(rule.when, values, numbers))
        if later and _takes_everybody(rule):
            yield f"{where} takes everybody, so the {later} after it never decide; move it to the end"


def _condition_problems(
    when: PlaybookWhenParams, values: Mapping[str, Collection[str]], numbers: Collection[str]
) -> Iterator[str]:
    for key, known in values.items():
        for value in getattr(when, key):
            if value not in known:
                yield f"asks for {key} {value!r}, which nobody can have; {_there(value, known)}"
    for name in dict.fromkeys([*when.min, *when.max]):
        if name not in numbers:
            yield f"bounds {name!r}, which is no column of numbers of the scores; {_there(name, numbers)}"
    for name, bound in when.min.items():
        if bound > when.max.get(name, bound):
            yield f"asks for {name} from {bound:g} to {when.max[name]:g}, which nobody has; swap the bounds"


def _takes_everybody(rule: PlaybookRuleParams) -> bool:
    """Whether no condition, consent or cap leaves anybody to the next rule."""
    return rule.when == PlaybookWhenParams() and rule.cap is None and rule.treatment is None and rule.channel is None


def _there(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are {list(known)}" if known else "there are none: add it"
