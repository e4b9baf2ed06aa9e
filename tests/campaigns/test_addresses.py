from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from cvm.campaigns.addresses import (
    EMAIL,
    PHONE,
    address_of,
    email_sql,
    google_hash_sql,
    phone_sql,
)
from memory import Memory


def values(texts: list[str | None], sql: str) -> list[str | None]:
    """What ``sql`` makes of each text in the column ``raw``."""
    with Memory() as engine:
        engine.register("given_texts", pa.table({"raw": pa.array(texts, pa.string()), "place": range(len(texts))}))
        engine.replace_table("texts", "SELECT * FROM given_texts")
        return engine.table(f"SELECT {sql} AS value FROM texts ORDER BY place").column(0).to_pylist()


def test_a_channel_needs_an_address_a_number_or_neither() -> None:
    assert [address_of(name) for name in ("email", " E-Mail ", "SMS", "call", "post", "push")] == [
        EMAIL, EMAIL, PHONE, PHONE, None, None,
    ]  # fmt: skip


def test_an_address_is_written_to_as_it_was_given_case_and_blanks_aside() -> None:
    given = [" An.Na+News@Gmail.com ", "anna@shop", "noreply@shop.com", "=anna@shop.com", "-a@shop.com", "", None]
    assert values(given, email_sql("raw")) == ["an.na+news@gmail.com", *[None] * 6]


def test_a_number_needs_its_country() -> None:
    given = ["+38 (050) 123-45-68", "00380501234568", "050 123 45 68", "12", None]
    assert values(given, phone_sql("raw", country_code="380")) == [*["380501234568"] * 3, None, None]
    assert values(given, phone_sql("raw", country_code=None)) == [*["380501234568"] * 2, None, None, None]


@pytest.mark.parametrize(
    ("address", "normalised"),
    [
        # The documentation's own examples.
        ("cloudy.sanfrancisco+shopping@gmail.com", "cloudysanfrancisco@gmail.com"),
        ("user.name+nyc@example.com", "user.name+nyc@example.com"),
        ("a.b@googlemail.com", "ab@googlemail.com"),
    ],
)
def test_google_hashes_a_mailbox_however_it_is_spelled(address: str, normalised: str) -> None:
    assert values([address], google_hash_sql("raw")) == [hashlib.sha256(normalised.encode()).hexdigest()]
