"""How the scores of today's customers would change if another model made them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from cvm.evaluation import NumberProfile, number_drift
from cvm.models.bundle import Bundle
from cvm.scoring.score import checked_features, predict_money
from cvm.segments import value_tier

# As many tell a stability index to the third decimal.
_MOST_CUSTOMERS = 200_000


@dataclass(frozen=True)
class ScoreChange:
    """Of the same customers, by two models.

    Attributes
    ----------
    p_churn, clv : float
        Population stability index, 0 = the same distribution.
    tiers_changed : float
        Share of customers in another value tier.
    n_customers : int
    """

    p_churn: float
    clv: float
    tiers_changed: float
    n_customers: int


def score_change(challenger: Bundle, champion: Bundle, features: pd.DataFrame, *, as_of: date, seed: int) -> ScoreChange:
    """Score the same customers twice.

    Parameters
    ----------
    challenger, champion : Bundle
    features : DataFrame of shape (n_customers, ...)
        Of today; of very many customers a random part is scored.
    as_of : date
    seed : int
        Of that part.

    Raises
    ------
    FeatureMismatchError
        If the features lack what one of them requires.
    """
    if len(features) > _MOST_CUSTOMERS:
        features = features.sample(_MOST_CUSTOMERS, random_state=seed)
    new, old = (predict_money(bundle, checked_features(bundle, features), as_of=as_of) for bundle in (challenger, champion))
    moved = {
        name: number_drift(NumberProfile.of(old[name].to_numpy(float)), new[name].to_numpy(float)).stability_index
        for name in ("p_churn", "clv")
    }
    tiers = (
        value_tier(money["clv"].to_numpy(float), bundle.value_cuts) for bundle, money in ((challenger, new), (champion, old))
    )
    changed = np.not_equal(*tiers)
    return ScoreChange(moved["p_churn"], moved["clv"], float(changed.mean()) if len(changed) else 0.0, len(features))
