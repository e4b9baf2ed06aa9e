"""All that the stage found, for whoever shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cvm.actions.next_best import NextBest
from cvm.actions.replenishment import Replenishment
from cvm.actions.triggers import TriggerList


@dataclass(frozen=True)
class Actions:
    """What to do next, with whom.

    Attributes
    ----------
    as_of : date
    currency : str
    decided : NextBest or None
        None where there is neither a playbook nor an expected effect, or nobody knows whom a channel may reach.
    has_items : bool
        Whether transactions name products or categories.
    due : Replenishment
    pairs : Table
        Items that go together.
    lists : list of TriggerList
    folder, triggers : Path
        Where it is written.
    notes : tuple of str
    """

    as_of: date
    currency: str
    decided: NextBest | None
    has_items: bool
    due: Replenishment
    pairs: pa.Table
    lists: list[TriggerList]
    folder: Path
    triggers: Path
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        return "; ".join(self._clauses())

    def _clauses(self) -> Iterator[str]:
        if self.decided is None:
            yield "no action is suggested" + (
                "" if self.notes else ", as there is neither a playbook nor an expected effect"
            )
        else:
            n, cost = self.decided.actions.num_rows, pc.sum(self.decided.actions["cost"]).as_py() or 0.0
            yield f"{n:,} of {len(self.decided.customer_ids):,} customers get an action for {cost:,.0f} {self.currency}"
        if self.has_items:
            yield f"{self.due.rows.num_rows:,} purchases of {self.due.n_customers:,} customers expected again"
            yield f"{self.pairs.num_rows // 2:,} pairs of items go together"
        else:
            yield "no products or categories, so nothing is due"
        told = ", ".join(f"{one.name} {one.n_customers:,}" for one in self.lists if one.n_customers)
        yield f"triggers: {told or 'none'}"
