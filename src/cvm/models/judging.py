"""The judgement of one training: samples read, gate passed, settings tuned, candidates compared on the test snapshot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cvm.errors import InsufficientDataError
from cvm.features.churn import ChurnDefinition
from cvm.features.snapshots import SnapshotPlan
from cvm.models.btyd import Btyd
from cvm.models.churn_anchor import LogitLine
from cvm.models.churn_level import at_level, learn_level
from cvm.models.clv import BtydValue
from cvm.models.leakage import pass_gate
from cvm.models.portfolio import PastWindow, past_windows
from cvm.models.samples import Sample, SnapshotReader
from cvm.models.search import Search
from cvm.models.settings import TrainSettings
from cvm.models.training import Judged, Recipe, judge
from cvm.models.treated import check_enough, treated_note


@dataclass(frozen=True)
class Judging:
    """The judgement, and what came to light on the way to it; nothing but the recipe where history has no test."""

    recipe: Recipe
    judged: Judged | None = None
    test: Sample | None = None
    searches: list[Search] = field(default_factory=list)
    past: list[PastWindow] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def snapshot_reader(
    folder: Path, plan: SnapshotPlan, settings: TrainSettings, *, definition: ChurnDefinition
) -> SnapshotReader:
    """Reads the snapshots of ``plan`` as training does; the family of BTYD is still to be chosen."""
    return SnapshotReader(
        folder,
        fit_btyd=partial(Btyd.fit, backend=settings.backend, allow_constant_amount=settings.allow_constant_amount),
        lead_days=plan.lead_days,
        eligible_days=settings.eligible_days,
        knows_season=plan.knows_season,
        treated=settings.treated,
        definition=definition,
    )


def judged_samples(reader: SnapshotReader, plan: SnapshotPlan) -> tuple[list[Sample], Sample]:
    """The training snapshots and the test, over the horizon that is judged, as they are on file.

    Raises
    ------
    InsufficientDataError
        If the plan has no test.
    """
    if plan.test is None:
        raise InsufficientDataError(f"History before {plan.score} is too short for a test snapshot. Wait for more of it.")
    training = [reader.sample(as_of, plan.judged_days) for as_of in plan.training]
    return training, reader.sample(plan.test, plan.judged_days, replay=plan.replay(plan.test, plan.judged_days))


def levelled(
    samples: list[Sample], *, taught_by: list[Sample], definition: ChurnDefinition
) -> tuple[list[Sample], LogitLine]:
    """The samples with their anchors at the level that some of them teach, where churn is not defined by orders alone."""
    if definition.definition == "no_order":
        return samples, LogitLine()
    level = learn_level(taught_by)
    return [at_level(sample, level) for sample in samples], level


def run_judging(
    reader: SnapshotReader,
    plan: SnapshotPlan,
    settings: TrainSettings,
    recipe: Recipe,
    *,
    today: pd.DataFrame,
    studies: Path | None,
    progress: Callable[[str], None],
) -> Judging:
    """Gate, tuning and judgement on the training snapshots and the test; nothing where there is no test."""
    if not plan.test:
        return Judging(recipe)
    progress(f"reading {len(plan.training)} training snapshots and the test of {plan.test}")
    training, test = judged_samples(reader, plan)
    uses = [sample.window_use for sample in (test, *training)]
    check_enough(uses[0], uses[1:], treated=settings.treated)
    notes = tuple(treated_note(uses, treated=settings.treated))
    *training, test = levelled([*training, test], taught_by=training, definition=recipe.definition)[0]
    searches = list[Search]()
    if training:
        progress("leakage gate")
        passed = pass_gate(training, test, today, columns=recipe.columns, decisions=settings.decisions, scored=plan.score)
        recipe, notes = replace(recipe, columns=passed.columns), (*passed.notes, *notes)
    if training and settings.trials:
        from cvm.models.tuning import tune_settings  # Optuna takes a second to import

        trials: dict[str, Any] = {"trials": settings.trials, "timeout_s": settings.timeout_s, "file": studies}
        recipe, searches = tune_settings(training, recipe, **trials, progress=progress)
    judged = judge(training, test, recipe, progress=progress)
    return Judging(recipe, judged, test, searches, _past_windows(training, test, judged, days=plan.judged_days), notes)


def _past_windows(training: Sequence[Sample], test: Sample, judged: Judged, *, days: int) -> list[PastWindow]:
    """Totals of past windows against what was expected before they were known: by BTYD, and at the test by the winner."""
    expected = [BtydValue().expected_revenue(sample.features) for sample in training]
    return past_windows([*training, test], [*expected, judged.revenue[judged.judgement.value_winner]], days=days)
