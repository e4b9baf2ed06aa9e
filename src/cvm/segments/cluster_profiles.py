"""What clusters are like, in words: the features by which a cluster differs most from the base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Feature to what few and much of it are called; those that the data has are clustered.
FEATURES: Mapping[str, tuple[str, str]] = {
    "recency_days": ("recent", "long silent"),
    "tenure_days": ("joined late", "long-standing"),
    "n_orders": ("seldom", "frequent"),
    "mean_order_value": ("small orders", "large orders"),
    "n_categories": ("few categories", "many categories"),
    "share_discount": ("full price", "discount buyers"),
    "share_returned": ("few returns", "many returns"),
}

# A cluster is called by features that lie so many standard deviations from the mean of the base; by three of them at most.
_TELLING = 0.5
_MAX_WORDS = 3


@dataclass(frozen=True)
class FeatureProfile:
    """One feature of a cluster: standard deviations from the mean of the base, and its plain mean."""

    name: str
    z: float
    mean: float


@dataclass(frozen=True)
class Profile:
    """One cluster: its name, how many customers it has, and its features, the strongest first."""

    name: str
    n: int
    features: tuple[FeatureProfile, ...]


def profiles(labels: Ints, values: Floats, scaled: Floats, names: Sequence[str]) -> list[Profile]:
    """Profile of each cluster, by its number from 0 on.

    Parameters
    ----------
    labels : array of shape (n_customers,)
        Cluster of each customer; every number up to the greatest has somebody.
    values, scaled : arrays of shape (n_customers, n_columns)
        Plain, null where not known, and comparable.
    names : sequence of str
        Keys of ``FEATURES``, one per column.
    """
    found = []
    for number in range(int(labels.max()) + 1):
        members = labels == number
        means = np.where(np.isnan(values[members]), 0.0, values[members]).sum(axis=0)
        known = (~np.isnan(values[members])).sum(axis=0)
        z = scaled[members].mean(axis=0)
        features = (
            FeatureProfile(name, float(z[column]), float(means[column] / max(known[column], 1)))
            for column, name in enumerate(names)
        )
        found.append((int(members.sum()), tuple(sorted(features, key=lambda feature: -abs(feature.z)))))
    return [Profile(name, n, features) for name, (n, features) in zip(_names([f for _, f in found]), found, strict=True)]


def _names(clusters: Sequence[tuple[FeatureProfile, ...]]) -> list[str]:
    """Names by the strongest features; clusters of the same name are told apart by one feature more, or a number."""
    names: list[str] = []
    for features in clusters:
        telling = [feature for feature in features if abs(feature.z) >= _TELLING]
        name = _named(telling[:_MAX_WORDS])
        if name in names:
            name = _named(features[: len(telling[:_MAX_WORDS]) + 1])
        same = sum(other == name or other.startswith(f"{name} (") for other in names)
        names.append(f"{name} ({same + 1})" if same else name)
    return names


def _named(features: Sequence[FeatureProfile]) -> str:
    return ", ".join(FEATURES[feature.name][feature.z > 0] for feature in features) or "average"
