"""What MLflow loads: the models of ``cvm.scoring``, whose refusals become answers with status 400 and no stack trace.

MLflow answers any exception of its own kind with the status of its code, and every other one with a stack trace in the body.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR

from cvm.errors import CvmError
from cvm.models.bundle import read_bundle
from cvm.scoring.pyfunc import ScoringModel
from cvm.scoring.raw_history import HistoryModel

# The bundle lies in a folder of this name where raw histories are to be scored.
HISTORY_FOLDER = "history_bundle"

_logger = logging.getLogger(__name__)


class Model(Protocol):
    """A frame in, a frame out."""

    def predict(self, rows: pd.DataFrame, /) -> pd.DataFrame:
        """Scores of the rows, in their order."""
        ...


class ServedModel:
    """A model whose errors MLflow can answer with."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, rows: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002 - of MLflow
        """Scores of the rows, in their order.

        Raises
        ------
        MlflowException
            With status 400 if the request is at fault, and its message says how; else with 500 and no details, which
            are in the log of the server.
        """
        try:
            scores = self.model.predict(rows)
        except CvmError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        except Exception as error:
            # Its message may hold values of customers, the place where it was raised does not.
            _logger.error("cvm: %s while scoring %d rows, at %s", type(error).__name__, len(rows), _place(error))
            raise MlflowException(
                "The model failed on this request; the log of the server says where.", INTERNAL_ERROR
            ) from None
        if _is_in_spark():
            scores["reasons"] = scores["reasons"].map(lambda found: found if isinstance(found, list) else [])
        return scores


def _load_pyfunc(path: str) -> ServedModel:
    bundle = read_bundle(Path(path))
    return ServedModel(HistoryModel(bundle) if Path(path).name == HISTORY_FOLDER else ScoringModel(bundle))


def _is_in_spark() -> bool:
    """Whether a UDF asks: MLflow's turns answers into columns of Spark, and fails on a list that is null."""
    spark = sys.modules.get("pyspark")
    return spark is not None and hasattr(spark, "TaskContext") and spark.TaskContext.get() is not None


def _place(error: Exception) -> str:
    trace, place = error.__traceback__, "?"
    while trace is not None:
        place, trace = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}", trace.tb_next
    return place
