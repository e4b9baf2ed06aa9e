from __future__ import annotations

import json

import pytest

from cvm.features.economics import Economics
from cvm.features.query import Schema
from cvm.features.raw_tables import RawTables

SCHEMA = Schema(
    {
        "transactions": {"customer_id": "VARCHAR", "occurred_at": "TIMESTAMP", "amount": "DECIMAL(18,4)"},
        "customers": {"customer_id": "VARCHAR", "age": "BIGINT", "since": "TIMESTAMP WITH TIME ZONE"},
        "assignments": {"customer_id": "VARCHAR"},
    }
)
ECONOMICS = Economics("UAH", 0.4, {"shoes": 0.5}, 2.5, {"cashback": "value", "call": 3.0})


def raw_tables() -> RawTables:
    return RawTables.of(SCHEMA, timezone="Europe/Kyiv", economics=ECONOMICS)


def test_it_survives_being_written_as_json():
    state = json.loads(json.dumps(raw_tables().state()))
    assert RawTables.from_state(state) == raw_tables()


def test_tables_that_no_feature_comes_from_are_left_out():
    assert set(raw_tables().columns) == {"transactions", "customers"}


def test_the_catalogue_is_that_of_the_tables():
    names = {feature.name for feature in raw_tables().features}
    assert {"n_orders", "cost_to_serve", "attribute_age"} <= names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": {"transactions": {"amount": "DOUBLE); DROP TABLE x; --"}}}, "hold columns of the types"),
        ({"columns": {"x; DROP TABLE y": {"amount": "DOUBLE"}}}, "raw tables"),
        ({"timezone": "Europe/Nowhere"}, "Europe/Nowhere"),
    ],
)
def test_a_state_that_is_none_is_refused(change, message):
    with pytest.raises((ValueError, KeyError), match=message):
        RawTables.from_state(raw_tables().state() | change)
