"""The registered model as a UDF of Spark."""

from __future__ import annotations

import pandas as pd
import pytest

import simulated
from cvm.scoring.pyfunc import ScoringModel
from cvm.tracking.signature import signature
from spark_server import MARKS

pytestmark = [
    *MARKS,
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),  # within MLflow, as the next one
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType"),
]


@pytest.fixture(autouse=True)
def without_progress(monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def test_a_struct_of_scores_for_every_row_prospects_among_them(spark, tmp_path):
    import mlflow
    from pyspark.sql.functions import struct

    from cvm.tracking.served import save_scoring_model

    bundle = simulated.bundle()
    save_scoring_model(bundle, tmp_path / "model", takes_histories=False)
    rows = requests(bundle)
    udf = mlflow.pyfunc.spark_udf(spark, str(tmp_path / "model"), env_manager="local")
    answered = spark.createDataFrame(rows).withColumn("scores", udf(struct(*rows.columns))).collect()
    expected = ScoringModel(bundle).predict(rows).to_dict("records")
    for row, other in zip(answered, expected, strict=True):
        found = row["scores"].asDict(recursive=True)
        for name in ("p_churn", "clv", "expected_orders"):
            known = other[name] is not None
            assert found[name] == pytest.approx(other[name], rel=1e-9) if known else found[name] in (None, other[name])
        assert found["segment"] == other["segment"]
        assert [reason["sentence"] for reason in found["reasons"]] == [r["sentence"] for r in other["reasons"] or []]


def test_every_column_has_a_type_that_spark_knows(spark):
    from mlflow.pyfunc import _infer_spark_udf_return_type  # of MLflow's own: there is no public way to ask

    found = _infer_spark_udf_return_type(signature(simulated.bundle()).outputs).simpleString()
    assert "reasons:array<struct<" in found
    assert "rfm_recency:double" in found


def requests(bundle) -> pd.DataFrame:
    """Buyers, and one who never bought."""
    rows = simulated.histories(n_customers=5, seed=1).drop(columns=["orders_in_window", "revenue_in_window"])
    rows["spend"] = rows["n_orders"] * rows["mean_order_value"]
    rows["historic_value"] = rows["spend"]
    rows["last_gap_days"] = 3.0
    rows["as_of"] = bundle.trained_as_of.isoformat()
    rows.loc[0, ["n_orders", "spend", "historic_value"]] = 0.0
    return rows
