"""Features of subscriptions, and the spells in which a customer held at least one.

A row is one subscription, or one version of it: a change of plan ends one row and begins the next. What is known at
``as_of``: rows begun before it, and ends before it. An end planned for later is invisible, because the table does not
say since when it was planned. ``ended_at`` is the first moment without the subscription.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from cvm.features.catalogue import Feature

# Length of a period of retention.
PERIOD_DAYS = 30

# Who begins again within a day has not been away: rows that end on the 30th and go on on the 1st.
_PAUSE_DAYS = 1

_ACTIVE = "FILTER (WHERE end_age IS NULL)"
_THEN = "FILTER (WHERE start_age > {window} AND (end_age IS NULL OR end_age <= {window}))"


def subscription_days(*, started_day: str, ended_day: str) -> str:
    """SQL for the rows of ``subscriptions`` with ``started_day`` and ``ended_day`` (null where no end is on file).

    Parameters
    ----------
    started_day, ended_day : str
        SQL for the days of ``started_at`` and ``ended_at`` as numbers; an end before the start counts as one on its day.
    """
    return (
        f"SELECT *, {started_day} AS started_day, "
        f"CASE WHEN {ended_day} IS NOT NULL THEN greatest({ended_day}, {started_day}) END AS ended_day FROM subscriptions"
    )


def known_subscriptions(*, started_day: str, ended_day: str) -> list[str]:
    """Definitions of ``subscription`` and what it is made of, given ``snapshot``: the rows known at every ``as_of``.

    Beside the table's columns ``subscription`` has, in days before ``as_of``, ``start_age`` and ``end_age`` (null while
    active), ``first_age`` (the customer's first start), ``spell`` (number of the spell, from 1), ``spell_age`` (its start),
    and ``is_replaced`` (another row began when this one ended).

    Parameters
    ----------
    started_day, ended_day : str
        As in ``subscription_days``.
    """
    customer = "PARTITION BY as_of, customer_id"
    in_time = f"{customer} ORDER BY start_age DESC, coalesce(end_age, 0) DESC"
    latest_end = f"min(coalesce(end_age, 0)) OVER ({in_time} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    dated = f"""
  SELECT as_of, given.* EXCLUDE (started_day, ended_day), as_of_day - started_day AS start_age,
    CASE WHEN ended_day < as_of_day THEN as_of_day - ended_day END AS end_age
  FROM ({subscription_days(started_day=started_day, ended_day=ended_day)}) AS given
  JOIN snapshot ON started_day < as_of_day"""
    # Of rows that begin and end together one begins the spell; the others come behind it, or they would end the one before.
    numbered = f"""
  SELECT *, sum(begins) OVER ({in_time}, begins DESC ROWS UNBOUNDED PRECEDING) AS spell FROM (
    SELECT *, CASE WHEN start_age >= {latest_end} - {_PAUSE_DAYS} THEN 0 ELSE 1 END AS begins FROM dated_subscription
  )"""
    # Ages at which a row that another follows may end; a join, since not every engine takes EXISTS beside windows.
    follows = " UNION ".join(
        f"SELECT as_of, customer_id, start_age + {days} AS end_age, 1 AS is_followed FROM dated_subscription"
        for days in range(_PAUSE_DAYS + 1)
    )
    return [
        f"dated_subscription AS ({dated})",
        f"subscription AS (SELECT held.*, max(start_age) OVER ({customer}, spell) AS spell_age, "
        f"max(start_age) OVER ({customer}) AS first_age, is_followed IS NOT NULL AS is_replaced FROM ({numbered}) AS held "
        f"LEFT JOIN ({follows}) AS other USING (as_of, customer_id, end_age))",
    ]


def renewals() -> str:
    """SQL for how long spells lasted, given ``subscription``: what a retention curve is fitted to.

    A spell is followed through the periods it could complete by ``as_of``. What happened in the one that has not passed yet
    does not count, or those who left early in it would stand against others who had no time to.

    Returns
    -------
    str
        A query with columns ``as_of``, ``periods`` of ``PERIOD_DAYS`` (of who left, the number of the one in which that
        was, 1 being the first; of who did not, those completed), ``churned`` (1 left, 0 not), ``n_spells``.
    """
    spells = (
        f"SELECT as_of, max(spell_age) // {PERIOD_DAYS} AS whole, min(coalesce(end_age, 0)) > 0 AS has_ended, "
        f"greatest(ceil((max(spell_age) - min(coalesce(end_age, 0))) / {PERIOD_DAYS}.0), 1) AS last "
        "FROM subscription GROUP BY as_of, customer_id, spell"
    )
    left = "has_ended AND last <= whole"
    return (
        f"SELECT as_of, CAST(CASE WHEN {left} THEN last ELSE whole END AS DOUBLE) AS periods, "
        f"CASE WHEN {left} THEN 1.0 ELSE 0.0 END AS churned, count(*) AS n_spells FROM ({spells}) GROUP BY ALL"
    )


def subscription_features(columns: Collection[str]) -> Iterator[Feature]:
    """Features of a subscriptions table with these columns."""
    yield from _FEATURES
    if "price_per_month" in columns:
        yield from _PRICE_FEATURES
    if "plan" in columns:
        rank = "coalesce(price_per_month, 0)" if "price_per_month" in columns else "start_age"
        yield _feature(
            "subscription_plan",
            f"arg_max(plan, struct_pack(n := {rank}, plan := plan)) FILTER (WHERE end_age IS NULL AND plan IS NOT NULL)",
            "category",
            "Plan of the dearest subscription held; of the longest held where there are no prices.",
            kind="category",
        )


def _feature(name: str, sql: str, unit: str, meaning: str, **options: Any) -> Feature:
    return Feature(name, sql, "subscription", unit, meaning, **options)


_FEATURES = (
    _feature("n_subscriptions", f"count(*) {_ACTIVE}", "subscriptions", "Subscriptions held.", empty="0"),
    _feature(
        "n_subscriptions_ever", "count(*)", "subscriptions", "Subscriptions ever begun, each version of one.", empty="0"
    ),
    _feature("subscription_tenure_days", f"max(spell_age) {_ACTIVE}", "days", "Days without a break with any subscription."),
    _feature("oldest_subscription_days", f"max(start_age) {_ACTIVE}", "days", "Age of the oldest subscription held."),
    _feature(
        "subscription_months",
        "round(sum(start_age - coalesce(end_age, 0)) * 12.0 / 365, 4)",
        "months",
        "Months of all subscriptions so far.",
        empty="0",
    ),
    _feature(
        "n_subscription_returns", "max(spell) - 1", "returns", "Times subscribed again after a time without.", empty="0"
    ),
    _feature(
        "n_subscriptions_dropped_{window}d",
        "count(*) FILTER (WHERE end_age <= {window} AND NOT is_replaced)",
        "subscriptions",
        "Subscriptions ended in the last {window} days and not followed by another.",
        windows=(90, 365),
        empty="0",
    ),
    _feature(
        "n_subscription_changes_{window}d",
        "count(*) FILTER (WHERE end_age <= {window} AND is_replaced)",
        "subscriptions",
        "Changes from one subscription to another in the last {window} days.",
        windows=(90, 365),
        empty="0",
    ),
    _feature(
        "days_since_subscription_change",
        "min(least(start_age, coalesce(end_age, start_age)))",
        "days",
        "Days since any subscription began or ended.",
    ),
    _feature("days_since_subscription_end", "min(end_age)", "days", "Days since any subscription ended."),
)

_PRICE_FEATURES = (
    _feature(
        "subscription_price",
        f"coalesce(sum(price_per_month) {_ACTIVE}, 0)",
        "currency per month",
        "Price of all subscriptions held.",
        empty="0",
    ),
    _feature(
        "subscription_price_change_{window}d",
        f"coalesce(sum(price_per_month) {_ACTIVE}, 0) - sum(price_per_month) {_THEN}",
        "currency per month",
        "Price of all subscriptions held, less that of {window} days ago; below 0 after a downgrade.",
        windows=(90, 365),
    ),
    _feature(
        "subscription_price_over_first",
        f"sum(price_per_month) {_ACTIVE} / nullif(sum(price_per_month) FILTER (WHERE start_age = first_age), 0)",
        "ratio",
        "Price of all subscriptions held against that of the first day.",
    ),
)
