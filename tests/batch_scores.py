"""The batch job, and what it left on file; and scores that no job made."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cvm.models.bundle import Bundle
from cvm.scoring.batch import score_batch
from cvm.scoring.files import read_scores, score_schema
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.segments import Segmentation
from cvm.workspace import Workspace


def batch_scores(bundle: Bundle, workspace: Workspace, *, as_of: date, **options: Any) -> pa.Table:
    """Scores as the job wrote them."""
    score_batch(bundle, workspace, as_of=as_of, **options)
    return read_scores(workspace.scores_of(as_of))


def write_scores(scores: pa.Table, path: Path, *, segmentation: Segmentation | None = None) -> None:
    """Write scores as a file of the job's; they go on to tell what made them, and by which segmentation if given."""
    metadata, key = dict(scores.schema.metadata or {}), b"cvm.segmentation"
    if segmentation:
        metadata[key] = score_schema(segmentation, {}).metadata[key]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(scores.cast(SCORE_SCHEMA.with_metadata(metadata or None)), path, compression="zstd")
