"""What the served model takes and gives, in MLflow's words."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
from mlflow.models import ModelSignature
from mlflow.types.schema import AnyType, Array, ColSpec, DataType, Object, Property, Schema

from cvm.models.bundle import Bundle
from cvm.scoring.raw_history import TABLE_OF
from cvm.scoring.schema import SCORE_COLUMNS

_TYPES = {
    pa.string(): DataType.string,
    pa.float64(): DataType.double,
    pa.int64(): DataType.double,  # some are null for prospects, which a column of whole numbers cannot hold
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
    return ModelSignature(inputs=Schema(inputs), outputs=_outputs())


def history_signature(bundle: Bundle) -> ModelSignature:
    """Raw histories in, score columns out.

    What is nested is declared as any type and read by the model itself: MLflow would refuse the amount 20 where 20.0 is
    meant, and an array that only some rows have.
    """
    nested = [column for column, table in TABLE_OF.items() if bundle.raw and table in bundle.raw.columns]
    computed = {feature.name for feature in bundle.raw.features} if bundle.raw else set()
    inputs = [
        ColSpec(DataType.string, "customer_id"),
        ColSpec(DataType.string, "as_of"),
        ColSpec(AnyType(), "transactions"),
        *(ColSpec(AnyType(), column, required=False) for column in nested if column != "transactions"),
        *(
            ColSpec(DataType.double if feature.kind == "number" else DataType.string, feature.name, required=False)
            for feature in bundle.features
            if feature.name not in computed
        ),
        ColSpec(DataType.string, "previous_segment", required=False),
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=_outputs())


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
            "historic_value": float(f"{known['spend'] * bundle.margin_rate:.6g}"),
        }
        for position, known in enumerate((once, monthly), start=1)
    ]
    return pd.DataFrame(rows)


def shortest_example(bundle: Bundle, *, as_of: date) -> pd.DataFrame:
    """``synthetic_example`` with the features that must be sent."""
    required = [feature.name for feature in bundle.features if feature.required]
    return synthetic_example(bundle, as_of=as_of)[["customer_id", "as_of", *required]]


def example_histories(*, as_of: date) -> pd.DataFrame:
    """Two invented customers: one who bought once, one who buys every month."""
    days = {"example-1": [200], "example-2": [10 + 30 * month for month in range(12)]}
    day = as_of.isoformat()
    rows = [{"customer_id": who, "as_of": day, "transactions": _purchases(as_of, ago)} for who, ago in days.items()]
    return pd.DataFrame(rows)


def _purchases(as_of: date, days_ago: list[int]) -> list[dict[str, Any]]:
    return [{"occurred_at": f"{as_of - timedelta(days=ago)}T12:00:00Z", "amount": 40.0} for ago in sorted(days_ago)[::-1]]


def _outputs() -> Schema:
    return Schema([ColSpec(_output_type(column.kind), column.name, required=False) for column in SCORE_COLUMNS])


def _output_type(kind: pa.DataType) -> DataType | Array:
    if pa.types.is_list(kind):
        return Array(Object([Property(field.name, _TYPES[field.type], required=False) for field in kind.value_type]))
    return _TYPES[kind]
