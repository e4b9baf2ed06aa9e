"""Sections of ``params.yaml`` about campaigns: who is drawn, and how what they earned is judged."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from cvm.params_data import Cost, Day, Days, PathText, Section
from cvm.params_plans import ConsentParams, ContactPolicyParams, PlanParams


class GlobalHoldoutParams(Section):
    """Customers whom no campaign reaches; a share of 0 is none."""

    share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    starts_on: Day | None = None
    rotation_days: Days = 90
    ends_on: Day | None = None

    @model_validator(mode="after")
    def _dated(self) -> Self:
        if self.share and self.starts_on is None:
            raise ValueError("starts_on is missing; write the first day of the global holdout, or share: 0")
        if self.starts_on and self.ends_on and self.ends_on <= self.starts_on:
            raise ValueError(f"ends_on == {self.ends_on}, must be later than starts_on == {self.starts_on}")
        return self


class TreatmentParams(Section):
    """What a customer may get in a campaign: the arm of that name."""

    channel: Annotated[str, Field(min_length=1)]
    cost: Cost = 0.0


SenderTemplateName = Literal["plain", "crm", "mailchimp", "sendpulse", "unisender", "mindbox", "google_ads", "meta"]


class AudienceParams(Section):
    """In what form audiences are written for senders."""

    template: SenderTemplateName | dict[str, SenderTemplateName] = "plain"
    attributes: list[str] = Field(default_factory=list)


class EvaluateParams(Section):
    """How a campaign that ran is judged."""

    metric: Annotated[str, Field(min_length=1)] = "margin"
    pre_days: Days = 90
    until_next: bool = False
    allow_partial: bool = False
    covariates: list[str] = Field(default_factory=list)
    events: list[str] = Field(default_factory=list)
    segment_by: str | None = None
    shares: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    draw: Literal["independent", "fixed"] | None = None
    cost_per_customer: Cost | None = None
    cost_per_redemption: Cost = 0.0
    fixed_cost: Cost = 0.0
    level: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    sequential: bool = False


class CampaignParams(Section):
    """How customers are drawn for campaigns, and how long a campaign is given to show what it does."""

    salt: Annotated[str, Field(min_length=1)] = "cvm"
    control_share: Annotated[float, Field(gt=0, lt=1)] = 0.10
    outcome_days: Annotated[int, Field(gt=0, le=3650)] = 30
    global_holdout: GlobalHoldoutParams = GlobalHoldoutParams()
    treatments: dict[str, TreatmentParams] = Field(default_factory=dict)
    audiences: AudienceParams = AudienceParams()
    learn_from: Literal["auto"] | list[str] = "auto"
    evaluate: EvaluateParams = EvaluateParams()
    consent: ConsentParams = ConsentParams()
    contact_policy: ContactPolicyParams = ContactPolicyParams()
    suppression: list[PathText] = Field(default_factory=list)
    plans: dict[Annotated[str, Field(min_length=1)], PlanParams] = Field(default_factory=dict)

    @field_validator("treatments")
    @classmethod
    def _no_control(cls, given: dict[str, TreatmentParams]) -> dict[str, TreatmentParams]:
        if "control" in given:
            raise ValueError("control is no treatment: it is who gets none; name the treatments alone")
        return given

    @model_validator(mode="after")
    def _known_treatments(self) -> Self:
        for name, plan in self.plans.items():
            unknown = sorted(set(plan.treatments) - set(self.treatments))
            if unknown:
                raise ValueError(
                    f"plans.{name}.treatments names {unknown}; campaigns.treatments has {list(self.treatments)}"
                )
            channels = {self.treatments[arm].channel for arm in plan.treatments or self.treatments}
            idle = sorted(set(plan.capacity) - channels)
            if idle:
                raise ValueError(f"plans.{name}.capacity names {idle}; its treatments use the channels {sorted(channels)}")
        return self
