from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

import shop
from cvm.actions.also_bought import MAX_FALSE_DISCOVERY_RATE, also_bought
from cvm.actions.purchase_history import PurchaseHistory
from cvm.engines import DuckDBEngine
from memory import Memory

AS_OF = date(2024, 6, 1)


def baskets(owned: np.ndarray) -> DuckDBEngine:
    """A warehouse in which customer i bought item j where ``owned[i, j]``."""
    customer, item = np.nonzero(owned)
    engine = Memory()
    day = shop.noon(AS_OF - timedelta(days=30))
    table = pa.table(
        {
            "customer_id": [f"c{number}" for number in customer],
            "category": [f"i{number}" for number in item],
            "occurred_at": pa.array([day] * len(customer), pa.timestamp("us")),
            "amount": np.ones(len(customer)),
        }
    )
    engine.register("given", table)
    engine.replace_table("transactions", "SELECT * FROM given")
    return engine


def pairs_of(engine: DuckDBEngine) -> pa.Table:
    return also_bought(engine, PurchaseHistory.of(engine, as_of=AS_OF, timezone="UTC"))


def random_owned(*, n: int, n_items: int, seed: int) -> np.ndarray:
    """Each customer has an appetite of their own, items are chosen independently of each other."""
    rng = np.random.default_rng(seed)
    appetite = rng.gamma(0.8, 1.0, n)[:, None] * rng.uniform(0.1, 0.9, n_items)
    return rng.random((n, n_items)) < 1 - np.exp(-appetite)


def test_a_pair_that_goes_together_is_found_in_both_directions() -> None:
    owned = random_owned(n=3_000, n_items=12, seed=1)
    both = np.random.default_rng(2).random(3_000) < 0.05
    owned[both, 0] = owned[both, 1] = True
    rows = {(row["item"], row["also_bought"]): row for row in pairs_of(baskets(owned)).to_pylist()}
    found, mirrored = rows["i0", "i1"], rows["i1", "i0"]
    n_both = int((owned[:, 0] & owned[:, 1]).sum())
    assert (found["n_item"], found["n_both"]) == (int(owned[:, 0].sum()), n_both)
    assert found["confidence"] == pytest.approx(n_both / owned[:, 0].sum())
    assert found["support"] == pytest.approx(n_both / owned.any(axis=1).sum())
    assert found["lift"] == mirrored["lift"] > 1
    assert found["false_discovery_rate"] <= MAX_FALSE_DISCOVERY_RATE


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_appetite_alone_makes_no_pair(seed: int) -> None:
    owned = random_owned(n=2_000, n_items=25, seed=seed)
    together = (owned.T.astype(int) @ owned)[np.triu_indices(25, 1)]
    alone = np.outer(owned.mean(axis=0), owned.mean(axis=0))[np.triu_indices(25, 1)] * len(owned)
    assert (together > 1.2 * alone).mean() > 0.9  # who buys much buys everything
    assert pairs_of(baskets(owned)).num_rows <= 2 * 2


def test_few_customers_make_no_pair() -> None:
    owned = np.zeros((60, 3), dtype=bool)
    owned[:9, :2] = True
    owned[9:, 2] = True
    assert pairs_of(baskets(owned)).num_rows == 0


def test_without_items_there_is_no_pair() -> None:
    engine = shop.typed_warehouse(transactions=[shop.order("c", on="2024-01-01", amount=1.0)])
    assert pairs_of(engine).num_rows == 0
