"""Churn probabilities of everybody, by the definition the bundle was trained on."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.models.bundle import Bundle
from cvm.models.churn_anchor import anchor_p_churn
from cvm.models.samples import is_judged_for_churn


def churn_probabilities(bundle: Bundle, known: pd.DataFrame, *, as_of: date) -> NDArray[np.float64]:
    """The judged model's probability where it may judge, else the anchor's; null where nothing can be said.

    Parameters
    ----------
    bundle : Bundle
    known : DataFrame of shape (n_customers, ...)
        The bundle's features and ``BTYD_COLUMNS``, null for who never ordered.
    as_of : date
        Snapshot of the features.

    Returns
    -------
    array of shape (n_customers,)
    """
    known = bundle.churn_anchor.with_anchor(
        known, btyd=bundle.btyd, horizon_days=bundle.horizon_days, lead_days=bundle.lead_days, as_of=as_of
    )
    p_churn = anchor_p_churn(known).copy()
    judged = is_judged_for_churn(known, bundle.churn_anchor.definition, bundle.eligible_days)
    if judged.any():
        p_churn[judged] = bundle.churn.p_churn(known[judged])
    return np.clip(p_churn, 0.0, 1.0)
