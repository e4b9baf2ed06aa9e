"""What features and predictions looked like in training, kept in the bundle to tell later whether they moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cvm.evaluation import CategoryProfile, NumberProfile, Profile, profile_from_state
from cvm.features.catalogue import Feature

PREDICTIONS = ("p_churn", "p_alive", "expected_orders", "expected_order_value", "clv")


def profiles_state(features: pd.DataFrame, catalogue: Sequence[Feature], predictions: pd.DataFrame) -> dict[str, Any]:
    """Profiles as JSON values, by column: those of the catalogue under ``features``, ``PREDICTIONS`` under ``scores``.

    Parameters
    ----------
    features : DataFrame of shape (n_customers, ...)
    catalogue : sequence of Feature
        Columns that ``features`` lacks are left out.
    predictions : DataFrame of shape (n_customers, ...)
        With ``PREDICTIONS``.
    """
    found = {feature.name: feature.kind for feature in catalogue if feature.name in features}
    return {
        "features": {name: profile(features[name], kind=kind).state() for name, kind in found.items()},
        "scores": {name: profile(predictions[name], kind="number").state() for name in PREDICTIONS},
    }


def profile(column: pd.Series[Any], *, kind: str) -> Profile:
    """Profile of one column; ``kind`` is ``number`` or ``category``."""
    if kind == "category":
        return CategoryProfile.of(as_categories(column))
    return NumberProfile.of(column.to_numpy(float))


def as_categories(column: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.object_]]:
    """Text of each value, None where there is none."""
    return column.astype(object).where(column.notna(), None).to_numpy(object)


def profiles_from_state(state: Mapping[str, Any]) -> dict[str, Profile]:
    """Profiles by column, of ``features`` or of ``scores``."""
    return {name: profile_from_state(values) for name, values in state.items()}
