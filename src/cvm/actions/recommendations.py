"""The next items of each customer, by how likely each is to be in their next order.

One formula scores what a customer bought before, what goes with it and what everybody buys. With weights that halve every
``half_life_days``, w_i of the customer's W orders held item i, and a share p_i of everybody's:

    P_i = (w_i + m p_i l_i) / (W + m)  *  min(1, s_i / g_i)^q

The first factor is the mean of a beta-binomial whose prior is worth m orders: who has ordered once gets what everybody buys,
who has ordered often what they buy. l_i is the largest lift of i with anything the customer bought
(``cvm.actions.also_bought``), 1 without one. The second factor holds back what will not be needed yet: s_i days from the
last purchase of the item to the customer's next order, against their own mean gap g_i of it, known from three purchases on.

The defaults are what did best on Complete Journey before the window that judges them (``benchmarks/recommendations.md``).
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from cvm.actions.purchase_history import ItemKind, PurchaseHistory
from cvm.engines import DuckDBEngine, literal

SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("rank", pa.int64()),
        ("item", pa.string()),
        ("why", pa.string()),
    ]
)
N_ITEMS = 5
# What goes with an item best; more of it would cost memory and change little.
_PAIRS_OF_ITEM = 5
_OWN, _PAIRS, _SCORED = "recommendations_own", "recommendations_pairs", "recommendations_scored"


@dataclass(frozen=True)
class Weights:
    """What counts how much.

    Attributes
    ----------
    half_life_days : float
        After which an order counts half.
    prior_orders : float
        Orders that what everybody buys is worth.
    due_power : float
        How much what was bought lately is held back; 0 = not at all.
    with_pairs : bool
        Whether what goes together counts.
    """

    half_life_days: float = 90.0
    prior_orders: float = 10.0
    due_power: float = 0.25
    with_pairs: bool = True


def recommendations(
    engine: DuckDBEngine,
    history: PurchaseHistory,
    pairs: pa.Table,
    *,
    kind: ItemKind | None = None,
    weights: Weights | None = None,
    n_items: int = N_ITEMS,
) -> pa.Table:
    """The most likely items of the next order of every customer who bought anything.

    Parameters
    ----------
    engine : DuckDBEngine
        Opened on the warehouse.
    history : PurchaseHistory
    pairs : Table
        Of ``also_bought``.
    kind : {"product", "category"}, optional
        By default products, where transactions name them.
    weights : Weights, optional
    n_items : int
        Of each customer at most.

    Returns
    -------
    Table
        ``SCHEMA``, by customer and rank from 1; ``why`` in words.
    """
    kinds, weights = history.item_kinds(), weights or Weights()
    if not kinds:
        return SCHEMA.empty_table()
    kind = kind or kinds[0]
    engine.register(_PAIRS, pairs)
    engine.execute(f"CREATE OR REPLACE TEMP TABLE {_OWN} AS {_own_query(history, kind, weights)}")
    try:
        engine.execute(f"CREATE OR REPLACE TEMP TABLE {_SCORED} AS {_scored_query(history, kind, weights, n_items)}")
        return engine.table(
            f"SELECT customer_id, rank, item, {_why()} AS why FROM {_SCORED} ORDER BY customer_id, rank"
        ).cast(SCHEMA)
    finally:
        for table in (_OWN, _SCORED):
            engine.execute(f"DROP TABLE IF EXISTS {table}")


def _own_query(history: PurchaseHistory, kind: ItemKind, weights: Weights) -> str:
    """Of each customer and item: ``w``, ``n`` days of purchase, ``first_day`` and ``last_day``."""
    age = f"({literal(history.as_of)} - day)"
    return (
        f"SELECT customer_id, item, sum(pow(2, -{age} / {weights.half_life_days!r})) AS w, count(*) AS n, "
        f"min(day) AS first_day, max(day) AS last_day FROM ({history.bought(kind)}) GROUP BY customer_id, item"
    )


def _scored_query(history: PurchaseHistory, kind: ItemKind, weights: Weights, n_items: int) -> str:
    as_of = literal(history.as_of)
    orders = (
        f"SELECT customer_id, sum(pow(2, -({as_of} - day) / {weights.half_life_days!r})) AS whole, "
        f"(max(day) - min(day)) / greatest(count(*) - 1, 1) AS own_gap "
        f"FROM (SELECT DISTINCT customer_id, day FROM ({history.bought(kind)})) GROUP BY customer_id"
    )
    popular = f"SELECT item, sum(w) / (SELECT sum(whole) FROM orders) AS p FROM {_OWN} GROUP BY item"
    strongest = (
        f"SELECT item, also_bought, lift FROM {_PAIRS} WHERE item_kind = {literal(kind)} "
        "QUALIFY row_number() OVER (PARTITION BY item ORDER BY lift DESC, also_bought) "
        f"<= {_PAIRS_OF_ITEM if weights.with_pairs else 0}"
    )
    lift = (
        f"SELECT own.customer_id, pair.also_bought AS item, max(pair.lift) AS lift, "
        "arg_max(pair.item, struct_pack(lift := pair.lift, item := pair.item)) AS beside "
        f"FROM {_OWN} AS own JOIN ({strongest}) AS pair ON pair.item = own.item GROUP BY own.customer_id, pair.also_bought"
    )
    candidates = (
        f"SELECT customer_id, item FROM {_OWN} UNION SELECT customer_id, item FROM goes_with "
        "UNION SELECT customer_id, item FROM orders "
        f"CROSS JOIN (SELECT item FROM popular ORDER BY p DESC, item LIMIT {n_items})"
    )
    gap = "((last_day - first_day) / (n - 1))"
    due = (
        f"CASE WHEN n >= 3 THEN pow(least(1.0, ({as_of} - last_day + own_gap) / {gap}), {weights.due_power!r}) ELSE 1.0 END"
    )
    m = repr(weights.prior_orders)
    return (
        f"WITH orders AS ({orders}), popular AS ({popular}), goes_with AS ({lift}), candidate AS ({candidates}), "
        f"scored AS (SELECT customer_id, item, n, last_day, beside, "
        f"(coalesce(w, 0) + {m} * p * coalesce(lift, 1.0)) / (whole + {m}) * {due} AS score "
        f"FROM candidate JOIN orders USING (customer_id) JOIN popular USING (item) "
        f"LEFT JOIN {_OWN} USING (customer_id, item) LEFT JOIN goes_with USING (customer_id, item)) "
        "SELECT *, row_number() OVER (PARTITION BY customer_id ORDER BY score DESC, item) AS rank FROM scored "
        f"QUALIFY rank <= {n_items}"
    )


def _why() -> str:
    """SQL for the reason in words."""
    return (
        "CASE WHEN n > 1 THEN 'bought on ' || n || ' days, last on ' || last_day "
        "WHEN n = 1 THEN 'bought on ' || last_day "
        "WHEN beside IS NOT NULL THEN 'goes with ' || beside ELSE 'bought by many' END"
    )
