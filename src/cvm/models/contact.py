"""From churn probabilities to whom a retention offer pays for: what is at stake, and the threshold that follows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.evaluation import ContactDecision, ContactTerms, contact_decision
from cvm.models.samples import Sample

Floats = NDArray[np.float64]

# Below this chance of any order, orders given that there is one are one: the quotient would be noise.
_SMALLEST_CHANCE = 1e-6


def margin_at_stake(features: pd.DataFrame, *, margin_rate: float) -> Floats:
    """Margin a customer is expected to bring in the outcome window if kept: array of shape (n_customers,).

    BTYD's expected orders given that there is one, at least one, at its expected order value. Kept customers are worth
    something after the window, too; that is left out, so whoever pays here pays all the more.

    Parameters
    ----------
    features : DataFrame of shape (n_customers, ...)
        With ``BTYD_COLUMNS``.
    margin_rate : float
        Margin per unit of revenue.
    """
    p_order = 1 - features["btyd_p_no_order"].to_numpy(float)
    orders = features["btyd_expected_orders"].to_numpy(float) / np.maximum(p_order, _SMALLEST_CHANCE)
    return margin_rate * features["btyd_expected_order_value"].to_numpy(float) * np.maximum(orders, 1.0)


def judged_decision(
    test: Sample, p_churn: Floats, *, margin_rate: float, terms: ContactTerms | None
) -> ContactDecision | None:
    """Whom to contact on the test snapshot by the winning churn model; ``None`` without terms or customers.

    Parameters
    ----------
    test : Sample
    p_churn : array of shape (n_customers,)
        Of the winner.
    margin_rate : float
    terms : ContactTerms or None
    """
    if terms is None or len(test.churned) == 0:
        return None
    return contact_decision(test.churned, p_churn, margin_at_stake(test.features, margin_rate=margin_rate), terms)


def decision_state(decision: ContactDecision) -> dict[str, Any]:
    """The decision as JSON values, without its curves."""
    curves = ("share", "profit_by_risk", "profit_by_gain")
    return {name: value for name, value in asdict(decision).items() if name not in curves}
