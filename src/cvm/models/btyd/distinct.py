"""Grouping customers that a likelihood cannot tell apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

# Codes are counted in a table where that has no more cells than this per customer, or in all; else they are sorted.
_TABLE_PER_CUSTOMER = 4
_SMALL = 65_536


@dataclass(frozen=True)
class Distinct:
    """Distinct rows of several columns, how often each occurs, and which one each customer is.

    Attributes
    ----------
    columns : tuple of arrays of shape (n_distinct,)
    weight : array of shape (n_distinct,)
        Customers per distinct row.
    index : array of shape (n_customers,)
        Position of each customer's row: ``columns[0][index]`` gives the input back.
    """

    columns: tuple[Floats, ...]
    weight: Floats
    index: Positions


def distinct(*columns: Floats, weight: Floats | None = None) -> Distinct:
    """Distinct rows, in lexicographic order.

    Column by column each customer gets one whole number: that of the row so far, times the levels of the next column, plus
    the level there. Whole days and counts of orders are levels as they stand: millions of customers are counted, not sorted.

    Parameters
    ----------
    *columns : arrays of shape (n_customers,)
    weight : array of shape (n_customers,), optional
        Customers that each row stands for; 1 each by default.
    """
    found: tuple[Floats, ...] = ()
    index, count = np.zeros(len(columns[0]), dtype=np.intp), np.zeros(1)
    for column in columns:
        levels, level = _levels(column)
        n_levels = max(len(levels), 1)
        index *= n_levels
        index += level
        present, index, count = _present(index, len(count) * n_levels)
        row, at = np.divmod(present, n_levels)
        found = (*(earlier[row] for earlier in found), levels[at])
    together: Floats = count if weight is None else np.bincount(index, weights=weight, minlength=len(count)).astype(float)
    return Distinct(found, together, index)


def _levels(column: Floats) -> tuple[Floats, Positions]:
    """Values in order, among them all that occur, and the position of each customer's."""
    low, high = column.min(initial=np.inf), column.max(initial=-np.inf)
    if 0 <= high - low < max(len(column), _SMALL):
        levels = low + np.arange(high - low + 1)
        level = (column - low).astype(np.intp)
        if np.array_equal(levels[level], column):
            return levels, level
    return np.unique(column, return_inverse=True)


def _present(code: Positions, size: int) -> tuple[Positions, Positions, Floats]:
    """The codes that occur out of ``size``, in order, the position of each customer's, and customers per code."""
    if size > max(_TABLE_PER_CUSTOMER * len(code), _SMALL):
        present, index, count = np.unique(code, return_inverse=True, return_counts=True)
    else:
        counts = np.bincount(code, minlength=size)
        present = np.flatnonzero(counts)
        position = np.empty(size, dtype=np.intp)
        position[present] = np.arange(len(present))
        index, count = position[code], counts[present]
    return present, index, count.astype(float)
