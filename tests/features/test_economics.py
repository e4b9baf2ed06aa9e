from __future__ import annotations

from datetime import date
from typing import Any

import pytest

import shop
from cvm.features.economics import Economics
from cvm.features.query import Schema, catalogue
from shop import event, order

AS_OF = date(2024, 3, 1)
RATES = {"coffee": 0.32, "it's {odd}": -0.1}
COSTS = {"support_ticket": 6.0, "cashback": "value"}


def features(rows: list[dict[str, Any]], events: list[dict[str, Any]] | None = None, **economics: Any) -> dict[str, Any]:
    """Features of customer c."""
    tables = {"transactions": rows} | ({"events": events} if events else {})
    return shop.features_at(shop.typed_warehouse(**tables), AS_OF, **economics)[AS_OF]["c"]


def cost(*rows: dict[str, Any], **economics: Any) -> float:
    """Cost to serve of customer c, who bought for 100."""
    sales = [row for row in rows if "amount" in row]
    events = [row for row in rows if "event_type" in row]
    found = features([order("c", on="2024-01-01", amount=100), *sales], events, **economics)
    margin = 100 + sum(row["amount"] for row in sales)
    assert found["historic_value"] == margin - found["cost_to_serve"]
    return found["cost_to_serve"]


class TestMargin:
    def value(self, amount: float, category: str | None, **columns: Any) -> float:
        rows = [order("c", on="2024-01-01", amount=amount, category=category, **columns)]
        return features(rows, margin_rate=0.5, margin_rate_by_category=RATES)["historic_value"]

    @pytest.mark.parametrize(
        ("category", "expected"), [("coffee", 32), ("it's {odd}", -10), ("tea", 50), ("Coffee", 50), (None, 50)]
    )
    def test_the_rate_of_the_category_goes_before_the_overall_rate(self, category, expected):
        assert self.value(100, category) == expected

    def test_a_return_gives_back_the_margin_of_its_category(self):
        assert self.value(-50, "coffee") == -16

    @pytest.mark.parametrize(("margin", "expected"), [(7.25, 7.25), (0.0, 0), (None, 32)])
    def test_a_margin_of_the_line_goes_before_all_rates(self, margin, expected):
        assert self.value(100, "coffee", margin=margin) == expected


class TestCost:
    def test_without_unit_costs_there_are_no_features_of_cost(self):
        found = features([order("c", on="2024-01-01", amount=10), order("c", on="2024-01-02", amount=-4)])
        assert found["historic_value"] == 6
        assert not [name for name in found if name.startswith("cost")]

    def test_a_return_costs_once_per_customer_and_day(self):
        same_day = [order("c", on="2024-02-01", amount=-10, order_id=name) for name in ("a", "b", None)]
        assert cost(*same_day, cost_per_return=3.5) == 3.5
        assert cost(*same_day, order("c", on="2024-02-02", amount=-1), cost_per_return=3.5) == 7
        assert cost(order("c", on="2024-02-01", amount=0), cost_per_return=3.5) == 0

    def test_an_event_costs_what_its_type_costs_or_what_its_value_says(self):
        events = [
            event("c", "support_ticket", on="2024-02-01", value=99.0),
            event("c", "support_ticket", on="2024-02-01", value=None),
            event("c", "cashback", on="2024-02-02", value=1.2345),
            event("c", "cashback", on="2024-02-03", value=None),
            event("c", "visit", on="2024-02-03", value=5.0),
            event("d", "support_ticket", on="2024-02-03", value=5.0),
        ]
        assert cost(*events, cost_per_event=COSTS) == pytest.approx(13.2345)
        assert cost(
            *events, order("c", on="2024-02-01", amount=-1), cost_per_event=COSTS, cost_per_return=2
        ) == pytest.approx(15.2345)

    def test_a_value_beyond_all_money_costs_nothing_rather_than_stop_the_run(self):
        assert cost(event("c", "cashback", on="2024-02-01", value=1e300), cost_per_event=COSTS) == 0

    def test_costs_of_a_window_are_those_of_its_days(self):
        rows = [order("c", on="2022-01-01", amount=1), order("c", on="2023-06-01", amount=-1)]
        events = [
            event("c", "call", on="2023-12-02"),
            event("c", "call", on="2023-12-01"),
            event("c", "call", on="2022-03-01"),
        ]
        found = features(rows, events, cost_per_return=5, cost_per_event={"call": 1})
        assert (found["cost_to_serve"], found["cost_to_serve_90d"], found["cost_to_serve_365d"]) == (8, 1, 7)

    @pytest.mark.parametrize("late", [{"on": "2024-03-01"}, {"on": "2024-02-01", "recorded_at": shop.noon("2024-03-01")}])
    def test_what_is_not_known_yet_costs_nothing_yet(self, late):
        known = {} if "recorded_at" not in late else {"recorded_at": None}
        rows = [order("c", on="2024-01-01", amount=100, **known), order("c", amount=-9, **late)]
        events = [event("c", "call", **late)]
        found = features(rows, events, cost_per_return=5, cost_per_event={"call": 1})
        assert (found["cost_to_serve"], found["historic_value"]) == (0, 100)

    def test_who_costs_more_than_the_margin_has_negative_value_even_without_an_order(self):
        engine = shop.typed_warehouse(
            transactions=[order("c", on="2024-01-01", amount=10)],
            events=[event(name, "call", on="2024-02-01") for name in ("c", "c", "prospect")],
            customers=[{"customer_id": "prospect", "age": 30}, {"customer_id": "quiet", "age": 30}],
        )
        found = shop.features_at(engine, AS_OF, cost_per_event={"call": 4.0}, margin_rate=0.5)[AS_OF]
        assert {name: row["historic_value"] for name, row in found.items()} == {"c": -3, "prospect": -4, "quiet": 0}

    def test_the_catalogue_says_so(self):
        schema = Schema.of(shop.typed_warehouse(transactions=[order("c", on="2024-01-01", amount=1)]))
        entries = {feature.name: feature for feature in catalogue(schema, Economics(cost_per_return=1))}
        assert {"cost_to_serve", "cost_to_serve_90d", "cost_to_serve_365d"} <= set(entries)
        assert entries["cost_to_serve_90d"].unit == "currency"
        assert entries["historic_value"].meaning == "Margin so far, net of returns, less the cost to serve."
