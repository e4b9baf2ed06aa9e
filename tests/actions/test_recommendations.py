from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa

import shop
from cvm.actions.also_bought import SCHEMA as PAIRS
from cvm.actions.purchase_history import PurchaseHistory
from cvm.actions.recommendations import Weights, recommendations

AS_OF = date(2024, 6, 1)


def bought(customer: str, item: str, *days: int) -> list[dict[str, object]]:
    return [shop.order(customer, on=AS_OF - timedelta(days=day), amount=1.0, product_id=item) for day in days]


def pair(item: str, other: str, lift: float) -> dict[str, object]:
    numbers = dict.fromkeys(("n_item", "n_both"), 50) | dict.fromkeys(("support", "confidence", "p_value"), 0.1)
    return {
        "item": item,
        "also_bought": other,
        "item_kind": "product",
        "lift": lift,
        "false_discovery_rate": 0.01,
        **numbers,
    }


def items_of(rows, *, pairs=(), **weights: object) -> dict[str, list[tuple[str, str]]]:
    engine = shop.typed_warehouse(transactions=rows)
    history = PurchaseHistory.of(engine, as_of=AS_OF, timezone="UTC")
    table = pa.Table.from_pylist(list(pairs), schema=PAIRS)
    found: dict[str, list[tuple[str, str]]] = {}
    for row in recommendations(engine, history, table, weights=Weights(**weights), n_items=3).to_pylist():
        found.setdefault(row["customer_id"], []).append((row["item"], row["why"]))
        assert len(found[row["customer_id"]]) == row["rank"]
    return found


CROWD = [row for number in range(20) for row in bought(f"x{number}", "bread", 5, 20)]


def test_ones_own_purchases_come_before_what_everybody_buys() -> None:
    found = items_of([*CROWD, *bought("c", "tea", 5, 12, 19, 26)], prior_orders=1.0, due_power=0.0)["c"]
    assert found[0] == ("tea", "bought on 4 days, last on 2024-05-27")
    assert found[1] == ("bread", "bought by many")


def test_who_has_ordered_little_gets_what_goes_with_it() -> None:
    rows = [*CROWD, *bought("y", "filter", 5, 9), *bought("c", "coffee", 30)]
    found = items_of(rows, pairs=[pair("coffee", "filter", 40.0)], prior_orders=10.0)["c"]
    assert found[0] == ("filter", "goes with coffee")
    without = items_of(rows, pairs=[pair("coffee", "filter", 40.0)], prior_orders=10.0, with_pairs=False)["c"]
    assert all(why != "goes with coffee" for _, why in without)


def test_of_two_reasons_as_strong_the_same_is_told_whatever_the_order_of_rows() -> None:
    rows = [*bought("c", "coffee", 30), *bought("c", "grinder", 30), *bought("y", "filter", 5, 9), *CROWD]
    pairs = [pair(item, "filter", 40.0) for item in ("coffee", "grinder")]
    for told in (items_of(rows, pairs=pairs), items_of(rows[::-1], pairs=pairs[::-1])):
        assert dict(told["c"])["filter"] == "goes with grinder"


def test_what_was_bought_lately_and_lasts_for_long_is_held_back() -> None:
    rows = [*CROWD, *bought("c", "detergent", 1, 91, 181, 271), *bought("c", "milk", 8, 16, 24)]
    plain = {"half_life_days": 10_000.0, "prior_orders": 0.1}
    assert items_of(rows, due_power=0.0, **plain)["c"][0][0] == "detergent"
    assert items_of(rows, due_power=2.0, **plain)["c"][0][0] == "milk"


def test_without_items_nothing_is_recommended() -> None:
    engine = shop.typed_warehouse(transactions=[shop.order("c", on="2024-01-01", amount=1.0)])
    history = PurchaseHistory.of(engine, as_of=AS_OF, timezone="UTC")
    assert recommendations(engine, history, PAIRS.empty_table()).num_rows == 0
