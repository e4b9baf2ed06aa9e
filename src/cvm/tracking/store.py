"""The MLflow store: one parent run per training, a nested run per model, the bundle as a registered pyfunc."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Read at MLflow's import: no call home, no progress bars, and no complaint about machines without git.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
# MLflow would ask a server that does not answer for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")

import mlflow
from matplotlib.figure import Figure
from mlflow.exceptions import MlflowException
from mlflow.store.db import utils as databases
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from cvm.errors import BundleError, TrackingError, without_password
from cvm.models.bundle import Bundle, read_bundle
from cvm.tracking.registry import MODEL_VERSION, Registry, tagged

CHAMPION, CHALLENGER = "champion", "challenger"
REPORT_FOLDER = "report"
_QUIETED = ("mlflow", "alembic")
_CHECKED = "cvm.checked_at"
# Stores that MLflow keeps the tables of itself.
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
# To reach a database; with MLflow's own number it takes minutes to hear that there is none.
_MOST_ATTEMPTS = 3
# What stores say of their trouble, and what helps.
_REMEDIES = {
    "locked": "Another program is writing to it: end that program, or try again later",
    "out-of-date database schema": "Another version of MLflow wrote it: upgrade a copy of it with `mlflow db upgrade`, "
    "install that version, or name a new store under tracking.uri in params.yaml",
    "is not a database": "Its file is damaged: restore it from a backup, or delete it, and `cvm train` makes a new one",
    "malformed": "Its file is damaged: restore it from a backup, or delete it, and `cvm train` makes a new one",
    "disk is full": "Free disk space",
    "disk I/O error": "Free disk space, and look after the disk if there was enough",
    "No space left": "Free disk space",
    "readonly database": "Grant write access to it",
}


@dataclass(frozen=True)
class ModelRun:
    """One candidate or one trial of tuning, as a nested run."""

    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    artifacts: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingRun:
    """One training, as a parent run."""

    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    models: list[ModelRun]
    figures: Mapping[str, Figure]
    files: list[Path]


@dataclass(frozen=True)
class Store:
    """An MLflow store and the names used in it.

    Attributes
    ----------
    uri : str
        Tracking URI.
    artifacts : Path or None
        Where a new experiment keeps its artifacts; ``None`` leaves it to the server behind ``uri``.
    experiment, model : str
    """

    uri: str
    artifacts: Path | None
    experiment: str
    model: str

    def check(self) -> None:
        """Write a word to the store, before hours of work are done for it.

        Raises
        ------
        TrackingError
            If it is not reachable, or takes no writing.
        """
        with self.connected() as client:
            client.set_experiment_tag(self._experiment_id(client), _CHECKED, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")

    def log(self, run: TrainingRun, bundle: Bundle) -> str:
        """Write a training to the store, register its bundle and make it the challenger.

        Returns
        -------
        str
            The registered version.

        Raises
        ------
        TrackingError
            If the store is not reachable or refuses.
        """
        with self.connected() as client:
            registry, experiment_id = Registry(client, self.model), self._experiment_id(client)
            name = f"train {bundle.trained_as_of}"
            with mlflow.start_run(experiment_id=experiment_id, run_name=name, tags=dict(run.tags)):
                _log_training(run, experiment_id)
                registered = registry.register(bundle)
            registry.set_alias(CHALLENGER, bundle.model_version)
            return registered

    def follow(
        self, *, champion: Path, challenger: Path | None = None, tags: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        """Make aliases say what the folders say; a bundle that is not registered yet is registered.

        Parameters
        ----------
        champion : Path
            Folder of the champion.
        challenger : Path or None
            Folder of a challenger; without one nothing has that alias.
        tags : mapping of str to mapping, optional
            By ``model_version``, what is to be said of the registered versions and of the run that trained them.

        Raises
        ------
        TrackingError
            If the store is not reachable or refuses.
        BundleError
            If a folder holds no sound bundle.
        """
        with self.connected() as client:
            registry, experiment_id = Registry(client, self.model), self._experiment_id(client)
            for alias, folder in ((CHAMPION, champion), (CHALLENGER, challenger)):
                if folder is None:
                    registry.delete_alias(alias)
                    continue
                bundle = read_bundle(folder)
                if not registry.holds(bundle):
                    name, run_tags = f"register {bundle.trained_as_of}", {MODEL_VERSION: bundle.model_version}
                    with mlflow.start_run(experiment_id=experiment_id, run_name=name, tags=run_tags):
                        registry.register(bundle)
                registry.set_alias(alias, bundle.model_version)
            for model_version, found in (tags or {}).items():
                registry.tag(model_version, found)
                for run in client.search_runs([experiment_id], tagged(model_version), max_results=1):
                    for tag, value in found.items():
                        client.set_tag(run.info.run_id, tag, value)

    def attach(self, files: Sequence[Path], *, model_version: str) -> None:
        """Add files to the training run of a model, in the place of those attached before.

        Parameters
        ----------
        files : sequence of Path
        model_version : str
            Of the bundle.

        Raises
        ------
        TrackingError
            If the store is not reachable, or holds no run of that model.
        """
        with self.connected() as client:
            experiment = client.get_experiment_by_name(self.experiment)
            runs = client.search_runs([experiment.experiment_id], tagged(model_version), max_results=1) if experiment else []
            if not runs:
                raise TrackingError(
                    f"The experiment {self.experiment!r} holds no run of model {model_version}. "
                    "Check tracking.uri and tracking.experiment in params.yaml, or run `cvm train`."
                )
            for path in files:
                client.log_artifact(runs[0].info.run_id, str(path), REPORT_FOLDER)

    def bundle(self, alias: str) -> Bundle:
        """The registered bundle behind an alias.

        Raises
        ------
        TrackingError
            If the store is not reachable or knows no such alias.
        BundleError
            If what is registered is no bundle.
        """
        with self.connected() as client, tempfile.TemporaryDirectory() as temporary:
            found = Registry(client, self.model).version_behind(alias)
            uri = f"models:/{self.model}/{found}"
            folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=temporary))
            bundles = sorted(folder.rglob("hashes.json"))
            if not bundles:
                raise BundleError(f"{uri} holds no cvm bundle. Register one with `cvm train`.")
            return read_bundle(bundles[0].parent)

    def look(self) -> dict[str, str] | None:
        """Registered versions by alias, without changing anything; ``None`` where a database holds no store yet.

        MLflow migrates a database of an older version as soon as it connects to it: that is refused here before.

        Raises
        ------
        TrackingError
            If the store is not reachable, or of another schema than this MLflow's.
        """
        if self.uri.partition(":")[0].partition("+")[0] in _DATABASES:
            with self._refusals():
                engine = databases.create_sqlalchemy_engine(self.uri)
                try:
                    if databases._get_schema_version(engine) is None:
                        return None
                    databases._verify_schema(engine)
                finally:
                    engine.dispose()
        with self.connected() as client:
            return Registry(client, self.model).aliases()

    @contextmanager
    def connected(self) -> Iterator[MlflowClient]:
        """A client of the store, MLflow's chatter turned down, its exceptions turned into ours."""
        with self._refusals():
            if self.artifacts:
                self.artifacts.mkdir(parents=True, exist_ok=True)
            yield MlflowClient(self.uri, self.uri)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """MLflow pointed at this store, what it raises turned into words."""
        try:
            with _own_mlflow(self.uri):
                yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            reason = _first_line(error)
            remedy = next(
                (help_ for sign, help_ in _REMEDIES.items() if sign in reason), "Check tracking.uri in params.yaml"
            )
            raise TrackingError(
                f"The MLflow store for experiment {self.experiment!r} failed: {reason} ({without_password(self.uri)}). "
                f"{remedy}. Scores, actions, KPIs and the report go on without it, from the bundle exported under models."
            ) from None  # what caused it may show the password of a URL

    def _experiment_id(self, client: MlflowClient) -> str:
        found = client.get_experiment_by_name(self.experiment)
        if found:
            return str(found.experiment_id)
        location = self.artifacts.as_uri() if self.artifacts else None
        return str(client.create_experiment(self.experiment, artifact_location=location))


@contextmanager
def _own_mlflow(uri: str) -> Iterator[None]:
    """MLflow pointed at ``uri`` and turned down; afterwards its globals, which processes inherit, are as they were."""
    levels = {name: logging.getLogger(name).level for name in _QUIETED}
    environment = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    tracking = mlflow.get_tracking_uri() if mlflow.tracking.is_tracking_uri_set() else None
    attempts = databases.MAX_RETRY_COUNT
    try:
        databases.MAX_RETRY_COUNT = min(attempts, _MOST_ATTEMPTS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in _QUIETED:
                logging.getLogger(name).setLevel(logging.CRITICAL)  # errors come as exceptions, without a stack trace
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
            yield
    finally:
        databases.MAX_RETRY_COUNT = attempts
        mlflow.set_tracking_uri(tracking)
        mlflow.set_registry_uri(None)
        for name, value in environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _log_training(run: TrainingRun, experiment_id: str) -> None:
    mlflow.log_params(dict(run.params))
    mlflow.log_metrics(_finite(run.metrics))
    for name, figure in run.figures.items():
        mlflow.log_figure(figure, f"figures/{name}.png")
    for path in run.files:
        mlflow.log_artifact(str(path), "features")
    for model in run.models:
        with mlflow.start_run(experiment_id=experiment_id, run_name=model.name, nested=True, tags=dict(model.tags)):
            mlflow.log_params(dict(model.params))
            mlflow.log_metrics(_finite(model.metrics))
            for name, value in model.artifacts.items():
                mlflow.log_dict(value, f"{name}.json")


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if value == value and abs(value) != float("inf")}


def _first_line(error: Exception) -> str:
    """What is the matter, without advice of MLflow's own."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    request, _, cause = first.partition(" failed with exception ")
    reason = f"{request} failed: {cause.rpartition(': ')[2]}" if cause else first.partition(". Take a backup")[0]
    return without_password(reason).rstrip(".\"')")
