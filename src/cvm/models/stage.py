"""The train stage: judge the candidates, fit the winners on everything labelled, and put the bundle together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from cvm.evaluation import ContactDecision, ContactTerms
from cvm.features.catalogue import Feature
from cvm.features.files import read_catalogue, read_churn_definition, read_experiments, read_notes, read_raw_tables
from cvm.features.snapshots import SnapshotPlan
from cvm.models.anchor_attribution import Outlook
from cvm.models.attribution import Reference, churn_drivers
from cvm.models.btyd import Btyd
from cvm.models.bundle import Bundle, BundledFeature
from cvm.models.churn import anchor_alone
from cvm.models.churn_anchor import CONTRACT_COLUMNS
from cvm.models.churn_level import at_level
from cvm.models.clv import BtydValue
from cvm.models.contact import decision_state, judged_decision
from cvm.models.evidence import evidence, prospect_notes, season_and_judgement_notes, without_nan
from cvm.models.family_choice import FamilyChoice, choose_family, with_family
from cvm.models.intervals import Forecast, fit_bands, judge_bands, simulated_forecast
from cvm.models.judged_tables import judged_tables
from cvm.models.judging import levelled, run_judging, snapshot_reader
from cvm.models.leakage import refuse_overlap, without_excluded
from cvm.models.margin import fit_margin_rate
from cvm.models.portfolio import portfolio_interval
from cvm.models.profiles import profiles_state
from cvm.models.rejudged import KeptRecipe, judged_frame
from cvm.models.samples import ProspectRate, Sample, SnapshotReader
from cvm.models.search import Search
from cvm.models.settings import TrainSettings
from cvm.models.training import Judged, Recipe, after_the_test, fit_winners
from cvm.models.uplift import Learned, learn_uplift
from cvm.segments import RfmCuts, ValueCuts
from cvm.segments.peers import Peers

# What BTYD, RFM and lifecycle are computed from; every other feature may be missing at scoring.
_REQUIRED = ("n_orders", "recency_days", "tenure_days", "mean_order_value", "spend", "historic_value", "last_gap_days")


@dataclass(frozen=True)
class Trained:
    """A bundle, and the judgement it rests on; ``None`` where history was too short to judge anything.

    ``searches`` are what tuning tried; empty without tuning. ``foretold`` is what the judged winners said of each customer,
    as in ``judged_frame``.
    """

    bundle: Bundle
    judged: Judged | None
    test: Sample | None
    notes: list[str]
    searches: list[Search] = field(default_factory=list)
    decision: ContactDecision | None = None
    foretold: pd.DataFrame | None = None


def train(
    folder: Path,
    plan: SnapshotPlan,
    settings: TrainSettings,
    *,
    fingerprint: str,
    predictions_of: Callable[[Bundle, pd.DataFrame], pd.DataFrame],
    progress: Callable[[str], None],
    studies: Path | None = None,
    experiments: Path | None = None,
) -> Trained:
    """Train on the snapshots on file.

    Parameters
    ----------
    folder : Path
        Output of the features stage.
    plan : SnapshotPlan
        Which snapshots teach, judge and are scored.
    settings : TrainSettings
    fingerprint : str
        Of the data, kept in the bundle.
    predictions_of : callable
        Gives every customer's predictions under a bundle; cut points and profiles are frozen on them.
    progress : callable
        Told in words what is being done.
    studies : Path or None
        File in which tuning keeps its trials; ``None`` forgets them.
    experiments : Path or None
        Folder of past campaigns to learn effects from.

    Raises
    ------
    InsufficientDataError
        If not even BTYD is sound on this history.
    LeakageError
        If windows overlap, or features leak or have changed, see ``models/leakage.py``.
    FeatureMismatchError
        If a decision is about something that is no feature.
    TuningError
        If ``studies`` cannot be used.
    """
    refuse_overlap(plan)
    catalogue, definition = read_catalogue(folder), read_churn_definition(folder)
    columns = without_excluded([feature.name for feature in catalogue], settings.decisions)
    reader = snapshot_reader(folder, plan, settings, definition=definition)
    if settings.family == "auto":
        choice = choose_family(reader, plan, progress=progress)
    else:
        choice = FamilyChoice(settings.family, "btyd.family in params.yaml", {})
    reader = with_family(reader, choice.family)
    progress("BTYD on today's histories")
    today = reader.features(plan.score)
    btyd = reader.btyd(plan.score, today)
    btyd = replace(btyd, hindsight=reader.hindsight(plan.replay(plan.score, plan.horizon_days), btyd.clock))
    recipe = Recipe(columns, settings.seed, plan.judged_days, definition)
    judging = run_judging(reader, plan, settings, recipe, today=today, studies=studies, progress=progress)
    judged, test = judging.judged, judging.test
    labelled = [reader.sample(as_of, plan.horizon_days) for as_of in plan.labelled]
    labelled, level = levelled(labelled, taught_by=labelled, definition=definition)
    churn_winner, value_winner = after_the_test(judged, test) if judged and test else (anchor_alone(definition), BtydValue())
    churn, value = fit_winners(
        labelled,
        at_level(reader.snapshot(plan.score, plan.horizon_days, today, btyd), level),
        replace(judging.recipe, horizon_days=plan.horizon_days),
        churn=churn_winner,
        value=value_winner,
        progress=progress,
    )
    known = _known_forecasts(judged, test) or _simulated(btyd, today, plan, settings)
    margin_rate, margin_notes = fit_margin_rate(today, settings.currency)
    decision = _decision(judged, test, margin_rate=margin_rate, terms=settings.contact)
    anchor = replace(reader.churn_anchor(plan.score), level=level)
    outlook = Outlook(btyd, plan.horizon_days, plan.lead_days, plan.score, anchor)
    reference = Reference.fit(today, outlook, churn)
    at_test = replace(outlook, as_of=test.as_of) if test else outlook
    drivers = churn_drivers(churn, test.of_churn.features, at_test, reference) if test else {}
    prospects, retention = _prospect_rate(reader, plan, btyd), reader.retention(plan.score)
    learned = _learn(experiments, columns=judging.recipe.columns, btyd=btyd, settings=settings, progress=progress)
    notes = [
        *season_and_judgement_notes(plan, judged),
        *(search.note for search in judging.searches),
        choice.note,
        *([retention.note] if retention else []),
        *judging.notes,
        *margin_notes,
        *prospect_notes(today, prospects),
        *learned.notes,
    ]
    buyers = today[today["n_orders"] > 0]
    rfm_cuts = RfmCuts.fit(buyers)
    required = (*_REQUIRED, *CONTRACT_COLUMNS) if definition.is_contractual else _REQUIRED
    bundle = Bundle(
        trained_as_of=plan.score,
        horizon_days=plan.horizon_days,
        lead_days=plan.lead_days,
        clv_days=settings.clv_days,
        eligible_days=settings.eligible_days,
        active_days=settings.active_days,
        currency=settings.currency,
        margin_rate=margin_rate,
        discount_rate_per_year=settings.discount_rate_per_year,
        btyd=btyd,
        churn=churn,
        churn_anchor=anchor,
        value=value,
        bands=fit_bands(known, knows_season=plan.knows_season(plan.score)),
        prospects=prospects,
        reference=reference,
        value_cuts=ValueCuts((0.0, 0.0, 0.0), (0.0,) * 101),  # until they are cut below, from what this bundle predicts
        rfm_cuts=rfm_cuts,
        peers=Peers.fit(buyers, rfm_cuts),
        segmentation=settings.segmentation,
        features=tuple(_bundled(feature, required) for feature in catalogue),
        uplift=learned.uplift,
        raw=read_raw_tables(folder),
    )
    predictions = predictions_of(bundle, today)
    progress("interval of the total")
    portfolio = portfolio_interval(
        btyd,
        today,
        past=judging.past,
        knows_season=plan.knows_season(plan.score),
        horizon_days=plan.horizon_days,
        lead_days=plan.lead_days,
        clv_days=settings.clv_days,
        as_of=plan.score,
        seed=settings.seed,
    )
    found = evidence(
        plan,
        judged,
        notes=[*read_notes(folder), *_past_notes(experiments), *notes],
        fingerprint=fingerprint,
        choice=choice,
        n_customers=len(today),
    ) | {
        "churn_definition": definition.state(),
        "recipe": KeptRecipe(judging.recipe, churn_winner.name, value_winner.name, choice.family, settings.treated).state(),
        "retention": retention.evidence() if retention else None,
        "intervals": without_nan(_judged_intervals(judged, test, plan, settings)),
        "portfolio": portfolio.state(),
        "tuning": [search.state() for search in judging.searches],
        "contact": decision_state(decision) if decision else None,
        "churn_drivers": drivers,
        "uplift": learned.state(),
        "judged": judged_tables(
            judged,
            test,
            plan,
            tiers=settings.tiers,
            rules=settings.segmentation.rules,
            active_days=settings.active_days,
            margin_rate=margin_rate,
        ),
        "profiles": without_nan(profiles_state(today, catalogue, predictions)),
    }
    cuts = ValueCuts.fit(predictions["clv"].to_numpy(float), **settings.tiers)
    bundle = replace(bundle, value_cuts=cuts, evidence=found)
    foretold = None
    if judged and test:
        foretold = judged_frame(judged, test, churn=judged.judgement.churn_winner, value=judged.judgement.value_winner)
    return Trained(bundle, judged, test, notes, judging.searches, decision, foretold)


def _past_notes(experiments: Path | None) -> list[str]:
    """Why past campaigns teach nothing; the features stage has said it, the bundle keeps it."""
    return list(read_experiments(experiments)["notes"]) if experiments else []


def _learn(
    experiments: Path | None,
    *,
    columns: Sequence[str],
    btyd: Btyd,
    settings: TrainSettings,
    progress: Callable[[str], None],
) -> Learned:
    if experiments is None:
        return Learned()
    return learn_uplift(
        experiments,
        columns=columns,
        clock=btyd.clock,
        costs=settings.treatment_costs,
        seed=settings.seed,
        progress=progress,
    )


def _decision(
    judged: Judged | None, test: Sample | None, *, margin_rate: float, terms: ContactTerms | None
) -> ContactDecision | None:
    if judged is None or test is None:
        return None
    p_churn = judged.p_churn[judged.judgement.churn_winner]
    return judged_decision(test.of_churn, p_churn, margin_rate=margin_rate, terms=terms)


def _known_forecasts(judged: Judged | None, test: Sample | None) -> Forecast | None:
    """What the promoted model expected of customers it had not learned from: out of fold in training, and at the test."""
    if judged is None or test is None:
        return None
    known = Forecast.join([judged.winning_candidate.out_of_fold, judged.winning_forecast(test)])
    return known if known.actual.sum() > 0 else None


def _simulated(btyd: Btyd, today: pd.DataFrame, plan: SnapshotPlan, settings: TrainSettings) -> Forecast:
    return simulated_forecast(
        btyd,
        today[today["n_orders"] > 0],
        horizon_days=plan.horizon_days,
        lead_days=plan.lead_days,
        as_of=plan.score,
        seed=settings.seed,
    )


def _judged_intervals(
    judged: Judged | None, test: Sample | None, plan: SnapshotPlan, settings: TrainSettings
) -> dict[str, Any] | None:
    """How well intervals that knew nothing of the test snapshot held there."""
    if judged is None or test is None or test.revenue.sum() <= 0:
        return None
    known = judged.winning_candidate.out_of_fold
    if not known.actual.sum() > 0:
        return None
    bands = fit_bands(known, knows_season=plan.knows_season(test.as_of))
    return judge_bands(bands, known, judged.winning_forecast(test), tiers=settings.tiers)


def _bundled(feature: Feature, required: tuple[str, ...]) -> BundledFeature:
    return BundledFeature(feature.name, feature.kind, feature.meaning, feature.unit, feature.name in required)


def _prospect_rate(reader: SnapshotReader, plan: SnapshotPlan, btyd: Btyd) -> ProspectRate:
    latest = max(plan.labelled, default=None)
    rate = reader.prospect_rate(latest, plan.horizon_days) if latest else ProspectRate(0, 0.0, 0.0)
    return rate.shrunk(order_value=btyd.expected_new(days=plan.horizon_days, as_of=plan.score)[1])
