"""Earlier scores against what followed: as far as it has followed.

Scores foretell an outcome window. Until it is over the outcome is censored: of a window of 181 days of which 40 have passed
only orders in these 40 can be seen. So what was foretold of the whole window is cut to the days passed, by the purchase
process: its expected orders in ``days`` over those in the whole window cut orders and revenue, and the difference of its two
logits of "no order" moves the churn probability. Once the window is over nothing is cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from cvm.engines import DuckDBEngine
from cvm.evaluation import Estimate, area_estimate, calibration_error, ratio_estimate, wilson_interval
from cvm.features.histories import customer_histories_query
from cvm.features.query import Schema, outcome_query
from cvm.models.btyd import Btyd
from cvm.models.logits import finite_logit

Floats = NDArray[np.float64]

SCORED = ["customer_id", "segment", "p_churn", "expected_orders", "expected_order_value"]
# With fewer of either kind a figure says more about chance than about the model.
LEAST_CUSTOMERS = 50


@dataclass(frozen=True)
class Group:
    """How scores of one segment, or of all customers (``segment`` is None), fared.

    Figures have 95 % intervals, and are None where too few customers tell.

    Attributes
    ----------
    segment : str or None
    n_customers : int
        With a churn probability.
    p_churn : float or None
        Mean probability of no order in the days passed; None where there is nobody.
    churned : Estimate or None
        Share without an order.
    revenue : Estimate or None
        Revenue over what was expected.
    auc : Estimate or None
        Of the churn probability.
    calibration_error : float or None
    """

    segment: str | None
    n_customers: int
    p_churn: float | None
    churned: Estimate | None
    revenue: Estimate | None
    auc: Estimate | None
    calibration_error: float | None


@dataclass(frozen=True)
class Backtest:
    """One run of scores against what followed.

    Attributes
    ----------
    as_of : date
        Of the scores.
    model_version : str
    days, horizon_days : int
        Passed, and foretold.
    groups : tuple of Group
        All customers first, then by segment as scored.
    """

    as_of: date
    model_version: str
    days: int
    horizon_days: int
    groups: tuple[Group, ...]

    @property
    def is_complete(self) -> bool:
        """Whether the outcome window is over."""
        return self.days == self.horizon_days

    @property
    def whole(self) -> Group:
        """All customers."""
        return self.groups[0]


def backtest(
    engine: DuckDBEngine,
    scores: pd.DataFrame,
    btyd: Btyd,
    *,
    as_of: date,
    until: date,
    model_version: str,
    horizon_days: int,
    lead_days: int,
    timezone: str,
) -> Backtest:
    """Compare.

    Parameters
    ----------
    engine : DuckDBEngine
        Opened on the warehouse.
    scores : DataFrame of shape (n_customers, ...)
        ``SCORED``, as foretold at ``as_of``; churn defined by orders.
    btyd : Btyd
        Cuts the window; that of the bundle in use.
    as_of, until : date
        Of the scores, and the day after the last one of the data.
    model_version : str
    horizon_days, lead_days : int
        Outcome window of the scores.
    timezone : str
        Zone that cuts days.
    """
    days = min((until - as_of).days - lead_days, horizon_days)
    schema = Schema.of(engine)
    buyers = scores[scores["p_churn"].notna()].set_index("customer_id")
    outcome = outcome_query(schema, as_of, horizon_days=days, lead_days=lead_days, timezone=timezone)
    happened = engine.table(f"SELECT customer_id, n_orders, revenue FROM ({outcome})").to_pandas().set_index("customer_id")
    happened = happened.reindex(buyers.index).fillna(0.0)
    foretold = buyers[["p_churn"]].assign(revenue=buyers["expected_orders"] * buyers["expected_order_value"])
    if days < horizon_days:
        query = customer_histories_query(schema, as_of, timezone=timezone)
        histories = engine.table(query).to_pandas().set_index("customer_id").reindex(buyers.index)
        foretold = _cut(foretold, histories, btyd, as_of=as_of, days=days, horizon_days=horizon_days, lead_days=lead_days)
    silent = (happened["n_orders"] == 0).to_numpy(float)
    revenue, p_churn, expected = (
        values.to_numpy(float) for values in (happened["revenue"], foretold["p_churn"], foretold["revenue"])
    )
    segment = buyers["segment"].to_numpy(object)
    names = sorted({name for name in segment if name is not None})
    groups = [_group(None, silent, p_churn, revenue, expected)]
    for name in names:
        rows = segment == name
        groups.append(_group(name, silent[rows], p_churn[rows], revenue[rows], expected[rows]))
    return Backtest(as_of, model_version, days, horizon_days, tuple(groups))


def _cut(
    foretold: pd.DataFrame,
    histories: pd.DataFrame,
    btyd: Btyd,
    *,
    as_of: date,
    days: int,
    horizon_days: int,
    lead_days: int,
) -> pd.DataFrame:
    """What was foretold of the whole window, for the ``days`` passed of it; unchanged where a history is gone since."""
    short, whole = (
        btyd.predict(histories.fillna({"n_orders": 0}), horizon_days=length, lead_days=lead_days, as_of=as_of)
        for length in (days, horizon_days)
    )
    share = (short["btyd_expected_orders"] / whole["btyd_expected_orders"]).fillna(1.0).clip(0, 1)
    shift = finite_logit(short["btyd_p_no_order"].to_numpy(float)) - finite_logit(whole["btyd_p_no_order"].to_numpy(float))
    p_churn = expit(finite_logit(foretold["p_churn"].to_numpy(float)) + np.nan_to_num(shift))
    return foretold.assign(p_churn=p_churn, revenue=foretold["revenue"] * share)


def _group(segment: str | None, silent: Floats, p_churn: Floats, revenue: Floats, expected: Floats) -> Group:
    n = len(silent)
    n_of_less = int(min(silent.sum(), n - silent.sum()))
    enough = n >= LEAST_CUSTOMERS
    rate = None
    if n:
        low, high = wilson_interval(np.array([silent.mean()]), np.array([n]))
        rate = Estimate(float(silent.mean()), float(low[0]), float(high[0]))
    area = area_estimate(silent, p_churn[None, :], customer=np.arange(n)) if n_of_less >= LEAST_CUSTOMERS else None
    return Group(
        segment,
        n,
        float(p_churn.mean()) if n else None,
        rate,
        ratio_estimate(revenue, expected) if enough else None,
        area,
        calibration_error(silent, p_churn) if enough else None,
    )
