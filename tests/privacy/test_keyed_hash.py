"""Keyed hashes are those of RFC 2104, in Python and in SQL, and pseudonyms are made once."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from cvm.engines import DuckDBEngine, literal
from cvm.errors import ParamsError
from cvm.privacy.keyed_hash import KeyedHash, key_of_environment

TEXTS = ["c1", "17850", "Іван Франко", "o'hara; DROP TABLE t", " ", "x" * 500]


@pytest.mark.parametrize("key", [b"k", b"Jefe", b"0" * 64, b"1" * 100], ids=len)
def test_sql_and_python_agree_with_the_standard_library(key):
    keyed = KeyedHash(key, name="test")
    with DuckDBEngine() as engine:
        keyed.install(engine)
        for text in TEXTS:
            expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
            assert keyed.of(text) == expected
            assert engine.row(f"SELECT {keyed.sql(literal(text))} AS h")["h"] == expected
            assert engine.row(f"SELECT {keyed.pseudonym_sql(literal(text))} AS p")["p"] == keyed.pseudonym(text)


def test_the_hash_is_that_of_the_rfc():
    # RFC 4231, test case 2.
    found = KeyedHash(b"Jefe", name="test").of("what do ya want for nothing?")
    assert found == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_a_pseudonym_has_128_bits_and_is_its_own():
    keyed = KeyedHash(b"k" * 32, name="test")
    pseudonym = keyed.pseudonym("c1")
    assert len(pseudonym.removeprefix("cvm-")) == 32
    assert keyed.pseudonym(pseudonym) == pseudonym
    with DuckDBEngine() as engine:
        keyed.install(engine)
        assert engine.row(f"SELECT {keyed.pseudonym_sql(literal(pseudonym))} AS p")["p"] == pseudonym
        assert engine.row(f"SELECT {keyed.pseudonym_sql('CAST(NULL AS VARCHAR)')} AS p")["p"] is None


def test_what_only_looks_like_a_pseudonym_is_hashed():
    keyed = KeyedHash(b"k" * 32, name="test")
    for almost in ("cvm-", "cvm-" + "g" * 32, "cvm-" + "0" * 31, "cvm-" + "0" * 33):
        assert keyed.pseudonym(almost) != almost


def test_no_representation_shows_the_key():
    keyed = KeyedHash(b"planted-secret", name="test")
    assert "planted" not in repr(keyed) + str(vars(type(keyed))) + keyed.fingerprint


@pytest.mark.parametrize(("value", "problem"), [(None, "is not set"), ("short", "holds 5 characters")])
def test_a_key_that_is_no_secret_is_refused(monkeypatch, value, problem):
    monkeypatch.delenv("CVM_TEST_KEY", raising=False)
    if value:
        monkeypatch.setenv("CVM_TEST_KEY", value)
    with pytest.raises(ParamsError, match=f"'CVM_TEST_KEY', which {problem}") as refused:
        key_of_environment("env:CVM_TEST_KEY", name="test")
    assert "short" not in str(refused.value)
