from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

import shop
from cvm.features.query import Schema, catalogue, renewals_query
from shop import order, subscription

AS_OF = date(2024, 3, 1)  # 2024-01-01 is 60 days before, 2024-02-20 is 10


def features(*rows: dict[str, Any], as_of: date = AS_OF) -> dict[str, Any]:
    tables = {"transactions": [order("buyer", on="2023-01-01", amount=1.0)], "subscriptions": list(rows)}
    return shop.features_at(shop.typed_warehouse(**tables), as_of)[as_of].get("c", {})


def plan(name: str, price: float, started: str, ended: str | None = None) -> dict[str, Any]:
    return subscription("c", started, ended, plan=name, price_per_month=price)


class TestOnePlan:
    def test_a_running_subscription(self):
        found = features(plan("basic", 10.0, "2024-01-01"))
        expected = {
            "n_subscriptions": 1,
            "n_subscriptions_ever": 1,
            "subscription_tenure_days": 60,
            "oldest_subscription_days": 60,
            "n_subscription_returns": 0,
            "n_subscriptions_dropped_90d": 0,
            "days_since_subscription_change": 60,
            "days_since_subscription_end": None,
            "subscription_price": 10,
            "subscription_price_change_90d": None,  # held none then
            "subscription_price_over_first": 1,
            "subscription_plan": "basic",
        }
        assert {name: found[name] for name in expected} == expected
        assert found["subscription_months"] == pytest.approx(60 * 12 / 365, abs=1e-4)

    def test_an_ended_one(self):
        found = features(plan("basic", 10.0, "2024-01-01", "2024-02-20"))
        assert (found["n_subscriptions"], found["subscription_tenure_days"], found["subscription_plan"]) == (0, None, None)
        assert (found["n_subscriptions_dropped_90d"], found["days_since_subscription_end"]) == (1, 10)
        assert found["subscription_price"] == 0

    def test_it_is_known_from_the_day_after_its_start_on(self):
        assert features(plan("basic", 10.0, "2024-03-01")) == {}
        assert features(plan("basic", 10.0, "2024-02-29"))["subscription_tenure_days"] == 1

    def test_a_holder_who_never_ordered_is_a_customer(self):
        assert features(plan("basic", 10.0, "2024-01-01"))["n_orders"] == 0

    @pytest.mark.parametrize("ended", ["2024-03-01", "2024-03-02", "2030-01-01"])
    def test_an_end_from_the_snapshot_on_is_invisible(self, ended):
        assert features(plan("basic", 10.0, "2024-01-01", ended)) == features(plan("basic", 10.0, "2024-01-01"))

    def test_an_end_on_the_day_before_is_known(self):
        assert features(plan("basic", 10.0, "2024-01-01", "2024-02-29"))["n_subscriptions"] == 0


class TestSeveral:
    def test_an_add_on_dropped_while_the_plan_lives(self):
        found = features(plan("big", 30.0, "2023-10-01"), plan("extra", 5.0, "2023-10-01", "2024-02-20"))
        assert (found["n_subscriptions"], found["n_subscriptions_dropped_90d"]) == (1, 1)
        assert (found["subscription_price"], found["subscription_price_change_90d"]) == (30, -5)
        assert found["subscription_price_over_first"] == pytest.approx(30 / 35)

    def test_a_downgrade_is_a_change_and_ends_no_spell(self):
        found = features(plan("big", 30.0, "2023-10-01", "2024-02-20"), plan("small", 10.0, "2024-02-20"))
        assert (found["n_subscription_changes_90d"], found["n_subscriptions_dropped_90d"]) == (1, 0)
        assert (found["subscription_tenure_days"], found["oldest_subscription_days"]) == (152, 10)
        assert (found["subscription_price_change_90d"], found["subscription_plan"]) == (-20, "small")

    def test_a_row_that_begins_the_day_after_continues_the_spell(self):
        found = features(plan("big", 30.0, "2024-01-01", "2024-01-31"), plan("big", 30.0, "2024-02-01"))
        assert (found["subscription_tenure_days"], found["n_subscription_returns"]) == (60, 0)

    def test_a_return_after_a_pause_begins_a_new_spell(self):
        found = features(plan("big", 30.0, "2024-01-01", "2024-01-31"), plan("big", 30.0, "2024-02-10"))
        assert (found["subscription_tenure_days"], found["n_subscription_returns"]) == (20, 1)

    def test_a_long_row_bridges_the_pause_between_two_short_ones(self):
        rows = [
            plan("a", 1.0, "2024-01-01", "2024-02-25"),
            plan("b", 1.0, "2024-01-02", "2024-01-05"),
            plan("c", 1.0, "2024-02-20"),
        ]
        assert features(*rows)["subscription_tenure_days"] == 60

    def test_the_dearest_plan_is_the_one_named(self):
        assert features(plan("cheap", 5.0, "2023-01-01"), plan("dear", 9.0, "2024-01-01"))["subscription_plan"] == "dear"


def test_without_prices_and_plans_there_are_no_features_of_them():
    engine = shop.typed_warehouse(
        transactions=[order("c", on="2024-01-01", amount=1.0)],
        subscriptions=[{"customer_id": "c", "started_at": shop.noon("2024-01-01")}],
    )
    names = {feature.name for feature in catalogue(Schema.of(engine)) if feature.relation == "subscription"}
    assert "n_subscriptions" in names
    assert not any("price" in name or "plan" in name for name in names)
    assert shop.features_at(engine, AS_OF)[AS_OF]["c"]["n_subscriptions"] == 1


def test_renewals_count_spells_by_how_long_they_lasted():
    engine = shop.typed_warehouse(
        transactions=[order("c", on="2024-01-01", amount=1.0)],
        subscriptions=[
            subscription("running", "2024-01-01"),  # 60 days
            subscription("running too", "2024-01-02"),  # 59 days
            subscription("left at once", "2024-01-01", "2024-01-01"),
            subscription("left after 30 days", "2024-01-01", "2024-01-31"),
            subscription("left after 31 days", "2024-01-01", "2024-02-01"),
            subscription("left in a period to come", "2024-01-10", "2024-02-20"),
            subscription("changed", "2023-12-02", "2024-01-01"),
            subscription("changed", "2024-01-01"),  # 90 days in all
            subscription("returned", "2023-12-02", "2023-12-12"),
            subscription("returned", "2024-02-15"),  # 15 days
            subscription("later", "2024-03-01"),
        ],
    )
    rows = engine.table(renewals_query(Schema.of(engine), AS_OF, timezone="UTC")).to_pylist()
    assert {(row["periods"], row["churned"]): row["n_spells"] for row in rows} == {
        (2.0, 0.0): 1,  # running
        (1.0, 0.0): 2,  # running too; left in the second period of 30 days, which is not over
        (3.0, 0.0): 1,  # changed
        (0.0, 0.0): 1,  # returned
        (1.0, 1.0): 3,
        (2.0, 1.0): 1,
    }


def test_rows_that_begin_and_end_together_are_in_one_spell_whatever_their_order():
    rows = [
        row
        for number in range(200)
        for row in (
            subscription(f"c{number}", "2023-06-01", "2023-07-01"),
            *(subscription(f"c{number}", "2023-12-02", "2024-01-15") for _ in range(2 + number % 3)),
        )
    ]
    engine = shop.typed_warehouse(
        transactions=[order("c0", on="2024-01-01", amount=1.0)],
        subscriptions=[rows[place] for place in np.random.default_rng(5).permutation(len(rows))],
    )
    found = engine.table(renewals_query(Schema.of(engine), AS_OF, timezone="UTC")).to_pylist()
    assert {(row["periods"], row["churned"]): row["n_spells"] for row in found} == {(1.0, 1.0): 200, (2.0, 1.0): 200}
