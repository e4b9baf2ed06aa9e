"""Challenger and champion on an outcome window that neither has seen.

The window is that of the test snapshot that judged the challenger: no newer one is complete. The challenger speaks through
the fit that was judged there. The champion speaks for itself if it was trained before the window began, else through its
recipe, fitted again before the window: it has seen the outcomes, its recipe has not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cvm.errors import MissingOutputError
from cvm.evaluation import PairedFigure, compare_probabilities, compare_values
from cvm.features.files import read_features
from cvm.features.snapshots import SnapshotPlan
from cvm.models.bundle import Bundle
from cvm.models.rejudged import JUDGED_COLUMNS, KeptRecipe, foretold_by_recipe
from cvm.models.settings import TrainSettings
from cvm.scoring.score import checked_features, predict_money
from cvm.workspace import Workspace, replaced_file

Spoke = Literal["same recipe", "itself", "judged fit", "recipe refitted", "nobody"]
_COMMAND = "cvm train"


@dataclass(frozen=True)
class Comparison:
    """What the two foretold of the same customers.

    Attributes
    ----------
    as_of : date or None
        Of the snapshot behind the window; None where nothing could be compared.
    days : int
        Length of the window.
    spoke : str
        How the champion was heard: ``same recipe`` (as the challenger's: both say the same), ``itself``, ``judged fit``
        (the one that judged it on the same window), ``recipe refitted``, or ``nobody``.
    n_customers : int
    figures : tuple of PairedFigure
    why_not : str
        Why nothing was compared; else empty.
    """

    as_of: date | None
    days: int
    spoke: Spoke
    n_customers: int
    figures: tuple[PairedFigure, ...]
    why_not: str = ""


def nothing_compared(why: str) -> Comparison:
    """No comparison, and why."""
    return Comparison(None, 0, "nobody", 0, (), why)


def write_judged(frame: pd.DataFrame, workspace: Workspace, *, as_of: date, model_version: str) -> Path:
    """Keep what a judged fit foretold, by customer; it stays outside of the bundle, which knows no customer.

    Parameters
    ----------
    frame : DataFrame of shape (n_customers, 5)
        ``JUDGED_COLUMNS``.
    workspace : Workspace
    as_of : date
        Test snapshot.
    model_version : str
    """
    path = workspace.judged_of(as_of, model_version)
    with replaced_file(path) as temporary:
        pq.write_table(
            pa.Table.from_pandas(frame[list(JUDGED_COLUMNS)], preserve_index=False), temporary, compression="zstd"
        )
    return path


def compare(
    challenger: Bundle,
    champion: Bundle,
    workspace: Workspace,
    plan: SnapshotPlan,
    settings: TrainSettings,
    *,
    seed: int,
    progress: Callable[[str], None],
) -> Comparison:
    """Both on the window of the challenger's test snapshot.

    Parameters
    ----------
    challenger, champion : Bundle
        That predict the same thing.
    workspace : Workspace
        Holds the features, and what judged fits foretold.
    plan : SnapshotPlan
        Of the features on file.
    settings : TrainSettings
        By which a recipe is fitted again.
    seed : int
    progress : callable
        Told in words what is being done.

    Raises
    ------
    MissingOutputError
        If what the challenger foretold is gone, or the champion has to be heard by features and they were made anew since.
    """
    judged_at, days = challenger.evidence.get("test"), int(challenger.evidence.get("judged_days") or 0)
    if judged_at is None:
        return nothing_compared("history is too short to judge the challenger on a window that it has not seen")
    as_of = date.fromisoformat(judged_at)
    new = _read_judged(workspace.judged_of(as_of, challenger.model_version))
    if new is None:
        raise MissingOutputError.from_stage(workspace.judged_of(as_of, challenger.model_version), command=_COMMAND)
    spoke, old = _champion_at(champion, challenger, new, workspace, plan, settings, progress=progress)
    if old is None:
        return nothing_compared("the champion was trained by a version of cvm that kept no recipe, and has seen the window")
    progress("comparing challenger and champion")
    both = new.merge(old, on="customer_id", suffixes=("", "_champion"))
    churn = both[["churned", "p_churn", "p_churn_champion"]].dropna().to_numpy(float).T
    value = both[["revenue", "expected_revenue", "expected_revenue_champion"]].dropna().to_numpy(float).T
    figures = (*compare_probabilities(*churn, seed=seed), *compare_values(*value, seed=seed))
    if not figures:
        return nothing_compared(
            f"the window from {as_of} on has too few customers, or too few outcomes, to tell models apart"
        )
    return Comparison(as_of, days, spoke, len(both), figures)


def _champion_at(
    champion: Bundle,
    challenger: Bundle,
    new: pd.DataFrame,
    workspace: Workspace,
    plan: SnapshotPlan,
    settings: TrainSettings,
    *,
    progress: Callable[[str], None],
) -> tuple[Spoke, pd.DataFrame | None]:
    """How the champion is heard, and what it foretold by customer."""
    as_of, days = date.fromisoformat(challenger.evidence["test"]), int(challenger.evidence["judged_days"])
    if champion.trained_as_of <= as_of and champion.horizon_days == days:
        _check_features(plan, as_of, days)
        progress(f"champion at {as_of}")
        return "itself", _foretold_by(champion, workspace.features, as_of=as_of)
    recipe = champion.evidence.get("recipe")
    if recipe is None:
        return "nobody", None
    if recipe == challenger.evidence.get("recipe"):
        return "same recipe", new[["customer_id", "p_churn", "expected_revenue"]]
    known = _read_judged(workspace.judged_of(as_of, champion.model_version))
    if known is not None and champion.evidence.get("judged_days") == days:
        return "judged fit", known[["customer_id", "p_churn", "expected_revenue"]]
    _check_features(plan, as_of, days)
    progress(f"the champion's recipe, fitted before {as_of}")
    kept = KeptRecipe.from_state(recipe, horizon_days=days)
    refitted = foretold_by_recipe(workspace.features, plan, settings, kept, progress=progress)
    return "recipe refitted", refitted[["customer_id", "p_churn", "expected_revenue"]]


def _check_features(plan: SnapshotPlan, as_of: date, days: int) -> None:
    """Whether the features on file, by which the champion is to be heard, are those the challenger was judged on."""
    if (plan.test, plan.judged_days) != (as_of, days):
        raise MissingOutputError(
            f"The challenger was judged at {as_of} over {days} days, the features on file judge at {plan.test} over "
            f"{plan.judged_days}: they were made anew since. Run `cvm train` and promote what it trains."
        )


def _foretold_by(bundle: Bundle, folder: Path, *, as_of: date) -> pd.DataFrame:
    """What a bundle itself says of a snapshot that is later than all it has seen."""
    features = checked_features(bundle, read_features(folder, as_of))
    money = predict_money(bundle, features, as_of=as_of)
    return pd.DataFrame(
        {
            "customer_id": features["customer_id"].to_numpy(),
            "p_churn": money["p_churn"].to_numpy(float),
            "expected_revenue": (money["expected_orders"] * money["expected_order_value"]).to_numpy(float),
        }
    )


def _read_judged(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    try:
        return pq.read_table(path, columns=list(JUDGED_COLUMNS), partitioning=None).to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        raise MissingOutputError.from_damage(path, command=_COMMAND) from error
