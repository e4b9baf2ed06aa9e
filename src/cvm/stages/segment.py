"""Segments, applied again to the scores on file; who moved, who could bring more, and clusters beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from cvm.models.bundle import read_bundle
from cvm.params import Params
from cvm.scoring.batch import read_scores, segment_batch
from cvm.scoring.clusters import read_profiles, remove_clusters, write_clusters
from cvm.scoring.growth import growth_gaps, growth_table
from cvm.scoring.migrations import Migrations, read_migrations, write_migrations
from cvm.stages.context import Progress, StageOutcome, scoring_date, silent, workspace_of
from cvm.stages.inputs import segmentation_of
from cvm.workspace import Workspace, replaced_file

GROWTH_FILE = "growth.parquet"


def run_segment(params: Params, *, bundle: Path | None = None, progress: Progress = silent) -> StageOutcome:
    """Segmentation applied again to the scores on file, and what changed since the scores before."""
    workspace, segmentation = workspace_of(params), segmentation_of(params)
    workspace.check_writable()
    as_of = scoring_date(params, workspace)
    progress(f"segmenting {as_of}")
    model = read_bundle(bundle or workspace.champion)
    done = segment_batch(model, workspace, as_of=as_of, segmentation=segmentation)
    scores, features, folder = done.scores, done.features, workspace.segments_of(as_of)
    progress("comparing with the scores before")
    migrations = write_migrations(workspace, scores, segmentation, as_of=as_of)
    with replaced_file(folder / GROWTH_FILE) as temporary:
        pq.write_table(growth_table(model, features, scores), temporary, compression="zstd")
    parts = [f"{scores['segment'].to_pandas().nunique()} segments"]
    parts += [f"{done.n_changed:,} reassigned"] if done.n_changed else []
    parts += [_moved(migrations), *growth_gaps(model)]
    if params.segments.clusters == "off":
        remove_clusters(folder)
    else:
        progress("looking for clusters")
        k = None if params.segments.clusters == "auto" else params.segments.clusters
        parts.append(write_clusters(folder, features, scores, k=k, seed=params.train.seed))
    return StageOutcome("segment", "; ".join(parts), migrations.notes if migrations else ())


def _moved(migrations: Migrations | None) -> str:
    if migrations is None:
        return "no earlier scores to compare with"
    n, n_stayed = (int(rows["n_customers"].sum()) for rows in (migrations.in_both, migrations.stayed))
    return f"{n - n_stayed:,} of {n:,} moved since {migrations.previous_as_of}"


@dataclass(frozen=True)
class Segmented:
    """What the tables of ``cvm segment`` show."""

    as_of: date
    currency: str
    goals: dict[str, str]
    scores: pd.DataFrame
    migrations: Migrations | None
    growth: pd.DataFrame
    clusters: dict[str, Any] | None
    folder: Path


def segmented(params: Params) -> Segmented:
    """Segments and what belongs to them, as on file."""
    workspace: Workspace = workspace_of(params)
    as_of = scoring_date(params, workspace)
    scores = read_scores(workspace.scores_of(as_of), columns=["currency", "segment", "clv", "p_churn"])
    folder = workspace.segments_of(as_of)
    columns = ["kind", "cross_sell_room", "upsell_room"]
    return Segmented(
        as_of,
        scores["currency"][0].as_py() if scores.num_rows else params.business.currency,
        segmentation_of(params).rules.goals,
        scores.drop_columns(["currency"]).to_pandas(),
        read_migrations(workspace, as_of=as_of),
        pq.read_table(folder / GROWTH_FILE, columns=columns, partitioning=None).to_pandas(),
        read_profiles(folder),
        folder,
    )
