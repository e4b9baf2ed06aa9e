"""Who moved from which segment to which between two runs, and how much value moved with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def matched(previous: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Everybody in either run, with both sides.

    Parameters
    ----------
    previous, now : DataFrame of shape (n_customers, 4)
        ``customer_id``, each once, ``segment``, ``clv``, ``p_churn``.

    Returns
    -------
    DataFrame of shape (n_customers in either, 7)
        ``customer_id``, ``from_segment``, ``to_segment``, ``previous_clv``, ``clv``, ``previous_p_churn``, ``p_churn``; null
        on the side where a customer was not scored.
    """
    before = previous.rename(columns={"segment": "from_segment", "clv": "previous_clv", "p_churn": "previous_p_churn"})
    both = before.merge(now.rename(columns={"segment": "to_segment"}), on="customer_id", how="outer", sort=False)
    columns = ["from_segment", "to_segment", "previous_clv", "clv", "previous_p_churn", "p_churn"]
    return both[["customer_id", *columns]]


def migration_matrix(both: pd.DataFrame) -> pd.DataFrame:
    """Each pair of segments that somebody belongs to: a row per pair, that of staying among them.

    Parameters
    ----------
    both : DataFrame
        As from ``matched``.

    Returns
    -------
    DataFrame of shape (n_pairs, 5)
        ``from_segment`` (null = not scored before), ``to_segment`` (null = gone), ``n_customers``, and the sums
        ``previous_clv`` and ``clv``, 0 on a side where nobody was scored. Rows add up to both runs.
    """
    groups = both.groupby(["from_segment", "to_segment"], dropna=False, sort=True, observed=True)
    sums = groups.agg(n_customers=("customer_id", "size"), previous_clv=("previous_clv", "sum"), clv=("clv", "sum"))
    return sums.reset_index()


def border_crossers(both: pd.DataFrame) -> pd.DataFrame:
    """Customers of both runs who are in another segment now, the largest change of CLV first.

    Parameters
    ----------
    both : DataFrame
        As from ``matched``.
    """
    moved = both["from_segment"].notna() & both["to_segment"].notna() & (both["from_segment"] != both["to_segment"])
    found = both[moved]
    change = -np.abs((found["clv"] - found["previous_clv"]).to_numpy(float))
    return found.iloc[np.lexsort((found["customer_id"].to_numpy(str), change))].reset_index(drop=True)
