from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

import shop
from cvm.features.attributes import attribute_features
from cvm.features.query import Schema, catalogue
from shop import order

AS_OF = date(2024, 3, 1)
BOUGHT = [order("ann", on="2024-01-01", amount=5.0)]


def customer(customer_id: str, **attributes: Any) -> dict[str, Any]:
    return {"customer_id": customer_id, **attributes}


def base(*customers: dict[str, Any], timezone: str = "UTC", as_of: date = AS_OF) -> dict[str, dict[str, Any]]:
    engine = shop.typed_warehouse(transactions=BOUGHT, customers=list(customers))
    return shop.features_at(engine, as_of, timezone=timezone)[as_of]


def names(**columns: str) -> set[str]:
    return {feature.name for feature in attribute_features({"customer_id": "VARCHAR", **columns})}


def test_numbers_flags_and_texts_become_features_of_their_kind():
    found = base(
        customer("ann", age=41, is_member=True, city="Lviv", score=0.5, acquisition_cost=12.5, acquisition_channel="ads")
    )["ann"]
    expected = {
        "attribute_age": 41.0,
        "attribute_is_member": 1.0,
        "attribute_city": "Lviv",
        "attribute_score": 0.5,
        "attribute_acquisition_cost": 12.5,
        "attribute_acquisition_channel": "ads",
    }
    assert {name: value for name, value in found.items() if name.startswith("attribute_")} == expected


def test_categories_and_numbers_are_declared_as_such():
    kinds = {f.name: f.kind for f in attribute_features({"city": "VARCHAR", "age": "BIGINT", "is_member": "BOOLEAN"})}
    assert kinds == {"attribute_city": "category", "attribute_age": "number", "attribute_is_member": "number"}


def test_an_attribute_that_is_not_known_is_null():
    found = base(customer("ann", age=None, city=None), customer("ben", age=7, city="Kyiv"))
    assert (found["ann"]["attribute_age"], found["ann"]["attribute_city"]) == (None, None)


@pytest.mark.parametrize(
    "column",
    [
        "email",
        "phone",
        "Email",
        "E-Mail",
        "e_mail",
        "PHONE",
        "consent_email",
        "consent_sms",
        "Consent Push",
        "consent",
        "source",
    ],
)
def test_contact_data_consent_and_the_system_of_an_id_are_never_features(column):
    assert names(**{column: "VARCHAR"}) == names(**{column: "BOOLEAN"}) == set()
    assert not [name for name in base(customer("ann", **{column: "secret"}))["ann"] if name.startswith("attribute_")]


@pytest.mark.parametrize(
    "column",
    ["email_address", "Phone 2", "first_name", "FullName", "name", "home_address", "street", "telegram", "birth_date"],
)
def test_text_that_tells_who_a_person_is_is_no_feature(column):
    assert names(**{column: "VARCHAR"}) == set()


@pytest.mark.parametrize(
    ("column", "found_type"),
    [("store_name", "VARCHAR"), ("plan_name", "VARCHAR"), ("PhoneService", "VARCHAR"), ("has_mobile_app", "BOOLEAN")],
)
def test_what_only_sounds_alike_is_one(column, found_type):
    assert names(**{column: found_type}) == {f"attribute_{column}"}


@pytest.mark.parametrize(
    "found_type", ["INTEGER[]", "STRUCT(a INTEGER)", "INTERVAL", "DATE", "TIMESTAMP", "MAP(INTEGER, DOUBLE)"]
)
def test_types_that_are_neither_number_nor_text_are_no_features(found_type):
    assert names(thing=found_type) == set()


@pytest.mark.parametrize(
    "found_type", ["TINYINT", "UBIGINT", "HUGEINT", "INTEGER", "DECIMAL(18,4)", "DOUBLE", "FLOAT", "BOOLEAN", "VARCHAR"]
)
def test_every_plain_number_and_text_is_a_feature(found_type):
    assert names(thing=found_type) == {"attribute_thing"}


def test_a_column_of_lists_does_not_stop_the_query():
    found = base(customer("ann", visits=[1, 2], born=date(1990, 1, 1), age=3))["ann"]
    assert [name for name in found if name.startswith("attribute_")] == ["attribute_age"]


@pytest.mark.parametrize(
    "column",
    [
        "age_days",
        "as_of",
        "as_of_day",
        "day",
        "value",
        "n",
        "amount",
        "recency_days",
        "select",
        'say "hi"',
        "{window}",
        "місто",
        "a b",
    ],
)
def test_an_attribute_may_have_any_name(column):
    found = base(customer("ann", signed_up_at=datetime(2024, 2, 20), **{column: 7}))["ann"]
    assert found[f"attribute_{column}"] == 7
    assert found["days_since_signup"] == 10
    assert found["recency_days"] == 60


def test_those_only_registered_are_in_the_base_without_orders():
    found = base(customer("ann"), customer("new", age=20))
    assert set(found) == {"ann", "new"}
    prospect = found["new"]
    assert prospect["n_orders"] == prospect["spend"] == prospect["historic_value"] == 0
    assert prospect["recency_days"] is prospect["mean_order_value"] is None
    assert prospect["attribute_age"] == 20


def test_those_who_only_bought_are_in_the_base_without_attributes():
    found = base(customer("new", age=20, signed_up_at=datetime(2024, 1, 1)))
    assert set(found) == {"ann", "new"}
    assert (found["ann"]["attribute_age"], found["ann"]["days_since_signup"]) == (None, None)


def test_signing_up_on_or_after_as_of_keeps_a_person_out_of_the_base():
    found = base(
        customer("ann", signed_up_at=datetime(2023, 1, 1)),
        customer("yesterday", signed_up_at=datetime(2024, 2, 29, 23, 59, 59)),
        customer("today", signed_up_at=datetime(2024, 3, 1)),
        customer("later", signed_up_at=datetime(2025, 1, 1)),
        customer("unknown", signed_up_at=None),
    )
    assert set(found) == {"ann", "yesterday", "unknown"}
    assert (found["yesterday"]["days_since_signup"], found["unknown"]["days_since_signup"]) == (1, None)


def test_the_business_time_zone_decides_the_day_of_signing_up():
    late = customer("late", signed_up_at=datetime(2024, 2, 29, 22, 30))  # 00:30 of 1 March in Kyiv
    assert set(base(late)) == {"ann", "late"}
    assert set(base(late, timezone="Europe/Kyiv")) == {"ann"}
    assert base(late, timezone="Europe/Kyiv", as_of=date(2024, 3, 2))["late"]["days_since_signup"] == 1


def test_who_bought_before_signing_up_is_a_customer_whose_attributes_come_later():
    signed_up = customer("ann", signed_up_at=datetime(2024, 3, 5), age=41)
    assert base(signed_up)["ann"]["attribute_age"] is None
    assert base(signed_up, as_of=date(2024, 3, 6))["ann"]["attribute_age"] == 41


def test_without_a_date_of_signing_up_there_is_no_such_feature():
    engine = shop.typed_warehouse(transactions=BOUGHT, customers=[customer("ann", age=3)])
    assert "days_since_signup" not in {feature.name for feature in catalogue(Schema.of(engine))}
