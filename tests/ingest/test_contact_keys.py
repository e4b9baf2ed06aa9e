from __future__ import annotations

from functools import cache

import pyarrow as pa
import pytest

from cvm.engines import DuckDBEngine
from cvm.ingest.contact_keys import email_key, phone_key
from memory import Memory


@cache
def shared_engine() -> DuckDBEngine:
    return Memory()


def keys(texts: list[str | None], sql: str) -> list[str | None]:
    """The key of each text; ``sql`` reads the column ``raw`` of a real table, since literals are folded beforehand."""
    engine = shared_engine()
    engine.register("given_texts", pa.table({"raw": pa.array(texts, pa.string()), "place": range(len(texts))}))
    engine.replace_table("texts", "SELECT * FROM given_texts")
    return engine.table(f"SELECT {sql} AS key FROM texts ORDER BY place").column(0).to_pylist()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("anna@shop.com", "anna@shop.com"),
        (" Anna@Shop.COM\t", "anna@shop.com"),
        ("anna+news@shop.com", "anna+news@shop.com"),
        ("an.na@shop.com", "an.na@shop.com"),
        ("An.Na+news@gmail.com", "anna@gmail.com"),
        ("anna@googlemail.com", "anna@gmail.com"),
        ("іван@пошта.укр", "іван@пошта.укр"),
        ("user48151623@shop.com", "user48151623@shop.com"),
        ("testa@shop.com", "testa@shop.com"),
    ],
)
def test_spellings_of_a_mailbox_have_one_key(text: str, key: str) -> None:
    assert keys([text], email_key("raw")) == [key]


@pytest.mark.parametrize(
    "text",
    [None, "", "anna", "anna@", "@shop.com", "anna@shop", "a@b@shop.com", "anna shop@x.com", "a@x.com, b@x.com",
     "none@none", "none@shop.com", "NoReply@shop.com", "no-reply@shop.com", "no_email@shop.com", "test@shop.com",
     "test12@shop.com", "unknown@shop.com", "n.a@shop.com", "anna@none.com", "anna@test.com", "anna@shop.invalid"],
)  # fmt: skip
def test_a_placeholder_is_no_key(text: str | None) -> None:
    assert keys([text], email_key("raw")) == [None]


UKRAINIAN = [
    "+380501234568", "+38 (050) 123-45-68", "00380 50 1234568", "380501234568", "050 123 45 68", "(050)1234568",
    "501234568", "050.123.45.68 ext. 12", "тел. 050-123-45-68", "050-123-45-68, 067-222-33-44", "(+380) 50 123 45 68",
]  # fmt: skip


def test_spellings_of_a_number_have_one_key_once_its_country_is_known() -> None:
    assert set(keys(UKRAINIAN, phone_key("raw", country_code="380"))) == {"380501234568"}


def test_without_a_country_only_numbers_that_name_theirs_are_international() -> None:
    found = keys(["+380501234568", "00380501234568", "380501234568", "0501234568"], phone_key("raw", country_code=None))
    assert found == ["380501234568"] * 3 + ["0501234568"]


@pytest.mark.parametrize(
    ("text", "country_code", "key"),
    [
        ("+44 (0)20 7946 0958", None, "442079460958"),
        ("020 7946 0958", "44", "442079460958"),
        ("8 (916) 123-45-68", "7", "79161234568"),
        ("(212) 555-0187", "1", "12125550187"),
        ("1 212 555 0187", "1", "12125550187"),
        ("06 1234 5688", "39", "390612345688"),
        ("+33 6 12 34 56 88", "380", "33612345688"),
    ],
)
def test_the_trunk_prefix_makes_way_for_the_country(text: str, country_code: str | None, key: str) -> None:
    assert keys([text], phone_key("raw", country_code=country_code)) == [key]


@pytest.mark.parametrize("country_code", [None, "380"])
@pytest.mark.parametrize(
    "text",
    [None, "", "none", "-", "123", "50 12", "0000000000", "+380000000000", "1111111111", "+38 050 000-00-00", "1234567890",
     "0501234567", "1" * 3 + "2" * 20, "("],
)  # fmt: skip
def test_a_number_that_reaches_nobody_is_no_key(text: str | None, country_code: str | None) -> None:
    assert keys([text], phone_key("raw", country_code=country_code)) == [None]


@pytest.mark.parametrize("sql", [email_key("raw"), phone_key("raw", country_code="380")])
def test_a_column_of_nothing_but_nulls_has_no_keys(sql: str) -> None:
    assert keys([None, None], sql) == [None, None]
    assert keys([], sql) == []
