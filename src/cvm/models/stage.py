"""The train stage: judge the candidates, fit the winners on everything labelled, and put the bundle together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

import cvm
from cvm.features.catalogue import Feature
from cvm.features.files import read_catalogue, read_notes
from cvm.features.snapshots import SnapshotPlan
from cvm.models.btyd import Btyd, Family
from cvm.models.bundle import Bundle, BundledFeature
from cvm.models.churn import BtydChurn
from cvm.models.clv import BtydValue
from cvm.models.family_choice import FamilyChoice, choose_family, with_family
from cvm.models.portfolio import PastWindow, past_windows, portfolio_interval
from cvm.models.samples import ProspectRate, Sample, SnapshotReader
from cvm.models.training import Judged, Recipe, fit_winners, judge
from cvm.segments.rfm import RfmCuts
from cvm.segments.tiers import ValueCuts

# What BTYD, RFM and lifecycle are computed from; every other feature may be missing at scoring.
_REQUIRED = ("n_orders", "recency_days", "tenure_days", "mean_order_value", "spend", "historic_value", "last_gap_days")

# Fewer customers without an order than this say little about what such customers will do.
_MANY_PROSPECTS = 200

# CLV may not be negative, because nobody has to keep a customer; above 0 it still tells customers apart.
_LEAST_MARGIN_RATE = 1e-4


@dataclass(frozen=True)
class TrainSettings:
    """What ``params.yaml`` says about training, as plain values."""

    clv_days: int
    eligible_days: int | None
    active_days: int
    currency: str
    discount_rate_per_year: float
    backend: Any
    allow_constant_amount: bool
    trials: int
    timeout_s: int | None
    seed: int
    tiers: Mapping[str, float]
    family: Family | Literal["auto"] = "auto"


@dataclass(frozen=True)
class Trained:
    """A bundle, and the judgement it rests on; ``None`` where history was too short to judge anything."""

    bundle: Bundle
    judged: Judged | None
    test: Sample | None
    notes: list[str]


def train(
    folder: Path,
    plan: SnapshotPlan,
    settings: TrainSettings,
    *,
    fingerprint: str,
    cuts_from: Callable[[Bundle, pd.DataFrame], np.ndarray[Any, np.dtype[np.float64]]],
    progress: Callable[[str], None],
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
    cuts_from : callable
        Gives every customer's CLV under a bundle; cut points are frozen on it.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    InsufficientDataError
        If not even BTYD is sound on this history.
    """
    catalogue = read_catalogue(folder)
    reader = SnapshotReader(
        folder,
        fit_btyd=partial(Btyd.fit, backend=settings.backend, allow_constant_amount=settings.allow_constant_amount),
        lead_days=plan.lead_days,
        eligible_days=settings.eligible_days,
        knows_season=plan.knows_season,
    )
    if settings.family == "auto":
        choice = choose_family(reader, plan, progress=progress)
    else:
        choice = FamilyChoice(settings.family, "btyd.family in params.yaml", {})
    reader = with_family(reader, choice.family)
    progress("BTYD on today's histories")
    today = reader.features(plan.score)
    hindsight = reader.hindsight(plan.replay(plan.score, plan.horizon_days))
    btyd = replace(reader.btyd(plan.score, today), hindsight=hindsight)
    recipe = Recipe(tuple(feature.name for feature in catalogue), settings.seed, plan.judged_days)
    judged, test = None, None
    past: list[PastWindow] = []
    if plan.test:
        progress(f"reading {len(plan.training)} training snapshots and the test of {plan.test}")
        training = [reader.sample(as_of, plan.judged_days) for as_of in plan.training]
        hindsight = reader.hindsight(plan.replay(plan.test, plan.judged_days))
        test = reader.sample(plan.test, plan.judged_days, hindsight=hindsight)
        if training and settings.trials:
            from cvm.models.tuning import tune_settings  # Optuna takes a second to import

            recipe = tune_settings(training, recipe, trials=settings.trials, timeout_s=settings.timeout_s, progress=progress)
        judged = judge(training, test, recipe, progress=progress)
        past = _past_windows(training, test, judged, days=plan.judged_days)
    churn_winner, value_winner = judged.winners if judged else (BtydChurn(), BtydValue())
    churn, value = fit_winners(
        [reader.sample(as_of, plan.horizon_days) for as_of in plan.labelled],
        replace(recipe, horizon_days=plan.horizon_days),
        churn=churn_winner,
        value=value_winner,
        progress=progress,
    )
    margin_rate, margin_notes = _margin_rate(today, settings.currency)
    prospects = _prospect_rate(reader, plan, btyd)
    notes = [*_notes(plan, judged), choice.note, *margin_notes, *_prospect_notes(today, prospects)]
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
        value=value,
        prospects=prospects,
        value_cuts=ValueCuts((0.0, 0.0, 0.0), (0.0,) * 101),
        rfm_cuts=RfmCuts.fit(today[today["n_orders"] > 0]),
        features=tuple(_bundled(feature) for feature in catalogue),
        evidence=_evidence(plan, judged, [*read_notes(folder), *notes], fingerprint, choice, n_customers=len(today)),
    )
    clv = cuts_from(bundle, today)
    progress("interval of the total")
    portfolio = portfolio_interval(
        btyd,
        today,
        past=past,
        knows_season=plan.knows_season(plan.score),
        horizon_days=plan.horizon_days,
        lead_days=plan.lead_days,
        clv_days=settings.clv_days,
        as_of=plan.score,
        seed=settings.seed,
    )
    evidence = {**bundle.evidence, "portfolio": portfolio.state()}
    bundle = replace(bundle, value_cuts=ValueCuts.fit(clv, **settings.tiers), evidence=evidence)
    return Trained(bundle, judged, test, notes)


def _past_windows(training: Sequence[Sample], test: Sample, judged: Judged, *, days: int) -> list[PastWindow]:
    """Totals of past windows against what was expected before they were known: by BTYD, and at the test by the winner."""
    expected = [BtydValue().expected_revenue(sample.features) for sample in training]
    return past_windows([*training, test], [*expected, judged.revenue[judged.judgement.value_winner]], days=days)


def _bundled(feature: Feature) -> BundledFeature:
    return BundledFeature(feature.name, feature.kind, feature.meaning, feature.unit, feature.name in _REQUIRED)


def _margin_rate(today: pd.DataFrame, currency: str) -> tuple[float, list[str]]:
    """Margin, net of the cost to serve, per unit of revenue over the whole history, and what is odd about it.

    From the whole history, so that lines with a margin of their own, categories and costs count with their weight.
    """
    spend, value = float(today["spend"].sum()), float(today["historic_value"].sum())
    if spend <= 0:
        return 1.0, [
            f"Net spend so far is {spend:,.0f} {currency}: no margin can be told from it, so CLV counts revenue. "
            "Check the sign of amounts, and whether sales are missing from the data."
        ]
    if value <= 0:
        return _LEAST_MARGIN_RATE, [
            f"Customers have cost more than they brought: margin less cost to serve is {value:,.0f} {currency} on net spend "
            f"of {spend:,.0f}. CLV takes a margin of {_LEAST_MARGIN_RATE:.2%}: it still ranks customers, but none is worth "
            "anything. Check business.margin_rate and business.unit_costs."
        ]
    return value / spend, []


def _prospect_rate(reader: SnapshotReader, plan: SnapshotPlan, btyd: Btyd) -> ProspectRate:
    latest = max(plan.labelled, default=None)
    rate = reader.prospect_rate(latest, plan.horizon_days) if latest else ProspectRate(0, 0.0, 0.0)
    return rate.shrunk(order_value=btyd.expected_new(days=plan.horizon_days, as_of=plan.score)[1])


def _prospect_notes(today: pd.DataFrame, rate: ProspectRate) -> list[str]:
    n_today = int((today["n_orders"] == 0).sum())
    if not n_today or rate.n_customers >= _MANY_PROSPECTS:
        return []
    return [
        f"{n_today:,} customers have no order to their name (registered only, or everything returned); what they are worth "
        f"is learned from {rate.n_customers:,} who had none before, so take it for a guess."
    ]


def _notes(plan: SnapshotPlan, judged: Judged | None) -> list[str]:
    notes = []
    window = plan.horizon_days + plan.lead_days
    if not plan.training:
        notes.append(
            f"History is shorter than two outcome windows (2 x {window} days): no booster can be trained and judged, "
            "so churn and CLV come from BTYD alone. Shorten windows.horizon_days, or wait for more history."
        )
    if plan.test is None:
        notes.append("Nothing could be judged out of time: the scores are unproven.")
    elif plan.judged_days < plan.horizon_days:
        notes.append(
            f"Models were judged over {plan.judged_days} days instead of {plan.horizon_days}: history affords no more."
        )
    needed = f"a year and a horizon ({plan.season_history_days} days) of history"
    if not plan.knows_season(plan.score):
        found = (plan.score - plan.first_day).days
        notes.append(
            f"Season is not identified: that takes {needed}, and there are {found} days. Every window is expected to be "
            "like the mean of the past; before or after a busy season levels will be off."
        )
    elif plan.test and not plan.knows_season(plan.test):
        notes.append(f"Season is corrected in the scores, but not where models were judged: {plan.test} lacks {needed}.")
    if judged:
        for what, models, winner in (
            ("churn", judged.churn_models, judged.judgement.churn_winner),
            ("CLV", judged.value_models, judged.judgement.value_winner),
        ):
            if plan.training and winner != "anchored LightGBM":
                tried = any(model.name == "anchored LightGBM" for model in models)
                why = "beat the booster" if tried else "stands, because too few outcomes of one kind could teach a booster"
                notes.append(f"For {what} the baseline {winner!r} {why}; it is what gets promoted.")
    return notes


def _evidence(
    plan: SnapshotPlan, judged: Judged | None, notes: list[str], fingerprint: str, choice: FamilyChoice, *, n_customers: int
) -> dict[str, Any]:
    judgement = asdict(judged.judgement) if judged else None
    return {
        "judgement": _without_nan(judgement),
        "btyd_family": choice.state(),
        "notes": notes,
        "data_fingerprint": fingerprint,
        "n_customers": n_customers,
        "judged_days": plan.judged_days,
        "test": str(plan.test) if plan.test else None,
        "training": [str(day) for day in plan.training],
        "labelled": [str(day) for day in plan.labelled],
        "versions": {
            "cvm": cvm.__version__,
            **{name: version(name) for name in ("lightgbm", "numpy", "pandas", "scipy")},
        },
    }


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value
