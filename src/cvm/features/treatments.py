"""Whom a campaign treated, or held out, during an outcome window: the ledger's word on whose label a campaign may have bent.

Only the ledger (``assignments``) tells who was drawn for what. A ``*_sent`` event is a contact, and a feature, but no
treatment: nobody knows from it who else might have got it.
"""

from __future__ import annotations

from datetime import date, timedelta

from cvm.engines import literal
from cvm.engines.sql import literals, local_day

CONTROL = "control"
# Whoever the global holdout of all campaigns leaves: nothing is done to them by that.
REACHABLE = "reachable"
UNTREATED = (CONTROL, REACHABLE)


def treatments_query(
    assignment_columns: frozenset[str], as_of: date, *, horizon_days: int, lead_days: int, timezone: str
) -> str:
    """SQL for the customers whom campaigns drew in the outcome window of one snapshot, or in the lead before it.

    Parameters
    ----------
    assignment_columns : frozenset of str
        Columns of the table ``assignments``; empty where there is none.
    as_of : date
        Snapshot.
    horizon_days, lead_days : int
        Outcome window.
    timezone : str
        Zone that cuts days.

    Returns
    -------
    str
        A query with columns ``customer_id`` and ``is_treated``, one row per customer drawn within
        ``[as_of, as_of + lead_days + horizon_days)``. A treatment counts from when its arm was drawn and when it reaches
        the customer, control from when it was drawn. Who was in control of one campaign and treated by another is treated.
    """
    if not assignment_columns:
        return "SELECT '' AS customer_id, FALSE AS is_treated WHERE FALSE"
    first, end = literal(as_of), literal(as_of + timedelta(days=lead_days + horizon_days))

    def within(moment: str) -> str:
        day = local_day(moment, timezone)
        return f"({day} >= {first} AND {day} < {end})"

    is_treatment = f"arm NOT IN ({literals(UNTREATED)})"
    drawn = within("assigned_at")
    if "exposed_at" in assignment_columns:
        drawn += f" OR ({is_treatment} AND {within('exposed_at')})"
    return (
        f"SELECT customer_id, bool_or({is_treatment}) AS is_treated FROM assignments "
        f"WHERE ({drawn}) AND arm <> {literal(REACHABLE)} GROUP BY customer_id"
    )
