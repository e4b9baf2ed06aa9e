"""What customers who bought one item bought, too, more often than chance and their appetite explain.

Who buys much buys everything more often, so that in any shop most pairs of items occur together more often than by chance.
Pairs are therefore compared within customers of the same breadth (number of different items): of the N_k customers who
bought k items a_k bought the one and b_k the other, and chance alone lets

    E = sum_k  a_k b_k / N_k  *  (k - 1) / k  *  1 / (1 - h_k)

have both. The second factor is there because one item takes the place of another, the third (h_k is the sum of the squared
shares of all items at this breadth) because no item is bought twice. Lift is what was counted over E; its p-value is the
upper tail of a Poisson count of mean E, which is cautious, as such counts vary less. The rate of false discoveries counts
every pair of items there is as a test.

Source: the stratified expectation is that of Mantel and Haenszel (1959), its correction for customers who buy k items our
own, the control of false finds that of Benjamini and Hochberg (1995); support, confidence and lift as in Brin et al. (1997),
"Beyond market baskets".
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import poisson

from cvm.actions.purchase_history import ItemKind, PurchaseHistory
from cvm.engines import DuckDBEngine, literal
from cvm.evaluation import false_discovery_rates

SCHEMA = pa.schema(
    [
        ("item", pa.string()),
        ("also_bought", pa.string()),
        ("item_kind", pa.string()),
        ("n_item", pa.int64()),
        ("n_both", pa.int64()),
        ("support", pa.float64()),
        ("confidence", pa.float64()),
        ("lift", pa.float64()),
        ("p_value", pa.float64()),
        ("false_discovery_rate", pa.float64()),
    ]
)
WINDOW_DAYS = 365
MAX_FALSE_DISCOVERY_RATE = 0.05
MIN_BOTH, MIN_CUSTOMERS = 10, 30
# Bounds of the work: items by how many customers bought them, customers and items of a customer drawn by their hash.
MAX_ITEMS, MAX_DRAWN_CUSTOMERS, MAX_OF_CUSTOMER = 500, 50_000, 60
_OWNED = "also_bought_owned"


def also_bought(engine: DuckDBEngine, history: PurchaseHistory) -> pa.Table:
    """Pairs of products and pairs of categories that go together.

    Parameters
    ----------
    engine : DuckDBEngine
        Opened on the warehouse.
    history : PurchaseHistory
        Purchases of its last ``WINDOW_DAYS`` count.

    Returns
    -------
    Table
        ``SCHEMA``, each pair in both directions, by kind, item and falling lift. ``n_item`` of the customers looked at
        bought ``item``, ``n_both`` of them both; ``support`` is the share of the latter in all customers looked at,
        ``confidence`` in those who bought ``item``.
    """
    found = [_pairs_of(engine, history, kind) for kind in history.item_kinds()]
    rows = pa.concat_tables([SCHEMA.empty_table(), *found])
    return rows.sort_by([("item_kind", "ascending"), ("item", "ascending"), ("lift", "descending")])


def _pairs_of(engine: DuckDBEngine, history: PurchaseHistory, kind: ItemKind) -> pa.Table:
    engine.execute(f"CREATE OR REPLACE TEMP TABLE {_OWNED} AS {_owned_query(history, kind)}")
    try:
        counted = f"SELECT count(DISTINCT customer_id) AS customers, count(DISTINCT item) AS items FROM {_OWNED}"
        n_customers, n_items = engine.row(counted).values()
        pairs = engine.table(_counts_query())
    finally:
        engine.execute(f"DROP TABLE {_OWNED}")
    n_both, expected = pairs["n_both"].to_numpy().astype(float), pairs["expected"].to_numpy()
    p_value = poisson.sf(n_both - 1, expected)
    # Pairs that nobody bought are tests, too: the least sure ones.
    n_tests = n_items * (n_items - 1) / 2
    rates = np.minimum(false_discovery_rates(p_value) * n_tests / max(len(p_value), 1), 1.0)
    is_kept = (rates <= MAX_FALSE_DISCOVERY_RATE) & (n_both >= MIN_BOTH) & (n_both > expected)
    kept = pairs.append_column("lift", pa.array(n_both / np.maximum(expected, 1e-12)))
    kept = kept.append_column("p_value", pa.array(p_value)).append_column("false_discovery_rate", pa.array(rates))
    kept = kept.filter(pa.array(is_kept))
    both_ways = []
    for item, other, n_item in (("a", "b", "n_a"), ("b", "a", "n_b")):
        both = kept["n_both"].cast(pa.float64())
        columns = {
            "item": kept[item],
            "also_bought": kept[other],
            "item_kind": pa.repeat(kind, kept.num_rows),
            "n_item": kept[n_item],
            "n_both": kept["n_both"],
            "support": pc.divide(both, float(max(n_customers, 1))),
            "confidence": pc.divide(both, kept[n_item].cast(pa.float64())),
            **{name: kept[name] for name in ("lift", "p_value", "false_discovery_rate")},
        }
        both_ways.append(pa.table(columns).cast(SCHEMA))
    return pa.concat_tables(both_ways)


def _owned_query(history: PurchaseHistory, kind: ItemKind) -> str:
    """``customer_id``, ``item`` and ``breadth`` of the customers and items looked at."""
    since = literal(history.as_of - timedelta(days=WINDOW_DAYS))
    return (
        f"WITH owned AS (SELECT DISTINCT customer_id, item FROM ({history.bought(kind)}) WHERE day >= {since}), "
        "drawn AS (SELECT customer_id FROM (SELECT DISTINCT customer_id FROM owned) "
        f"ORDER BY hash(customer_id), customer_id LIMIT {MAX_DRAWN_CUSTOMERS}), "
        "top AS (SELECT item FROM owned SEMI JOIN drawn USING (customer_id) GROUP BY item "
        f"HAVING count(*) >= {MIN_CUSTOMERS} ORDER BY count(*) DESC, item LIMIT {MAX_ITEMS}), "
        "looked_at AS (SELECT * FROM owned SEMI JOIN drawn USING (customer_id) SEMI JOIN top USING (item) "
        "QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY hash(customer_id || item), item) "
        f"<= {MAX_OF_CUSTOMER}) "
        "SELECT *, count(*) OVER (PARTITION BY customer_id) AS breadth FROM looked_at"
    )


def _counts_query() -> str:
    """Pairs that somebody bought: ``a``, ``b``, customers of each, of both, and ``expected`` of both."""
    return (
        f"WITH size AS (SELECT breadth, count(DISTINCT customer_id) AS n FROM {_OWNED} WHERE breadth > 1 GROUP BY breadth), "
        f"share AS (SELECT breadth, item, count(*) AS n FROM {_OWNED} WHERE breadth > 1 GROUP BY breadth, item), "
        "repeated AS (SELECT breadth, sum(power(share.n / (size.n * breadth), 2)) AS h FROM share JOIN size USING (breadth) "
        "GROUP BY breadth), "
        f"whole AS (SELECT item, count(*) AS n FROM {_OWNED} GROUP BY item), "
        "joint AS (SELECT l.item AS a, r.item AS b, count(*) AS n "
        f"FROM {_OWNED} AS l JOIN {_OWNED} AS r ON l.customer_id = r.customer_id AND l.item < r.item "
        "GROUP BY l.item, r.item), "
        "chance AS (SELECT l.item AS a, r.item AS b, "
        "sum(l.n * r.n / size.n * (breadth - 1) / breadth / (1 - least(repeated.h, 0.9))) AS expected "
        "FROM share AS l JOIN share AS r USING (breadth) JOIN size USING (breadth) JOIN repeated USING (breadth) "
        "WHERE l.item < r.item GROUP BY l.item, r.item) "
        "SELECT joint.a, joint.b, joint.n AS n_both, wa.n AS n_a, wb.n AS n_b, expected FROM joint "
        "JOIN chance ON chance.a = joint.a AND chance.b = joint.b "
        "JOIN whole AS wa ON wa.item = joint.a JOIN whole AS wb ON wb.item = joint.b ORDER BY joint.a, joint.b"
    )
