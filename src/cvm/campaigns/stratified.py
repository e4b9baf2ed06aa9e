"""Arms of exact size within each stratum.

Customers are ranked by their draw within their stratum, and the ranks are cut at ``floor(n * cumulative share + u)`` with
one ``u`` in [0, 1) drawn per stratum. So each arm of each stratum differs by less than one customer from its share, and each
customer's probability of an arm is exactly the arm's share, however small the stratum. (Own derivation.)

The price: ranks depend on who else is drawn. An audience is drawn once, as a whole, and its ledger is what counts; later
customers are a list of their own.
"""

from __future__ import annotations

from cvm.campaigns.assignment import (
    RESOLUTION,
    Split,
    campaign_key,
    draw_key,
    draw_sql,
    ledger_rows,
)
from cvm.engines import literal

_UNKNOWN = "unknown"


def balanced_query(customers: str, split: Split, *, stratum: str, campaign_id: str, salt: str) -> str:
    """SQL for the arm of each customer, the arms of exact size in every stratum.

    Parameters
    ----------
    customers : str
        A table, or a query in parentheses, with ``customer_id`` once per customer and never empty, which the caller sees to:
        a customer who stands there twice may get two arms.
    split : Split
    stratum : str
        SQL of the stratum; a null is a stratum of its own, called ``unknown``.
    campaign_id : str
    salt : str

    Returns
    -------
    str
        A query with ``campaign_id``, ``customer_id``, ``arm`` and ``propensity``, one row per customer, unordered.
    """
    key = campaign_key(campaign_id, salt=salt)
    start = draw_sql("'stratum ' || stratum", key=draw_key(key, "strata"))
    *bounded, (last, _) = split.cuts.items()
    # A draw scaled to the stratum's size has more digits than BIGINT.
    cuts = [f"CAST((CAST(count(*) AS HUGEINT) * {cut} + {start}) // {RESOLUTION} AS BIGINT)" for _, cut in bounded]
    columns = "".join(f", {cut} AS cut_{number}" for number, cut in enumerate(cuts))
    branches = " ".join(f"WHEN place < cut_{number} THEN {literal(arm)}" for number, (arm, _) in enumerate(bounded))
    return ledger_rows(
        f"WITH member AS (SELECT customer_id, coalesce(CAST({stratum} AS VARCHAR), {literal(_UNKNOWN)}) AS stratum "
        f"FROM {customers}), "
        f"cuts AS (SELECT stratum{columns} FROM member GROUP BY stratum), "
        f"drawn AS (SELECT *, {draw_sql('customer_id', key=key)} AS draw FROM member), "
        "ranked AS (SELECT *, row_number() OVER (PARTITION BY stratum ORDER BY draw, customer_id) - 1 AS place FROM drawn) "
        f"SELECT customer_id, CASE {branches} ELSE {literal(last)} END AS arm FROM ranked JOIN cuts USING (stratum)",
        split,
        campaign_id=campaign_id,
    )
