"""How far a column has moved from what it was: population stability, Kolmogorov-Smirnov, gaps and new categories.

A profile is what is kept of a column: the shares between frozen cut points, or of categories, and of what is missing. Two
samples of one population differ, too: with as many groups as a profile has, the stability index of chance alone is about
chi-squared over the harmonic size (Yurdakul 2018), and what chance may do is told beside the index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Floats = NDArray[np.float64]

# What fewer share teaches nothing and might name one of them: no profile and no model keeps it.
LEAST_SHARING = 10
# Categories rarer than this are told together.
_LEAST_SHARE = 0.005
_OTHER = "other"
# Half a customer in each group keeps the logarithm finite.
_SMOOTHING = 0.5


@dataclass(frozen=True)
class NumberProfile:
    """What is kept of a column of numbers.

    Attributes
    ----------
    n : int
        Customers, those without a number included.
    missing : float
        Share without a number.
    cuts : tuple of float
        Rising cut points; a value on one belongs to the group below it.
    shares : tuple of float
        Of those with a number, between the cut points: one more than there are cut points. Empty where nobody had one.
    mean : float or None
    """

    n: int
    missing: float
    cuts: tuple[float, ...]
    shares: tuple[float, ...]
    mean: float | None

    @classmethod
    def of(cls, values: Floats, *, n_groups: int = 10) -> NumberProfile:
        """Profile with groups of equal size where values allow it.

        Parameters
        ----------
        values : array of shape (n_customers,)
            NaN = missing.
        n_groups : int
        """
        known = values[np.isfinite(values)]
        if not len(known):
            return cls(len(values), 1.0 if len(values) else 0.0, (), (), None)
        inner = np.quantile(known, np.linspace(0, 1, n_groups + 1)[1:-1], method="lower")
        cuts = np.unique(inner)
        cuts = cuts[cuts < known.max()]
        shares = np.bincount(np.searchsorted(cuts, known, side="left"), minlength=len(cuts) + 1) / len(known)
        missing = 1 - len(known) / len(values)
        return cls(len(values), float(missing), tuple(cuts.tolist()), tuple(shares.tolist()), float(known.mean()))

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {"kind": "number", **asdict(self)}


@dataclass(frozen=True)
class CategoryProfile:
    """What is kept of a column of categories.

    Attributes
    ----------
    n : int
    missing : float
        Share without a category.
    shares : dict of str to float
        Of those with a category; the rare ones together as ``other``.
    """

    n: int
    missing: float
    shares: dict[str, float]

    @classmethod
    def of(cls, values: NDArray[np.object_]) -> CategoryProfile:
        """Profile of an array of shape (n_customers,); None = missing."""
        counts = _counted(values)
        total = sum(counts.values())
        shares = {name: count / total for name, count in counts.items()}
        least = max(_LEAST_SHARE, LEAST_SHARING / total) if total else 0.0
        common = {name: share for name, share in shares.items() if share >= least}
        if len(common) < len(shares):
            common[_OTHER] = common.get(_OTHER, 0.0) + sum(s for name, s in shares.items() if name not in common)
        return cls(len(values), 1 - total / len(values) if len(values) else 0.0, common)

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {"kind": "category", **asdict(self)}


Profile = NumberProfile | CategoryProfile


def profile_from_state(state: Mapping[str, Any]) -> Profile:
    """The profile ``state`` was taken from."""
    values = {name: value for name, value in state.items() if name != "kind"}
    if state["kind"] == "category":
        return CategoryProfile(**values)
    return NumberProfile(**values | {"cuts": tuple(values["cuts"]), "shares": tuple(values["shares"])})


@dataclass(frozen=True)
class Drift:
    """How a column differs from its profile.

    Attributes
    ----------
    stability_index : float
        Population stability index over the groups of the profile and the group of what is missing, 0 = the same.
    by_chance : float
        Index that chance alone exceeds once in a hundred comparisons of two samples of these sizes.
    distance : float or None
        Kolmogorov-Smirnov distance at the cut points, 0 to 1; None for categories.
    missing : float
        Share missing now.
    missing_before : float
    mean, mean_before : float or None
        Of numbers.
    new_categories : dict of str to float
        Categories that were rare or unknown, are not rare any more, and their shares now.
    """

    stability_index: float
    by_chance: float
    distance: float | None
    missing: float
    missing_before: float
    mean: float | None = None
    mean_before: float | None = None
    new_categories: dict[str, float] | None = None


def number_drift(profile: NumberProfile, values: Floats) -> Drift:
    """How numbers differ from their profile.

    Parameters
    ----------
    profile : NumberProfile
    values : array of shape (n_customers,)
        NaN = missing.
    """
    known = values[np.isfinite(values)]
    missing = 1 - len(known) / len(values) if len(values) else 0.0
    counts = np.bincount(np.searchsorted(profile.cuts, known, side="left"), minlength=len(profile.cuts) + 1)
    before = np.array(profile.shares or (0.0,))
    distance = None
    if len(known) and profile.shares:
        distance = float(np.abs(np.cumsum(before) - np.cumsum(counts) / len(known)).max())
    index, by_chance = _stability_index(
        np.append(before * (1 - profile.missing), profile.missing) * profile.n, np.append(counts, len(values) - len(known))
    )
    mean = float(known.mean()) if len(known) else None
    return Drift(index, by_chance, distance, missing, profile.missing, mean, profile.mean)


def category_drift(profile: CategoryProfile, values: NDArray[np.object_]) -> Drift:
    """How categories differ from their profile.

    Parameters
    ----------
    profile : CategoryProfile
    values : array of shape (n_customers,)
        None = missing.
    """
    now = _counted(values)
    n_known = sum(now.values())
    unknown = {name: count / n_known for name, count in now.items() if name not in profile.shares}
    groups = sorted({*profile.shares, _OTHER} if unknown else profile.shares)
    folded = {name: now.get(name, 0) for name in groups}
    if unknown:
        folded[_OTHER] += sum(count for name, count in now.items() if name in unknown)
    before = np.array([profile.shares.get(name, 0.0) * (1 - profile.missing) for name in groups] + [profile.missing])
    index, by_chance = _stability_index(
        before * profile.n, np.array([*(folded[name] for name in groups), len(values) - n_known], dtype=float)
    )
    least = max(2 * _LEAST_SHARE, LEAST_SHARING / max(n_known, 1))
    is_new = {name: share for name, share in unknown.items() if share >= least}
    missing = 1 - n_known / len(values) if len(values) else 0.0
    return Drift(index, by_chance, None, missing, profile.missing, new_categories=is_new)


def _stability_index(before: Floats, now: Floats) -> tuple[float, float]:
    """Index of two arrays of counts by group, and the 99 % point of it under no change."""
    filled = (before > 0) | (now > 0)
    before, now = before[filled], now[filled]
    n_groups = len(before)
    if n_groups < 2 or not before.sum() or not now.sum():
        return 0.0, 0.0
    of_before, of_now = ((counts + _SMOOTHING) / (counts.sum() + _SMOOTHING * n_groups) for counts in (before, now))
    index = float(np.sum((of_now - of_before) * np.log(of_now / of_before)))
    return index, float(chi2.ppf(0.99, n_groups - 1) * (1 / before.sum() + 1 / now.sum()))


def _counted(values: NDArray[np.object_]) -> dict[str, int]:
    """Customers by category, sorted by its name; without those who have none."""
    known = (str(value) for value in values.tolist() if value is not None and value == value)
    return dict(sorted(Counter(known).items()))
