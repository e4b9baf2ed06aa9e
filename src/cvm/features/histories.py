"""SQL for order histories alone, all that a purchase process needs, and for the orders that followed them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from cvm.features.query import Schema, known_orders
from cvm.features.transactions import MEAN_AMOUNT

_HISTORY = "count(*) AS n_orders, min(age_days) AS recency_days, max(age_days) AS tenure_days"


def histories_query(schema: Schema, as_of: Sequence[date], *, timezone: str) -> str:
    """SQL for how many customers had which history at every ``as_of``: all that a purchase process needs to know.

    Returns
    -------
    str
        A query with columns ``as_of``, ``n_orders``, ``recency_days``, ``tenure_days`` and ``n_customers``.
    """
    return (
        f"WITH {', '.join(known_orders(schema, as_of, timezone))} "
        "SELECT as_of, n_orders, recency_days, tenure_days, count(*) AS n_customers "
        f"FROM (SELECT as_of, {_HISTORY} FROM orders GROUP BY as_of, customer_id) GROUP BY ALL"
    )


def customer_histories_query(schema: Schema, as_of: date, *, timezone: str) -> str:
    """SQL for each customer's ``n_orders``, ``recency_days``, ``tenure_days`` and ``mean_order_value`` at ``as_of``."""
    return (
        f"WITH {', '.join(known_orders(schema, [as_of], timezone))} "
        f"SELECT customer_id, {_HISTORY}, {MEAN_AMOUNT} AS mean_order_value FROM orders GROUP BY customer_id"
    )


def later_orders_query(schema: Schema, as_of: date, *, days: int, timezone: str) -> str:
    """SQL for the orders of each window of ``days`` before ``as_of`` by customers who had ordered before the window.

    Returns
    -------
    str
        A query with columns ``windows_ago`` (0 = the window that ends at ``as_of``) and ``n_orders``, as known at ``as_of``.
    """
    window = f"(age_days - 1) // {days}"
    return (
        f"WITH {', '.join(known_orders(schema, [as_of], timezone))} "
        f"SELECT {window} AS windows_ago, count(*) AS n_orders "
        "FROM (SELECT age_days, max(age_days) OVER (PARTITION BY customer_id) AS first_ago FROM orders) "
        f"WHERE first_ago > {days} * ({window} + 1) GROUP BY ALL"
    )
