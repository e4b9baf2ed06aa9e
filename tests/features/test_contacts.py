from __future__ import annotations

from datetime import date

import pytest

import shop
from cvm.features.contacts import contact_features
from shop import event, order

AS_OF = date(2024, 3, 1)

EVENTS = [
    event("ann", "email_sent", on="2024-02-29"),  # 1 day before
    event("ann", "Email Sent", on="2024-01-31"),  # 30, spelled otherwise
    event("ann", "sms_sent", on="2024-01-30"),  # 31
    event("ann", "letter_sent", on="2023-12-01"),  # 91
    event("ann", "email_sent", on="2023-03-01"),  # 366
    event("ann", "email_open", on="2024-02-29"),
    event("ann", "email_open", on="2024-02-29"),
    event("ann", "email_open", on="2023-12-01"),
    event("ann", "email_click", on="2024-02-29"),
    event("ann", "sms_click", on="2024-01-30"),
    event("ann", "app_open", on="2024-02-29"),  # answers nothing
    event("ann", "email_sent", on=AS_OF),  # not known yet
    event("ben", "app_open", on="2024-02-29"),
]


@pytest.fixture(scope="module")
def found():
    bought = [order(customer, on="2023-01-01", amount=5.0) for customer in ("ann", "ben", "cid")]
    return shop.features_at(shop.typed_warehouse(transactions=bought, events=EVENTS), AS_OF)[AS_OF]


def test_contacts_count_over_all_channels_and_spellings(found):
    ann = found["ann"]
    assert [ann[f"n_contacts_{days}d"] for days in (30, 90, 365)] == [2, 3, 4]
    assert ann["days_since_contact"] == 1


def test_each_channel_has_its_own_count_beside_them(found):
    assert (found["ann"]["n_email_sent_365d"], found["ann"]["n_sms_sent_365d"]) == (2, 1)


def test_answers_are_set_against_the_contacts_of_the_channels_that_record_them(found):
    ann = found["ann"]
    assert ann["opens_per_contact_90d"] == 2 / 2  # two mails; the text message cannot be opened
    assert ann["opens_per_contact_365d"] == 3 / 2
    assert ann["clicks_per_contact_90d"] == 2 / 3
    assert ann["clicks_per_contact_365d"] == 2 / 3  # the letter cannot be clicked


@pytest.mark.parametrize("customer", ["ben", "cid"])
def test_who_was_never_contacted_has_0_contacts_and_no_rate(found, customer):
    row = found[customer]
    assert [row[f"n_contacts_{days}d"] for days in (30, 90, 365)] == [0, 0, 0]
    names = ("days_since_contact", "opens_per_contact_90d", "clicks_per_contact_365d")
    assert [row[name] for name in names] == [None, None, None]


def test_without_contacts_there_are_no_features_of_them():
    assert list(contact_features(["visit", "app_open", "email_open", "absent"])) == []


def test_answers_that_nobody_records_make_no_feature():
    names = [feature.name for feature in contact_features(["letter_sent"])]
    assert names == ["n_contacts_{window}d", "days_since_contact"]


def test_types_with_braces_and_quotes_are_counted(found):
    hostile = ["{window}' sent", "{x}_sent", "{x} open"]
    engine = shop.typed_warehouse(
        transactions=[order("ann", on="2023-01-01", amount=5.0)],
        events=[event("ann", name, on="2024-02-20") for name in hostile],
    )
    ann = shop.features_at(engine, AS_OF)[AS_OF]["ann"]
    assert (ann["n_contacts_30d"], ann["opens_per_contact_90d"]) == (2, 1)


def test_event_types_called_contact_do_not_take_their_names(found):
    engine = shop.typed_warehouse(
        transactions=[order("ann", on="2023-01-01", amount=5.0)],
        events=[event("ann", name, on="2024-02-20") for name in ("contacts", "contact", "contact", "email_sent")],
    )
    ann = shop.features_at(engine, AS_OF)[AS_OF]["ann"]
    assert (ann["n_contacts_30d"], ann["n_event__contacts_30d"], ann["n_event__contact_30d"]) == (1, 1, 2)
