"""The queries of features and labels for people with a warehouse of their own: one date, and a word on every piece."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from cvm.engines.script import SNAPSHOT, Parameter, Script
from cvm.features.attributes import is_never_a_feature
from cvm.features.churn import ChurnDefinition
from cvm.features.economics import Economics
from cvm.features.query import Schema, catalogue, features_query, outcome_query

# A day that is in nobody's data, and numbers of days that nobody asks for: they mark where parameters belong.
MARKED = date(9000, 1, 1)
_LEAD_DAYS, _HORIZON_DAYS, _INACTIVITY_DAYS = 7_777, 6_666, 3_333

GIVEN = {
    "params": "What to change: nothing else names a date.",
    "given_transactions": "Your transactions; other names of columns go here. amount is signed, negative is a return.",
    "given_events": "Your events: behaviour and communication.",
    "given_customers": "Your customers: attributes as they are today.",
    "given_subscriptions": "Your subscriptions; ended_at is the first moment without.",
    "snapshot": "as_of, and its day counted from 1970-01-01.",
}
_PIECES = {
    **GIVEN,
    "line": "Transaction lines known at as_of: dated and recorded before it. age_days counts from the day to as_of.",
    "active_day": "Days with a line, whatever was returned later. age_days counts from the day to as_of.",
    "orders": (
        "Orders net of the returns known. A return that names its order reduces that order; any other is taken from the\n"
        "customer's latest earlier orders. What returns ate wholly is no order."
    ),
    "dated_subscription": "Subscriptions begun before as_of; an end planned for later is not known yet.",
    "subscription": "The same, with the spell in which the customer held at least one without a break.",
    "known_customer": "Who is known at as_of: one row of the result each.",
    "event": "Events known at as_of.",
    "ledger": "What each line earned, and what each return and event cost.",
    "profile": "Attributes of who had registered.",
}


def features_script(schema: Schema, as_of: date, *, timezone: str, economics: Economics) -> Script:
    """All features of every customer at one date.

    Parameters
    ----------
    schema : Schema
        The user's own features (``own``) are left out: they are in a table of theirs already.
    as_of : date
    timezone : str
        Zone that cuts days.
    economics : Economics
    """
    schema = usable(schema)
    features = catalogue(schema, economics)
    relations = dict.fromkeys(feature.relation for feature in features)
    mixes = {name: f"Uses of each {_mixed(name)}; of lines, returns left out." for name in relations if "mix_" in name}
    return Script(
        features_query(schema, [as_of], timezone=timezone, economics=economics),
        (Parameter("as_of", "DATE", as_of.isoformat()),),
        schema.columns,
        pieces={**_PIECES, **mixes, **{f"per_{name}": f"Features made of {name}, by customer." for name in relations}},
        columns={feature.name: f"{feature.meaning} [{feature.unit}]" for feature in features},
    )


def labels_script(
    schema: Schema, as_of: date, *, horizon_days: int, lead_days: int, timezone: str, churn: ChurnDefinition
) -> Script:
    """What customers did in the outcome window of one date: what models are taught.

    Parameters
    ----------
    schema : Schema
    as_of : date
    horizon_days, lead_days : int
        The window is ``[as_of + lead_days, as_of + lead_days + horizon_days)``.
    timezone : str
        Zone that cuts days.
    churn : ChurnDefinition
    """
    marked = replace(churn, inactivity_days=_INACTIVITY_DAYS)
    query = outcome_query(schema, MARKED, horizon_days=_HORIZON_DAYS, lead_days=_LEAD_DAYS, timezone=timezone, churn=marked)
    start = (MARKED - date(1970, 1, 1)).days + _LEAD_DAYS
    window = (
        "SELECT as_of_day + lead_days AS start_day, as_of_day + lead_days + horizon_days AS end_day, "
        f"as_of_day + lead_days + CASE WHEN horizon_days < {churn.inactivity_days} THEN horizon_days "
        f"ELSE {churn.inactivity_days} END AS active_day FROM snapshot CROSS JOIN params"
    )
    return Script(
        query,
        (
            Parameter("as_of", "DATE", as_of.isoformat()),
            Parameter("lead_days", "INTEGER", str(lead_days)),
            Parameter("horizon_days", "INTEGER", str(horizon_days)),
        ),
        schema.columns,
        first={**SNAPSHOT, "outcome_window": window},
        values={
            str(start): "(SELECT start_day FROM outcome_window)",
            str(start + _INACTIVITY_DAYS): "(SELECT active_day FROM outcome_window)",
            str(start + _HORIZON_DAYS): "(SELECT end_day FROM outcome_window)",
        },
        pieces={
            **GIVEN,
            "outcome_window": "Days of the outcome window, [start_day, end_day).",
            "line": "Lines up to the end of the window, whenever they were recorded.",
            "orders": "Orders begun in the window, net of the returns in it, by customer.",
            "stayed": f"Who stayed, by the definition of churn: {churn}.",
        },
        columns={
            "n_orders": "Orders in the window.",
            "revenue": "Net revenue of these orders.",
            "stayed": "Whether the customer stayed.",
        },
    )


def usable(schema: Schema) -> Schema:
    """Without personal data, which no query of ours needs, and without own features."""
    columns = dict(schema.columns)
    if "customers" in columns:
        kept = ("customer_id", "signed_up_at")
        columns["customers"] = {
            name: kind for name, kind in columns["customers"].items() if name in kept or not is_never_a_feature(name, kind)
        }
    return replace(schema, columns=columns, own=None)


def _mixed(relation: str) -> str:
    return relation.removeprefix("mix_").removeprefix("event_").replace("_", " ")
