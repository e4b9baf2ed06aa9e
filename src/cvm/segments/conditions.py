"""Who is meant: conditions on the columns of scores, the one language of segment rules and playbook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Condition:
    """Holds where every column has one of its values, or lies within its bounds; one that asks nothing always holds.

    Attributes
    ----------
    values : mapping of str to sequence of str
        Column to the values allowed.
    minimum, maximum : mapping of str to float
        Bounds of columns of numbers, both included. Where there is no number, no bound holds.
    """

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    minimum: Mapping[str, float] = field(default_factory=dict)
    maximum: Mapping[str, float] = field(default_factory=dict)

    @property
    def columns(self) -> set[str]:
        """Columns it asks about."""
        return {*self.values, *self.minimum, *self.maximum}

    def state(self) -> dict[str, Any]:
        """As JSON values: the arguments it is made of."""
        parts = {
            "values": {column: list(allowed) for column, allowed in self.values.items()},
            "minimum": dict(self.minimum),
            "maximum": dict(self.maximum),
        }
        return {part: asked for part, asked in parts.items() if asked}

    def holds(self, columns: Mapping[str, NDArray[np.generic]], *, n: int) -> NDArray[np.bool_]:
        """For each of ``n`` customers: array of shape (n,).

        Parameters
        ----------
        columns : mapping of str to array of shape (n,)
            All of ``self.columns``; text for ``values``, float for bounds.
        n : int
        """
        found = np.ones(n, dtype=bool)
        for name, allowed in self.values.items():
            found &= np.isin(np.asarray(columns[name], dtype=str), list(allowed))
        with np.errstate(invalid="ignore"):
            for name, bound in self.minimum.items():
                found &= np.asarray(columns[name], dtype=float) >= bound
            for name, bound in self.maximum.items():
                found &= np.asarray(columns[name], dtype=float) <= bound
        return found
