"""Grouping customers that a likelihood cannot tell apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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
    index: NDArray[np.intp]


def distinct(*columns: Floats) -> Distinct:
    """Distinct rows, in lexicographic order.

    Parameters
    ----------
    *columns : arrays of shape (n_customers,)
    """
    order = np.lexsort(columns[::-1])
    is_new = np.zeros(len(order), dtype=bool)
    is_new[:1] = True
    for column in columns:
        in_order = column[order]
        is_new[1:] |= in_order[1:] != in_order[:-1]
    starts = np.flatnonzero(is_new)
    index = np.empty(len(order), dtype=np.intp)
    index[order] = np.cumsum(is_new) - 1
    weight = np.diff(np.append(starts, len(order))).astype(float)
    return Distinct(tuple(column[order[starts]] for column in columns), weight, index)
