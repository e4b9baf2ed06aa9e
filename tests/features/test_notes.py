from __future__ import annotations

from datetime import date
from typing import Any

import pytest

import shop
from cvm.errors import ParamsError
from cvm.features.economics import Economics
from cvm.features.notes import money_notes
from cvm.features.query import Schema
from shop import event, order

AS_OF = date(2024, 3, 1)


def notes(events: list[dict[str, Any]] | None = None, *rows: dict[str, Any], **economics: Any) -> tuple[str, ...]:
    engine = shop.typed_warehouse(transactions=list(rows), **({"events": events} if events else {}))
    return money_notes(engine, Schema.of(engine), Economics(**economics), as_of=AS_OF, timezone="UTC")


def test_nothing_odd_is_nothing_said():
    rows = [order("c", on="2024-01-01", amount=5, category="tea"), order("c", on="2024-01-02", amount=-5, category=None)]
    assert notes([event("c", "call", on="2024-01-01")], *rows) == ()
    rates = {"margin_rate_by_category": {"tea": 0.2}, "cost_per_event": {"call": 1.0}}
    assert notes([event("c", "call", on="2024-01-01")], *rows, **rates) == ()


def test_names_that_no_row_bears_are_said_with_the_nearest():
    rows = [order("c", on="2024-01-01", amount=5, category=name) for name in ("coffee", "tea", None)]
    (note,) = notes(None, *rows, margin_rate_by_category={"Cofee": 0.3, "tea": 0.1, "bicycles": 0.2})
    assert note == (
        "business.margin_rate_by_category names what no row of transactions bears: "
        "'Cofee' (did you mean 'coffee'?), 'bicycles'."
    )
    (note,) = notes([event("c", "Support Ticket", on="2024-01-01")], *rows, cost_per_event={"support_ticket": 6.0})
    assert note.startswith("business.unit_costs.per_event names what no row of events bears: 'support_ticket' (did you mean")


@pytest.mark.parametrize(
    ("economics", "expected"),
    [
        (
            {"margin_rate_by_category": {"tea": 0.2}},
            "margin_rate_by_category needs the column 'category', .* 'transactions'",
        ),
        ({"cost_per_event": {"call": 1.0}}, "unit_costs.per_event is for the table 'events', of which there is none"),
    ],
)
def test_settings_that_need_what_is_not_there_are_refused(economics, expected):
    with pytest.raises(ParamsError, match=expected):
        notes(None, order("c", on="2024-01-01", amount=5), **economics)


def test_costs_by_value_need_values():
    with pytest.raises(ParamsError, match=r"where \['cashback'\] cost their value, needs the column 'value'"):
        notes(
            [event("c", "call", on="2024-01-01")],
            order("c", on="2024-01-01", amount=5),
            cost_per_event={"cashback": "value"},
        )


def test_returns_beyond_what_was_bought_before_are_counted_with_their_money():
    rows = [
        order("a", on="2024-01-01", amount=-30),
        order("a", on="2024-01-02", amount=100),
        order("a", on="2024-01-03", amount=-90),
        order("b", on="2024-01-01", amount=10),
        order("b", on="2024-01-02", amount=-1_210.4),
        order("b", on="2024-03-01", amount=-500),
    ]
    assert notes(None, *rows, currency="GBP") == (
        "Returns of orders that the data does not hold: 2, worth 1,230 GBP. "
        "They are left out of orders but stay in net spend.",
    )


def test_returns_that_name_an_order_without_a_sale_are_counted_apart():
    rows = [
        order("a", on="2024-01-01", amount=50, order_id="1"),
        order("a", on="2024-01-02", amount=-20, order_id="1"),
        order("a", on="2024-01-03", amount=-5, order_id="C1"),
        order("a", on="2024-01-03", amount=-5, order_id="C1"),
        order("a", on="2024-01-04", amount=-5, order_id=None),
    ]
    assert notes(None, *rows) == (
        "Returns whose order_id has no sale: 1. They were taken from their customers' latest earlier orders.",
    )
