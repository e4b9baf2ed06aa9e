from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import shop
from cvm.actions.purchase_history import PurchaseHistory
from cvm.actions.replenishment import due_between, expected_purchases, replenishment
from memory import Memory
from simulated_base import draw_base

AS_OF = date(2024, 6, 1)


def bought(customer: str, item: str, days: list[int], **more: object) -> list[dict[str, object]]:
    """Purchases so many days before ``AS_OF``."""
    return [shop.order(customer, on=AS_OF - timedelta(days=day), amount=5.0, category=item, **more) for day in days]


def crowd(item: str = "coffee", cycle: int = 30, n: int = 30) -> list[dict[str, object]]:
    """Customers who buy an item about every ``cycle`` days, the last time ten days ago."""
    rows: list[dict[str, object]] = []
    for number in range(n):
        days = [10 + round(k * cycle * (0.9 + 0.2 * number / n)) for k in range(6)]
        rows += bought(f"x{number:02d}", item, days)
    return rows


def due_of(rows: list[dict[str, object]], **options: object) -> dict[str, dict[str, object]]:
    engine = shop.typed_warehouse(transactions=rows)
    found = replenishment(engine, PurchaseHistory.of(engine, as_of=AS_OF, timezone="UTC"))
    return {row["customer_id"]: row for row in found.rows.to_pylist()}


def test_the_next_purchase_is_expected_a_cycle_after_the_last() -> None:
    due = due_of([*crowd(), *bought("c", "coffee", [5, 35, 65, 95])])["c"]
    assert due["last_bought_at"] == AS_OF - timedelta(days=5)
    assert due["cycle_days"] == pytest.approx(30, abs=1.5)
    assert due["lower_at"] <= due["expected_at"] <= due["upper_at"]
    assert (due["item_kind"], due["n_purchases"]) == ("category", 4)


def test_a_skipped_cycle_and_a_top_up_do_not_mislead() -> None:
    rows = [
        *crowd(),
        *bought("skipped", "coffee", [5, 35, 95, 125, 155]),
        *bought("topped", "coffee", [5, 35, 65, 92, 95, 125]),
    ]
    found = due_of(rows)
    assert found["skipped"]["cycle_days"] == pytest.approx(30, abs=2)
    assert found["topped"]["cycle_days"] == pytest.approx(30, abs=2)


def test_after_a_larger_purchase_the_next_is_expected_later() -> None:
    rng, steady = np.random.default_rng(3), []
    # Each gap follows its purchase: twenty days a unit.
    for number in range(60):
        day, amounts = 400, rng.integers(1, 4, 12)
        for quantity in amounts:
            if day < 1:
                break
            steady += bought(f"s{number:02d}", "coffee", [day], quantity=float(quantity))
            day -= int(20 * quantity)
    found = due_of(steady)
    errors = []
    for name, row in found.items():
        last = next(one for one in reversed(steady) if one["customer_id"] == name)
        errors.append(abs((row["expected_at"] - row["last_bought_at"]).days / (20 * last["quantity"]) - 1))
    assert len(found) > 40
    assert np.mean(np.array(errors) < 0.15) > 0.8


def test_who_has_been_silent_for_long_has_lapsed() -> None:
    rows = [*crowd(), *bought("gone", "coffee", [120, 150, 180, 210])]
    engine = shop.typed_warehouse(transactions=rows)
    found = replenishment(engine, PurchaseHistory.of(engine, as_of=AS_OF, timezone="UTC"))
    assert "gone" not in found.rows["customer_id"].to_pylist()
    assert found.n_lapsed == 1


def test_what_is_bought_at_any_time_is_left_out_and_counted() -> None:
    rng = np.random.default_rng(4)
    rows = crowd()
    for number in range(40):
        rows += bought(f"r{number:02d}", "gifts", sorted({int(day) for day in rng.uniform(1, 500, 6)}))
    engine = shop.typed_warehouse(transactions=rows)
    found = replenishment(engine, PurchaseHistory.of(engine, as_of=AS_OF, timezone="UTC"))
    assert set(found.rows["item"].to_pylist()) == {"coffee"}
    assert found.n_irregular == 40


def test_where_nothing_follows_a_cycle_nothing_is_expected() -> None:
    rng = np.random.default_rng(5)
    rows = [
        row for n in range(30) for row in bought(f"r{n:02d}", "gifts", sorted({int(day) for day in rng.uniform(1, 500, 5)}))
    ]
    engine = shop.typed_warehouse(transactions=rows)
    found = replenishment(engine, PurchaseHistory.of(engine, as_of=AS_OF, timezone="UTC"))
    assert (found.rows.num_rows, found.n_irregular) == (0, 30)


def test_a_product_takes_the_place_of_its_category() -> None:
    rows = [{**row, "product_id": "beans-1"} for row in crowd()] + bought("other", "coffee", [5, 35, 65], product_id="odd")
    engine = shop.typed_warehouse(transactions=rows)
    found = replenishment(engine, PurchaseHistory.of(engine, as_of=AS_OF, timezone="UTC")).rows.to_pylist()
    kinds = {row["customer_id"]: (row["item_kind"], row["item"]) for row in found}
    assert kinds["x00"] == ("product", "beans-1")
    assert kinds["other"] == ("category", "coffee")


def test_returns_of_a_part_and_rows_that_are_not_known_yet_change_nothing() -> None:
    rows = [*crowd(), *bought("c", "coffee", [5, 35, 65])]
    more = [
        shop.order("c", on=AS_OF - timedelta(days=20), amount=-2.0, category="coffee"),
        shop.order("c", on=AS_OF + timedelta(days=1), amount=5.0, category="coffee"),
    ]
    assert due_of(rows)["c"] == due_of([*rows, *more])["c"]


def test_an_order_that_was_wholly_refunded_is_no_purchase() -> None:
    rows = [*crowd(), *bought("c", "coffee", [5, 35, 65, 95])]
    refund = shop.order("c", on=AS_OF - timedelta(days=2), amount=-5.0, category="coffee")
    due = due_of([*rows, refund])["c"]
    assert (due["n_purchases"], due["last_bought_at"]) == (3, AS_OF - timedelta(days=35))


def test_without_items_nothing_is_due() -> None:
    engine = shop.typed_warehouse(transactions=[shop.order("c", on="2024-01-01", amount=1.0)])
    found = replenishment(engine, PurchaseHistory.of(engine, as_of=AS_OF, timezone="UTC"))
    assert (found.rows.num_rows, found.n_irregular, found.n_customers) == (0, 0, 0)


def test_what_is_due_lies_within_its_days() -> None:
    engine = shop.typed_warehouse(transactions=crowd())
    rows = replenishment(engine, PurchaseHistory.of(engine, as_of=AS_OF, timezone="UTC")).rows
    first, last = AS_OF + timedelta(days=19), AS_OF + timedelta(days=21)
    due = due_between(rows, first, last)["expected_at"].to_pylist()
    assert 0 < len(due) < rows.num_rows
    assert all(first <= day < last for day in due)


@pytest.mark.slow
def test_on_simulated_cycles_the_expected_date_is_within_15_percent_for_most() -> None:
    """Every customer and category of the simulated world with three purchases or more before ``as_of``."""
    base = draw_base(seed=103, n_customers=20_000)
    lines, world, customers = base.lines, base.world, base.chunk.customers
    names = np.array([category.name for category in world.categories])
    known = (lines.day < 0) & (lines.amount > 0)
    table = pa.table(
        {
            "customer_id": lines.customer[known].astype(str),
            "occurred_at": pa.array(base.calendar.timestamps(lines.day[known]), pa.timestamp("us")),
            "category": names[lines.category[known]],
            "amount": lines.amount[known],
        }
    )
    with Memory() as engine:
        engine.register("given", table)
        engine.replace_table("transactions", "SELECT * FROM given")
        history = PurchaseHistory.of(engine, as_of=date(2026, 1, 1), timezone="UTC")
        found = expected_purchases(engine, history, "category").rows.to_pandas()
    habits = customers.habits
    truth = pd.DataFrame(
        {
            "customer_id": habits.customer.astype(str),
            "item": names[habits.category],
            "true_days": base.chunk.traits.cycle_days,
        }
    )
    both = found[found["n_purchases"] >= 3].merge(truth, on=["customer_id", "item"])
    assert len(both) > 3_000
    ahead = (pd.to_datetime(both["expected_at"]) - pd.to_datetime(both["last_bought_at"])).dt.days
    assert ((ahead - both["true_days"]).abs() <= 0.15 * both["true_days"]).mean() >= 0.95
    assert ((both["cycle_days"] / both["true_days"] - 1).abs() <= 0.15).mean() >= 0.95
