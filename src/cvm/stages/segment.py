"""Segments, applied again to the scores on file."""

from __future__ import annotations

from pathlib import Path

from cvm.models.bundle import read_bundle
from cvm.params import Params
from cvm.scoring.batch import segment_batch
from cvm.stages.context import Progress, StageOutcome, scoring_date, silent, workspace_of


def run_segment(params: Params, *, bundle: Path | None = None, progress: Progress = silent) -> StageOutcome:
    """Segmentation applied again to the scores on file, and what changed since the scores before."""
    workspace = workspace_of(params)
    workspace.check_writable()
    as_of = scoring_date(params, workspace)
    progress(f"segmenting {as_of}")
    scores, n_changed = segment_batch(read_bundle(bundle or workspace.champion), workspace, as_of=as_of)
    frame = scores.select(["segment", "previous_segment"]).to_pandas()
    both = frame.dropna()
    moved = int((both["segment"] != both["previous_segment"]).sum())
    since = f"{moved:,} of {len(both):,} moved since the scores before" if len(both) else "no earlier scores to compare with"
    changed = f"{n_changed:,} reassigned; " if n_changed else ""
    return StageOutcome("segment", f"{frame['segment'].nunique()} segments; {changed}{since}")
