"""Seeded chance: one independent stream per chunk and purpose, so that dirt never changes what customers do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int8]
Bools = NDArray[np.bool_]

# Streams are seeded by the place of their purpose here, so a new one goes to the end.
Purpose = Literal["customers", "traits", "lives", "purchases", "lines", "behaviour", "subscriptions", "returns", "dirt"]
_PURPOSES = get_args(Purpose)

# Part of the world: another size would give other customers for the same seed.
CHUNK_CUSTOMERS = 25_000


def stream(seed: int, chunk: int, purpose: Purpose) -> np.random.Generator:
    """The generator of one chunk of customers for one purpose."""
    return np.random.default_rng(np.random.SeedSequence([seed, chunk, _PURPOSES.index(purpose)]))


def draw_level(rng: np.random.Generator, shares: Sequence[float], n: int) -> Codes:
    """Positions in ``shares``, drawn with these probabilities: array of shape (n,)."""
    edges = np.cumsum(shares)[:-1] / np.sum(shares)
    return np.searchsorted(edges, rng.random(n), side="right").astype(np.int8)


def draw_row_level(rng: np.random.Generator, probability: Floats) -> Codes:
    """One position per row of ``probability``, an array of shape (n, n_levels) whose rows sum to 1."""
    edges = np.cumsum(probability[:, :-1], axis=1)
    return (rng.random(len(probability))[:, None] >= edges).sum(axis=1).astype(np.int8)


def sums(group: Ints, values: Floats, *, n: int) -> Floats:
    """Sum of ``values`` by ``group``, 0 where a group has none: array of shape (n,)."""
    return np.bincount(group, weights=values, minlength=n).astype(np.float64, copy=False)


def positions_within(counts: Ints) -> Ints:
    """0, 1, ... within each group of ``counts`` consecutive rows: array of shape (sum of counts,)."""
    starts = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) - np.repeat(starts, counts)
