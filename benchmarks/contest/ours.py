"""The product's candidates, judged by the product."""

from __future__ import annotations

from contest.forecasts import Forecast
from contest.snapshots import Contest
from cvm.models.training import judge

# Candidates that are rules of the field, or BTYD unaided: everybody could have them.
BASELINES = ("naive rate", "recency rule", "churn factor")
OURS = "cvm"


def our_forecasts(contest: Contest) -> dict[str, Forecast]:
    """Forecasts of every candidate; ``cvm`` is the most elaborate one, taken without a look at the outcome."""
    judged = judge(list(contest.training), contest.test, contest.recipe, progress=lambda _: None)
    value, churn = judged.value_models[-1].name, judged.churn_models[-1].name
    ours = Forecast(judged.revenue[value], judged.p_churn[churn], f"{value}; churn by {churn}")
    names = dict.fromkeys([*judged.revenue, *judged.p_churn])
    return {OURS: ours} | {
        name if name in BASELINES else f"{OURS}: {name}": Forecast(judged.revenue.get(name), judged.p_churn.get(name))
        for name in names
        if not name == value == churn
    }
