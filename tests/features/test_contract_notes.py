from __future__ import annotations

from datetime import date
from typing import Any

import pytest

import shop
from cvm.errors import InsufficientDataError, ParamsError
from cvm.features.churn import ChurnDefinition
from cvm.features.contract_notes import contract_notes
from cvm.features.query import Schema
from shop import event, order, subscription

AS_OF = date(2024, 3, 1)


def notes(definition: str, **tables: Any) -> list[str]:
    engine = shop.typed_warehouse(transactions=[order("c", on="2024-01-01", amount=1.0)], **tables)
    return list(contract_notes(engine, Schema.of(engine), ChurnDefinition(definition), as_of=AS_OF, timezone="UTC"))


def test_orders_alone_need_nothing():
    assert notes("no_order") == []


def test_inactivity_without_events_is_said_to_be_about_orders():
    (note,) = notes("inactivity")
    assert "there is no table 'events': churn is no order within 30 days" in note
    assert notes("inactivity", events=[event("c", "visit", on="2024-01-01")]) == []


def test_the_end_of_subscriptions_needs_subscriptions():
    with pytest.raises(ParamsError, match=r"needs the table 'subscriptions', of which there is none"):
        notes("subscription")


def test_it_needs_their_ends():
    rows = [{"customer_id": "c", "started_at": shop.noon("2024-01-01")}]
    with pytest.raises(ParamsError, match=r"needs the column 'ended_at'.*nobody would ever leave"):
        notes("subscription", subscriptions=rows)


def test_it_needs_somebody_to_hold_one():
    rows = [subscription("a", "2023-01-01", "2024-02-29"), subscription("b", "2024-03-01"), subscription("b", "2024-03-02")]
    with pytest.raises(InsufficientDataError, match=r"of 3 rows of 'subscriptions' 1 ended before and 2 begin"):
        notes("subscription", subscriptions=rows)


def test_planned_ends_are_counted():
    rows = [subscription("a", "2023-01-01", "2024-05-01"), subscription("b", "2023-01-01")]
    (note,) = notes("subscription", subscriptions=rows)
    assert note.startswith("Ends of subscriptions on file for 2024-03-01 or later: 1.")
