"""The MLflow store: one parent run per training, a nested run per model, the bundle as a registered pyfunc."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Read at MLflow's import: no call home, no progress bars, and no complaint about machines without git.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import mlflow
from matplotlib.figure import Figure
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

import cvm
from cvm.errors import BundleError, TrackingError
from cvm.models.bundle import Bundle, read_bundle
from cvm.tracking.signature import signature, synthetic_example

CHAMPION = "champion"
_BUNDLE_FOLDER = "bundle"
_REPORT_FOLDER = "report"
_REQUIREMENTS = ("lightgbm", "mlflow", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")
_QUIETED = ("mlflow", "alembic")


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

    def log(self, run: TrainingRun, bundle: Bundle, bundle_folder: Path) -> str:
        """Write a training to the store, register its bundle and make it champion.

        Returns
        -------
        str
            The registered version.

        Raises
        ------
        TrackingError
            If the store is not reachable or refuses.
        """
        with self._connected() as client:
            experiment_id = self._experiment_id(client)
            name = f"train {bundle.trained_as_of}"
            with mlflow.start_run(experiment_id=experiment_id, run_name=name, tags=dict(run.tags)):
                _log_training(run, experiment_id)
                registered = self._register(client, bundle, bundle_folder)
            client.set_registered_model_alias(self.model, CHAMPION, registered)
            return registered

    def _register(self, client: MlflowClient, bundle: Bundle, bundle_folder: Path) -> str:
        with tempfile.TemporaryDirectory() as temporary:
            code = _copy_code(Path(temporary) / "cvm")
            data = shutil.copytree(bundle_folder, Path(temporary) / _BUNDLE_FOLDER)
            info = mlflow.pyfunc.log_model(
                name=self.model,
                loader_module="cvm.scoring.pyfunc",
                data_path=str(data),
                code_paths=[str(code)],
                pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
                signature=signature(bundle),
                input_example=synthetic_example(bundle, as_of=bundle.trained_as_of),
            )
        # By the client, because mlflow.register_model prints.
        if not client.search_registered_models(f"name = '{self.model}'"):
            client.create_registered_model(self.model)
        return str(client.create_model_version(self.model, source=info.model_uri, model_id=info.model_id).version)

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
        with self._connected() as client:
            experiment = client.get_experiment_by_name(self.experiment)
            asked = f"tags.model_version = '{model_version}'"
            runs = client.search_runs([experiment.experiment_id], asked, max_results=1) if experiment else []
            if not runs:
                raise TrackingError(
                    f"The experiment {self.experiment!r} holds no run of model {model_version}. "
                    "Check tracking.uri and tracking.experiment in params.yaml, or run `cvm train`."
                )
            for path in files:
                client.log_artifact(runs[0].info.run_id, str(path), _REPORT_FOLDER)

    def bundle(self, alias: str) -> Bundle:
        """The registered bundle behind an alias.

        Raises
        ------
        TrackingError
            If the store is not reachable or knows no such alias.
        BundleError
            If what is registered is no bundle.
        """
        with self._connected() as client, tempfile.TemporaryDirectory() as temporary:
            found = client.get_model_version_by_alias(self.model, alias)
            uri = f"models:/{self.model}/{found.version}"
            folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=temporary))
            bundles = sorted(folder.rglob("hashes.json"))
            if not bundles:
                raise BundleError(f"{uri} holds no cvm bundle. Register one with `cvm train`.")
            return read_bundle(bundles[0].parent)

    @contextmanager
    def _connected(self) -> Iterator[MlflowClient]:
        """A client of the store, MLflow's chatter turned down, its exceptions turned into ours."""
        try:
            with _own_mlflow(self.uri):
                if self.artifacts:
                    self.artifacts.mkdir(parents=True, exist_ok=True)
                yield MlflowClient(self.uri, self.uri)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise TrackingError(
                f"The MLflow store for experiment {self.experiment!r} failed: {_first_line(error)}. "
                "Check tracking.uri in params.yaml."
            ) from error

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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in _QUIETED:
                logging.getLogger(name).setLevel(logging.ERROR)
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
            yield
    finally:
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


def _copy_code(target: Path) -> Path:
    """The package's source without compiled files and pages, so that the model runs where ``cvm`` is not installed."""
    source = Path(cvm.__file__).parent
    return Path(shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "py.typed", "assets")))


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if value == value and abs(value) != float("inf")}


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
