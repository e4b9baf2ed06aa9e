from __future__ import annotations

import os
import sys

import numpy as np
import pyarrow as pa
import pytest

from cvm.errors import CvmError, InsufficientDataError
from cvm.ingest.identity import IdentitySettings, resolve_identities
from cvm.ingest.linkage import probable_links
from memory import Memory

FIRST = ("anna", "boris", "clara", "daryna", "emil", "farid", "greta", "hanna", "ivan", "julia", "lena", "mykola", "rosa")
STEMS = ("shev", "kova", "bonda", "tka", "krav", "oliy", "polish", "mel", "hryts", "savch", "petr", "march", "lys", "rud")
ENDINGS = ("enko", "chuk", "yk", "ova", "uk", "er", "iak", "ets", "son", "ska")
N_SECOND = 200


def splink() -> None:
    """Skip without Splink; where everything must be installed, fail."""
    if not os.environ.get("CI"):
        pytest.importorskip("splink", reason="the extra cvm[identity] is not installed")


def accounts(*, n_people: int = 3000, seed: int = 1) -> pa.Table:
    """People with a date of birth and a postcode; the first ``N_SECOND`` are there twice, misspelled, by another mailbox."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n_people):
        first, last = str(rng.choice(FIRST)), str(rng.choice(STEMS)) + str(rng.choice(ENDINGS))
        born = str(np.datetime64("1950-01-01") + int(rng.integers(0, 20_000)))
        row = {
            "account_id": f"c{number:05d}",
            "first_name": first,
            "last_name": last,
            "email": f"{first}.{last}{number}@shop.com",
            "birth_date": born,
            "postcode": f"{rng.integers(1000, 3000):05d}",
        }
        rows.append(row)
        if number < N_SECOND:
            other = row | {"account_id": f"d{number:05d}", "last_name": last[:-1] + str(rng.choice(list("aeiou")))}
            other["email"] = None if number % 2 else f"{last}{number}@post.com"
            if number % 5 == 0:
                other["postcode"] = f"{rng.integers(1000, 3000):05d}"
            if number % 7 == 0:
                other["first_name"] = first[0]
            rows.append(other)
    return pa.Table.from_pylist(rows)


def test_misspelled_second_accounts_are_found_and_strangers_stay_apart() -> None:
    splink()
    given = accounts()
    found = probable_links(given, threshold=0.95)
    pairs = [(row["a"], row["b"]) for row in found.to_pylist()]
    right = sum(a[1:] == b[1:] for a, b in pairs)
    assert right / len(pairs) > 0.97  # precision
    assert right / N_SECOND > 0.9  # recall
    shuffled = given.take(np.random.default_rng(2).permutation(len(given)))
    assert probable_links(shuffled, threshold=0.95).equals(found)


def test_resolution_merges_what_is_probable_and_lists_it() -> None:
    splink()
    with Memory() as engine:
        given = accounts().rename_columns({"account_id": "customer_id"})
        engine.register("given_customers", given)
        engine.replace_table("customers", "SELECT * FROM given_customers")
        outcome = resolve_identities(engine, IdentitySettings(probabilistic=True))
        left = engine.row("SELECT count(*) AS n, count(DISTINCT customer_id) AS ids FROM customers")
    assert outcome is not None
    assert set(outcome.n_people_via) == {"splink"}
    assert left["n"] == left["ids"] == len(given) - outcome.n_accounts + outcome.n_people


def test_too_few_fields_are_refused() -> None:
    emails, names, phones = ["x@y.com", "z@y.com"], ["x", "z"], pa.nulls(2, pa.string())
    two = pa.table({"account_id": ["a", "b"], "email": emails, "phone": phones, "name": names})
    with pytest.raises(InsufficientDataError, match=r"needs 3 or more of \[.*\] in customers; it has \['name', 'email'\]"):
        probable_links(two, threshold=0.95)


def test_where_nobody_agrees_on_anything_nobody_is_linked() -> None:
    assert len(probable_links(accounts(n_people=1).slice(0, 1), threshold=0.95)) == 0


def test_without_splink_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "splink", None)
    with pytest.raises(CvmError, match=r"which is not installed. Install it with `pip install 'cvm\[identity\]'`"):
        probable_links(accounts(n_people=300), threshold=0.95)
