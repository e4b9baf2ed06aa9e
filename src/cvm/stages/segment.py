"""Segments, applied again to the scores on file; who moved, who could bring more, and clusters beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from cvm.models.bundle import read_bundle
from cvm.params import Params
from cvm.reports.segments import segmented_tables
from cvm.reports.terminal import files_table
from cvm.scoring.clusters import read_profiles, write_clusters
from cvm.scoring.growth import growth_gaps, growth_table
from cvm.scoring.migrations import Migrations, write_migrations
from cvm.scoring.resegment import segment_batch
from cvm.stages.actions import decide_actions
from cvm.stages.context import Progress, StageOutcome, damaged_scores, scoring_date, silent, workspace_of, writes
from cvm.stages.inputs import segmentation_of
from cvm.stages.prediction import check_prediction
from cvm.stages.publish import publish_scores
from cvm.stages.warehouse import check_duckdb
from cvm.workspace import replaced_directory

GROWTH_FILE = "growth.parquet"


@writes("cvm segment")
def run_segment(params: Params, *, bundle: Path | None = None, progress: Progress = silent) -> StageOutcome:
    """Segmentation applied again to the scores on file, and what changed since the scores before."""
    check_duckdb(params, step="cvm segment")
    workspace, segmentation = workspace_of(params), segmentation_of(params)
    as_of = scoring_date(params, workspace)
    progress(f"segmenting {as_of}")
    model = read_bundle(bundle or workspace.champion)
    check_prediction(model, params)
    done = segment_batch(model, workspace, as_of=as_of, segmentation=segmentation)
    if done.is_changed:  # rules of the playbook ask for segments, and reasons name them
        decide_actions(params, progress=progress)
        publish_scores(params, as_of, progress=progress)
    scores, features, folder = done.scores, done.features, workspace.segments_of(as_of)
    with replaced_directory(folder) as target:
        progress("comparing with the scores before")
        migrations = write_migrations(workspace, scores, segmentation, as_of=as_of, folder=target)
        growth = growth_table(model, features, scores)
        pq.write_table(growth, target / GROWTH_FILE, compression="zstd")
        if params.segments.clusters != "off":
            progress("looking for clusters")
            k = None if params.segments.clusters == "auto" else params.segments.clusters
            write_clusters(target, features, scores, k=k, seed=params.train.seed)
    clusters = read_profiles(folder)
    parts = [f"{scores['segment'].to_pandas().nunique()} segments"]
    parts += [f"{done.n_changed:,} reassigned"] if done.n_changed else []
    parts += [_moved(migrations), *growth_gaps(model), *_clusters(clusters)]
    tables = segmented_tables(
        scores.select(["segment", "clv", "p_churn"]).to_pandas(),
        migrations,
        growth.select(["kind", "cross_sell_room", "upsell_room"]).to_pandas(),
        clusters,
        goals=segmentation.rules.goals,
        currency=model.currency,
    )
    return StageOutcome(
        "segment",
        "; ".join(parts),
        (*(migrations.notes if migrations else ()), *damaged_scores(workspace)),
        tables=(*tables, files_table({"segments": folder})),
        figures={
            "as_of": as_of,
            "n_customers": scores.num_rows,
            "n_changed": done.n_changed,
            "previous_as_of": migrations.previous_as_of if migrations else None,
            "folder": folder,
        },
    )


def _moved(migrations: Migrations | None) -> str:
    if migrations is None:
        return "no earlier scores to compare with"
    n, n_stayed = (int(rows["n_customers"].sum()) for rows in (migrations.in_both, migrations.stayed))
    return f"{n - n_stayed:,} of {n:,} moved since {migrations.previous_as_of}"


def _clusters(profiles: Mapping[str, Any] | None) -> list[str]:
    if profiles is None:
        return []
    return [f"{profiles['k']} clusters" + (", not stable" if profiles["note"] else "")]
