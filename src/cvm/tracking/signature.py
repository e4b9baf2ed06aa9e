"""What the served model takes and gives, in MLflow's words."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pyarrow as pa
from mlflow.models import ModelSignature
from mlflow.types.schema import Array, ColSpec, DataType, Object, Property, Schema

from cvm.models.bundle import Bundle
from cvm.scoring.schema import SCORE_COLUMNS

_TYPES = {
    pa.string(): DataType.string,
    pa.float64(): DataType.double,
    pa.int64(): DataType.long,
    pa.bool_(): DataType.boolean,
    pa.date32(): DataType.string,
}


def signature(bundle: Bundle) -> ModelSignature:
    """Features in, score columns out. Numbers are float64, so that a null never breaks a request."""
    inputs = [
        ColSpec(DataType.string, "customer_id"),
        ColSpec(DataType.string, "as_of"),
        *(
            ColSpec(
                DataType.double if feature.kind == "number" else DataType.string,
                feature.name,
                required=feature.required,
            )
            for feature in bundle.features
        ),
        ColSpec(DataType.string, "previous_segment", required=False),
    ]
    outputs = [ColSpec(_output_type(column.kind), column.name, required=False) for column in SCORE_COLUMNS]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def synthetic_example(bundle: Bundle, *, as_of: date) -> pd.DataFrame:
    """Two invented customers: one who bought once, one who buys every month. No row of real data is stored."""
    once = {"n_orders": 1.0, "recency_days": 200.0, "tenure_days": 200.0, "mean_order_value": 25.0, "spend": 25.0}
    monthly = {"n_orders": 12.0, "recency_days": 10.0, "tenure_days": 350.0, "mean_order_value": 40.0, "spend": 480.0}
    rows = [
        {
            "customer_id": f"example-{position}",
            "as_of": as_of.isoformat(),
            **{f.name: "" if f.kind == "category" else 0.0 for f in bundle.features},
            **known,
            "historic_value": known["spend"] * bundle.margin_rate,
        }
        for position, known in enumerate((once, monthly), start=1)
    ]
    return pd.DataFrame(rows)


def _output_type(kind: pa.DataType) -> DataType | Array:
    if pa.types.is_list(kind):
        return Array(Object([Property(field.name, _TYPES[field.type], required=False) for field in kind.value_type]))
    return _TYPES[kind]
