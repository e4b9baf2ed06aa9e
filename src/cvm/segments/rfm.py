"""RFM: recency, frequency and money, each scored 1 to 5, and eleven names that partition the 125 cells."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RFM_SEGMENTS = (
    "champions",
    "cannot_lose",
    "at_risk",
    "loyal",
    "potential_loyalist",
    "new_customers",
    "promising",
    "need_attention",
    "about_to_sleep",
    "hibernating",
    "lost",
)


@dataclass(frozen=True)
class RfmCuts:
    """Four rising cut points each, for days since the last order, number of orders and net spend."""

    recency_days: tuple[float, ...]
    n_orders: tuple[float, ...]
    spend: tuple[float, ...]

    @classmethod
    def fit(cls, buyers: pd.DataFrame) -> RfmCuts:
        """Quintiles of the customers at hand; equal values always get equal scores, however many share them.

        Parameters
        ----------
        buyers : DataFrame of shape (n_customers, ...), n_customers >= 1
            With ``recency_days``, ``n_orders``, ``spend``.
        """
        shares = (0.2, 0.4, 0.6, 0.8)
        recency, orders, spend = (
            tuple(buyers[name].quantile(list(shares)).tolist()) for name in ("recency_days", "n_orders", "spend")
        )
        return cls(recency, orders, spend)

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def rfm_scores(features: pd.DataFrame, cuts: RfmCuts) -> tuple[Ints, Ints, Ints]:
    """Recency, frequency and monetary score, 5 the best: arrays of shape (n_customers,).

    Parameters
    ----------
    features : DataFrame of shape (n_customers, ...)
        Customers with at least one order; ``recency_days``, ``n_orders``, ``spend``.
    """
    recency, orders, spend = (features[name].to_numpy(float) for name in ("recency_days", "n_orders", "spend"))
    return (
        5 - np.searchsorted(cuts.recency_days, recency, side="left"),
        1 + np.searchsorted(cuts.n_orders, orders, side="left"),
        1 + np.searchsorted(cuts.spend, spend, side="left"),
    )


def rfm_segment(recency: Ints, frequency: Ints, monetary: Ints) -> NDArray[np.str_]:
    """Name of each RFM cell; the first rule that holds decides, so every cell has exactly one.

    Frequency and money are read together, as their mean ``fm``.

    Parameters
    ----------
    recency, frequency, monetary : arrays of shape (n_customers,), 1 to 5
    """
    fm = (frequency + monetary) / 2
    rules = [
        ("champions", (recency >= 4) & (fm >= 4.5)),
        ("cannot_lose", (recency <= 2) & (fm >= 4.5)),
        ("at_risk", (recency <= 2) & (fm >= 3)),
        ("loyal", (recency >= 3) & (fm >= 3.5)),
        ("potential_loyalist", (recency >= 4) & (fm >= 2.5)),
        ("new_customers", (recency == 5) & (frequency == 1)),
        ("promising", recency >= 4),
        ("need_attention", (recency == 3) & (fm >= 2.5)),
        ("about_to_sleep", recency == 3),
        ("hibernating", (recency == 2) | (fm >= 2)),
    ]
    return np.select([holds for _, holds in rules], [name for name, _ in rules], "lost")
