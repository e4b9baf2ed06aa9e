"""Section ``segments`` of ``params.yaml``: value tiers, the rules of segments, how firmly they hold, and clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from cvm.params_data import Number, Section, Share, Title
from cvm.params_plans import Name

if TYPE_CHECKING:
    from cvm.segments import RuleSet


class TierParams(Section):
    """Share of the customer base in each value tier; the rest is ``low``."""

    top: Share = 0.05
    high: Share = 0.15
    medium: Share = 0.30

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        total = self.top + self.high + self.medium
        if total >= 1:
            raise ValueError(f"top + high + medium == {total:g}, must be < 1 so that a low tier remains")
        return self


class SegmentWhenParams(Section):
    """Who falls under a rule: all that is asked must hold; what is left out does not matter."""

    value_tiers: list[Name] | None = None
    lifecycle_stages: list[Name] | None = None
    rfm_segments: list[Name] | None = None
    min: dict[Name, Number] = Field(default_factory=dict)
    max: dict[Name, Number] = Field(default_factory=dict)

    def condition(self) -> dict[str, dict[str, Any]]:
        """The arguments of a ``Condition`` on columns of the scores."""
        asked = {
            "value_tier": self.value_tiers,
            "lifecycle_stage": self.lifecycle_stages,
            "rfm_segment": self.rfm_segments,
        }
        values = {column: allowed for column, allowed in asked.items() if allowed is not None}
        return {"values": values, "minimum": self.min, "maximum": self.max}


class SegmentRuleParams(Section):
    """One segment; without ``when`` it takes everybody whom no earlier rule took."""

    name: Title
    goal: Name
    when: SegmentWhenParams = SegmentWhenParams()


def _clusters(value: object) -> object:
    """YAML reads a bare ``off`` as no."""
    return "off" if value is False else value


class SegmentParams(Section):
    """Where segments are cut."""

    tiers: TierParams = TierParams()
    rules: list[SegmentRuleParams] | None = None
    hysteresis: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    clusters: Annotated[Literal["auto", "off"] | Annotated[int, Field(ge=2, le=12)], BeforeValidator(_clusters)] = "auto"

    @property
    def rule_set(self) -> RuleSet:
        """The rules, or the default ones."""
        from cvm.segments import DEFAULT_RULES

        return DEFAULT_RULES if self.rules is None else _rule_set(self.rules)

    @field_validator("rules")
    @classmethod
    def _give_everybody_a_segment(cls, given: list[SegmentRuleParams] | None) -> list[SegmentRuleParams] | None:
        if given is not None:
            _rule_set(given)
        return given


def _rule_set(rules: list[SegmentRuleParams]) -> RuleSet:
    from cvm.segments import Condition, RuleSet, SegmentRule

    return RuleSet(tuple(SegmentRule(rule.name, rule.goal, Condition(**rule.when.condition())) for rule in rules))
