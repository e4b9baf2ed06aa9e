"""Clusters of customers: an exploratory view beside the segments, kept only as far as other samples would show the same.

Source: stability as the mean adjusted Rand index between a clustering and those of bootstrap samples, after Hennig (2007),
"Cluster-wise assessment of cluster stability", and Ben-Hur, Elisseeff and Guyon (2002), "A stability based method for
discovering structure in clustered data", who take the largest number of clusters that is still stable.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Method = Literal["k-means", "Gaussian mixture"]

METHODS: tuple[Method, ...] = ("k-means", "Gaussian mixture")
# Mean adjusted Rand index from which a clustering counts as stable.
STABLE = 0.8
# Fewer customers than this have no clusters worth a name.
MIN_CUSTOMERS = 200

_COUNTS = range(2, 9)
# Customers that clusters are sought among; the others are put into what was found.
_SAMPLE = 4_000
_REFITS = 6
_WINSORISED = (0.01, 0.99)
_SKEWED = 1.0


@dataclass(frozen=True)
class Scaling:
    """How columns are made comparable: logs where skewed, ends drawn in, mean 0, standard deviation 1; gaps at the median.

    Attributes
    ----------
    is_logged : array of shape (n_columns,)
    low, high, centre, spread, middle : arrays of shape (n_columns,)
        Ends, mean, standard deviation and median, of the logs where these are taken; a column without spread has spread 0.
    """

    is_logged: NDArray[np.bool_]
    low: Floats
    high: Floats
    centre: Floats
    spread: Floats
    middle: Floats

    @classmethod
    def fit(cls, values: Floats) -> Self:
        """Of values of shape (n_customers, n_columns), null where not known; each column has one that is."""
        deviation = values - np.nanmean(values, axis=0)
        spread = np.nanstd(values, axis=0)
        skewness = np.nanmean(deviation**3, axis=0) / np.where(spread > 0, spread, 1.0) ** 3
        is_logged = (skewness > _SKEWED) & (np.nanmin(values, axis=0) >= 0)
        logged = _logged(values, is_logged)
        low, high = np.nanquantile(logged, _WINSORISED, axis=0)
        drawn_in = np.clip(logged, low, high)
        centre, spread = np.nanmean(drawn_in, axis=0), np.nanstd(drawn_in, axis=0)
        return cls(is_logged, low, high, centre, spread, np.nanmedian(drawn_in, axis=0))

    def scaled(self, values: Floats) -> Floats:
        """``values`` made comparable, of the same shape."""
        drawn_in = np.clip(_logged(values, self.is_logged), self.low, self.high)
        known = np.where(np.isnan(drawn_in), self.middle, drawn_in)
        return (known - self.centre) / np.where(self.spread > 0, self.spread, 1.0)


def _logged(values: Floats, is_logged: NDArray[np.bool_]) -> Floats:
    return np.where(is_logged, np.log1p(np.where(is_logged, values, 0.0)), values)


@dataclass(frozen=True)
class Tried:
    """One way to cluster, and how alike the clusters of other samples are: 1 = the same, 0 = by chance."""

    method: Method
    k: int
    stability: float


@dataclass(frozen=True)
class Clustering:
    """The clusters found.

    Attributes
    ----------
    chosen : Tried
    tried : tuple of Tried
    labels : array of shape (n_customers,)
        Cluster of each customer, 0 to k - 1.
    """

    chosen: Tried
    tried: tuple[Tried, ...]
    labels: Ints

    @property
    def is_stable(self) -> bool:
        """Whether another sample of customers would show much the same."""
        return self.chosen.stability >= STABLE


def find_clusters(scaled: Floats, *, k: int | None, seed: int) -> Clustering | None:
    """Clusters by the method and number that are most finely cut and still stable; the most stable where none is.

    Parameters
    ----------
    scaled : array of shape (n_customers, n_columns)
        Comparable columns, n_columns >= 1.
    k : int or None
        How many clusters; None = as many as are stable.
    seed : int
        The same seed gives the same clusters.

    Returns
    -------
    Clustering or None
        None with fewer than ``MIN_CUSTOMERS`` customers, or fewer different ones than clusters.
    """
    rng = np.random.default_rng(seed)
    sample = scaled[rng.permutation(len(scaled))[:_SAMPLE]]
    n_different = len(np.unique(sample, axis=0))
    counts = [count for count in ([k] if k else _COUNTS) if count < n_different]
    if len(scaled) < MIN_CUSTOMERS or not counts:
        return None
    redrawn = [rng.integers(len(sample), size=len(sample)) for _ in range(_REFITS)]
    tried = tuple(_tried(method, count, sample, redrawn, seed) for method in METHODS for count in counts)
    chosen = _choice(tried)
    return Clustering(chosen, tried, _labels(_fitted(chosen.method, chosen.k, sample, seed), scaled))


def _choice(tried: Sequence[Tried]) -> Tried:
    stable = [one for one in tried if one.stability >= STABLE]
    if stable:
        return max(stable, key=lambda one: (one.k, one.stability))
    return max(tried, key=lambda one: one.stability)


def _tried(method: Method, k: int, sample: Floats, redrawn: Sequence[Ints], seed: int) -> Tried:
    from sklearn.metrics import adjusted_rand_score

    reference = _labels(_fitted(method, k, sample, seed), sample)
    agreement = [
        adjusted_rand_score(reference, _labels(_fitted(method, k, sample[rows], seed + number), sample))
        for number, rows in enumerate(redrawn, 1)
    ]
    return Tried(method, k, float(np.mean(agreement)))


def _fitted(method: Method, k: int, sample: Floats, seed: int) -> Any:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    model = (
        KMeans(k, n_init=3, random_state=seed)
        if method == "k-means"
        else GaussianMixture(k, covariance_type="diag", reg_covar=0.01, max_iter=60, random_state=seed)
    )
    with warnings.catch_warnings():
        # A fit that has not settled, or finds fewer clusters, is an unstable one: stability says so.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(sample)


def _labels(model: Any, scaled: Floats) -> Ints:
    return model.predict(scaled).astype(np.int64)
