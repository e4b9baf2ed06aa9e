"""Sums over the customers of one group, kept apart in bins of customers: all that effects and their intervals need.

A bin is a random handful of customers. Bins add up to the group, and resampling bins resamples the group, at a cost that
does not depend on how many customers there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cvm.evaluation.moments import Moments

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SumColumns:
    """Which sums there are, x being a quantity and w the customer's weight; each is one column of a table of bins.

    First the number of customers; then w and w squared, where customers are weighted; then w x of each quantity; w squared
    x of each, where weighted; and w squared x x' of each pair.

    Attributes
    ----------
    names : tuple of str
        Quantities.
    pairs : tuple of pairs of str
        Those whose products are summed.
    is_weighted : bool
    """

    names: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    is_weighted: bool

    @property
    def width(self) -> int:
        """Number of columns."""
        per_name = 2 if self.is_weighted else 1
        return self.weights + 1 + per_name * len(self.names) + len(self.pairs)

    @property
    def weights(self) -> int:
        """Last column before the sums of quantities, which are those of w and w squared where customers are weighted."""
        return 2 if self.is_weighted else 0

    def first(self, names: Sequence[str]) -> list[int]:
        """Columns of the sums of w x."""
        return [self.weights + 1 + self._place[name] for name in names]

    def squared_first(self, names: Sequence[str]) -> list[int]:
        """Columns of the sums of w squared x."""
        return [column + (len(self.names) if self.is_weighted else 0) for column in self.first(names)]

    def second(self, rows: Sequence[str], columns: Sequence[str]) -> NDArray[np.intp]:
        """Columns of the products: array of shape (n_rows, n_columns), -1 where the pair is not summed."""
        return np.array([[self._products.get((one, other), -1) for other in columns] for one in rows], dtype=np.intp)

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def _products(self) -> dict[tuple[str, str], int]:
        start = self.width - len(self.pairs)
        one_way = {pair: start + number for number, pair in enumerate(self.pairs)}
        return one_way | {(other, one): column for (one, other), column in one_way.items()}


@dataclass(frozen=True)
class BinnedSums:
    """Sums of one group.

    Attributes
    ----------
    columns : SumColumns
    bins : array of shape (n_bins, n_columns)
    """

    columns: SumColumns
    bins: Floats

    @classmethod
    def together(cls, groups: Iterable[BinnedSums]) -> Self:
        """Several groups as one; each keeps its bins."""
        parts = list(groups)
        return cls(parts[0].columns, np.concatenate([part.bins for part in parts]))

    @classmethod
    def from_values(
        cls, values: Mapping[str, Floats], *, n_bins: int, pairs: Sequence[tuple[str, str]] | None = None
    ) -> Self:
        """Of customers one by one, without weights, whose order is random; all pairs unless some are given.

        Parameters
        ----------
        values : mapping of str to array of shape (n,)
        n_bins : int
            At most n are used.
        pairs : sequence of pairs of str, optional
        """
        names = tuple(values)
        every = [(one, other) for i, one in enumerate(names) for other in names[i:]]
        columns = SumColumns(names, tuple(every if pairs is None else pairs), is_weighted=False)
        n = len(next(iter(values.values())))
        starts = np.linspace(0, n, min(n_bins, n) + 1).astype(np.intp)[:-1]
        table = [np.ones(n), *values.values(), *(values[one] * values[other] for one, other in columns.pairs)]
        return cls(columns, np.column_stack([np.add.reduceat(column, starts) for column in table]))

    @property
    def n(self) -> int:
        """Customers."""
        return int(self.bins[:, 0].sum())

    @cached_property
    def weight(self) -> float:
        """Sum of w."""
        return float(self.bins[:, 1 if self.columns.is_weighted else 0].sum())

    @cached_property
    def squared_weight(self) -> float:
        """Sum of w squared."""
        return float(self.bins[:, self.columns.weights].sum())

    @cached_property
    def moments(self) -> Moments:
        """Means of the group and how surely they are known."""
        total, names = self.bins.sum(axis=0), self.columns.names
        products = self.columns.second(names, names)
        return Moments.from_sums(
            names,
            n=self.n,
            weight=self.weight,
            squared_weight=self.squared_weight,
            first=total[self.columns.first(names)],
            squared_first=total[self.columns.squared_first(names)],
            second=np.where(products < 0, np.nan, total[products]),
        )
