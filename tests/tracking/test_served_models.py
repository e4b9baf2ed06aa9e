from __future__ import annotations

import json
import logging
from dataclasses import replace

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

import simulated
from cvm.errors import FeatureMismatchError
from cvm.scoring.pyfunc import ScoringModel
from cvm.tracking.served_models import HISTORY_FOLDER, ServedModel, _load_pyfunc
from cvm.tracking.signature import history_signature, signature, synthetic_example


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        assert len(rows)
        raise self.error


ROWS = pd.DataFrame({"customer_id": ["olena@example.org"]})


def test_a_refusal_is_an_answer_of_status_400_without_a_stack_trace():
    with pytest.raises(MlflowException, match="n_orders is wrong") as refused:
        ServedModel(Failing(FeatureMismatchError("n_orders is wrong"))).predict(ROWS)
    assert refused.value.get_http_status_code() == 400
    assert "stack_trace" not in json.loads(refused.value.serialize_as_json())


def test_a_fault_of_ours_is_status_500_and_its_place_goes_to_the_log_alone(caplog):
    caplog.set_level(logging.ERROR)
    with pytest.raises(MlflowException, match="The model failed on this request") as failed:
        ServedModel(Failing(ZeroDivisionError("of olena@example.org"))).predict(ROWS)
    assert failed.value.get_http_status_code() == 500
    assert "ZeroDivisionError while scoring 1 rows, at test_served_models.py:" in caplog.text
    assert "olena" not in caplog.text + str(failed.value)


def test_a_bundle_directory_becomes_the_model_of_its_name(tmp_path):
    bundle = simulated.bundle()
    (tmp_path / "bundle").mkdir()
    bundle.write(tmp_path / "bundle")
    served = _load_pyfunc(str(tmp_path / "bundle"))
    assert isinstance(served.model, ScoringModel)
    example = synthetic_example(bundle, as_of=bundle.trained_as_of)
    assert served.predict(example)["customer_id"].tolist() == ["example-1", "example-2"]
    assert HISTORY_FOLDER != "bundle"


def test_examples_hold_figures_that_people_would_write():
    bundle = replace(simulated.bundle(), margin_rate=0.1 + 0.2)
    assert synthetic_example(bundle, as_of=bundle.trained_as_of)["historic_value"].tolist() == [7.5, 144.0]


def test_signatures_name_what_is_required_and_hold_nulls():
    bundle = simulated.bundle()
    required = set(signature(bundle).inputs.required_input_names())
    assert {"customer_id", "as_of", "n_orders"} <= required
    assert "noise" not in required
    assert history_signature(bundle).inputs.required_input_names() == ["customer_id", "as_of", "transactions"]
    outputs = signature(bundle).outputs.input_dict()
    assert str(outputs["rfm_recency"].type) == "DataType.double"
