"""The exploratory view: clusters of customers by their features, profiled with their scores."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cvm.segments.cluster_profiles import FEATURES, profiles
from cvm.segments.clusters import STABLE, Clustering, Scaling, find_clusters

CLUSTERS_FILE = "clusters.parquet"
PROFILES_FILE = "clusters.json"


def write_clusters(folder: Path, features: pd.DataFrame, scores: pa.Table, *, k: int | None, seed: int) -> None:
    """Find clusters among customers with an order, and write who is in which and what they are like; nothing for a few.

    Parameters
    ----------
    folder : Path
        New and empty; receives ``clusters.parquet`` (``customer_id``, ``cluster`` from 1, the worthiest first, ``name``) and
        ``clusters.json``.
    features : DataFrame of shape (n_customers, ...)
        In the order of ``scores``.
    scores : pyarrow.Table of shape (n_customers, ...)
        ``customer_id``, ``clv``, ``p_churn``.
    k : int or None
        How many; None = as many as are stable.
    seed : int
    """
    buyers = np.flatnonzero((features["n_orders"] > 0).to_numpy())
    values, names = _clustered(features.iloc[buyers])
    found = None
    if names:
        scaled = Scaling.fit(values).scaled(values)
        found = find_clusters(scaled, k=k, seed=seed)
    if found is None:
        return
    people = scores.select(["customer_id", "clv", "p_churn"]).take(buyers)
    clv, p_churn = (people[name].to_numpy(zero_copy_only=False).astype(float) for name in ("clv", "p_churn"))
    labels = _worthiest_first(found.labels, clv)
    described = profiles(labels, values, scaled, names)
    texts = np.array([profile.name for profile in described])
    table = pa.table({"customer_id": people["customer_id"], "cluster": labels + 1, "name": texts[labels].tolist()})
    content = _content(found) | {
        "clusters": [
            {
                "name": profile.name,
                "n": profile.n,
                "share": profile.n / len(buyers),
                "mean_clv": float(clv[labels == number].mean()),
                "mean_p_churn": _mean(p_churn[labels == number]),
                "features": [asdict(feature) for feature in profile.features],
            }
            for number, profile in enumerate(described)
        ]
    }
    pq.write_table(table, folder / CLUSTERS_FILE, compression="zstd")
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / PROFILES_FILE).write_text(text, encoding="utf-8")


def read_profiles(folder: Path) -> dict[str, Any] | None:
    """``clusters.json``; none where there is none."""
    path = folder / PROFILES_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _clustered(buyers: pd.DataFrame) -> tuple[np.ndarray[Any, np.dtype[np.float64]], list[str]]:
    """Features that clusters are sought in: those at hand that differ between customers, rare events drawn in."""
    there = [name for name in FEATURES if name in buyers and buyers[name].notna().any()]
    if not there:
        return np.empty((len(buyers), 0)), []
    spread = Scaling.fit(buyers[there].to_numpy(float)).spread
    names = [name for name, wide in zip(there, spread, strict=True) if wide > 0]
    return buyers[names].to_numpy(float), names


def _worthiest_first(labels: np.ndarray[Any, np.dtype[np.int64]], clv: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    """Labels by falling mean CLV, from 0 on without gaps."""
    used, labels = np.unique(labels, return_inverse=True)
    mean = np.bincount(labels, clv, len(used)) / np.bincount(labels, minlength=len(used))
    rank = np.empty(len(used), dtype=np.int64)
    rank[np.argsort(-mean, kind="stable")] = np.arange(len(used))
    return rank[labels]


def _content(found: Clustering) -> dict[str, Any]:
    note = (
        None
        if found.is_stable
        else f"Not stable: other samples of these customers would give other clusters (agreement "
        f"{found.chosen.stability:.2f}, stable from {STABLE:g}). Do not act on them."
    )
    return {**asdict(found.chosen), "stable_from": STABLE, "note": note, "tried": [asdict(one) for one in found.tried]}


def _mean(values: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
