from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

import shop
from cvm.actions.purchase_history import PurchaseHistory
from cvm.actions.replenishment import SCHEMA as DUE_SCHEMA
from cvm.actions.replenishment import Replenishment
from cvm.actions.settings import TriggerSettings
from cvm.actions.triggers import trigger_lists

AS_OF = date(2024, 6, 1)


def days_before(n: int) -> date:
    return AS_OF - timedelta(days=n)


def order(customer: str, days: int, **more: object) -> dict[str, object]:
    return shop.order(customer, on=days_before(days), amount=10.0, **more)


def event(customer: str, event_type: str, days: int, **more: object) -> dict[str, object]:
    return shop.event(customer, event_type, on=days_before(days), **more)


def lists(*, timezone: str = "UTC", due=None, settings: TriggerSettings | None = None, **tables):
    """Trigger to customer to (since, detail)."""
    engine = shop.typed_warehouse(**{"transactions": [order("nobody", 1)], **tables})
    history = PurchaseHistory.of(engine, as_of=AS_OF, timezone=timezone)
    found = trigger_lists(engine, history, settings or TriggerSettings(), due or Replenishment(DUE_SCHEMA.empty_table()))
    return {
        one.name: {row["customer_id"]: (row["since"], row["detail"]) for row in one.rows.to_pylist()}
        if one.rows is not None
        else one.reason
        for one in found
    }


def test_a_cart_is_left_when_no_order_follows() -> None:
    events = [event(name, "cart_add", days) for name, days in {"a": 3, "b": 3, "fresh": 0, "old": 12, "again": 3}.items()]
    events[2]["occurred_at"] = datetime(2024, 5, 31, 20)
    found = lists(transactions=[order("b", 2), order("again", 5)], events=events)["cart_left"]
    assert set(found) == {"a", "again"}
    assert found["a"][0] == days_before(3)


def test_an_order_of_which_only_the_day_is_told_may_have_followed_the_cart() -> None:
    carts = [event(name, "cart_add", 3) for name in ("dated", "timed", "before")]
    midnights = {"dated": datetime(2024, 5, 29), "before": datetime(2024, 5, 28)}
    orders = [{**order(name, 3), "occurred_at": moment} for name, moment in midnights.items()]
    orders.append({**order("timed", 3), "occurred_at": datetime(2024, 5, 29, 11)})
    assert set(lists(transactions=orders, events=carts)["cart_left"]) == {"timed", "before"}
    in_kyiv = [{**orders[0], "occurred_at": datetime(2024, 5, 28, 21)}]
    assert set(lists(transactions=in_kyiv, events=carts[:1], timezone="Europe/Kyiv")["cart_left"]) == set()


def test_silence_is_told_in_the_week_in_which_it_gets_so_long() -> None:
    orders = [order(name, days) for name, days in {"a": 60, "b": 61, "c": 67, "d": 68, "e": 59, "visitor": 62}.items()]
    found = lists(transactions=orders, events=[event("visitor", "visit", 5), event("a", "email_sent", 5)])["inactive"]
    assert set(found) == {"b", "c"}
    assert found["b"] == (days_before(61), "nothing for 61 days")


@pytest.mark.parametrize("by_id", [True, False])
def test_an_order_that_was_wholly_refunded_is_no_activity(by_id: bool) -> None:
    def named(name: str, number: int) -> dict[str, object]:
        return {"order_id": f"{name} {number}"} if by_id else {}

    def refund(name: str, number: int, days: int, amount: float = -10.0) -> dict[str, object]:
        return shop.order(name, on=days_before(days), amount=amount, **named(name, number))

    rows = [
        order("silent", 62, **named("silent", 1)), order("silent", 5, **named("silent", 2)), refund("silent", 2, 4),
        order("partly", 62, **named("partly", 1)), order("partly", 5, **named("partly", 2)), refund("partly", 2, 4, -6.0),
        order("only", 62, **named("only", 1)), refund("only", 1, 61),
        order("year", 730, **named("year", 1)), refund("year", 1, 729), order("year", 364, **named("year", 2)),
        order("cart", 2, **named("cart", 1)), refund("cart", 1, 1),
    ]  # fmt: skip
    found = lists(transactions=rows, events=[event("cart", "cart_add", 3)])
    assert found["inactive"] == {"silent": (days_before(62), "nothing for 62 days")}
    assert set(found["anniversary"]) == {"year"}
    assert found["anniversary"]["year"][0] == days_before(364)
    assert set(found["cart_left"]) == {"cart"}


def test_activity_that_fell_more_than_chance_is_told() -> None:
    steady = [order("steady", days) for days in range(2, 120, 5)]
    fell = [order("fell", days) for days in range(32, 120, 4)]
    found = lists(transactions=[*steady, *fell, order("rare", 100)])["falling_activity"]
    assert set(found) == {"fell"}
    assert found["fell"][1] == "active on 0 of the last 30 days, on 22 of the 90 before"


def test_an_add_on_is_dropped_when_another_subscription_runs_on() -> None:
    def held(customer: str, plan: str, ended: int | None = None, started: int = 200) -> dict[str, object]:
        end = None if ended is None else days_before(ended).isoformat()
        return shop.subscription(customer, days_before(started).isoformat(), end, plan=plan)

    rows = [
        held("dropped", "basic"), held("dropped", "gift", 3),
        held("all", "basic", 3), held("all", "gift", 3),
        held("changed", "plus", 3), held("changed", "basic", None, 3), held("changed", "gift"),
        held("long ago", "basic"), held("long ago", "gift", 30),
        held("ahead", "basic"), held("ahead", "gift", -3),
    ]  # fmt: skip
    found = lists(subscriptions=rows)["add_on_dropped"]
    assert found == {"dropped": (days_before(3), "ended gift")}


def test_events_are_told_by_their_names_whatever_case_and_punctuation() -> None:
    events = [
        event("a", "Cart Add", 3), event("b", "COMPLAINT!", 2), event("c", "E-mail Sent", 5), event("d", "Tier-Change", 5),
        event("e", "Visit", 5),
    ]  # fmt: skip
    found = lists(transactions=[order(name, 62) for name in "cde"], events=events)
    assert set(found["cart_left"]) == {"a"}
    assert set(found["complaint"]) == {"b"}
    assert set(found["inactive"]) == {"c", "d"}


def test_complaints_are_counted() -> None:
    events = [event("a", "complaint", 2), event("a", "complaint", 3), event("b", "complaint", 9), event("c", "visit", 1)]
    assert lists(events=events)["complaint"] == {"a": (days_before(2), "2 complaints")}


@pytest.mark.parametrize(
    ("first", "told"),
    [
        ("2023-06-01", "1 year on 2024-06-01"),
        ("2022-06-07", "2 years on 2024-06-07"),
        ("2022-06-08", None),
        ("2022-05-31", None),
        ("2024-05-31", None),
    ],
)
def test_the_anniversary_of_the_first_order_lies_in_the_week_ahead(first: str, told: str | None) -> None:
    rows = [shop.order("a", on=first, amount=1.0), order("a", 1)]
    found = lists(transactions=rows)["anniversary"]
    assert found == ({"a": (date.fromisoformat(first), told)} if told else {})


def test_what_is_due_is_told() -> None:
    row = {"customer_id": "a", "item": "coffee", "item_kind": "category", "n_purchases": 3, "cycle_days": 30.0}
    days = {"last_bought_at": 28, "expected_at": -2, "lower_at": 0, "upper_at": -4}
    row |= {name: days_before(n) for name, n in days.items()}
    late = {**row, "customer_id": "b", "expected_at": days_before(8)}
    due = Replenishment(DUE_SCHEMA.empty_table().from_pylist([row, late], schema=DUE_SCHEMA))
    found = lists(due=due, transactions=[order("a", 28)])["replenishment"]
    assert found == {"a": (days_before(28), "coffee expected on 2024-06-03")}


def test_what_is_known_later_counts_later_and_days_are_those_of_the_zone() -> None:
    late = {**event("late", "complaint", 2), "recorded_at": datetime(2024, 6, 2)}
    night = {**event("night", "complaint", 1), "occurred_at": datetime(2024, 5, 31, 22, 30)}
    assert lists(events=[late, night])["complaint"] == {"night": (days_before(1), "1 complaint")}
    # In Kyiv it is the first of June already.
    assert lists(events=[late, night], timezone="Europe/Kyiv")["complaint"] == {}


def test_a_list_that_cannot_be_made_says_why() -> None:
    found = lists(settings=TriggerSettings(without=("anniversary",)))
    assert found["cart_left"] == "the data has no events"
    assert found["add_on_dropped"] == "the data has no subscriptions"
    assert found["anniversary"] == "left out by triggers.without"
    assert found["inactive"] == {}
    without_ends = [{"customer_id": "nobody", "started_at": datetime(2024, 1, 1)}]
    assert lists(subscriptions=without_ends)["add_on_dropped"] == "the data has no subscriptions.ended_at"
