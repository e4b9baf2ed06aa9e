"""What a recipe foretells of the test snapshot when it is fitted on nothing but the snapshots before it.

A model that was trained after the test snapshot has seen its outcomes; its recipe has not. So a bundle keeps its recipe, and
whoever wants to compare two models on a window that neither has seen fits the recipe again before that window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import pandas as pd

from cvm.features.churn import ChurnDefinition
from cvm.features.snapshots import SnapshotPlan
from cvm.models.choices import Family, Treated
from cvm.models.churn import anchor_alone
from cvm.models.clv import BtydValue
from cvm.models.family_choice import with_family
from cvm.models.judging import judged_samples, levelled, snapshot_reader
from cvm.models.samples import Floats, Sample
from cvm.models.settings import TrainSettings
from cvm.models.training import Judged, Recipe, judge

JUDGED_COLUMNS = ("customer_id", "p_churn", "churned", "expected_revenue", "revenue")


@dataclass(frozen=True)
class KeptRecipe:
    """All that tells how a model was made from snapshots, beside the snapshots.

    Two models of equal recipes say the same of every window when they are fitted on the same snapshots. Over how many days
    the recipe was judged is no part of it.

    Attributes
    ----------
    recipe : Recipe
    churn, value : str
        Names of the winners.
    family : str
        Of BTYD.
    treated : str
        Whose outcomes teach, see ``train.treated``.
    """

    recipe: Recipe
    churn: str
    value: str
    family: Family
    treated: Treated

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        recipe = {name: value for name, value in asdict(self.recipe).items() if name != "horizon_days"}
        settings = {name: dict(recipe[name]) for name in ("churn_settings", "value_settings")}
        return {
            **recipe,
            **settings,
            "columns": list(self.recipe.columns),
            "churn": self.churn,
            "value": self.value,
            "family": self.family,
            "treated": self.treated,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], *, horizon_days: int) -> Self:
        """The recipe ``state`` was taken from, to be judged over ``horizon_days``."""
        recipe = Recipe(
            columns=tuple(state["columns"]),
            seed=state["seed"],
            horizon_days=horizon_days,
            definition=ChurnDefinition.from_state(state["definition"]),
            churn_settings=state["churn_settings"],
            value_settings=state["value_settings"],
        )
        return cls(recipe, state["churn"], state["value"], cast("Family", state["family"]), state["treated"])


def judged_frame(judged: Judged, test: Sample, *, churn: str, value: str) -> pd.DataFrame:
    """What two candidates foretold of the test snapshot, and what happened.

    Parameters
    ----------
    judged : Judged
    test : Sample
    churn, value : str
        Names of the candidates.

    Returns
    -------
    DataFrame of shape (n_customers, 5)
        ``JUDGED_COLUMNS`` by rising id; null where churn, or value, is not judged of a customer.
    """
    of_churn = _by_customer(test.of_churn, p_churn=judged.p_churn[churn], churned=test.of_churn.churned)
    of_value = _by_customer(test, expected_revenue=judged.revenue[value], revenue=test.revenue)
    return of_churn.join(of_value, how="outer").sort_index().reset_index()


def foretold_by_recipe(
    folder: Path,
    plan: SnapshotPlan,
    settings: TrainSettings,
    kept: KeptRecipe,
    *,
    progress: Callable[[str], None],
) -> pd.DataFrame:
    """Fit a recipe on the training snapshots of ``plan`` and let it foretell the test snapshot.

    Features that are no longer on file are left out; where the snapshots cannot teach a winner, BTYD stands in for it, as
    in training.

    Parameters
    ----------
    folder : Path
        Output of the features stage.
    plan : SnapshotPlan
        With a test.
    settings : TrainSettings
        Of today; its family and ``treated`` give way to those of the recipe.
    kept : KeptRecipe
    progress : callable
        Told in words what is being done.

    Returns
    -------
    DataFrame of shape (n_customers, 5)
        As ``judged_frame``.
    """
    settings = replace(settings, treated=kept.treated)
    reader = with_family(snapshot_reader(folder, plan, settings, definition=kept.recipe.definition), kept.family)
    training, test = judged_samples(reader, plan)
    *training, test = levelled([*training, test], taught_by=training, definition=kept.recipe.definition)[0]
    there = set.intersection(*(set(sample.features) for sample in (*training, test)))
    recipe = replace(kept.recipe, columns=tuple(name for name in kept.recipe.columns if name in there))
    judged = judge(training, test, recipe, progress=progress)
    churn = kept.churn if kept.churn in judged.p_churn else anchor_alone(recipe.definition).name
    value = kept.value if kept.value in judged.revenue else BtydValue.name
    return judged_frame(judged, test, churn=churn, value=value)


def _by_customer(sample: Sample, **columns: Floats) -> pd.DataFrame:
    index = pd.Index(sample.features["customer_id"].to_numpy(), name="customer_id")
    return pd.DataFrame({name: np.asarray(values, dtype=float) for name, values in columns.items()}, index=index)
