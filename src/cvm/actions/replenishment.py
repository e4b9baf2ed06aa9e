"""When each customer is expected to buy again what they buy by habit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.stats import norm

from cvm.actions.cycles import Floats, Gaps, item_cycles, may_be_as_quiet, pair_cycles
from cvm.actions.purchase_history import ItemKind, PurchaseHistory
from cvm.engines import DuckDBEngine, literal

SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("item", pa.string()),
        ("item_kind", pa.string()),
        ("n_purchases", pa.int64()),
        ("last_bought_at", pa.date32()),
        ("expected_at", pa.date32()),
        ("lower_at", pa.date32()),
        ("upper_at", pa.date32()),
        ("cycle_days", pa.float64()),
    ]
)
LEVEL = 0.8
# A customer buys an item by cycles if the gaps vary by no more than this (log scale), and few of them are strays.
MAX_NOISE, MAX_STRAY_SHARE = 0.45, 0.30
# Fewer pairs with two gaps than this do not tell what customers of an item do.
MIN_PAIRS = 20
# Who has been silent for more cycles than this has stopped, and needs no reminder.
LAPSED_CYCLES = 3.0
_PURCHASES, _PAIRS, _GAPS = "replenishment_purchases", "replenishment_pairs", "replenishment_gaps"


@dataclass(frozen=True)
class Replenishment:
    """What is due and what was left out.

    Attributes
    ----------
    rows : Table
        ``SCHEMA``, by customer and item: pairs with two purchases or more that follow a cycle and have not lapsed.
    n_irregular : int
        Pairs with two purchases or more that follow no cycle, or of items that too few customers buy again.
    n_lapsed : int
        Pairs that followed one and have been silent for more than ``LAPSED_CYCLES``.
    """

    rows: pa.Table
    n_irregular: int = 0
    n_lapsed: int = 0

    @property
    def n_customers(self) -> int:
        """Customers with a pair."""
        return int(pc.count_distinct(self.rows["customer_id"]).as_py())


def replenishment(engine: DuckDBEngine, history: PurchaseHistory) -> Replenishment:
    """Expected date of the next purchase of each customer and product, or category where products tell too little.

    Gaps are of the customer's usual quantity: those after a larger purchase are longer by
    ``(quantity / usual) ** elasticity``, an elasticity between 0 and 1 that is learned from all gaps of an item, within
    customers. Cycles are those of ``cvm.actions.cycles``; ``lower_at`` and ``upper_at`` hold the next purchase with
    probability ``LEVEL`` if no cycle is skipped.

    Parameters
    ----------
    engine : DuckDBEngine
        Opened on the warehouse.
    history : PurchaseHistory
    """
    found = [expected_purchases(engine, history, kind) for kind in history.item_kinds()]
    if not found:
        return Replenishment(SCHEMA.empty_table())
    rows = pa.concat_tables([one.rows for one in found])
    if len(found) == 2:
        rows = _without_told_categories(engine, history, *(one.rows for one in found))
    return Replenishment(
        rows.sort_by([("customer_id", "ascending"), ("item_kind", "ascending"), ("item", "ascending")]),
        # What follows no cycle by product may follow one by category, so that the last kind tells what is left out.
        n_irregular=found[-1].n_irregular,
        n_lapsed=sum(one.n_lapsed for one in found),
    )


def expected_purchases(engine: DuckDBEngine, history: PurchaseHistory, kind: ItemKind) -> Replenishment:
    """The same for one kind of item."""
    _write_gaps(engine, history, kind)
    try:
        pairs = engine.table(f"SELECT * FROM {_PAIRS} ORDER BY pair")
        gaps = engine.table(f"SELECT pair, log_days FROM {_GAPS} ORDER BY pair, log_days")
    finally:
        for table in (_GAPS, _PAIRS, _PURCHASES):
            engine.execute(f"DROP TABLE IF EXISTS {table}")
    if not pairs.num_rows:
        return Replenishment(SCHEMA.empty_table())
    items = pairs["item"].combine_chunks().dictionary_encode()
    known = Gaps(
        gaps["log_days"].to_numpy(),
        gaps["pair"].to_numpy(),
        items.indices.to_numpy().astype(np.int64),
        len(items.dictionary),
    )
    of_items, n_pairs = item_cycles(known), pairs.num_rows
    possible = _is_shown(known)[known.item] & may_be_as_quiet(known, of_items, MAX_NOISE)
    known, pairs = known.of_pairs(possible), pairs.filter(pa.array(possible))
    cycles = pair_cycles(known, of_items)
    is_regular = (cycles.noise <= MAX_NOISE) & (cycles.stray_share <= MAX_STRAY_SHARE)
    log_next = cycles.log_days + pairs["log_quantity_effect"].to_numpy()
    is_lapsed = is_regular & (pairs["silence_days"].to_numpy() > LAPSED_CYCLES * np.exp(log_next))
    kept = np.flatnonzero(is_regular & ~is_lapsed)
    reach = norm.ppf((1 + LEVEL) / 2) * np.hypot(cycles.noise, cycles.error)

    def at(days: Floats) -> pa.Array:
        # Nobody plans for more than a century.
        whole = np.rint(np.minimum(days, 36_500.0)).astype(np.int64)
        last = pairs["last_day"].cast(pa.int32()).to_numpy()
        return pa.array((last + whole)[kept].astype(np.int32)).cast(pa.date32())

    chosen = pairs.take(pa.array(kept))
    columns = {
        "customer_id": chosen["customer_id"],
        "item": chosen["item"],
        "item_kind": pa.repeat(kind, len(kept)),
        "n_purchases": chosen["n_purchases"],
        "last_bought_at": chosen["last_day"],
        "expected_at": at(np.exp(log_next + cycles.noise**2 / 2)),
        "lower_at": at(np.exp(log_next - reach)),
        "upper_at": at(np.exp(log_next + reach)),
        "cycle_days": pa.array(cycles.days[kept]),
    }
    rows = pa.table(columns).cast(SCHEMA)
    return Replenishment(rows, n_irregular=n_pairs - int(is_regular.sum()), n_lapsed=int(is_lapsed.sum()))


def due_between(rows: pa.Table, first: date, last: date) -> pa.Table:
    """Rows whose expected date lies in ``[first, last)``."""
    expected = rows["expected_at"]
    return rows.filter(pc.and_(pc.greater_equal(expected, pa.scalar(first)), pc.less(expected, pa.scalar(last))))


def _is_shown(gaps: Gaps) -> NDArray[np.bool_]:
    """Whether enough customers show what those of an item do: array of shape (n_items,)."""
    repeats = gaps.n_of_pair >= 2
    return np.bincount(gaps.item, repeats, gaps.n_items) >= MIN_PAIRS


def _write_gaps(engine: DuckDBEngine, history: PurchaseHistory, kind: ItemKind) -> None:
    """``_PAIRS``, numbered from 0, of every customer and item bought on two days, and ``_GAPS`` between those days."""
    engine.execute(f"CREATE OR REPLACE TEMP TABLE {_PURCHASES} AS {history.bought(kind)}")
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE {_PAIRS} AS SELECT row_number() OVER (ORDER BY customer_id, item) - 1 AS pair, * "
        "FROM (SELECT customer_id, item, count(*) AS n_purchases, max(day) AS last_day, "
        f"arg_max(quantity, day) AS last_quantity FROM {_PURCHASES} GROUP BY customer_id, item HAVING count(*) >= 2)"
    )
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE {_GAPS} AS SELECT pair, item, ln(gap) AS log_days, ln(before) AS log_quantity FROM ("
        "SELECT pair, item, day - lag(day) OVER past AS gap, lag(quantity) OVER past AS before "
        f"FROM {_PURCHASES} JOIN {_PAIRS} USING (customer_id, item) WINDOW past AS (PARTITION BY pair ORDER BY day)"
        ") WHERE gap IS NOT NULL"
    )
    # How much longer a gap is after a larger purchase, told by customers who buy different quantities of one item. Rounded,
    # as sums in another order differ in their last bits.
    of_pairs = (
        "SELECT pair, item, regr_sxy(log_days, log_quantity) AS xy, regr_sxx(log_days, log_quantity) AS xx, "
        f"round(avg(log_quantity), 9) AS usual FROM {_GAPS} GROUP BY pair, item"
    )
    elasticities = (
        "SELECT item, CASE WHEN sum(xx) >= 5 THEN round(least(greatest(sum(xy) / sum(xx), 0), 1), 3) ELSE 0 END "
        f"AS elasticity FROM ({of_pairs}) GROUP BY item"
    )
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE {_GAPS} AS WITH usual AS ({of_pairs}), elastic AS ({elasticities}) "
        "SELECT gap.pair, log_days - elasticity * (log_quantity - usual) AS log_days, elasticity, usual "
        f"FROM {_GAPS} AS gap JOIN usual ON usual.pair = gap.pair JOIN elastic ON elastic.item = gap.item"
    )
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE {_PAIRS} AS SELECT p.pair, customer_id, item, n_purchases, last_day, "
        "e.elasticity * (ln(last_quantity) - e.usual) AS log_quantity_effect, "
        f"{literal(history.as_of)} - last_day AS silence_days FROM {_PAIRS} AS p "
        "JOIN (SELECT pair, any_value(elasticity) AS elasticity, any_value(usual) AS usual "
        f"FROM {_GAPS} GROUP BY pair) AS e ON e.pair = p.pair"
    )


def _without_told_categories(
    engine: DuckDBEngine, history: PurchaseHistory, products: pa.Table, categories: pa.Table
) -> pa.Table:
    """Both, without the category of a product that is expected of the same customer anyhow."""
    engine.register("replenishment_products", products)
    engine.register("replenishment_categories", categories)
    category_of = (
        f"SELECT product_id, max(category) AS category FROM ({history.rows('transactions')}) "
        "WHERE product_id IS NOT NULL AND category IS NOT NULL GROUP BY product_id"
    )
    told = (
        "SELECT customer_id, category AS item FROM replenishment_products AS due "
        f"JOIN ({category_of}) AS named ON named.product_id = due.item"
    )
    left = engine.table(f"SELECT * FROM replenishment_categories ANTI JOIN ({told}) USING (customer_id, item)")
    return pa.concat_tables([products, left.cast(SCHEMA)])
