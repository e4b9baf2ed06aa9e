"""Who stayed, worked out by hand for every definition of churn."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

import shop
from cvm.errors import FeatureMismatchError
from cvm.features.churn import ChurnDefinition
from cvm.features.query import Schema, outcome_query
from shop import event, order, subscription

AS_OF = date(2024, 3, 1)
INACTIVITY = ChurnDefinition("inactivity", inactivity_days=10)
SUBSCRIPTION = ChurnDefinition("subscription")


def stayed(definition: ChurnDefinition | None, *, horizon_days: int = 30, lead_days: int = 0, **tables: Any) -> set[str]:
    tables.setdefault("transactions", [order("nobody", on="2023-01-01", amount=1.0)])
    engine = shop.typed_warehouse(**tables)
    query = outcome_query(
        Schema.of(engine), AS_OF, horizon_days=horizon_days, lead_days=lead_days, timezone="UTC", churn=definition
    )
    return {row["customer_id"] for row in engine.table(query).to_pylist() if row["stayed"]}


class TestNoOrder:
    def test_who_orders_in_the_window_stays(self):
        bought = [("first day", "2024-03-01"), ("last day", "2024-03-30"), ("before", "2024-02-29"), ("after", "2024-03-31")]
        transactions = [order(who, on=day, amount=5.0) for who, day in bought]
        assert stayed(None, transactions=transactions) == {"first day", "last day"}

    def test_an_order_taken_back_is_none(self):
        transactions = [order("c", on="2024-03-02", amount=5.0), order("c", on="2024-03-05", amount=-5.0)]
        assert stayed(ChurnDefinition(), transactions=transactions) == set()


class TestInactivity:
    def test_an_order_in_the_first_days_stays_and_a_later_one_does_not(self):
        transactions = [order("soon", on="2024-03-10", amount=5.0), order("later", on="2024-03-11", amount=5.0)]
        assert stayed(INACTIVITY, transactions=transactions) == {"soon"}

    @pytest.mark.parametrize(
        ("event_type", "counts"),
        [
            ("visit", True),
            ("email_open", True),
            ("email_sent", False),
            ("Push Sent", False),
            ("tier_change", False),
            ("points_earned", False),
            ("Cashback", False),
        ],
    )
    def test_only_what_customers_do_themselves_is_activity(self, event_type, counts):
        assert stayed(INACTIVITY, events=[event("c", event_type, on="2024-03-05")]) == ({"c"} if counts else set())

    def test_activity_counts_within_the_silence_after_the_lead(self):
        days = {"before": "2024-03-07", "first": "2024-03-08", "last": "2024-03-17", "after": "2024-03-18"}
        events = [event(who, "visit", on=day) for who, day in days.items()]
        assert stayed(INACTIVITY, lead_days=7, events=events) == {"first", "last"}

    def test_a_window_shorter_than_the_silence_bounds_it(self):
        events = [event("c", "visit", on="2024-03-05")]
        assert stayed(INACTIVITY, horizon_days=5, events=events) == {"c"}
        assert stayed(INACTIVITY, horizon_days=4, events=events) == set()

    def test_without_events_orders_are_the_only_activity(self):
        assert stayed(INACTIVITY, transactions=[order("c", on="2024-03-02", amount=5.0)]) == {"c"}

    def test_who_was_active_without_an_order_has_orders_and_revenue_of_0(self):
        engine = shop.typed_warehouse(
            transactions=[order("b", on="2024-03-02", amount=5.0)], events=[event("a", "visit", on="2024-03-02")]
        )
        query = outcome_query(Schema.of(engine), AS_OF, horizon_days=30, lead_days=0, timezone="UTC", churn=INACTIVITY)
        rows = {row.pop("customer_id"): row for row in engine.table(query).to_pylist()}
        assert rows == {
            "a": {"n_orders": 0, "revenue": 0.0, "stayed": True},
            "b": {"n_orders": 1, "revenue": 5.0, "stayed": True},
        }


class TestSubscription:
    @pytest.mark.parametrize(
        ("periods", "stays"),
        [
            ([("2024-01-01", None)], True),
            ([("2024-01-01", "2024-03-10")], False),
            # The end of the window is 2024-03-31 00:00: an end on that day is after it, one on the day before in it.
            ([("2024-01-01", "2024-03-30")], False),
            ([("2024-01-01", "2024-03-31")], True),
            # A pause that ends inside the window.
            ([("2024-01-01", "2024-03-10"), ("2024-03-20", None)], True),
            ([("2024-01-01", "2024-03-10"), ("2024-03-31", None)], False),
            # An add-on dropped while the plan lives; the plan dropped while an add-on lives.
            ([("2024-01-01", None), ("2024-01-01", "2024-03-10")], True),
            ([("2024-01-01", "2024-03-10"), ("2024-02-01", None)], True),
            ([("2024-01-01", "2024-03-10"), ("2024-02-01", "2024-03-12")], False),
            # A downgrade: one row ends, the next begins.
            ([("2024-01-01", "2024-03-10"), ("2024-03-10", None)], True),
            # An end before the start is an end on the day of the start.
            ([("2024-01-01", "2023-01-01")], False),
        ],
    )
    def test_who_holds_one_at_the_end_of_the_window_stays(self, periods, stays):
        subscriptions = [subscription("c", start, end) for start, end in periods]
        assert stayed(SUBSCRIPTION, subscriptions=subscriptions) == ({"c"} if stays else set())

    def test_the_lead_moves_the_end_of_the_window(self):
        ends = [subscription("c", "2024-01-01", "2024-04-05")]
        assert stayed(SUBSCRIPTION, subscriptions=ends) == {"c"}
        assert stayed(SUBSCRIPTION, lead_days=7, subscriptions=ends) == set()


class TestCheckSame:
    def test_another_definition_is_refused_with_both_names(self):
        with pytest.raises(FeatureMismatchError, match=r"hold churn as no_order, params.yaml says inactivity of 10 days"):
            INACTIVITY.check_same(ChurnDefinition(), what="They hold", fix="Go.")

    def test_days_of_silence_that_no_definition_uses_do_not_matter(self):
        ChurnDefinition(inactivity_days=30).check_same(ChurnDefinition(inactivity_days=60), what="x", fix="x")

    def test_a_definition_survives_writing_and_reading(self):
        assert ChurnDefinition.from_state(INACTIVITY.state()) == INACTIVITY
