from __future__ import annotations

from datetime import date
from math import sqrt
from typing import Any

import pytest

import shop
from cvm.features.query import Schema, catalogue
from shop import order

AS_OF = date(2024, 3, 1)  # a Friday, the day after 29 February

# Ann buys three times. Order a2 came in two lines a week apart, a3 in two lines of one day, of which one went back in part.
ANN = [
    order(  # Sunday, 250 days before
        "ann",
        on="2023-06-25",
        amount=30.0,
        order_id="a1",
        product_id="A",
        category="coats",
        quantity=1.0,
        margin=10.0,
        discount=0.0,
        channel="web",
        payment_method="card",
        store_id="s1",
    ),
    order(  # Saturday, 55 days before
        "ann",
        on="2024-01-06",
        amount=30.0,
        order_id="a2",
        product_id="B",
        category="shoes",
        quantity=2.0,
        discount=10.0,
        channel="web",
        payment_method="cash",
        store_id="s2",
    ),
    order(  # Friday, 49 days before
        "ann",
        on="2024-01-12",
        amount=20.0,
        order_id="a2",
        product_id="C",
        category="hats",
        quantity=1.0,
        margin=8.0,
        channel="app",
        payment_method="card",
        store_id="s1",
    ),
    order(  # Friday, 21 days before
        "ann",
        on="2024-02-09",
        amount=35.0,
        order_id="a3",
        product_id="A",
        category="bags",
        quantity=1.0,
        margin=20.0,
        discount=5.0,
        channel="app",
        payment_method="cash",
        store_id="s1",
    ),
    order("ann", on="2024-02-09", amount=25.0, order_id="a3", product_id="D", quantity=1.0, channel="app", store_id="s1"),
    order(  # 10 days before
        "ann",
        on="2024-02-20",
        amount=-15.0,
        order_id="a3",
        product_id="E",
        category="gloves",
        quantity=-1.0,
        margin=-7.5,
        discount=-2.0,
        channel="store",
        payment_method="voucher",
        store_id="s3",
    ),
]
BEN = [order("ben", on="2023-11-02", amount=80.0)]  # Thursday, 120 days before; nothing more is known of it
CLEO = [order("cleo", on="2024-02-29", amount=0.0, order_id="c1", channel="web")]  # Thursday, a gift
DORA = [
    order("dora", on="2024-01-10", amount=50.0, order_id="d1", quantity=1.0, category="hats"),  # 51 days before
    order("dora", on="2024-01-20", amount=-50.0, order_id="d1", quantity=-1.0, category="hats"),  # 41 days before
]

# Every feature by hand: ann, ben, cleo, dora.
ORDER_EXPECTED: dict[str, tuple[Any, Any, Any, Any]] = {
    "recency_days": (21, 120, 1, None),
    "tenure_days": (250, 120, 1, None),
    "n_orders": (3, 1, 1, 0),
    "n_orders_30d": (1, 0, 1, 0),
    "n_orders_90d": (2, 0, 1, 0),
    "n_orders_180d": (2, 1, 1, 0),
    "n_orders_365d": (3, 1, 1, 0),
    "orders_per_year": (3 * 365 / 250, 365 / 120, 365, None),
    # Blocks of thirty days since 1970-01-01: 2023-06-25 is day 19533 (651), 2024-01-06 19728 (657), 2024-02-09 19762 (658).
    "active_months": (3, 1, 1, 0),
    "mean_gap_days": ((195 + 34) / 2, None, None, None),
    "std_gap_days": ((195 - 34) / sqrt(2), None, None, None),
    "max_gap_days": (195, None, None, None),
    "last_gap_days": (34, None, None, None),
    "second_order_gap_days": (195, None, None, None),
    "recency_over_mean_gap": (21 / 114.5, None, None, None),
    "trend_orders_30d": (0, None, 1, None),
    "trend_orders_90d": (1, -1, 1, None),
    "trend_orders_180d": (1 / 3, 1, 1, None),
    "mean_order_value": (125 / 3, 80, 0, None),  # 30, 50, 45
    "median_order_value": (45, 80, 0, None),
    "std_order_value": (sqrt((11.6667**2 + 8.3333**2 + 3.3333**2) / 2), None, None, None),
    "min_order_value": (30, 80, 0, None),
    "max_order_value": (50, 80, 0, None),
    "first_order_value": (30, 80, 0, None),
    "last_order_value": (45, 80, 0, None),
    "last_over_mean_order_value": (45 / (125 / 3), 1, None, None),
    "share_weekend_orders": (2 / 3, 0, 0, None),
    "share_orders_q1": (2 / 3, 0, 1, None),
    "share_orders_q2": (1 / 3, 0, 0, None),
    "share_orders_q3": (0, 0, 0, None),
    "share_orders_q4": (0, 1, 0, None),
}
LINE_EXPECTED: dict[str, tuple[Any, Any, Any, Any]] = {
    "spend": (125, 80, 0, 0),
    "spend_30d": (45, 0, 0, 0),
    "spend_90d": (95, 0, 0, 0),
    "spend_180d": (95, 80, 0, 0),
    "spend_365d": (125, 80, 0, 0),
    "trend_spend_90d": (1, -1, None, 1),
    "trend_spend_180d": ((2 * 110 - 140) / 140, 1, None, 1),
    "historic_value": (10 + 0.4 * 30 + 8 + 20 + 0.4 * 25 - 7.5, 32, 0, 0),
    "n_returns": (1, 0, 0, 1),
    "share_returned": (15 / 140, 0, None, 1),
    "lines_per_active_day": (5 / 4, 1, 1, 1),
}
OPTIONAL_EXPECTED: dict[str, dict[str, tuple[Any, Any, Any, Any]]] = {
    "quantity": {"quantity": (5, 0, 0, 0)},
    "product_id": {"n_products": (4, 0, 0, 0)},  # E came back, but was never seen bought
    "category": {
        "n_categories": (4, 0, 0, 1),
        "n_categories_180d": (3, 0, 0, 1),
        "main_category": ("shoes", None, None, "hats"),  # all four once: the last in the alphabet
        "share_main_category": (1 / 4, None, None, 1),
    },
    "discount": {
        "share_discount": (15 / (15 + 140), None, None, None),
        "share_discounted_lines": (2 / 5, 0, 0, 0),
    },
    "channel": {
        "main_channel": ("app", None, "web", None),
        "share_main_channel": (3 / 5, None, 1, None),
        "n_channel_values": (2, 0, 1, 0),
    },
    "payment_method": {
        "main_payment_method": ("cash", None, None, None),  # as often as card
        "share_main_payment_method": (2 / 4, None, None, None),
        "n_payment_method_values": (2, 0, 0, 0),
    },
    "store_id": {
        "main_store_id": ("s1", None, None, None),
        "share_main_store_id": (4 / 5, None, None, None),
        "n_store_id_values": (2, 0, 0, 0),
    },
}
EXPECTED = ORDER_EXPECTED | LINE_EXPECTED | {k: v for family in OPTIONAL_EXPECTED.values() for k, v in family.items()}


@pytest.fixture(scope="module")
def by_customer() -> dict[str, dict[str, Any]]:
    engine = shop.typed_warehouse(transactions=[*ANN, *BEN, *CLEO, *DORA])
    return shop.features_at(engine, AS_OF, margin_rate=0.4)[AS_OF]


def names(*columns: str) -> set[str]:
    """Features of a transactions table with these optional columns."""
    rows = [order("c", on="2023-01-01", amount=1.0, **dict.fromkeys(columns))]
    return {feature.name for feature in catalogue(Schema.of(shop.typed_warehouse(transactions=rows)))}


def only(rows: list[dict[str, Any]], *, as_of: date = AS_OF, margin_rate: float = 1.0) -> dict[str, Any]:
    """Features of the only customer of a table."""
    (features,) = shop.features_at(shop.typed_warehouse(transactions=rows), as_of, margin_rate=margin_rate)[as_of].values()
    return features


def test_the_expectations_cover_every_feature(by_customer):
    assert set(by_customer) == {"ann", "ben", "cleo", "dora"}
    assert set(by_customer["ann"]) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_feature_is_what_the_hand_computes(by_customer, name):
    found = [by_customer[customer][name] for customer in ("ann", "ben", "cleo", "dora")]
    for computed, by_hand in zip(found, EXPECTED[name], strict=True):
        if by_hand is None or isinstance(by_hand, str):
            assert computed == by_hand
        else:
            assert computed == pytest.approx(by_hand, abs=1e-4)


def test_at_least_thirty_features_need_no_optional_column():
    assert len(names()) >= 30
    assert names() == set(ORDER_EXPECTED) | set(LINE_EXPECTED)


@pytest.mark.parametrize("column", OPTIONAL_EXPECTED)
def test_an_optional_column_brings_its_own_features_and_no_others(column):
    assert names(column) - names() == set(OPTIONAL_EXPECTED[column])


@pytest.mark.parametrize("column", ["order_id", "margin", "currency", "recorded_at"])
def test_columns_that_are_no_behaviour_bring_no_features(column):
    assert names(column) == names()


def test_numbers_are_floats_and_categories_text(by_customer):
    kinds = {feature.name: feature.kind for feature in catalogue(Schema.of(shop.typed_warehouse(transactions=ANN)))}
    assert {kind for name, kind in kinds.items() if name.startswith("main_")} == {"category"}
    for name, value in by_customer["ann"].items():
        assert isinstance(value, str if kinds[name] == "category" else float), name


def test_a_wholly_refunded_order_is_no_activity(by_customer):
    assert by_customer["dora"]["n_orders"] == 0
    rows = [order("c", on="2024-01-01", amount=20.0, order_id="kept"), *(row | {"customer_id": "c"} for row in DORA)]
    found = only(rows)
    assert (found["n_orders"], found["recency_days"], found["last_order_value"]) == (1, 60, 20)


def test_without_order_ids_a_day_wholly_refunded_on_the_same_day_is_no_activity():
    found = only([order("c", on="2024-01-01", amount=20.0), order("c", on="2024-01-01", amount=-20.0)])
    assert (found["n_orders"], found["spend"], found["n_returns"]) == (0, 0, 1)


def test_without_order_ids_a_later_return_is_no_order_and_lowers_the_order_before_it():
    found = only([order("c", on="2024-01-01", amount=20.0), order("c", on="2024-01-09", amount=-5.0)])
    assert (found["n_orders"], found["recency_days"], found["last_order_value"], found["spend"]) == (1, 60, 15, 15)


def test_a_return_not_known_yet_leaves_the_order_whole():
    before = only(DORA, as_of=date(2024, 1, 20))
    assert (before["n_orders"], before["spend"], before["n_returns"]) == (1, 50, 0)
    assert only(DORA, as_of=date(2024, 1, 21))["n_orders"] == 0


def test_a_return_of_something_bought_before_the_history_began_is_money_but_no_order():
    found = only([order("c", on="2024-01-01", amount=-20.0, channel="web", discount=1.0)])
    assert (found["n_orders"], found["spend"], found["n_returns"]) == (0, -20, 1)
    assert (found["share_returned"], found["lines_per_active_day"]) == (None, None)
    assert (found["main_channel"], found["share_discount"], found["share_discounted_lines"]) == (None, None, None)


def test_margin_is_the_line_s_own_where_it_has_one_else_by_rate():
    lines = [order("c", on="2024-01-01", amount=100.0, margin=70.0), order("c", on="2024-01-02", amount=10.0)]
    assert only(lines, margin_rate=0.3)["historic_value"] == pytest.approx(73)
    assert only([order("c", on="2024-01-01", amount=100.0)], margin_rate=0.3)["historic_value"] == pytest.approx(30)


def test_a_loss_is_kept_as_a_loss():
    assert only([order("c", on="2024-01-01", amount=100.0, margin=-12.5)])["historic_value"] == -12.5


@pytest.mark.parametrize("column", ["channel", "payment_method", "store_id", "category"])
def test_a_tie_of_the_most_used_value_goes_to_the_later_in_the_alphabet_whatever_the_order_of_rows(column):
    days = ("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04")
    rows = [order("c", on=day, amount=1.0, **{column: value}) for day, value in zip(days, "abba", strict=True)]
    assert only(rows)[f"main_{column}"] == only(rows[::-1])[f"main_{column}"] == "b"


def test_orders_of_one_day_are_ordered_by_their_id():
    rows = [order("c", on="2024-01-01", amount=float(n), order_id=f"o{n}") for n in (1, 2, 3)]
    for shuffled in (rows, rows[::-1]):
        found = only(shuffled)
        assert (found["first_order_value"], found["last_order_value"]) == (1, 3)
        assert (found["mean_gap_days"], found["recency_over_mean_gap"]) == (0, None)


def test_yesterday_is_one_day_ago_and_a_window_includes_its_last_day():
    assert only([order("c", on="2024-02-29", amount=1.0)])["recency_days"] == 1
    on_border = only([order("c", on="2024-01-31", amount=1.0)])  # 30 days before
    assert (on_border["n_orders_30d"], on_border["spend_30d"], on_border["trend_orders_30d"]) == (1, 1, 1)
    beyond = only([order("c", on="2024-01-30", amount=1.0)])
    assert (beyond["n_orders_30d"], beyond["spend_30d"], beyond["trend_orders_30d"]) == (0, 0, -1)


@pytest.mark.parametrize(
    ("day", "share"),
    [("2024-02-23", 0), ("2024-02-24", 1), ("2024-02-25", 1), ("2024-02-26", 0)],
    ids=["Friday", "Saturday", "Sunday", "Monday"],
)
def test_the_weekend_is_saturday_and_sunday(day, share):
    assert only([order("c", on=day, amount=1.0)])["share_weekend_orders"] == share


@pytest.mark.parametrize(
    ("day", "quarter"),
    [("2023-03-31", 1), ("2023-04-01", 2), ("2023-06-30", 2), ("2023-07-01", 3), ("2023-10-01", 4), ("2023-12-31", 4)],
)
def test_quarters_are_those_of_the_calendar(day, quarter):
    found = only([order("c", on=day, amount=1.0)])
    assert [found[f"share_orders_q{q}"] for q in (1, 2, 3, 4)] == [float(q == quarter) for q in (1, 2, 3, 4)]


def test_cents_are_summed_exactly():
    assert only([order("c", on="2024-01-01", amount=0.1)] * 3)["spend"] == 0.3


def test_large_currencies_do_not_overflow():
    found = only([order("c", on="2024-01-01", amount=90_000_000_000.0)])
    assert (found["spend"], found["historic_value"]) == (90_000_000_000, 90_000_000_000)
