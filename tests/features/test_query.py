from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

import shop
from cvm.features.economics import Economics
from cvm.features.query import Schema, features_query
from shop import event, order

AS_OF = date(2024, 3, 1)


def at(customer_id: str, when: str, amount: float = 1.0, **columns: Any) -> dict[str, Any]:
    """One transaction line at a moment."""
    return {"customer_id": customer_id, "occurred_at": datetime.fromisoformat(when), "amount": amount, **columns}


def one(rows: list[dict[str, Any]], as_of: date = AS_OF, **options: Any) -> dict[str, Any]:
    """Features of the only customer of a table."""
    (features,) = shop.features_at(shop.typed_warehouse(transactions=rows), as_of, **options)[as_of].values()
    return features


def outcome(rows: list[dict[str, Any]], as_of: date = AS_OF, **options: Any) -> dict[str, tuple[int, float]]:
    return shop.outcome_of(shop.typed_warehouse(transactions=rows), as_of, **{"horizon_days": 30, **options})


def busy_shop(seed: int = 5) -> dict[str, list[dict[str, Any]]]:
    """Purchases, returns, events and customers at random, every optional kind of column among them."""
    rng = np.random.default_rng(seed)

    def draw(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    def who_and_when() -> tuple[str, date]:
        return f"c{rng.integers(25)}", date(2023, 6, 1) + timedelta(days=int(rng.integers(400)))

    bought, seen = [], []
    for _ in range(300):
        customer, day = who_and_when()
        bought.append(
            order(
                customer,
                on=day,
                amount=round(rng.uniform(-20, 80), 2),
                order_id=draw(None, f"o{rng.integers(60)}"),
                product_id=draw("A", "B", "C"),
                category=draw("x", "y", "z"),
                quantity=rng.uniform(0.1, 3),
                discount=draw(None, 1.25),
                channel=draw("web", "app", None),
            )
        )
    for _ in range(200):
        customer, day = who_and_when()
        seen.append(event(customer, draw("visit", "nps"), on=day, channel="web", value=draw(None, 3.0, 4.0)))
    people = [
        {"customer_id": f"c{n}", "signed_up_at": datetime(2023, 9, 1) + timedelta(days=9 * n), "age": n} for n in range(30)
    ]
    return {"transactions": bought, "events": seen, "customers": people}


def test_several_snapshots_in_one_query_equal_each_alone():
    engine = shop.typed_warehouse(**busy_shop())
    days = [date(2023, 8, 1), date(2023, 12, 31), AS_OF, date(2024, 9, 1)]
    together = shop.features_at(engine, *days)
    assert len({len(together[day]) for day in days}) > 1
    for day in days:
        assert together[day] == shop.features_at(engine, day)[day]


def test_there_is_one_row_per_customer_and_snapshot():
    engine = shop.typed_warehouse(**busy_shop())
    query = features_query(Schema.of(engine), [AS_OF, date(2023, 12, 1)], timezone="UTC", economics=Economics())
    counts = engine.row(f"SELECT count(*) AS n, count(DISTINCT (as_of, customer_id)) AS n_keys FROM ({query})")
    assert counts["n"] == counts["n_keys"] > 25


def test_the_order_of_input_rows_is_irrelevant():
    tables = busy_shop()
    rng = np.random.default_rng(9)
    shuffled = {name: [rows[i] for i in rng.permutation(len(rows))] for name, rows in tables.items()}
    assert shop.features_at(shop.typed_warehouse(**tables), AS_OF) == shop.features_at(
        shop.typed_warehouse(**shuffled), AS_OF
    )


def test_one_customer_s_rows_do_not_touch_another_s_features():
    tables = busy_shop()
    everyone = shop.features_at(shop.typed_warehouse(**tables), AS_OF)[AS_OF]
    without = {name: [row for row in rows if row["customer_id"] != "c3"] for name, rows in tables.items()}
    assert shop.features_at(shop.typed_warehouse(**without), AS_OF)[AS_OF] == {
        customer: found for customer, found in everyone.items() if customer != "c3"
    }


def test_a_customer_appears_the_day_after_the_first_purchase():
    engine = shop.typed_warehouse(transactions=[order("c", on="2024-02-10", amount=1.0)])
    days = [date(2024, 2, 10), date(2024, 2, 11)]
    assert [set(shop.features_at(engine, *days)[day]) for day in days] == [set(), {"c"}]


def test_the_last_moment_before_as_of_is_known_and_midnight_is_not():
    rows = [at("c", "2024-02-29T23:59:59.999999", 1.0), at("c", "2024-03-01T00:00:00", 10.0)]
    found = one(rows)
    assert (found["n_orders"], found["spend"], found["recency_days"]) == (1, 1, 1)


def test_the_business_time_zone_decides_the_day():
    late = [at("c", "2024-02-10T23:30:00")]  # 01:30 of the 11th in Kyiv
    assert one(late)["recency_days"] == 20
    assert one(late, timezone="Europe/Kyiv")["recency_days"] == 19
    early = [at("c", "2024-02-10T03:30:00")]  # 22:30 of the 9th in New York
    assert one(early, timezone="America/New_York")["recency_days"] == 21


def test_the_business_time_zone_decides_what_is_known():
    eve = [at("c", "2024-02-29T22:30:00")]  # 00:30 of 1 March in Kyiv
    assert one(eve)["n_orders"] == 1
    assert shop.features_at(shop.typed_warehouse(transactions=eve), AS_OF, timezone="Europe/Kyiv")[AS_OF] == {}


def test_summer_time_moves_the_border_of_the_day():
    # Kyiv is two hours ahead of UTC in winter, three in summer.
    winter, summer = at("c", "2024-01-10T21:30:00"), at("c", "2024-07-10T21:30:00")
    assert one([winter], date(2024, 1, 12), timezone="Europe/Kyiv")["recency_days"] == 2
    assert one([summer], date(2024, 7, 12), timezone="Europe/Kyiv")["recency_days"] == 1


def test_two_purchases_around_midnight_utc_are_one_order_in_kyiv():
    rows = [at("c", "2024-02-10T23:30:00"), at("c", "2024-02-11T00:30:00")]
    assert one(rows)["n_orders"] == 2
    assert one(rows, timezone="Europe/Kyiv")["n_orders"] == 1


def test_the_business_time_zone_decides_the_day_of_events():
    events = [{"customer_id": "c", "occurred_at": datetime(2024, 2, 29, 22, 30), "event_type": "visit"}]
    engine = shop.typed_warehouse(transactions=[order("c", on="2024-01-01", amount=1.0)], events=events)
    in_utc, in_kyiv = (shop.features_at(engine, AS_OF, timezone=zone)[AS_OF]["c"] for zone in ("UTC", "Europe/Kyiv"))
    assert (in_utc["n_visit_30d"], in_kyiv["n_visit_30d"]) == (1, 0)


@pytest.mark.parametrize(("recorded", "n_orders"), [("2024-02-29", 1), ("2024-03-01", 0), (None, 1)])
def test_a_row_counts_only_when_it_was_recorded_before_as_of(recorded, n_orders):
    rows = [order("c", on="2024-01-01", amount=1.0, recorded_at=recorded and shop.noon(recorded))]
    found = shop.features_at(shop.typed_warehouse(transactions=rows), AS_OF)[AS_OF]
    assert found.get("c", {"n_orders": 0})["n_orders"] == n_orders


def test_lines_of_one_day_are_one_order():
    rows = [order("c", on="2024-01-01", amount=2.0), order("c", on="2024-01-01", amount=3.0)]
    found = one(rows)
    assert (found["n_orders"], found["mean_order_value"]) == (1, 5)


def test_an_order_id_joins_days_and_parts_a_day():
    joined = one([order("c", on=day, amount=2.0, order_id="x") for day in ("2024-01-01", "2024-01-05")])
    assert (joined["n_orders"], joined["mean_order_value"], joined["recency_days"]) == (1, 4, 60)
    parted = one([order("c", on="2024-01-01", amount=2.0, order_id=name) for name in ("x", "y")])
    assert (parted["n_orders"], parted["mean_order_value"]) == (2, 2)


def test_lines_without_an_order_id_fall_back_to_their_day():
    rows = [
        order("c", on="2024-01-01", amount=2.0, order_id=None),
        order("c", on="2024-01-01", amount=3.0, order_id=None),
        order("c", on="2024-01-02", amount=4.0, order_id=None),
        order("c", on="2024-01-02", amount=5.0, order_id="x"),
    ]
    found = one(rows)
    assert (found["n_orders"], found["max_order_value"]) == (3, 5)


def test_an_order_id_that_looks_like_a_day_number_is_no_day():
    day_number = str((date(2024, 1, 1) - date(1970, 1, 1)).days)
    rows = [order("c", on="2024-01-01", amount=2.0), order("c", on="2024-01-01", amount=3.0, order_id=day_number)]
    assert one(rows)["n_orders"] == 2


def test_an_order_id_used_by_two_customers_is_an_order_of_each():
    rows = [order(customer, on="2024-01-01", amount=2.0, order_id="x") for customer in ("a", "b")]
    found = shop.features_at(shop.typed_warehouse(transactions=rows), AS_OF)[AS_OF]
    assert {customer: row["n_orders"] for customer, row in found.items()} == {"a": 1, "b": 1}


@pytest.mark.parametrize("lead_days", [0, 7])
def test_the_outcome_window_includes_its_first_day_and_excludes_the_day_after_its_last(lead_days):
    first = AS_OF + timedelta(days=lead_days)
    days = {
        "before": first - timedelta(days=1),
        "first": first,
        "last": first + timedelta(days=29),
        "after": first + timedelta(days=30),
    }
    rows = [order(name, on=day, amount=10.0) for name, day in days.items()]
    assert outcome(rows, lead_days=lead_days) == {"first": (1, 10.0), "last": (1, 10.0)}


def test_the_outcome_window_is_cut_at_midnight_of_the_business_time_zone():
    rows = [
        at("in at midnight", "2024-02-29T22:00:00"),
        at("still out", "2024-02-29T21:59:59"),
        at("still in", "2024-03-30T21:59:59"),  # summer time begins on the 31st
        at("out at midnight", "2024-03-30T22:00:00"),
    ]
    assert set(outcome(rows, timezone="Europe/Kyiv")) == {"in at midnight", "still in"}


def test_the_outcome_counts_orders_and_their_revenue():
    rows = [
        order("c", on="2024-03-02", amount=10.0),
        order("c", on="2024-03-02", amount=5.0),
        order("c", on="2024-03-09", amount=1.5),
        order("free", on="2024-03-09", amount=0.0),
    ]
    assert outcome(rows) == {"c": (2, 16.5), "free": (1, 0.0)}


def test_a_return_inside_the_window_is_netted():
    rows = [
        order("part", on="2024-03-02", amount=10.0, order_id="p"),
        order("part", on="2024-03-20", amount=-4.0, order_id="p"),
        order("whole", on="2024-03-02", amount=10.0, order_id="w"),
        order("whole", on="2024-03-20", amount=-10.0, order_id="w"),
        order("after the window", on="2024-03-02", amount=10.0, order_id="a"),
        order("after the window", on="2024-05-20", amount=-10.0, order_id="a"),
    ]
    assert outcome(rows) == {"part": (1, 6.0), "after the window": (1, 10.0)}


@pytest.mark.parametrize("order_id", ["x", None])
def test_a_return_of_an_earlier_order_creates_no_order(order_id):
    rows = [
        order("c", on="2024-02-01", amount=10.0, order_id=order_id),
        order("c", on="2024-03-10", amount=-4.0, order_id=order_id),
    ]
    assert outcome(rows) == {}


def test_a_further_line_of_an_order_begun_before_the_window_is_no_new_order():
    rows = [
        order("c", on="2024-02-28", amount=10.0, order_id="x"),
        order("c", on="2024-03-10", amount=4.0, order_id="x"),
        order("c", on="2024-03-20", amount=3.0, order_id="y"),
    ]
    assert outcome(rows) == {"c": (1, 3.0)}


def test_orders_known_at_the_end_of_the_window_are_those_known_before_and_those_of_the_outcome():
    rng = np.random.default_rng(3)
    days = [date(2024, 1, 1) + timedelta(days=int(n)) for n in rng.integers(120, size=100)]
    rows = [order(f"c{n % 15}", on=day, amount=5.0, order_id=f"o{n}") for n, day in enumerate(days)]
    # Half of the orders come in two parts.
    rows += [row | {"occurred_at": row["occurred_at"] + timedelta(days=n % 20)} for n, row in enumerate(rows[:50])]
    engine, end = shop.typed_warehouse(transactions=rows), AS_OF + timedelta(days=30)
    known = shop.features_at(engine, AS_OF, end)
    came = shop.outcome_of(engine, AS_OF, horizon_days=30)
    assert len(came) > 5
    for customer, found in known[end].items():
        before = known[AS_OF].get(customer, {"n_orders": 0})["n_orders"]
        assert found["n_orders"] == before + came.get(customer, (0, 0.0))[0]


def test_a_quote_in_an_id_is_data():
    rows = [order("o'neil", on="2024-02-01", amount=1.0, order_id="it's"), order("o'neil", on="2024-03-01", amount=1.0)]
    assert set(shop.features_at(shop.typed_warehouse(transactions=rows), AS_OF)[AS_OF]) == {"o'neil"}
    assert outcome(rows) == {"o'neil": (1, 1.0)}


def test_what_was_recorded_late_happened_all_the_same_and_counts_in_the_outcome():
    rows = [order("c", on="2024-03-05", amount=7.0, recorded_at=shop.noon("2025-01-01"))]
    assert outcome(rows) == {"c": (1, 7.0)}
