"""The batch job, and what it left on file."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa

from cvm.models.bundle import Bundle
from cvm.scoring.batch import score_batch
from cvm.scoring.files import read_scores
from cvm.workspace import Workspace


def batch_scores(bundle: Bundle, workspace: Workspace, *, as_of: date, **options: Any) -> pa.Table:
    """Scores as the job wrote them."""
    score_batch(bundle, workspace, as_of=as_of, **options)
    return read_scores(workspace.scores_of(as_of))
