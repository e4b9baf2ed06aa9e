"""How much more customers could bring: against what they brought so far, and against the best of their peers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cvm.models.bundle import Bundle
from cvm.segments import rfm_scores
from cvm.segments.peers import historic_per_year, measure

Floats = NDArray[np.float64]

# Room that is worth an offer, as a share of what the customer is expected to bring.
_WORTH_IT = 0.1

# Measure, its column of the best peers, and its room.
_ROOMS = (("n_categories", "peers_n_categories", "cross_sell_room"), ("price_level", "peers_price_level", "upsell_room"))
_NEEDS = {"n_categories": ("cross-sell", "categories"), "price_level": ("upsell", "quantities")}


def growth_table(bundle: Bundle, features: pd.DataFrame, scores: pa.Table) -> pa.Table:
    """Growth potential of each customer, beside its parts.

    Parameters
    ----------
    bundle : Bundle
        Knows what the best peers do.
    features : DataFrame of shape (n_customers, ...)
        In the order of ``scores``.
    scores : pyarrow.Table of shape (n_customers, ...)
        ``customer_id``, ``growth_potential``.

    Returns
    -------
    pyarrow.Table of shape (n_customers, 10)
        ``customer_id``; for categories and price level the own value, that of the best peers and the room, which is margin
        per year; ``expected_per_year`` and ``historic_per_year``, likewise; ``kind`` of the room that is worth an offer:
        cross_sell, upsell, both or none. Null where it cannot be told.
    """
    n = len(features)
    is_buyer = (features["n_orders"] > 0).to_numpy()
    recency, frequency, _ = rfm_scores(features, bundle.rfm_cuts)
    historic = historic_per_year(features)
    expected = scores["growth_potential"].to_numpy(zero_copy_only=False) + historic
    columns: dict[str, Floats] = {}
    for name, peers_name, room_name in _ROOMS:
        values, standard = measure(features, name), bundle.peers.standards.get(name)
        values = np.where(is_buyer, values, np.nan)
        best = standard.of(recency, frequency) if standard else np.full(n, np.nan)
        room = standard.room(values, best, expected) if standard else np.full(n, np.nan)
        columns |= {name: values, peers_name: np.where(np.isnan(values), np.nan, best), room_name: room}
    cross_sell, upsell = (columns[room] > _WORTH_IT * np.maximum(expected, 0.0) for _, _, room in _ROOMS)
    kind = np.select([cross_sell & upsell, cross_sell, upsell], ["both", "cross_sell", "upsell"], "none")
    columns |= {"expected_per_year": expected, "historic_per_year": historic}
    arrays = {name: pa.array(values, from_pandas=True) for name, values in columns.items()}
    return pa.table({"customer_id": scores["customer_id"], **arrays, "kind": pa.array(kind)})


def growth_gaps(bundle: Bundle) -> list[str]:
    """What of the growth potential the data cannot tell, and why."""
    return [
        f"no {what} room told: no {needs} in the transactions"
        for name, (what, needs) in _NEEDS.items()
        if name not in bundle.peers.standards
    ]
