"""What moved since training: features and scores against the profiles in the bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cvm.evaluation import CategoryProfile, Drift, Profile, category_drift, number_drift
from cvm.models.profiles import as_categories

# The field's limits of the stability index (Siddiqi 2006, Credit Risk Scorecards): below the first nothing happened, above
# the second another population is scored.
SOME, MUCH = 0.10, 0.25
# Share of customers that lost, or got, a value.
_MISSING = 0.05


@dataclass(frozen=True)
class Moved:
    """One column and how it differs from its profile; ``level`` is ``none``, ``some`` or ``much``."""

    name: str
    drift: Drift
    level: str

    @property
    def sentence(self) -> str:
        """What happened to it, in words."""
        parts = [f"stability index {self.drift.stability_index:.2f}"]
        if self.drift.mean is not None and self.drift.mean_before is not None:
            parts.append(f"mean {self.drift.mean_before:.4g} then, {self.drift.mean:.4g} now")
        if abs(self.drift.missing - self.drift.missing_before) >= _MISSING:
            parts.append(f"missing for {self.drift.missing:.0%} instead of {self.drift.missing_before:.0%}")
        if self.drift.new_categories:
            new = ", ".join(f"{name} {share:.0%}" for name, share in sorted(self.drift.new_categories.items())[:3])
            parts.append(f"new: {new}")
        return f"{self.name}: {'; '.join(parts)}"


def movements(profiles: Mapping[str, Profile], columns: pd.DataFrame) -> list[Moved]:
    """Every column with a profile, the furthest first; one that is gone counts as missing for everybody.

    Parameters
    ----------
    profiles : mapping of str to Profile
    columns : DataFrame of shape (n_customers, ...)
    """
    found = []
    for name, before in profiles.items():
        values = columns[name] if name in columns else pd.Series(pd.NA, index=columns.index, dtype="Float64")
        drift = _drift(before, values)
        found.append(Moved(name, drift, _level(drift)))
    return sorted(found, key=lambda moved: -moved.drift.stability_index)


def _drift(before: Profile, values: pd.Series[Any]) -> Drift:
    if isinstance(before, CategoryProfile):
        return category_drift(before, as_categories(values))
    return number_drift(before, values.to_numpy(float, na_value=float("nan")))


def _level(drift: Drift) -> str:
    index = drift.stability_index
    if index <= max(SOME, drift.by_chance):
        return "none"
    return "much" if index > MUCH else "some"
