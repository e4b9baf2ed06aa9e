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
from second_accounts import N_SECOND, accounts


def splink() -> None:
    """Skip without Splink; where everything must be installed, fail."""
    if not os.environ.get("CI"):
        pytest.importorskip("splink", reason="the extra cvm[identity] is not installed")


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
