"""What ``params.yaml`` says to each stage, as that stage's own plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cvm.actions.playbook import PlaybookRule
from cvm.actions.settings import TriggerSettings
from cvm.campaigns.audiences import AudienceSettings
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.campaigns.holdout import GlobalHoldout
from cvm.campaigns.limits import Limits, Treatment
from cvm.campaigns.plan_settings import Audience, Consent, ContactPolicy, PlanError, PlanSettings
from cvm.datasets import cdnow_transactions
from cvm.engines.sql import midnight
from cvm.errors import ParamsError
from cvm.evaluation import ContactTerms
from cvm.features.churn import ChurnDefinition
from cvm.features.economics import Economics
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.declared import declared_source
from cvm.ingest.identity import IdentitySettings
from cvm.ingest.origins import FrameSource, Source
from cvm.ingest.protection import Protection
from cvm.ingest.reading import Reading
from cvm.ingest.stage import Rules
from cvm.ingest.trimming import QUARANTINE
from cvm.kpis.settings import Goal, KpiSettings
from cvm.models.settings import TrainSettings
from cvm.params import Params
from cvm.privacy.keyed_hash import KeyedHash, key_of_environment
from cvm.privacy.suppression import Forgotten
from cvm.promotion.settings import PromotionSettings
from cvm.segments import Segmentation
from cvm.segments.conditions import Condition


def rules_of(params: Params) -> Rules:
    """For ingest."""
    return Rules(
        currency=params.business.currency,
        max_rejected_share=params.data.max_rejected_share,
        timezone=params.business.timezone,
        horizon_days=params.windows.horizon_days,
        lead_days=params.windows.lead_days,
        identity=IdentitySettings(**params.identity.model_dump()),
    )


def protection_of(params: Params, forgotten: Forgotten) -> Protection:
    """For ingest, with who was forgotten so far."""
    kept = params.privacy.keep_days.model_dump(exclude_none=True)
    # The table of the user's own features is called as their snapshots are.
    own = {"features": kept.pop("own_features")} if "own_features" in kept else {}
    tables = {name: days for name, days in kept.items() if name in CONTRACTS and name != "features"}
    quarantine = {QUARANTINE: kept[QUARANTINE]} if QUARANTINE in kept else {}
    return Protection(
        pseudonyms=pseudonyms_of(params),
        forgotten=forgotten,
        keep_days={**tables, **own, **quarantine},
        country_code=params.identity.country_code,
    )


def pseudonyms_of(params: Params) -> KeyedHash | None:
    """The key under which customers are hashed, if they are.

    Raises
    ------
    ParamsError
        If the environment does not hold it.
    """
    setting = params.privacy.pseudonym_key
    return None if setting is None else key_of_environment(setting, name="pseudonym")


def sources_of(params: Params, frames: Mapping[str, object]) -> dict[str, Source]:
    """For ingest: the origin of each table; frames take the place of files.

    Raises
    ------
    ParamsError
        If a frame is for no table, or stands beside a named data set.
    """
    strangers = sorted(set(frames) - set(CONTRACTS))
    if strangers:
        raise ParamsError(f"tables holds {strangers}, which are no canonical tables; known: {list(CONTRACTS)}.")
    if params.data.dataset == "cdnow":
        if frames:
            raise ParamsError(f"tables holds {sorted(frames)} beside data.dataset: cdnow; keep one of them.")
        return {"transactions": FrameSource(cdnow_transactions(), "cdnow", Reading(timezone="UTC"))}
    sections = {table: section.model_dump(exclude_unset=True) for table, section in params.data.tables.items()}
    zone = declared_zone_of(params)
    return {
        table: declared_source(table, sections.get(table, {}), folder=params.root, zone=zone, frame=frames.get(table))
        for table in CONTRACTS
        if table in sections or table in frames
    }


def declared_zone_of(params: Params) -> str | None:
    """For ingest: zone of times that carry none, as far as ``business`` declares it.

    A default is no declaration: that days are cut in UTC does not say in which zone the user's times are.
    """
    return params.business.timezone if "timezone" in params.business.model_fields_set else None


def prediction_of(params: Params) -> dict[str, object]:
    """What params ask models to foretell; compare with ``promotion.gates.predicted``."""
    windows = params.windows
    return {
        "horizon_days": windows.horizon_days,
        "lead_days": windows.lead_days,
        "clv_days": windows.clv_days,
        "currency": params.business.currency,
        "churn": str(churn_definition_of(params)),
    }


def churn_definition_of(params: Params) -> ChurnDefinition:
    """For features, training and scoring."""
    return ChurnDefinition(**params.churn.model_dump())


def train_settings_of(params: Params) -> TrainSettings:
    """For training."""
    retention = params.retention
    return TrainSettings(
        clv_days=params.windows.clv_days,
        eligible_days=params.windows.eligible_days,
        active_days=params.business.active_days,
        currency=params.business.currency,
        discount_rate_per_year=params.business.discount_rate_per_year,
        family=params.btyd.family,
        backend=params.btyd.backend,
        allow_constant_amount=params.data.allow_constant_amount,
        trials=params.train.trials,
        timeout_s=params.train.timeout_s,
        seed=params.train.seed,
        tiers=params.segments.tiers.model_dump(),
        decisions=params.train.features,
        treated=params.train.treated,
        treatment_costs={arm: treatment.cost for arm, treatment in params.campaigns.treatments.items()},
        segmentation=segmentation_of(params),
        contact=None if retention.contact_cost is None else ContactTerms(retention.contact_cost, retention.save_rate),
    )


def promotion_settings_of(params: Params) -> PromotionSettings:
    """For promotion."""
    given = params.promotion.model_dump()
    tolerances = given.pop("tolerance")
    return PromotionSettings(tolerances=tolerances, **given, seed=params.train.seed)


def segmentation_of(params: Params) -> Segmentation:
    """For training, scoring and segmenting."""
    return Segmentation(params.segments.rule_set, params.segments.hysteresis)


def economics_of(params: Params) -> Economics:
    """For features."""
    business = params.business
    return Economics(
        currency=business.currency,
        margin_rate=business.margin_rate,
        margin_rate_by_category=business.margin_rate_by_category,
        cost_per_return=business.unit_costs.per_return,
        cost_per_event=business.unit_costs.per_event,
    )


def global_holdout_of(params: Params) -> GlobalHoldout | None:
    """For campaigns; none where nobody is held out from all of them."""
    found = params.campaigns.global_holdout
    if not found.share or found.starts_on is None:
        return None
    return GlobalHoldout(found.share, found.starts_on, found.rotation_days, found.ends_on)


def audience_settings_of(params: Params) -> AudienceSettings:
    """For the audience files of a campaign; numbers get the country that also tells who is one person."""
    return AudienceSettings(
        **params.campaigns.audiences.model_dump(),
        country_code=params.identity.country_code,
        has_pseudonyms=params.privacy.pseudonym_key is not None,
    )


def known_until(params: Params) -> datetime | None:
    """First moment of ``windows.as_of``, in UTC; None where it is the latest, so that all there is is known."""
    as_of = params.windows.as_of
    return None if as_of == "latest" else midnight(as_of, params.business.timezone)


def evaluation_settings_of(params: Params, *, score_files: Mapping[date, Path]) -> EvaluationSettings:
    """For the evaluation of a campaign; ``windows.as_of``, where it is a date, is the end of what is known."""
    asked: dict[str, Any] = params.campaigns.evaluate.model_dump()
    return EvaluationSettings(
        **asked,
        outcome_days=params.campaigns.outcome_days,
        score_files=score_files,
        observed_until=known_until(params),
        timezone=params.business.timezone,
        economics=economics_of(params),
    )


def plan_settings_of(params: Params, name: str | None) -> PlanSettings:
    """For the plan of a campaign; the name may be left out where there is only one.

    Raises
    ------
    PlanError
        If there is no plan of that name, or it cannot be one.
    """
    campaigns, plans = params.campaigns, params.campaigns.plans
    if name is None and len(plans) == 1:
        name = next(iter(plans))
    if name is None or name not in plans:
        there = f"campaigns.plans in params.yaml has {list(plans)}" if plans else "campaigns.plans in params.yaml is empty"
        what = "Name the campaign to plan" if name is None else f"There is no plan {name!r}"
        raise PlanError(f"{what}; {there}. Add for example plans: {{{name or 'spring'}: {{budget: 1000}}}}.")
    plan, audience = plans[name], plans[name].audience
    there_are = {treatment.name: treatment for treatment in treatments_of(params)}
    treatments = [there_are[arm] for arm in dict.fromkeys(plan.treatments or there_are)]
    return replace(
        reach_settings_of(params, treatments, name=name),
        audience=Audience(audience.segments, audience.value_tiers, audience.lifecycle_stages, audience.min, audience.max),
        limits=Limits(plan.budget, plan.capacity),
        control_share=campaigns.control_share if plan.control_share is None else plan.control_share,
        exploration_share=plan.exploration_share,
        floor_share=plan.floor_share,
        starts_on=plan.starts_on,
        active_days=params.business.active_days,
    )


def playbook_of(params: Params) -> tuple[PlaybookRule, ...]:
    """For actions: the playbook, with channel and cost of each treatment."""
    found = []
    for rule in params.playbook:
        treatment = params.campaigns.treatments.get(rule.treatment or "")
        found.append(
            PlaybookRule(
                name=rule.name,
                when=Condition(**rule.when.condition()),
                goal=rule.goal,
                offer=rule.offer,
                treatment=rule.treatment,
                channel=treatment.channel if treatment else rule.channel,
                cost=treatment.cost if treatment else rule.cost or 0.0,
                cap=rule.cap,
            )
        )
    return tuple(found)


def treatments_of(params: Params) -> list[Treatment]:
    """For actions: what customers may get."""
    return [Treatment(name, one.channel, one.cost) for name, one in params.campaigns.treatments.items()]


def reach_settings_of(params: Params, treatments: Sequence[Treatment], *, name: str = "playbook") -> PlanSettings:
    """For actions and plans: who may be reached by these treatments."""
    campaigns = params.campaigns
    return PlanSettings(
        name=name,
        treatments=tuple(treatments),
        consent=Consent(**campaigns.consent.model_dump()),
        policy=ContactPolicy(**campaigns.contact_policy.model_dump()),
        suppression=tuple(params.resolve(path) for path in campaigns.suppression),
        pseudonyms=pseudonyms_of(params),
        holdout=global_holdout_of(params),
        salt=campaigns.salt,
        outcome_days=campaigns.outcome_days,
        timezone=params.business.timezone,
        economics=economics_of(params),
    )


def trigger_settings_of(params: Params) -> TriggerSettings:
    """For actions: the lists of customers to whom something happened."""
    given = params.triggers.model_dump()
    return replace(TriggerSettings(**given), without=tuple(given["without"]))


def kpi_settings_of(params: Params) -> KpiSettings:
    """For KPIs."""
    asked = params.kpis
    return KpiSettings(
        periods=tuple(dict.fromkeys(asked.periods)),
        group_by=tuple(dict.fromkeys(asked.group_by)),
        active_days=params.business.active_days,
        inactivity_days=asked.inactivity_days,
        active_events=tuple(asked.active_events),
        timezone=params.business.timezone,
        economics=economics_of(params),
    )


def goals_of(params: Params) -> list[Goal]:
    """For KPIs: what is to be reached."""
    return [
        Goal(
            name=goal.name,
            metric=goal.metric,
            segment=goal.segment,
            period=goal.period,
            baseline=goal.baseline,
            baseline_from=goal.baseline_from,
            target=goal.aim,
            is_relative=goal.is_relative,
            deadline=goal.deadline,
        )
        for goal in params.goals
    ]
