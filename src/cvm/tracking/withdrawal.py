"""Reports that were attached to runs list customers; who is forgotten must be in none of them."""

from __future__ import annotations

from mlflow.entities import ViewType
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from cvm.tracking.store import REPORT_FOLDER, Store


def remove_reports(store: Store) -> int:
    """Remove the reports attached to the runs of an experiment, and say to how many runs they were.

    Runs that were deleted count, too: MLflow keeps their files until it is told to collect garbage.

    Raises
    ------
    TrackingError
        If the store is not reachable or refuses.
    """
    n_removed = 0
    with store.connected() as client:
        experiment = client.get_experiment_by_name(store.experiment)
        token: str | None = None
        while experiment is not None:
            runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL, page_token=token)
            for run in runs:
                if client.list_artifacts(run.info.run_id, REPORT_FOLDER):
                    get_artifact_repository(run.info.artifact_uri).delete_artifacts(REPORT_FOLDER)
                    n_removed += 1
            token = runs.token
            if not token:
                break
    return n_removed
