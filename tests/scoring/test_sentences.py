from __future__ import annotations

import re

import pytest

from cvm.features.catalogue import Feature
from cvm.features.economics import Economics
from cvm.features.query import Schema, catalogue
from cvm.scoring.sentences import Described, Fact, sentence

EVENT_TYPES = (
    *("visit", "login", "app_open", "ad_click", "cart_add", "call", "chat", "support_ticket", "complaint", "nps"),
    *("unsubscribe", "coupon_redeemed", "tier_change", "points_earned", "cashback", "Über uns!"),
    *(f"{kind}_{verb}" for kind in ("email", "push", "sms", "message") for verb in ("sent", "open", "click")),
)
TEXT = ("category", "channel", "payment_method", "store_id")
SCHEMA = Schema(
    {
        "transactions": dict.fromkeys(("customer_id", "product_id", "quantity", "discount", *TEXT), "VARCHAR"),
        "events": dict.fromkeys(("customer_id", "event_type", "channel", "device", "value"), "VARCHAR"),
        "customers": {"customer_id": "VARCHAR", "signed_up_at": "TIMESTAMP", "age": "INTEGER", "first_city": "VARCHAR"},
    },
    EVENT_TYPES,
)
CATALOGUE = catalogue(SCHEMA, Economics(cost_per_return=3.0))
OWN = [
    Feature("own_loyalty_score", "", "own", "as supplied", "Column loyalty_score of the user's table."),
    Feature("n_subscriptions_dropped_90d", "", "subscription", "subscriptions", "Subscriptions ended in 90 days."),
    Feature("subscription_price", "", "subscription", "currency per month", "Price of all subscriptions held."),
    Feature("opens_per_contact_90d", "", "event", "per contact", "Opens per contact of the last 90 days."),
]
BAD = re.compile(r"[{}_]|\bnan\b|\bNone\b|\binf\b|  |;$| $|\.$|^[A-Z ]")
BASE = {feature.name: Described(feature.unit, feature.meaning, 2.0) for feature in (*CATALOGUE, *OWN)}


def said(feature: str, value: float | str | None, *, raises: bool = True, base=BASE, **of: float | str) -> str:
    known = {feature: value, **of}
    return sentence(Fact(feature, value, raises, known.get, base, "EUR"))


def typical(**values: float | None) -> dict[str, Described]:
    found = {name: Described(described.unit, described.meaning) for name, described in BASE.items()}
    return found | {name: Described(BASE[name].unit, BASE[name].meaning, value) for name, value in values.items()}


@pytest.mark.parametrize("feature", [*CATALOGUE, *OWN], ids=lambda feature: feature.name)
def test_every_feature_of_the_catalogue_makes_a_sentence(feature: Feature) -> None:
    values = ("web", "Ja", None) if feature.kind == "category" else (0.0, 1.0, 0.4, -0.37, 3.0, 94.6, 12345.678, None)
    known = {"recency_days": 94.0, "n_orders": 6.0, "mean_gap_days": 31.2, "n_email_sent_90d": 12.0}
    for value in values:
        for raises in (True, False):
            for base in (BASE, typical()):
                text = said(feature.name, value, raises=raises, base=base, **{**known, feature.name: value})
                assert 5 < len(text) < 110
                assert not BAD.search(text), text


USUALLY = {"n_orders": 6.0, "mean_gap_days": 31.2}
E_MAILS = {"n_email_sent_90d": 12.0}


@pytest.mark.parametrize(
    ("expected", "of", "raises"),
    [
        ("no order for 94 days; usually every 31 days", {"recency_days": 94.0, **USUALLY}, True),
        (
            "no order for 94 days; usually every 31 days",
            {"recency_over_mean_gap": 3.0, "recency_days": 94.0, **USUALLY},
            True,
        ),
        ("last order 5 days ago; usually every 31 days", {"recency_days": 5.0, **USUALLY}, False),
        ("no order for 20 days; typical 2 days", {"recency_days": 20.0, **USUALLY}, True),
        ("last order 40 days ago", {"recency_days": 40.0, **USUALLY}, False),
        ("no order for 94 days; usually every 30 days", {"recency_days": 94.0, "n_orders": 6.0, "tenure_days": 244.0}, True),
        ("no order for 94 days; 31 days between the two orders", {"recency_days": 94.0, **USUALLY, "n_orders": 2.0}, True),
        ("no second order for 94 days; usually after 2 days", {"recency_days": 94.0, "n_orders": 1.0}, True),
        ("first order 1 day ago; usually after 2 days", {"recency_days": 1.0, "n_orders": 1.0}, False),
        ("only 1 order so far; typical 2 orders", {"n_orders": 1.0}, True),
        ("1 order so far", {"n_orders": 1.0}, False),
        ("6 orders so far, about every 31 days; typical every 2 days", USUALLY, True),
        ("2 orders so far, 300 days apart; typical 2 days", {"n_orders": 2.0, "mean_gap_days": 300.0}, True),
        ("3 orders in the last 90 days, 7 in the 90 before", {"n_orders_90d": 3.0, "n_orders_180d": 10.0}, True),
        (
            "3 orders in the last 90 days, 7 in the 90 before",
            {"trend_orders_90d": -0.4, "n_orders_90d": 3.0, "n_orders_180d": 10.0},
            True,
        ),
        ("1 order in the last 30 days, 3 in the 30 before", {"n_orders_30d": 1.0, "trend_orders_30d": -0.5}, True),
        ("4 orders in the last 90 days, none in the 90 before", {"n_orders_90d": 4.0, "n_orders_180d": 4.0}, False),
        ("no orders in the last 90 days; typical 2 orders", {"n_orders_90d": 0.0}, True),
        ("no complaints in the last 90 days; typical 2 complaints", {"n_complaint_90d": 0.0}, False),
        ("1 complaint in the last 90 days; typical 2 complaints", {"n_complaint_90d": 1.0}, True),
        ("opened none of the 12 e-mails of the last 90 days", {"n_email_open_90d": 0.0, **E_MAILS}, True),
        ("clicked 3 of the 4 push messages of the last 30 days", {"n_push_click_30d": 3.0, "n_push_sent_30d": 4.0}, False),
        (
            "no e-mails opened in the last 90 days; typical 2 e-mails opened",
            {"n_email_open_90d": 0.0, "n_email_sent_90d": 1.0},
            True,
        ),
        (
            "no e-mails opened in the last 90 days; typical 2 e-mails opened",
            {"n_email_open_90d": 0.0, "n_email_sent_90d": 0.0},
            True,
        ),
        ("12 e-mails sent in the last 90 days; typical 2 e-mails sent", E_MAILS, True),
        ("last support ticket 12 days ago; typical 2 days", {"days_since_support_ticket": 12.0}, True),
        ("3 events of type points earned in the last 30 days; typical 2 events", {"n_points_earned_30d": 3.0}, False),
        ("80 % of lines bought at a discount; typical 200 %", {"share_discounted_lines": 0.8}, True),
        ("spent 50 % less in the last 90 days than in the 90 before", {"trend_spend_90d": -1 / 3}, True),
        ("bought nothing in the last 90 days, but did in the 90 before", {"trend_spend_90d": -1.0}, True),
        ("mean order 42.50 EUR; typical 2 EUR", {"mean_order_value": 42.5}, False),
        ("orders per year of tenure: 7.5; typical 2", {"orders_per_year": 7.5}, False),
        ("most used payment method: card", {"main_payment_method": "card"}, False),
        ("first city: Kyiv", {"attribute_first_city": "Kyiv"}, True),
        ("age: 34; typical 2", {"attribute_age": 34.0}, True),
        ("loyalty score: 7; typical 2", {"own_loyalty_score": 7.0}, True),
        ("subscriptions ended in 90 days: 1; typical 2", {"n_subscriptions_dropped_90d": 1.0}, True),
        ("price of all subscriptions held: 9.90 EUR per month; typical 2 EUR per month", {"subscription_price": 9.9}, True),
        ("last recommendation score 3 out of 10; typical 2 out of 10", {"last_nps": 3.0}, True),
    ],
)
def test_sentences_are_plain_and_tell_numbers(expected: str, of: dict[str, float | str], raises: bool) -> None:
    feature = next(iter(of))
    assert said(feature, of[feature], raises=raises, **{name: of[name] for name in of if name != feature}) == expected


@pytest.mark.parametrize(
    ("expected", "of"),
    [
        ("all orders on one day; typical every 57 days", {"mean_gap_days": 0.0}),
        ("more than one order a day; typical every 57 days", {"mean_gap_days": 0.04}),
        ("an order every day; typical every 57 days", {"mean_gap_days": 1.0}),
        ("an order every 12 days; typical every 57 days", {"mean_gap_days": 12.0}),
        ("an order every 57 days", {"mean_gap_days": 57.0}),
        ("longest pause between orders less than a day; typical 99 days", {"max_gap_days": 0.0}),
        (
            "no order for 94 days; usually more than one order a day",
            {"recency_days": 94.0, "n_orders": 9.0, "mean_gap_days": 0.9},
        ),
        ("9 orders so far, more than one order a day", {"n_orders": 9.0, "mean_gap_days": 0.2}),
    ],
)
def test_a_rhythm_below_one_day_is_no_number_of_days(expected: str, of: dict[str, float]) -> None:
    feature, base = next(iter(of)), typical(mean_gap_days=57.0, max_gap_days=99.0)
    assert said(feature, of[feature], base=base, **{name: of[name] for name in of if name != feature}) == expected


def test_a_count_of_no_days_stays_a_count() -> None:
    assert said("n_event_days_90d", 0.0, base=typical()) == "active on 0 days of the last 90"


def test_what_a_customer_lacks_is_unknown() -> None:
    assert said("mean_gap_days", None) == "mean days between orders: unknown"


def test_a_feature_the_bundle_does_not_describe_is_told_by_its_name() -> None:
    assert said("something_else", 3.26, base={}) == "something else: 3.3"


@pytest.mark.parametrize("value", ["anna@example.org", "+380 44 123 45 67", "0501234567"])
def test_what_looks_like_an_address_is_not_shown(value: str) -> None:
    assert said("attribute_first_city", value) == "first city: not shown"


def test_long_and_broken_categories_fit_on_a_line() -> None:
    assert said("main_channel", "a\n b\t{c}") == "most used channel: a b {c}"
    assert said("main_channel", "x" * 500) == f"most used channel: {'x' * 39}…"
