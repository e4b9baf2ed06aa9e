"""The draws of ``cvm.campaigns`` in Python: what those of its SQL (``sql_draws.py``) are compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from cvm.campaigns.assignment import RESOLUTION, Split, campaign_key, draw_key
from cvm.campaigns.holdout import GlobalHoldout
from cvm.features.treatments import CONTROL


def draws(customer_ids: Iterable[str], *, key: str) -> NDArray[np.int64]:
    """The first 52 bits of SHA-256(key, customer_id) of each customer."""
    begun = hashlib.sha256(key.encode("ascii"))

    def draw(customer_id: str) -> int:
        digest = begun.copy()
        digest.update(customer_id.encode())
        return int.from_bytes(digest.digest()[:7], "big") >> 4

    return np.fromiter(map(draw, customer_ids), dtype=np.int64)


def assign(customer_ids: Iterable[str], split: Split, *, campaign_id: str, salt: str) -> NDArray[np.object_]:
    """Arm of each customer, each drawn alone."""
    names = np.array(list(split.cuts), dtype=object)
    drawn = draws(customer_ids, key=campaign_key(campaign_id, salt=salt))
    return names[np.searchsorted(list(split.cuts.values()), drawn, side="right")]


def assign_balanced(
    customer_ids: Sequence[str], strata: Sequence[str | None], split: Split, *, campaign_id: str, salt: str
) -> NDArray[np.object_]:
    """Arm of each customer, the arms of exact size in every stratum."""
    key = campaign_key(campaign_id, salt=salt)
    drawn, names = draws(customer_ids, key=key), np.array(list(split.shares), dtype=object)
    told = np.array(["unknown" if stratum is None else stratum for stratum in strata], dtype=object)
    arms = np.empty(len(told), dtype=object)
    for stratum in set(told):
        members = np.flatnonzero(told == stratum)
        ranked = members[np.argsort(drawn[members])]
        start = int(draws([f"stratum {stratum}"], key=draw_key(key, "strata"))[0])
        cuts = [(len(ranked) * cut + start) // RESOLUTION for cut in split.cuts.values()]
        arms[ranked] = names[np.searchsorted(cuts, np.arange(len(ranked)), side="right")]
    return arms


def held_out(customer_ids: Sequence[str], holdout: GlobalHoldout, *, on: date, salt: str) -> NDArray[np.bool_]:
    """Whether each customer is in the global holdout on a day."""
    period = holdout.period(on)
    if period is None:
        return np.zeros(len(customer_ids), dtype=bool)
    key = draw_key(salt, "global holdout", period.starts_on.isoformat())
    return draws(customer_ids, key=key) < holdout.split.cuts[CONTROL]
