"""What is written down of a training: notes for the reader of a run, and the evidence in the bundle."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

import cvm
from cvm.features.snapshots import SnapshotPlan
from cvm.models.churn_blend import BlendedChurn
from cvm.models.clv_blend import BlendedValue
from cvm.models.family_choice import FamilyChoice
from cvm.models.samples import ProspectRate
from cvm.models.training import Judged

# With fewer customers without an order behind it, what they are worth is a guess.
_MANY_PROSPECTS = 200


def season_and_judgement_notes(plan: SnapshotPlan, judged: Judged | None) -> list[str]:
    """What history was too short for, and which baselines won."""
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
        for what, models, winner, booster in (
            ("churn", judged.churn_models, judged.judgement.churn_winner, BlendedChurn.name),
            ("CLV", judged.value_models, judged.judgement.value_winner, BlendedValue.name),
        ):
            if plan.training and winner != booster:
                tried = any(model.name == booster for model in models)
                why = "beat the booster" if tried else "stands, because too few outcomes of one kind could teach a booster"
                notes.append(f"For {what} the baseline {winner!r} {why}; it is what gets promoted.")
    return notes


def prospect_notes(today: pd.DataFrame, rate: ProspectRate) -> list[str]:
    """That what customers without an order are worth is a guess, where few stand behind it."""
    n_today = int((today["n_orders"] == 0).sum())
    if not n_today or rate.n_customers >= _MANY_PROSPECTS:
        return []
    return [
        f"{n_today:,} customers have no order to their name (registered only, or everything returned); what they are worth "
        f"is learned from {rate.n_customers:,} who had none before, so take it for a guess."
    ]


def evidence(
    plan: SnapshotPlan, judged: Judged | None, *, notes: list[str], fingerprint: str, choice: FamilyChoice, n_customers: int
) -> dict[str, Any]:
    """Judgement, plan, data and versions, as JSON values."""
    judgement = asdict(judged.judgement) if judged else None
    return {
        "judgement": without_nan(judgement),
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


def without_nan(value: Any) -> Any:
    """``value`` with null for every number that is none."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value
