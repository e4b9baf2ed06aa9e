"""How long subscribers stay: an sBG fitted to all spells known at one snapshot, and what it says of each holder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.features.subscriptions import PERIOD_DAYS
from cvm.models.btyd import Sbg

Floats = NDArray[np.float64]

# Fewer ends than this tell a rate, but not how it changes with tenure.
_MIN_ENDED = 20
# An sBG with so many virtual renewals behind it has one rate for everybody.
_ALIKE = 1e4
_YEAR_DAYS = 365


@dataclass(frozen=True)
class Retention:
    """The retention curve of a base.

    Attributes
    ----------
    sbg : Sbg
        In periods of ``PERIOD_DAYS``.
    n_spells, n_ended : int
        Spells it was fitted to, and ends of them within whole periods.
    """

    sbg: Sbg
    n_spells: int
    n_ended: int

    @classmethod
    def fit(cls, spells: pd.DataFrame) -> Self:
        """Fit to the spells known at one snapshot; running ones are censored, not left out.

        Where fewer than twenty have ended one rate stands for all periods: ends plus a half, over periods plus ten. Where
        nothing is known that is five per cent a period.

        Parameters
        ----------
        spells : DataFrame of shape (n, 3)
            ``periods``, ``churned``, ``n_spells``, as the features stage writes them; may be empty.
        """
        periods, churned, weight = (spells[name].to_numpy(float) for name in ("periods", "churned", "n_spells"))
        n_ended = float(weight @ churned)
        if n_ended >= _MIN_ENDED:
            sbg = Sbg.fit(periods, churned, weight)
        else:
            rate = (n_ended + 0.5) / (float(weight @ periods) + 10)
            sbg = Sbg(alpha=rate * _ALIKE, beta=(1 - rate) * _ALIKE)
        return cls(sbg, int(weight.sum()), int(n_ended))

    def p_end_within(self, days: float, *, tenure_days: Floats) -> Floats:
        """Probability that a spell of so many days ends within the next ``days``: array of shape (n_customers,)."""
        tenure = np.maximum(tenure_days, 0.0)
        return 1 - self.sbg.survival(np.full_like(tenure, days / PERIOD_DAYS), n_renewals=tenure / PERIOD_DAYS)

    def left_of_100(self, days: float) -> float:
        """Of 100 new subscribers, those who still are after ``days``."""
        return 100 * float(self.sbg.survival(np.array([days / PERIOD_DAYS]))[0])

    @property
    def note(self) -> str:
        """One sentence for the reader of a run."""
        if self.n_ended == 0:
            return f"Retention: none of {self.n_spells:,} subscribers left so far, so how long they stay is hardly known."
        left = self.left_of_100(_YEAR_DAYS)
        curve = f"sBG, alpha {self.sbg.alpha:.3g}, beta {self.sbg.beta:.3g}"
        if self.n_ended < _MIN_ENDED:
            curve = "one rate for all: few ends"
        return (
            f"Retention: of 100 new subscribers {left:.0f} are left after a year, {self.left_of_100(2 * _YEAR_DAYS):.0f} "
            f"after two ({curve}, from {self.n_spells:,} subscribers and {self.n_ended:,} ends)."
        )

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {**self.sbg.state(), "n_spells": self.n_spells, "n_ended": self.n_ended}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The curve ``state`` was taken from."""
        return cls(Sbg(state["alpha"], state["beta"]), state["n_spells"], state["n_ended"])

    def evidence(self) -> dict[str, Any]:
        """Parameters and the curve by period over three years, for readers."""
        curve = [round(self.left_of_100(period * PERIOD_DAYS) / 100, 4) for period in range(37)]
        return {**self.state(), "period_days": PERIOD_DAYS, "share_left_by_period": curve}
