"""Means of several quantities of one group of customers, and how surely they are known.

Every estimate of an effect is a function of these: a group of ten million customers is as small as one of ten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """What a group tells about the means of the population it was drawn from.

    Attributes
    ----------
    names : tuple of str
        Of the k quantities.
    n : int
        Customers in the group.
    mean : array of shape (k,)
    covariance : array of shape (k, k)
        Of the means, not of single customers: without weights the sample covariance over ``n``. NaN where nobody asked.
    """

    names: tuple[str, ...]
    n: int
    mean: Floats
    covariance: Floats

    @classmethod
    def from_values(cls, values: Mapping[str, Floats], *, weights: Floats | None = None) -> Self:
        """Of customers one by one.

        Parameters
        ----------
        values : mapping of str to array of shape (n,)
        weights : array of shape (n,), optional
            One over the probability with which the customer came into the group.
        """
        table = np.column_stack([np.asarray(column, dtype=float) for column in values.values()])
        weight = np.ones(len(table)) if weights is None else weights
        squared = table * (weight**2)[:, None]
        return cls.from_sums(
            tuple(values),
            n=len(table),
            weight=float(weight.sum()),
            squared_weight=float((weight**2).sum()),
            first=table.T @ weight,
            squared_first=squared.sum(axis=0),
            second=squared.T @ table,
        )

    @classmethod
    def from_sums(
        cls,
        names: Sequence[str],
        *,
        n: int,
        weight: float,
        squared_weight: float,
        first: Floats,
        squared_first: Floats,
        second: Floats,
    ) -> Self:
        """Of sums over the group's customers, x being a quantity and w the weight (1 without weights).

        Parameters
        ----------
        names : sequence of str
        n : int
            At least 2, else the covariance is NaN.
        weight, squared_weight : float
            Sums of w and of w squared.
        first, squared_first : array of shape (k,)
            Sums of w x and of w squared x.
        second : array of shape (k, k)
            Sums of w squared x x'; NaN where it is not needed.

        Source
        ------
        Ratio estimator of a mean, linearised: Lumley (2010), "Complex Surveys", section 2; times n / (n - 1), so that
        equal weights give the sample covariance over n.
        """
        mean = first / weight
        cross = np.outer(mean, squared_first)
        spread = second - cross - cross.T + np.outer(mean, mean) * squared_weight
        small_sample = n / (n - 1) if n > 1 else np.nan
        covariance = small_sample * spread / weight**2
        # A constant has no variance, whatever rounding leaves of it.
        rounding = 1e-13 * np.abs(np.diag(second)) / weight**2
        own = np.diag(covariance).copy()
        own[own <= rounding] = 0.0
        np.fill_diagonal(covariance, own)
        return cls(tuple(names), n, mean, covariance)

    def of(self, *names: str) -> Moments:
        """Those of some of the quantities, in this order."""
        index = [self.names.index(name) for name in names]
        return Moments(names, self.n, self.mean[index], self.covariance[np.ix_(index, index)])

    def varying(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of ``names`` that are not the same for all customers of the group."""
        return tuple(name for name in names if self.covariance[self.names.index(name), self.names.index(name)] > 0)
