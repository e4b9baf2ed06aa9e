"""The stages in order.

Each stage reads what the stage before it left on disk, so each can also be run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from cvm.models.bundle import Bundle, read_bundle
from cvm.params import Params
from cvm.scoring.batch import read_scores
from cvm.stages.context import Progress, StageOutcome, scoring_date, silent, workspace_of
from cvm.stages.data import run_features, run_ingest
from cvm.stages.model import database_of, run_score, run_train
from cvm.stages.report import run_report
from cvm.stages.segment import run_segment

STAGES: dict[str, Callable[..., StageOutcome]] = {
    "ingest": run_ingest,
    "features": run_features,
    "train": run_train,
    "score": run_score,
    "segment": run_segment,
    "report": run_report,
}


def run(params: Params, *, tables: Mapping[str, object] | None = None, progress: Progress = silent) -> list[StageOutcome]:
    """The whole loop: every stage in order.

    Parameters
    ----------
    params : Params
        Of ``load_params``, or made in Python: ``Params(data={"transactions": {"timezone": "UTC"}})``.
    tables : mapping of str to frame, optional
        Canonical table to a pandas, Polars or Arrow table (anything with ``__arrow_c_stream__``). It takes the place
        of the table's files or database; column mapping, zone and formats are those of ``data.<table>`` all the same.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    CvmError
        If a stage refuses; what earlier stages wrote stays.
    """
    options = {"ingest": {"tables": tables}}
    return [stage(params, progress=progress, **options.get(name, {})) for name, stage in STAGES.items()]


@dataclass(frozen=True)
class Summary:
    """What the last table of a run shows."""

    as_of: date
    scores: pd.DataFrame
    bundle: Bundle
    files: dict[str, Path]


def summarise(params: Params) -> Summary:
    """Scores and evidence on file, for the closing tables."""
    workspace = workspace_of(params)
    as_of = scoring_date(params, workspace)
    columns = ["segment", "clv", "p_churn", "expected_orders", "expected_order_value"]
    files = {
        "report": workspace.report,
        "scores": workspace.scores_of(as_of),
        "warehouse": workspace.warehouse,
        "quality": workspace.quality,
        "features": workspace.features,
        "champion": workspace.champion,
    }
    database = database_of(params)
    if database:
        files["MLflow"] = database
    if workspace.quarantine.exists() and any(workspace.quarantine.iterdir()):
        files["quarantine"] = workspace.quarantine
    scores = read_scores(workspace.scores_of(as_of)).select(columns).to_pandas()
    return Summary(as_of, scores, read_bundle(workspace.champion), files)
