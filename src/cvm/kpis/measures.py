"""What is added up: each measure is one SQL expression per row of a relation, and every KPI a ratio of their sums.

================  ==============================================================================================
relation          one row per
================  ==============================================================================================
``joined``        customer and period in which they came for the first time
``standing``      customer and period in which they were a customer at its start or end, or came
``quiet``         the same, a customer being who ordered within ``kpis.inactivity_days``
``purchase``      customer and period with an order, a return or a cost
``leader``        buyer and period who may be among those who brought most, with their ranks
``behaviour``     customer and period with an event
``scored``        customer and run of scores, and once more, not ``is_now``, by the segment of the run before
================  ==============================================================================================

Rows of customers add up, so do the sums over segments, channels and cohorts: a ratio of sums is right for every group.
"""

from __future__ import annotations

from dataclasses import dataclass

TOP_SHARES = (1, 10, 20)


@dataclass(frozen=True)
class Measure:
    """A quantity that is summed over rows.

    Attributes
    ----------
    name : str
    relation : str
        Whose rows are summed.
    sql : str
        Of one row; a truth value counts as 1 or 0, null as nothing.
    looks_back : {"", "start", "end"}
        Edge of the period at which it is asked who had been active before, for which history must reach back.
    """

    name: str
    relation: str
    sql: str
    looks_back: str = ""


def _counted(relation: str, names: str) -> list[Measure]:
    """Columns of the relation, summed as they are."""
    return [Measure(name, relation, name) for name in names.split()]


def _top(what: str) -> list[Measure]:
    """What the best buyers of a period brought; at least one of them."""
    return [
        Measure(
            f"top_{share}_{what}",
            "leader",
            f"CASE WHEN {what}_rank <= greatest(1, round(n_ranked * {share} / 100.0)) THEN {what} END",
        )
        for share in TOP_SHARES
    ]


_COMES = "NOT at_start AND joined_day"

_STANDING = (
    Measure("at_start", "standing", "at_start", "start"),
    Measure("at_end", "standing", "at_end", "end"),
    Measure("lost", "standing", "at_start AND NOT at_end", "start"),
    Measure("new_at_end", "standing", "joined_day >= start_day AND at_end", "start"),
    Measure("reactivated", "standing", f"{_COMES} < start_day", "start"),
    Measure("reactivated_at_end", "standing", f"{_COMES} < start_day AND at_end", "start"),
    Measure("customers", "standing", "TRUE", "start"),
)

# Who is older than the data would be counted as new.
_JOINED = (
    Measure("came_new", "joined", "TRUE", "start"),
    Measure("costed", "joined", "acquisition_cost IS NOT NULL", "start"),
    Measure("acquisition_cost", "joined", "acquisition_cost", "start"),
    Measure("costed_lifetime_value", "joined", "CASE WHEN acquisition_cost IS NOT NULL THEN lifetime_value END", "start"),
    Measure("valued_acquisition_cost", "joined", "CASE WHEN lifetime_value IS NOT NULL THEN acquisition_cost END", "start"),
)

_QUIET = (
    Measure("quiet_at_start", "quiet", "at_start", "start"),
    Measure("quiet_lost", "quiet", "at_start AND NOT at_end", "start"),
)

_PURCHASE = (
    *_counted("purchase", "n_orders revenue margin cost"),
    Measure("buyers", "purchase", "n_orders > 0"),
    Measure("repeat_buyers", "purchase", "n_orders > 1"),
    Measure("dealt", "purchase", "TRUE"),
    Measure("loss_making", "purchase", "round(margin - cost, 4) < 0"),
    Measure("ranked_revenue", "purchase", "CASE WHEN n_orders > 0 THEN revenue END"),
    Measure("ranked_margin", "purchase", "CASE WHEN n_orders > 0 THEN margin END"),
)

_LEADER = (*_top("revenue"), *_top("margin"))

_BEHAVIOUR = (
    Measure("users", "behaviour", "TRUE"),
    *_counted("behaviour", "interactions sessions logins timed_sessions minutes"),
    *_counted("behaviour", "messages_openable messages_opened messages_clickable messages_clicked"),
    *_counted("behaviour", "nps_answers nps_promoters nps_detractors"),
)

_SCORED = (
    Measure("scored", "scored", "is_now"),
    *_counted("scored", "clv previous_clv clv_of_both p_churn expected_revenue"),
    Measure("p_churn_known", "scored", "p_churn IS NOT NULL"),
)

MEASURES: dict[str, Measure] = {
    measure.name: measure for measure in (*_JOINED, *_STANDING, *_QUIET, *_PURCHASE, *_LEADER, *_BEHAVIOUR, *_SCORED)
}


def measures_of(relation: str) -> list[Measure]:
    """Those that are sums over the rows of one relation."""
    return [measure for measure in MEASURES.values() if measure.relation == relation]
