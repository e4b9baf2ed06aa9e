from __future__ import annotations

import re
from collections import Counter
from datetime import date, datetime
from itertools import combinations
from typing import Any

import pytest

import shop
from cvm.engines.sql import pretty
from cvm.features.behaviour import column_name, event_features
from cvm.features.economics import Economics
from cvm.features.query import MAX_EVENT_TYPES, Schema, catalogue, features_query
from shop import event, order

AS_OF = date(2024, 3, 1)
BOUGHT = [order("ann", on="2024-01-01", amount=5.0), order("ben", on="2024-01-01", amount=5.0)]

EVENTS = [
    event("ann", "visit", on="2024-02-29", channel="web", device="phone", value=3.0),  # 1 day before
    event("ann", "visit", on="2024-02-29", channel="web", device="phone", value=4.0),
    event("ann", "visit", on="2024-01-31", channel="web", device="laptop"),  # 30
    event("ann", "visit", on="2024-01-30", channel="app", device="tablet"),  # 31
    event("ann", "visit", on="2024-01-01", channel=None, device=None),  # 60
    event("ann", "visit", on="2023-12-02", channel="app"),  # 90
    event("ann", "visit", on="2023-12-01", channel="app"),  # 91
    event("ann", "visit", on="2023-03-01", channel="app"),  # 366
    event("ann", "complaint", on="2023-12-31"),  # 61
    event("ann", "nps", on="2024-01-15", value=9.0),  # 46
    event("ann", "nps", on="2023-06-15", value=2.0),  # 260
    event("ann", "nps", on="2024-02-15"),  # 15, left unanswered
]
EXPECTED: dict[str, Any] = {
    "n_visit_30d": 3,
    "n_visit_90d": 6,
    "n_visit_365d": 7,
    "trend_visit_30d": (2 * 3 - 5) / 5,
    "trend_visit_90d": (2 * 6 - 7) / 7,
    "days_since_visit": 1,
    "n_complaint_30d": 0,
    "n_complaint_90d": 1,
    "n_complaint_365d": 1,
    "trend_complaint_30d": None,
    "trend_complaint_90d": 1,
    "days_since_complaint": 61,
    "n_nps_30d": 1,
    "n_nps_90d": 2,
    "n_nps_365d": 3,
    "trend_nps_30d": 0,
    "trend_nps_90d": 1,
    "days_since_nps": 15,
    "last_nps": 9,
    "n_event_days_30d": 3,  # days 1, 15, 30
    "n_event_days_90d": 8,  # and 31, 46, 60, 61, 90
    "n_event_days_365d": 10,  # and 91, 260
    "days_since_event": 1,
    "main_event_channel": "app",
    "share_main_event_channel": 4 / 7,
    "n_event_channel_values": 2,
    "main_event_device": "phone",
    "share_main_event_device": 2 / 4,
    "n_event_device_values": 3,
}

HOSTILE = [
    "it's",
    'say "hi"',
    "'; DROP TABLE transactions; --",
    "') OR TRUE OR event_type IN ('",
    "/* comment",
    "-- comment",
    "{window}",
    "{{double}}",
    "{0.__class__}",
    "%s",
    "$1",
    "?",
    "back\\slash",
    "\\'",
    "new\nline",
    "tab\tbed",
    "!!!",
    "відкриття листа",
    "скарга",
    "打开邮件",
    "ÉTÉ",
    "e\u0301te\u0301 passé",
    "ﬁlter",
    "😀",
    "E-mail Opened!",
    "e_mail__opened",
    "select",
    "as_of",
    "customer_id",
    "event",
    "event_days",
    "orders",
    "signup",
    "spend",
    "x" * 300,
]


def behaviour_of(events: list[dict[str, Any]], *customers: str) -> list[dict[str, Any]]:
    engine = shop.typed_warehouse(transactions=BOUGHT, events=events)
    found = shop.features_at(engine, AS_OF)[AS_OF]
    return [found[customer] for customer in customers]


def event_names(engine: Any) -> set[str]:
    return {f.name for f in catalogue(Schema.of(engine)) if f.relation == "event" or f.relation.startswith("mix_event_")}


def test_the_features_of_behaviour_are_what_the_hand_computes():
    engine = shop.typed_warehouse(transactions=BOUGHT, events=EVENTS)
    assert event_names(engine) == set(EXPECTED)
    found = shop.features_at(engine, AS_OF)[AS_OF]["ann"]
    assert {name: found[name] for name in EXPECTED} == pytest.approx(EXPECTED)


def test_without_events_counts_are_zero_and_everything_else_is_unknown():
    (ben,) = behaviour_of(EVENTS, "ben")
    assert {name: ben[name] for name in EXPECTED} == {name: 0 if name.startswith("n_") else None for name in EXPECTED}


def test_the_features_of_buying_do_not_depend_on_events():
    with_events, without = (
        shop.features_at(shop.typed_warehouse(transactions=BOUGHT, **more), AS_OF)[AS_OF]["ann"]
        for more in ({"events": EVENTS}, {})
    )
    assert {name: with_events[name] for name in without} == without


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("channel", {"main_event_channel", "share_main_event_channel", "n_event_channel_values"}),
        ("device", {"main_event_device", "share_main_event_device", "n_event_device_values"}),
        ("value", {"last_nps"}),
        ("campaign_id", set()),
    ],
)
def test_an_optional_column_brings_its_own_features_and_no_others(column, expected):
    bare = event("ann", "nps", on="2024-01-01")
    engines = [shop.typed_warehouse(transactions=BOUGHT, events=[row]) for row in (bare, bare | {column: None})]
    assert event_names(engines[1]) - event_names(engines[0]) == expected


def test_events_alone_make_nobody_a_customer():
    engine = shop.typed_warehouse(transactions=BOUGHT, events=[event("visitor", "visit", on="2024-01-01")])
    assert set(shop.features_at(engine, AS_OF)[AS_OF]) == {"ann", "ben"}


def test_of_two_answers_at_one_moment_the_higher_counts_whatever_the_order_of_rows():
    answers = [event("ann", "nps", on="2024-01-15", value=value) for value in (3.0, 8.0, 5.0)]
    for rows in (answers, answers[::-1]):
        assert behaviour_of(rows, "ann")[0]["last_nps"] == 8


def test_the_last_answer_is_found_under_every_spelling_of_nps():
    answers = [
        event("ann", "NPS", on="2024-01-01", value=2.0),
        event("ann", "nps", on="2024-02-01", value=7.0),
        event("ben", "nps", on="2024-01-01", value=7.0),
        event("ben", "NPS!", on="2024-02-01", value=2.0),
    ]
    ann, ben = behaviour_of(answers, "ann", "ben")
    assert (ann["last_nps"], ben["last_nps"]) == (7, 2)
    assert (ann["n_nps_90d"], ben["n_nps_90d"]) == (2, 2)


@pytest.mark.parametrize("event_type", HOSTILE)
def test_any_event_type_is_counted_as_itself_and_nothing_else(event_type):
    events = [event("ann", event_type, on="2024-02-20")] * 2 + [event("ben", "plain", on="2024-02-20")]
    engine = shop.typed_warehouse(transactions=BOUGHT, events=events)
    found = shop.features_at(engine, AS_OF)[AS_OF]
    name = column_name(event_type)
    for customer, n_hostile, n_plain in (("ann", 2, 0), ("ben", 0, 1)):
        assert found[customer][f"n_{name}_30d"] == n_hostile
        assert found[customer]["n_plain_30d"] == n_plain
        assert found[customer][f"days_since_{name}"] == (10 if n_hostile else None)
        assert found[customer][f"trend_{name}_30d"] == (1 if n_hostile else None)
    assert engine.row("SELECT count(*) AS n FROM transactions") == {"n": len(BOUGHT)}


def test_all_hostile_event_types_together_each_keep_their_count():
    types = HOSTILE[:MAX_EVENT_TYPES]
    counts = Counter(column_name(event_type) for event_type in types)
    engine = shop.typed_warehouse(transactions=BOUGHT, events=[event("ann", name, on="2024-02-20") for name in types])
    found = shop.features_at(engine, AS_OF)[AS_OF]["ann"]
    assert {name: found[f"n_{name}_30d"] for name in counts} == counts


def test_the_query_over_hostile_event_types_can_be_laid_out_and_still_runs_alike():
    events = [event("ann", name, on="2024-02-20") for name in HOSTILE]
    engine = shop.typed_warehouse(transactions=BOUGHT, events=events)
    query = features_query(Schema.of(engine), [AS_OF], timezone="UTC", economics=Economics())
    as_run, laid_out = (
        sorted(engine.table(text).to_pylist(), key=lambda row: row["customer_id"]) for text in (query, pretty(query))
    )
    assert as_run == laid_out


@pytest.mark.parametrize("event_type", HOSTILE)
def test_a_column_name_holds_nothing_but_lower_case_letters_digits_and_underscores(event_type):
    name = column_name(event_type)
    assert re.fullmatch(r"\w+", name)
    assert name == name.lower().strip("_")


def test_types_that_differ_only_in_case_or_punctuation_count_as_one():
    spellings = ["E-mail Opened", "e_mail  opened", "EMAIL? no", "e.mail.opened!"]
    assert [column_name(text) for text in spellings] == ["e_mail_opened", "e_mail_opened", "email_no", "e_mail_opened"]
    (ann,) = behaviour_of([event("ann", text, on="2024-02-20") for text in spellings], "ann")
    assert (ann["n_e_mail_opened_30d"], ann["n_email_no_30d"]) == (3, 1)


def test_words_of_any_script_stay_apart():
    words = ["скарга", "візит", "打开", "été", "plainte", "42"]
    for one, other in combinations(words, 2):
        assert column_name(one) != column_name(other)
    assert column_name("Скарга") == column_name("скарга")


@pytest.mark.parametrize("event_type", ["!!!", "___", " ", "-"])
def test_a_type_without_letters_has_a_name_all_the_same(event_type):
    assert column_name(event_type) == "unnamed"


def test_no_event_type_can_take_the_name_of_another_feature():
    """The types tried are all that could: names out of every other feature that look like those of events."""
    row = {"channel": None, "device": None, "category": None, "value": None, "quantity": None, "payment_method": None}
    engine = shop.typed_warehouse(
        transactions=[order("ann", on="2024-01-01", amount=1.0, product_id=None, discount=None, store_id=None, **row)],
        events=[event("ann", "nps", on="2024-01-01", **row)],
        customers=[{"customer_id": "ann", "signed_up_at": datetime(2023, 1, 1), "age": 30}],
        subscriptions=[shop.subscription("ann", "2023-01-01", plan="basic")],
    )
    schema = Schema.of(engine)
    others = [feature.name for feature in catalogue(schema)]
    shapes = (r"n_(.+)_\d+d", r"trend_(.+)_\d+d", r"days_since_(.+)")
    taken = {found[1] for name in others for shape in shapes if (found := re.fullmatch(shape, name))}
    assert {"orders", "signup", "spend", "event", "event_days", "categories", "subscription_end"} <= taken
    names = [feature.name for feature in catalogue(Schema(schema.columns, (*sorted(taken - {"nps"}), "nps", "nps value")))]
    assert [name for name, n in Counter(names).items() if n > 1] == []


def test_only_the_most_frequent_event_types_become_features():
    rare = [event("ann", f"rare {n:02d}", on="2024-02-20") for n in range(MAX_EVENT_TYPES)]
    often = [event("ann", "very often", on="2024-02-20")] * 2
    schema = Schema.of(shop.typed_warehouse(transactions=BOUGHT, events=rare + often))
    assert schema.event_types == ("very often", *(f"rare {n:02d}" for n in range(MAX_EVENT_TYPES - 1)))


def test_features_of_events_do_not_depend_on_the_order_of_the_types():
    forwards, backwards = (list(event_features(types)) for types in (["b", "a", "c"], ["c", "b", "a"]))
    assert forwards == backwards
