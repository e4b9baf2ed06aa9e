"""Rows as arrays of equal length, one per column."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from cvm.datasets.simulate.chance import Bools, Ints


@dataclass(frozen=True)
class Columns:
    """What tables of a chunk share; each of their fields is an array of shape (n_rows,)."""

    customer: Ints
    """Position in the chunk."""

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, rows: Ints | Bools) -> Self:
        """These rows only."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @classmethod
    def joined(cls, *parts: Self) -> Self:
        """All rows of all parts."""
        return cls(**{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)})
