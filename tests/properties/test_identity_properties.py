"""Whoever is merged is merged whatever the order of rows, once and for all, and nothing is lost on the way."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.engines import DuckDBEngine
from cvm.ingest.identity import IdentitySettings, resolve_identities, write_identities

thorough = settings(derandomize=True, deadline=None, database=None, max_examples=25)

Row = dict[str, Any]
Base = dict[str, list[Row]]

IDS = [f"a{number}" for number in range(12)]
UNLIMITED = IdentitySettings(max_accounts_per_key=100, max_accounts_per_person=100)
TIMES = st.one_of(st.none(), st.integers(0, 3).map(lambda day: datetime(2024, 1, 1) + timedelta(days=day)))
SCHEMAS = {
    "transactions": {"customer_id": pa.string(), "source": pa.string(), "amount": pa.decimal128(18, 4)},
    "events": {"customer_id": pa.string(), "event_type": pa.string()},
    "customers": {
        "customer_id": pa.string(),
        "source": pa.string(),
        "signed_up_at": pa.timestamp("us"),
        "email": pa.string(),
        "phone": pa.string(),
        "colour": pa.string(),
        "consent_email": pa.bool_(),
        "acquisition_cost": pa.decimal128(18, 4),
    },
    "assignments": {
        "campaign_id": pa.string(),
        "customer_id": pa.string(),
        "assigned_at": pa.timestamp("us"),
        "arm": pa.string(),
        "cost": pa.decimal128(18, 4),
    },
    "identities": {"source": pa.string(), "source_id": pa.string(), "customer_id": pa.string()},
}


def emails(n: int) -> st.SearchStrategy[str | None]:
    return st.one_of(st.none(), st.sampled_from(["none@none", *(f"m{number}@shop.example" for number in range(n))]))


def phones(n: int) -> st.SearchStrategy[str | None]:
    return st.one_of(st.none(), st.sampled_from(["000", *(f"+38050 12{number:02d} 778" for number in range(n))]))


@st.composite
def bases(draw: st.DrawFn, *, sources: tuple[str | None, ...] = (None, "shop", "web", "unknown")) -> Base:
    """Tables of up to a dozen ids in up to two systems, with few contacts so that many are shared."""
    ids, source = st.sampled_from(IDS), st.sampled_from(sources)
    cents = st.integers(-500, 500).map(lambda n: Decimal(n) / 100)
    n_keys = draw(st.integers(1, 8))
    accounts = draw(st.lists(st.tuples(source, ids), unique_by=lambda pair: pair[1], max_size=12))
    customers = st.fixed_dictionaries(
        {
            "signed_up_at": TIMES,
            "email": emails(n_keys),
            "phone": phones(n_keys),
            "colour": st.sampled_from(["red", "blue", None]),
            "consent_email": st.sampled_from([True, False, None]),
            "acquisition_cost": st.sampled_from([Decimal(1), None]),
        }
    )
    transactions = st.fixed_dictionaries({"customer_id": ids, "source": source, "amount": cents})
    events = st.fixed_dictionaries({"customer_id": ids, "event_type": st.just("visit")})
    assignments = st.fixed_dictionaries(
        {
            "campaign_id": st.sampled_from(["spring", "autumn"]),
            "customer_id": ids,
            "assigned_at": TIMES.filter(bool),
            "arm": st.sampled_from(["control", "mail"]),
            "cost": cents,
        }
    )
    identities = st.fixed_dictionaries({"source": st.sampled_from(["shop", "web"]), "source_id": ids, "customer_id": ids})
    return {
        "customers": [{"source": system, "customer_id": name, **draw(customers)} for system, name in accounts],
        "transactions": draw(st.lists(transactions, max_size=12)),
        "events": draw(st.lists(events, max_size=5)),
        "assignments": draw(st.lists(assignments, max_size=10)),
        "identities": draw(st.lists(identities, max_size=6)),
    }


@cache
def engine_and_listing() -> tuple[DuckDBEngine, Path]:
    """One for all examples: opening one takes longer than most of them."""
    return DuckDBEngine(), Path(mkdtemp()) / "identity.parquet"


def load(base: Base) -> DuckDBEngine:
    engine, _ = engine_and_listing()
    for table, rows in base.items():
        schema = pa.schema(SCHEMAS[table])
        engine.register("given_rows", pa.Table.from_pylist(rows, schema=schema))
        engine.replace_table(table, "SELECT * FROM given_rows")
    return engine


def resolve(engine: DuckDBEngine, chosen: IdentitySettings) -> Base:
    """Resolve what the engine holds; the tables and the listing, rows sorted."""
    _, listing = engine_and_listing()
    assert resolve_identities(engine, chosen) is not None
    write_identities(engine, listing)
    found = {table: engine.table(f"SELECT * FROM {table} ORDER BY ALL").to_pylist() for table in sorted(engine.tables())}
    return {**found, "listing": engine.table(f"SELECT * FROM '{listing}'").to_pylist()}


caps = st.builds(
    IdentitySettings, max_accounts_per_key=st.integers(1, 4), max_accounts_per_person=st.sampled_from([1, 2, 3, 5, 20])
)


@thorough
@given(bases(), caps, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter_nothing_is_lost_and_once_is_enough(base, chosen, random):
    engine = load(base)
    once, twice = resolve(engine, chosen), resolve(engine, chosen)
    assert_nobody_is_merged_again(base, once, twice)
    assert_no_row_and_no_money_is_lost(base, once)
    assert_the_listed_keys_alone_connect_the_accounts_of_a_person(once)
    shuffled = {table: random.sample(rows, len(rows)) for table, rows in base.items()}
    assert resolve(load(shuffled), chosen) == once


def assert_nobody_is_merged_again(base: Base, once: Base, twice: Base) -> None:
    for table in base:
        assert twice[table] == once[table], table
    # Nobody is merged any more; what is still shared is still ignored.
    assert not [row for row in twice["listing"] if row["status"] == "merged" and moved_within_tables(row)]
    assert ignored(twice) == ignored(once)


def moved_within_tables(row: Row) -> bool:
    return row["account_id"] != row["customer_id"] or row["n_accounts"] > 1


def ignored(found: Base) -> list[tuple[str, str, int]]:
    keys = [row for row in found["listing"] if row["status"] in ("too_many_accounts", "chain_too_long")]
    return sorted((row["status"], row["via"], row["n_accounts"]) for row in keys)


def assert_no_row_and_no_money_is_lost(base: Base, resolved: Base) -> None:
    for table in ("transactions", "events"):
        assert len(resolved[table]) == len(base[table])
    assert sum(row["amount"] for row in resolved["transactions"]) == sum(row["amount"] for row in base["transactions"])
    assert sum(row["cost"] for row in resolved["assignments"]) == sum(row["cost"] for row in base["assignments"])
    assert {row["campaign_id"] for row in resolved["assignments"]} == {row["campaign_id"] for row in base["assignments"]}
    ids = [row["customer_id"] for row in resolved["customers"]]
    assert len(ids) == len(set(ids))


def assert_the_listed_keys_alone_connect_the_accounts_of_a_person(resolved: Base) -> None:
    merged = [row for row in resolved["listing"] if row["status"] == "merged"]
    accounts: dict[str, set[str]] = {}
    for row in merged:
        accounts.setdefault(row["customer_id"], set()).add(row["account_id"])
    for row in merged:
        assert row["n_accounts"] == len(accounts[row["customer_id"]])
        assert row["key_hash"]


@thorough
@given(bases(sources=(None,)))
def test_without_caps_people_are_the_sets_that_a_union_find_gives(base):
    systems: dict[str, set[str]] = {}
    for row in base["identities"]:
        systems.setdefault(row["source_id"], set()).add(row["source"])
    parent: dict[Any, Any] = {}

    def find(node: Any) -> Any:
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for row in base["identities"]:
        several = len(systems[row["source_id"]]) > 1
        account = f"{row['source']}:{row['source_id']}" if several else row["source_id"]
        parent[find(account)] = find(row["customer_id"])
    for row in base["customers"]:
        for kind, nobody in (("email", "none@none"), ("phone", "000")):
            if row[kind] not in (None, nobody):
                parent[find((kind, row[kind]))] = find(row["customer_id"])
    resolved = resolve(load(base), UNLIMITED)
    person_of = {row["account_id"]: row["customer_id"] for row in resolved["listing"] if row["status"] == "merged"}
    seen = sorted(
        {row["customer_id"] for table in ("customers", "transactions", "events", "assignments") for row in base[table]}
    )
    for first in seen:
        for second in seen:
            together = person_of.get(first, first) == person_of.get(second, second)
            assert together == (find(first) == find(second)), (first, second)
