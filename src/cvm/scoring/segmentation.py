"""The columns of segmentation, filled from scores and features at a bundle's frozen cut points."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cvm.models.bundle import Bundle
from cvm.models.churn_anchor import holds_subscription
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.segments import (
    LIFECYCLE_STAGES,
    NUMBER_COLUMNS,
    TEXT_COLUMNS,
    UNKNOWN,
    VALUE_TIERS,
    Around,
    Segmentation,
    lifecycle_stage,
    may_stay,
    rfm_scores,
    rfm_segment,
    value_percentile,
    value_tier,
)

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]

# Predictions: what may be off. Money and orders by a share, probabilities by a difference.
_BY_SHARE = ("expected_orders", "expected_order_value", "clv", "clv_lower", "clv_upper")
_BY_DIFFERENCE = ("p_churn", "p_alive")


def apply_segments(
    bundle: Bundle, features: pd.DataFrame, scores: pa.Table, segmentation: Segmentation | None = None
) -> pa.Table:
    """Fill the columns of segmentation.

    Parameters
    ----------
    bundle : Bundle
        Has the cut points, and the segmentation that holds unless another is given.
    features : DataFrame of shape (n_customers, ...)
        In the order of ``scores``.
    scores : pyarrow.Table of shape (n_customers, 30)
        With ``previous_segment`` where it is known.
    segmentation : Segmentation, optional

    Returns
    -------
    pyarrow.Table of the same shape
    """
    segmentation = segmentation or bundle.segmentation
    clv, p_churn = _numbers(scores, "clv"), _numbers(scores, "p_churn")
    is_buyer = (features["n_orders"] > 0).to_numpy()
    recency, frequency, monetary = rfm_scores(features, bundle.rfm_cuts)
    filled = {
        "value_percentile": pa.array(value_percentile(clv, bundle.value_cuts)),
        "value_tier": pa.array(value_tier(clv, bundle.value_cuts)),
        "lifecycle_stage": pa.array(_stage(bundle, features, p_churn)),
        "rfm_recency": pa.array(recency, mask=~is_buyer),
        "rfm_frequency": pa.array(frequency, mask=~is_buyer),
        "rfm_monetary": pa.array(monetary, mask=~is_buyer),
        "rfm_segment": pa.array(rfm_segment(recency, frequency, monetary), mask=~is_buyer),
    }
    for name, values in filled.items():
        scores = _with_column(scores, name, values)
    columns = segment_columns(scores)
    segment = segmentation.rules.segment(columns, n=len(features))
    if segmentation.hysteresis:
        segment = _steadied(bundle, features, scores, segment, segmentation)
    return _with_column(scores, "segment", pa.array(segment))


def segment_columns(scores: pa.Table) -> dict[str, NDArray[np.generic]]:
    """Columns of the scores that rules may ask about, as arrays: text, and float with NaN for null."""
    texts: dict[str, NDArray[np.generic]] = {name: _texts(scores, name) for name in TEXT_COLUMNS}
    return texts | {name: _numbers(scores, name) for name in NUMBER_COLUMNS}


def _stage(bundle: Bundle, features: pd.DataFrame, p_churn: Floats) -> Texts:
    subscribed = holds_subscription(features) if bundle.churn_anchor.definition.is_contractual else None
    return lifecycle_stage(features, p_churn, active_days=bundle.active_days, subscribed=subscribed)


def _steadied(bundle: Bundle, features: pd.DataFrame, scores: pa.Table, segment: Texts, segmentation: Segmentation) -> Texts:
    """``segment``, but the previous one of those whom only the margin has moved."""
    previous = _texts(scores, "previous_segment", unknown="")
    moved = np.flatnonzero((previous != segment) & np.isin(previous, segmentation.rules.names))
    around = _around(bundle, features.iloc[moved], scores.take(moved), margin=segmentation.hysteresis)
    stays = moved[may_stay(segmentation.rules, previous[moved], around)]
    steadied = segment.astype(object)
    steadied[stays] = previous[stays]
    return steadied.astype(str)


def _around(bundle: Bundle, features: pd.DataFrame, scores: pa.Table, *, margin: float) -> Around:
    """What the scores may be if predictions are off by the margin; what was counted is exact."""
    numbers = {name: _numbers(scores, name) for name in NUMBER_COLUMNS}
    lower, upper = dict(numbers), dict(numbers)
    for name in _BY_SHARE:
        nearer, farther = numbers[name] / (1 + margin), numbers[name] / (1 - margin)
        lower[name], upper[name] = np.minimum(nearer, farther), np.maximum(nearer, farther)
    for name in _BY_DIFFERENCE:
        lower[name], upper[name] = numbers[name] - margin, numbers[name] + margin
    expected = bundle.margin_rate * numbers["expected_orders"] * numbers["expected_order_value"] * 365 / bundle.horizon_days
    lower["growth_potential"] = numbers["growth_potential"] - expected * margin / (1 + margin)
    upper["growth_potential"] = numbers["growth_potential"] + expected * margin / (1 - margin)
    for ends in (lower, upper):
        ends["value_percentile"] = value_percentile(ends["clv"], bundle.value_cuts)
    tiers = [value_tier(ends["clv"], bundle.value_cuts) for ends in (upper, lower)]
    stages = [_stage(bundle, features, ends["p_churn"]) for ends in (lower, upper)]
    texts = {
        "value_tier": _all_between(VALUE_TIERS, *tiers),
        "lifecycle_stage": _all_between(LIFECYCLE_STAGES, *stages),
        "rfm_segment": [_texts(scores, "rfm_segment")],
    }
    return Around(texts, lower, upper)


def _all_between(names: tuple[str, ...], first: Texts, last: Texts) -> list[Texts]:
    """Every name from ``first`` to ``last`` in the order of ``names``, one array each."""
    order = np.argsort(names)
    low, high = (order[np.searchsorted(names, each, sorter=order)] for each in (first, last))
    return [np.array(names)[np.clip(number, low, high)] for number in range(len(names))]


def _numbers(scores: pa.Table, name: str) -> Floats:
    return scores[name].to_numpy(zero_copy_only=False).astype(float)


def _texts(scores: pa.Table, name: str, *, unknown: str = UNKNOWN) -> Texts:
    return scores[name].fill_null(unknown).to_numpy(zero_copy_only=False).astype(str)


def _with_column(scores: pa.Table, name: str, values: pa.Array) -> pa.Table:
    field = SCORE_SCHEMA.field(name)
    return scores.set_column(scores.schema.get_field_index(name), field, values.cast(field.type))
