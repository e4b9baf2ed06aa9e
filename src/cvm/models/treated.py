"""Which customers may teach and judge when campaigns ran in the outcome windows (``train.treated``).

A contact in the window changes what the window shows: a customer who was kept by it is labelled as one who would have
stayed. What to do about it is a choice, for each way of leaving customers out picks its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.errors import InsufficientDataError
from cvm.models.choices import Treated

# Fewer customers than this on the test snapshot, or on all that teach, prove nothing.
MIN_CUSTOMERS = 100
_MOST_LEFT_OUT = 0.5


def is_usable(customer_ids: pd.Series[Any], treatments: pd.DataFrame, treated: Treated) -> NDArray[np.bool_]:
    """Which customers' outcomes count.

    Parameters
    ----------
    customer_ids : Series of shape (n_customers,)
    treatments : DataFrame
        ``customer_id`` and ``is_treated`` of those whom campaigns drew in the outcome window.
    treated : {"include", "exclude", "control_only"}
        ``exclude`` leaves out whom a campaign treated. ``control_only`` keeps, where any campaign ran, only those drawn for
        control and treated by no other campaign.
    """
    if treated == "include" or treatments.empty:
        return np.ones(len(customer_ids), dtype=bool)
    was_treated = treatments["is_treated"].to_numpy(bool)
    if treated == "exclude":
        return ~customer_ids.isin(treatments["customer_id"][was_treated]).to_numpy()
    return customer_ids.isin(treatments["customer_id"][~was_treated]).to_numpy()


@dataclass(frozen=True)
class WindowUse:
    """How many customers of one snapshot ``train.treated`` left, and left out."""

    as_of: date
    n_used: int
    n_left_out: int


def check_enough(test: WindowUse, training: Sequence[WindowUse], *, treated: Treated) -> None:
    """Refuse when leaving customers out left too few.

    Raises
    ------
    InsufficientDataError
        Names the counts of each snapshot; never where nobody was left out.
    """
    for what, windows in (("test", [test]), ("training", list(training))):
        n_used, n_left_out = _totals(windows)
        if n_left_out and n_used < MIN_CUSTOMERS:
            counts = "; ".join(f"{one.as_of}: {one.n_used:,} of {one.n_used + one.n_left_out:,}" for one in windows)
            milder = "include, or exclude" if treated == "control_only" else "include"
            raise InsufficientDataError(
                f"train.treated == {treated} leaves {n_used:,} customers on the {what} snapshots ({counts}), at least "
                f"{MIN_CUSTOMERS} are needed: campaigns reached too many in the outcome windows, or held out too few. "
                f"Set train.treated: {milder}; or hold more customers out of campaigns."
            )


def treated_note(windows: Sequence[WindowUse], *, treated: Treated) -> list[str]:
    """One sentence on how many were left out; nothing under ``include``.

    Parameters
    ----------
    windows : sequence of WindowUse
        All that teach or judge.
    treated : {"include", "exclude", "control_only"}
    """
    if treated == "include" or not windows:
        return []
    n_used, n_left_out = _totals(windows)
    if not n_left_out:
        return [
            f"train.treated == {treated} left nobody out: by the assignments table no campaign treated anyone in the "
            "outcome windows. Contacts that are only events (email_sent ...) are no treatment: nobody knows who got none."
        ]
    share = n_left_out / (n_used + n_left_out)
    note = (
        f"train.treated == {treated}: campaigns ran in the outcome windows, so {n_left_out:,} of {n_used + n_left_out:,} "
        f"customers ({share:.0%}) of {len(windows)} snapshots neither teach nor judge."
    )
    if share > _MOST_LEFT_OUT:
        note += (
            " That is most of the base: whom a campaign picks is seldom like the rest. Compare the scores with those of "
            "train.treated: include, and hold more customers out."
        )
    return [note]


def _totals(windows: Sequence[WindowUse]) -> tuple[int, int]:
    return sum(one.n_used for one in windows), sum(one.n_left_out for one in windows)
