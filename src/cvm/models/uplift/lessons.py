"""What all past campaigns together teach of each treatment, and what to expect of it on another day.

Every treatment is learned by itself, from everybody whom any campaign drew for it or for control. Campaigns fall into
different seasons: outcomes are told at the average season of the year, and expectations in that of the days to come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.errors import ExperimentError, InsufficientDataError
from cvm.evaluation import UpliftGroups
from cvm.features.files import read_drawn, read_experiments, read_features
from cvm.features.treatments import CONTROL
from cvm.models.boosting import Boosted, below
from cvm.models.btyd.season import SeasonClock
from cvm.models.uplift.experiment import Experiment, experiment_of
from cvm.models.uplift.model import ArmEvidence, UpliftModel, fit_uplift, uplift_from_state
from cvm.models.uplift.policies import PolicyEvidence, policy_evidence

Floats = NDArray[np.float64]

# How campaigns are targeted where uplift is not known: by a feature, the highest first.
_RULES = {"risk": "recency_over_mean_gap", "value": "historic_value"}


@dataclass(frozen=True)
class TreatmentUplift:
    """What is known of one treatment.

    Attributes
    ----------
    arm : str
    cost : float
        Of one contact.
    campaigns : tuple of str
        That taught it.
    model : UpliftModel
        Of this arm alone; margin at the average season.
    """

    arm: str
    cost: float
    campaigns: tuple[str, ...]
    model: UpliftModel


@dataclass(frozen=True)
class Uplift:
    """Expected effect of every treatment that was learned, on margin over ``outcome_days``."""

    outcome_days: int
    treatments: tuple[TreatmentUplift, ...]

    def expected(self, features: pd.DataFrame, *, as_of: date, clock: SeasonClock) -> Floats:
        """Margin that each treatment adds from ``as_of`` on: array of shape (n_customers, n_treatments)."""
        level = season_level(clock, as_of, self.outcome_days)
        return level * np.column_stack([one.model.expected_uplift(features)[:, 0] for one in self.treatments])

    @property
    def costs(self) -> Floats:
        """Of one contact, by treatment."""
        return np.array([one.cost for one in self.treatments])

    @property
    def boosters(self) -> dict[str, Boosted]:
        """The trees by treatment and part."""
        found = enumerate(self.treatments)
        return {f"{place}.{part}": trees for place, one in found for part, trees in one.model.boosters.items()}

    def state(self) -> dict[str, Any]:
        """Everything but the trees, as JSON values."""
        treatments = [
            {"arm": one.arm, "cost": one.cost, "campaigns": list(one.campaigns), "model": one.model.state()}
            for one in self.treatments
        ]
        return {"outcome_days": self.outcome_days, "treatments": treatments}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], trees: Mapping[str, str]) -> Uplift:
        """The one ``state`` was taken from; ``trees`` are the boosters' texts by part.

        Raises
        ------
        KeyError
            If trees are missing.
        """
        treatments = []
        for place, one in enumerate(state["treatments"]):
            model = uplift_from_state(one["model"], below(str(place), trees))
            treatments.append(TreatmentUplift(one["arm"], one["cost"], tuple(one["campaigns"]), model))
        return cls(state["outcome_days"], tuple(treatments))


@dataclass(frozen=True)
class Learned:
    """What was learned, what it was judged by, and what a reader should know."""

    uplift: Uplift | None = None
    evidence: tuple[ArmEvidence, ...] = ()
    policies: tuple[PolicyEvidence, ...] = ()
    notes: tuple[str, ...] = ()

    def state(self) -> dict[str, Any] | None:
        """The judgement as JSON values, for the bundle's evidence."""
        if self.uplift is None:
            return None
        return {
            "outcome_days": self.uplift.outcome_days,
            "treatments": [
                {
                    "arm": found.arm,
                    "campaigns": list(one.campaigns),
                    "cost": one.cost,
                    "mean_effect": vars(found.mean_effect),
                    "chosen": found.chosen,
                    "p_value": found.p_value,
                    "is_heterogeneous": found.is_heterogeneous,
                    "qini": {name: vars(judged.qini) for name, judged in found.candidates.items()},
                    "calibration": {"groups": _calibration(found.groups), "sentence": found.calibration},
                    "policies": {**policy.state(), "sentence": policy.sentence},
                }
                for one, found, policy in zip(self.uplift.treatments, self.evidence, self.policies, strict=True)
            ],
        }


def learn_uplift(
    folder: Path,
    *,
    columns: Sequence[str],
    clock: SeasonClock,
    costs: Mapping[str, float],
    seed: int,
    progress: Callable[[str], None],
) -> Learned:
    """Learn from the campaigns that the features stage wrote down.

    Parameters
    ----------
    folder : Path
        Of the experiments.
    columns : sequence of str
        Features that models may use.
    clock : SeasonClock
        Of today's purchase process.
    costs : mapping of str to float
        Arm to the cost of one contact, where it is not the ledger's mean.
    seed : int
    progress : callable
        Told in words what is being done.
    """
    known = read_experiments(folder)
    if not known["campaigns"]:
        return Learned()
    drawn = _drawn(folder, known, columns, clock)
    treatments, evidence, policies = list[TreatmentUplift](), list[ArmEvidence](), list[PolicyEvidence]()
    notes = list[str]()
    for arm in sorted(set(drawn["arm"]) - {CONTROL}):
        campaigns = [one for one in known["campaigns"] if arm in one["shares"]]
        names = tuple(one["campaign_id"] for one in campaigns)
        progress(f"who gains from {arm}, by {', '.join(names)}")
        try:
            experiment = _experiment(drawn, arm, campaigns, columns)
            fit = fit_uplift(experiment, seed=seed)
        except (ExperimentError, InsufficientDataError) as error:
            notes.append(f"No effect of {arm!r} is learned from {', '.join(names)}: {error}")
            continue
        (found,) = fit.evidence
        ledger = float(
            np.average([one["costs"][arm] for one in campaigns], weights=[one["n_customers"] for one in campaigns])
        )
        cost = costs.get(arm, ledger)
        rankings = {rule: experiment.features[name] for rule, name in _RULES.items() if name in columns}
        worth = policy_evidence(fit, experiment, costs=[cost], rankings=rankings, seed=seed)
        treatments.append(TreatmentUplift(arm, cost, names, fit.model))
        evidence.append(found)
        policies.append(worth)
        told = f" {worth.sentence}" if found.is_heterogeneous else ""
        notes.append(f"Uplift, margin over {known['outcome_days']} days at the average season. {found.sentence}{told}")
    uplift = Uplift(known["outcome_days"], tuple(treatments)) if treatments else None
    return Learned(uplift, tuple(evidence), tuple(policies), tuple(notes))


def season_level(clock: SeasonClock, day: date, days: int) -> float:
    """How busy the ``days`` from ``day`` on are, 1 at the average of the year and where season is not known."""
    return clock.ahead(day, float(days)) / days


def _drawn(folder: Path, known: Mapping[str, Any], columns: Sequence[str], clock: SeasonClock) -> pd.DataFrame:
    """Everybody drawn, once per campaign: features, arm, and margin at the average season."""
    drawn = read_drawn(folder)
    days = sorted(set(drawn["as_of"]))
    kept = ["as_of", "customer_id", *columns]
    features = [read_features(folder, date.fromisoformat(day)).reindex(columns=kept) for day in days]
    level = {day: season_level(clock, date.fromisoformat(day), known["outcome_days"]) for day in days}
    drawn = drawn.merge(pd.concat(features, ignore_index=True), on=["as_of", "customer_id"], how="inner", validate="m:1")
    return drawn.assign(margin=drawn["margin"].to_numpy(float) / drawn["as_of"].map(level).to_numpy(float))


def _experiment(drawn: pd.DataFrame, arm: str, campaigns: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Experiment:
    """One treatment against control; who was drawn for another treatment says nothing of this one.

    Somebody drawn by two campaigns on one day counts once, by the first in order.
    """
    share = {one["campaign_id"]: one["shares"][arm] / (one["shares"][arm] + one["shares"][CONTROL]) for one in campaigns}
    own = drawn[drawn["campaign_id"].isin(share) & drawn["arm"].isin([arm, CONTROL])]
    own = own.drop_duplicates(["as_of", "customer_id"]).reset_index(drop=True)
    treated = own["campaign_id"].map(share)
    return experiment_of(
        own[["customer_id", "as_of", *columns]],
        outcome=own["margin"],
        arm=own["arm"],
        propensity=treated.where(own["arm"] == arm, 1 - treated),
    )


def _calibration(groups: UpliftGroups) -> dict[str, list[float]]:
    """Promised and actual effect by falling promise, out of fold; groups too small to tell are left out."""
    told = np.isfinite(groups.effect)
    return {name: getattr(groups, name)[told].tolist() for name in ("predicted", "effect", "lower", "upper")}
