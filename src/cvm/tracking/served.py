"""Bundles as MLflow models that serve on a machine without ``cvm``: data, code and pinned requirements, no pickle.

Two models of one bundle: one takes features, the other a customer's raw history.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
from mlflow.models.model import ModelInfo

import cvm
from cvm.models.bundle import Bundle
from cvm.tracking.served_models import HISTORY_FOLDER
from cvm.tracking.signature import (
    example_histories,
    history_signature,
    signature,
    synthetic_example,
)

_BUNDLE_FOLDER = "bundle"
_REQUIREMENTS = ("duckdb", "lightgbm", "mlflow", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "sqlglot")


def history_name(model: str) -> str:
    """Registered name of the model of raw histories beside the model of features."""
    return f"{model}-history"


def log_scoring_model(name: str, bundle: Bundle, *, takes_histories: bool) -> ModelInfo:
    """Log a bundle to the active run as a model of features, or of raw histories."""
    with _ingredients(bundle, takes_histories=takes_histories) as ingredients:
        return mlflow.pyfunc.log_model(name=name, **ingredients)


def save_scoring_model(bundle: Bundle, folder: Path, *, takes_histories: bool) -> None:
    """Write a bundle as an MLflow model into a folder that is not there yet, without any store."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it tells of every step
    try:
        with _ingredients(bundle, takes_histories=takes_histories) as ingredients:
            mlflow.pyfunc.save_model(path=str(folder), **ingredients)
    finally:
        logger.setLevel(level)


@contextmanager
def _ingredients(bundle: Bundle, *, takes_histories: bool) -> Iterator[dict[str, Any]]:
    """What MLflow makes a model of; the folders are there within the block."""
    with tempfile.TemporaryDirectory() as temporary:
        as_of, data = bundle.trained_as_of, Path(temporary) / (HISTORY_FOLDER if takes_histories else _BUNDLE_FOLDER)
        data.mkdir()
        bundle.write(data)
        yield {
            "loader_module": "cvm.tracking.served_models",
            "data_path": str(data),
            "code_paths": [str(_copy_code(Path(temporary) / "cvm"))],
            "pip_requirements": [f"{package}=={version(package)}" for package in _REQUIREMENTS],
            "signature": history_signature(bundle) if takes_histories else signature(bundle),
            "input_example": example_histories(as_of=as_of) if takes_histories else synthetic_example(bundle, as_of=as_of),
        }


def _copy_code(target: Path) -> Path:
    """The package's source without compiled files and pages, so that the model runs where ``cvm`` is not installed."""
    source = Path(cvm.__file__).parent
    return Path(shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "py.typed", "assets")))
