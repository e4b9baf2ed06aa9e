"""What every competitor may know at one snapshot: made by the product's own stages, up to its candidates."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

import pandas as pd

import cvm
from contest.bases import BASES, Case
from cvm.engines import DuckDBEngine
from cvm.engines.sql import literal, local_day
from cvm.features.files import read_catalogue, read_plan
from cvm.features.snapshots import SnapshotPlan
from cvm.models.btyd import Btyd
from cvm.models.family_choice import choose_family, with_family
from cvm.models.samples import Sample, SnapshotReader
from cvm.models.training import Recipe
from cvm.params import Params
from cvm.stages.context import workspace_of
from cvm.stages.data import run_features, run_ingest


@dataclass(frozen=True)
class Contest:
    """One snapshot with its training snapshots; competitors may look at everything but the outcome of ``test``.

    Attributes
    ----------
    case : Case
    plan : SnapshotPlan
    training, test : Sample
        With BTYD's quantities as the product has them: on the clock of the season and with hindsight, where known.
    plain_training, plain_test : Sample
        With BTYD's quantities as they are without either.
    recipe : Recipe
    purchases : DataFrame
        ``customer_id``, ``day``, ``amount`` of every day with a purchase before the snapshot, returns left out.
    """

    case: Case
    plan: SnapshotPlan
    training: Sequence[Sample]
    test: Sample
    plain_training: Sequence[Sample]
    plain_test: Sample
    recipe: Recipe
    purchases: pd.DataFrame


def build_base(name: str, work: Path, source: Path | None) -> None:
    """Tables and warehouse of a base, unless they are there."""
    folder = work / name
    if (folder / "outputs" / "warehouse.duckdb").is_file():
        return
    BASES[name].build(folder, source)
    run_ingest(cvm.load_params(folder / "params.yaml"))


def read_contest(case: Case, work: Path) -> Contest:
    """Features, outcomes and samples of one case.

    The snapshot of the case becomes the planner's test: the product is told that today is the end of its window.
    """
    params = case_params(case, work, {"windows.as_of": case.window_end, "outputs": work / case.base / case.name})
    link_warehouse(case, work, params)
    workspace = workspace_of(params)
    run_features(params)
    plan = read_plan(workspace.features)
    if plan.test != case.as_of or plan.judged_days != case.horizon_days:
        raise AssertionError(f"{case.name}: the planner judges {plan.judged_days} days from {plan.test}")
    reader = SnapshotReader(
        workspace.features,
        fit_btyd=partial(Btyd.fit),
        lead_days=plan.lead_days,
        eligible_days=params.windows.eligible_days,
        knows_season=plan.knows_season,
    )
    reader = with_family(reader, choose_family(reader, plan, progress=lambda _: None).family)
    training, test = _samples(reader, plan)
    plain = replace(reader, knows_season=lambda _: False)
    plain_training, plain_test = (training, test) if not plan.knows_season(plan.test) else _samples(plain, plan, plain=True)
    catalogue = tuple(feature.name for feature in read_catalogue(workspace.features))
    recipe = Recipe(catalogue, params.train.seed, plan.judged_days)
    purchases = _purchases(workspace.warehouse, case.as_of, timezone=params.business.timezone)
    return Contest(case, plan, training, test, plain_training, plain_test, recipe, purchases)


def case_params(case: Case, work: Path, overrides: Mapping[str, object]) -> Params:
    """The params of the base with the window of the case, and ``overrides``."""
    windows = {"windows.horizon_days": case.horizon_days, "windows.clv_days": case.horizon_days}
    given = [f"{key}={value}" for key, value in {**windows, **overrides}.items()]
    return cvm.load_params(work / case.base / "params.yaml", overrides=given)


def link_warehouse(case: Case, work: Path, params: Params) -> None:
    """Give a case its own outputs, with the warehouse of its base in them."""
    workspace = workspace_of(params)
    workspace.outputs.mkdir(parents=True, exist_ok=True)
    if not workspace.warehouse.exists():
        os.link(work / case.base / "outputs" / "warehouse.duckdb", workspace.warehouse)


def _samples(reader: SnapshotReader, plan: SnapshotPlan, *, plain: bool = False) -> tuple[list[Sample], Sample]:
    training = [reader.sample(as_of, plan.judged_days) for as_of in plan.training]
    replay = None if plain else plan.replay(plan.test, plan.judged_days)
    return training, reader.sample(plan.test, plan.judged_days, replay=replay)


def _purchases(warehouse: Path, as_of: date, *, timezone: str) -> pd.DataFrame:
    day = local_day("occurred_at", timezone)
    with DuckDBEngine(warehouse, read_only=True) as engine:
        return engine.table(
            f"SELECT customer_id, {day} AS day, CAST(sum(amount) AS DOUBLE) AS amount FROM transactions "
            f"WHERE amount >= 0 AND {day} < {literal(as_of)} GROUP BY ALL ORDER BY ALL"
        ).to_pandas()
