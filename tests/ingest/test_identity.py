from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shop
from cvm.datasets.simulate import simulate
from cvm.engines import DuckDBEngine, literal
from cvm.ingest.identity import (
    IdentityOutcome,
    IdentitySettings,
    read_identity_outcome,
    resolve_identities,
    write_identities,
)
from memory import Memory

Row = dict[str, Any]
ANNA, BORIS = "anna@shop.com", "boris@shop.com"
PHONE = "+380 50 123 45 68"


def account(customer_id: str, *, day: int | None = None, **columns: Any) -> Row:
    """One account, signed up on a day of January 2024."""
    signed_up_at = None if day is None else datetime(2024, 1, day)
    return {"customer_id": customer_id, "signed_up_at": signed_up_at, "email": None, "phone": None, **columns}


def listed(source: str, source_id: str, customer_id: str) -> Row:
    return {"source": source, "source_id": source_id, "customer_id": customer_id}


def loaded(**tables: list[Row]) -> DuckDBEngine:
    """The tables as ingest leaves them; columns that are null throughout are text."""
    engine = Memory()
    for table, rows in tables.items():
        found = pa.Table.from_pylist(rows)
        for place, field in enumerate(found.schema):
            if pa.types.is_null(field.type):
                kind = pa.timestamp("us") if field.name.endswith("_at") else pa.string()
                found = found.set_column(place, field.name, pa.nulls(len(rows), kind))
        engine.register(f"given_{table}", found)
        engine.replace_table(table, f"SELECT * FROM given_{table}")
        engine.execute(f"DROP VIEW given_{table}")
    return engine


class Resolved:
    """Tables, listing and outcome after resolution."""

    def __init__(self, path: Path, settings: IdentitySettings, tables: dict[str, list[Row]]) -> None:
        with loaded(**tables) as engine:
            outcome = resolve_identities(engine, settings)
            assert outcome is not None
            self.outcome: IdentityOutcome = outcome
            write_identities(engine, path)
            assert engine.tables() == set(tables)
            self.tables = {table: engine.table(f"SELECT * FROM {table}").to_pylist() for table in tables}
        self.path = path
        self.listing: list[Row] = pq.read_table(path).to_pylist()
        assert read_identity_outcome(path) == outcome

    def ids(self, table: str = "customers") -> list[str]:
        return [row["customer_id"] for row in self.tables[table]]

    @property
    def merged(self) -> set[tuple[str, str, str]]:
        return {(row["account_id"], row["customer_id"], row["via"]) for row in self.listing if row["status"] == "merged"}


@pytest.fixture
def resolved(tmp_path: Path):
    def resolve(settings: IdentitySettings | None = None, **tables: list[Row]) -> Resolved:
        return Resolved(tmp_path / "identity.parquet", settings or IdentitySettings(), tables)

    return resolve


# --- who is merged ---------------------------------------------------------------------------------------------------


def test_accounts_with_one_mailbox_are_one_person(resolved) -> None:
    found = resolved(customers=[account("b", email=ANNA), account("a", email=" ANNA@shop.com"), account("c", email=BORIS)])
    assert sorted(found.ids()) == ["a", "c"]
    assert found.merged == {("a", "a", "email"), ("b", "a", "email")}
    assert found.outcome.message == "identity: 2 accounts of 1 person merged (e-mail 1)"
    assert found.outcome.warnings(found.path) == ()


def test_merging_is_transitive_over_kinds_of_contact_and_the_map(resolved) -> None:
    found = resolved(
        customers=[
            account("a", email=ANNA),
            account("b", email=ANNA, phone=PHONE),
            account("c", phone="00380501234568"),
            account("d"),
        ],
        identities=[listed("web", "d", "c"), listed("crm", "e", "d")],
        transactions=[shop.order("e", on="2024-02-01", amount=1.0)],
    )
    assert set(found.ids()) == {"c"}
    assert found.ids("transactions") == ["c"]
    assert found.outcome == IdentityOutcome(5, 1, {"identities": 1}, {}, 0)
    assert {row["n_accounts"] for row in found.listing} == {5}


def test_only_the_contacts_asked_for_count(resolved) -> None:
    rows = [account("a", email=ANNA, phone=PHONE), account("b", email=ANNA), account("c", phone=PHONE)]
    assert sorted(resolved(IdentitySettings(match=["email"]), customers=rows).ids()) == ["a", "c"]
    assert sorted(resolved(IdentitySettings(match=["phone"]), customers=rows).ids()) == ["a", "b"]


def test_a_contact_shared_by_too_many_merges_nobody_and_is_listed(resolved) -> None:
    five = [account(f"a{n}", email=ANNA) for n in range(5)]
    assert resolved(customers=five).ids() == ["a0"]
    found = resolved(customers=[*five, account("a5", email=ANNA)])
    assert len(found.ids()) == 6
    (row,) = found.listing
    assert row == {
        "status": "too_many_accounts",
        "customer_id": None,
        "account_id": None,
        "via": "email",
        "key_hash": row["key_hash"],
        "n_accounts": 6,
    }
    assert found.outcome.message == "identity: no accounts merged; 1 shared key ignored"
    (warning,) = found.outcome.warnings(found.path)
    assert warning.startswith("identity: 1 contact shared by more accounts than identity.max_accounts_per_key merged nobody")
    assert "anna" not in warning


def test_accounts_known_to_be_one_person_count_once_against_the_cap(resolved) -> None:
    rows = [account(f"a{n}", email=ANNA) for n in range(6)]
    assert resolved(customers=rows, identities=[listed("web", "a5", "a0")]).ids() == ["a0"]


def test_a_chain_of_shared_contacts_merges_nobody_when_it_is_too_long(resolved) -> None:
    def chain(n: int) -> list[Row]:
        """The e-mail address is shared with the account before, the telephone number with the one after."""
        return [account(f"a{i:03d}", email=f"m{i // 2}@shop.com", phone=f"+38050123{(i + 1) // 2:04d}") for i in range(n)]

    assert resolved(customers=chain(20)).ids() == ["a000"]
    found = resolved(customers=chain(21))
    assert len(found.ids()) == 21
    assert {row["status"] for row in found.listing} == {"chain_too_long"}
    assert "in chains of more accounts than identity.max_accounts_per_person" in found.outcome.warnings(found.path)[0]


def test_the_map_has_no_cap(resolved) -> None:
    rows = [account(f"a{n:03d}") for n in range(300)]
    found = resolved(customers=rows, identities=[listed("web", row["customer_id"], "a000") for row in rows])
    assert found.ids() == ["a000"]


def test_no_contact_lies_in_the_listing(resolved) -> None:
    found = resolved(customers=[account("a", email=ANNA, phone=PHONE), account("b", email=ANNA, phone=PHONE)])
    text = str(found.listing)
    assert "anna" not in text
    assert "50123" not in text
    hashes = {(row["via"], row["key_hash"]) for row in found.listing}
    assert len(hashes) == 2  # one per key, the same for both accounts
    assert all(len(value) == 16 for _, value in hashes)


# --- the id that stays -----------------------------------------------------------------------------------------------


def test_the_id_of_the_map_stays_then_that_of_the_first_account_then_the_smallest(resolved) -> None:
    same = {"email": ANNA}
    assert resolved(customers=[account("a", **same), account("z", **same)], identities=[listed("w", "x", "z")]).ids() == [
        "z"
    ]
    assert resolved(customers=[account("a", day=9, **same), account("z", day=3, **same)]).ids() == ["z"]
    assert resolved(customers=[account("a", **same), account("z", day=3, **same)]).ids() == ["z"]
    assert resolved(customers=[account("b", day=3, **same), account("a", day=3, **same)]).ids() == ["a"]


def test_a_chain_in_the_map_ends_where_it_points_to(resolved) -> None:
    found = resolved(
        customers=[account("a"), account("b"), account("c")], identities=[listed("w", "a", "b"), listed("w", "b", "c")]
    )
    assert found.ids() == ["c"]
    assert found.tables["identities"] == [listed("w", "a", "c"), listed("w", "b", "c")]


def test_an_account_that_gets_another_id_is_listed_even_if_it_is_alone(resolved) -> None:
    found = resolved(
        customers=[account("w1"), account("c2")], identities=[listed("web", "w1", "c1"), listed("shop", "c2", "c2")]
    )
    assert found.ids() == ["c1", "c2"]
    assert found.merged == {("w1", "c1", "identities")}
    assert found.outcome.n_people == 0


# --- systems ---------------------------------------------------------------------------------------------------------


def test_one_id_in_two_systems_is_two_people(resolved) -> None:
    found = resolved(
        customers=[account("7", source="shop"), account("7", source="crm"), account("8", source="crm")],
        identities=[listed("shop", "7", "anna"), listed("crm", "9", "boris")],
    )
    assert sorted(found.ids()) == ["8", "anna", "crm:7"]
    assert "source" not in found.tables["customers"][0]
    assert listed("crm", "7", "crm:7") in found.tables["identities"]


def test_a_row_without_a_source_is_of_the_only_system_that_uses_its_id(resolved) -> None:
    orders = [shop.order(name, on="2024-02-01", amount=1.0) for name in ("7", "8")]
    found = resolved(
        transactions=orders,
        identities=[listed("shop", "7", "anna"), listed("crm", "7", "boris"), listed("crm", "8", "clara")],
    )
    assert found.ids("transactions") == ["7", "clara"]
    assert found.outcome.n_ambiguous_ids == 1
    assert "1 id without a source that several systems use stayed apart" in found.outcome.warnings(found.path)[0]


def test_a_source_the_map_does_not_know_says_nothing_of_the_id(resolved) -> None:
    rows = [account("7", source="google", email=ANNA), account("8", source="ads", email=ANNA)]
    found = resolved(customers=rows)
    assert found.ids() == ["7"]
    assert "source" in found.tables["customers"][0]


# --- what follows ----------------------------------------------------------------------------------------------------


def test_profiles_join_into_one(resolved) -> None:
    rows = [
        account("a", day=1, email=ANNA, phone=PHONE, colour="red", size=None, consent_email=True, consent_sms="yes",
                acquisition_channel="ads", acquisition_cost=Decimal("3.00")),
        account("b", day=9, email=ANNA, phone=None, colour="blue", size=4.0, consent_email=False, consent_sms="No",
                acquisition_channel="mail", acquisition_cost=Decimal("1.00")),
        account("c", day=20, email=ANNA, phone=None, colour=None, size=None, consent_email=None, consent_sms="yes",
                acquisition_channel=None, acquisition_cost=None),
    ]  # fmt: skip
    assert resolved(customers=rows).tables["customers"] == [
        {
            "customer_id": "a",
            "signed_up_at": datetime(2024, 1, 1),
            "email": ANNA,
            "phone": PHONE,
            "colour": "blue",
            "size": 4.0,
            "consent_email": False,
            "consent_sms": "No",
            "acquisition_channel": "ads",
            "acquisition_cost": Decimal("3.00"),
        }
    ]


def test_the_time_of_the_record_decides_what_is_latest_where_there_is_one(resolved) -> None:
    rows = [
        account("a", day=1, email=ANNA, colour="new", recorded_at=datetime(2024, 6, 1)),
        account("b", day=9, email=ANNA, colour="old", recorded_at=datetime(2024, 5, 1)),
    ]
    assert [row["colour"] for row in resolved(customers=rows).tables["customers"]] == ["new"]


def test_rows_of_others_stay_where_they_are(resolved) -> None:
    rows = [account("z"), account("b", email=ANNA), account("y"), account("a", email=ANNA), account("x")]
    assert resolved(customers=rows).ids() == ["z", "y", "x", "a"]


def assignment(customer_id: str, arm: str, *, day: int = 1, campaign_id: str = "spring", **columns: Any) -> Row:
    assigned_at = datetime(2024, 3, day)
    return {"campaign_id": campaign_id, "customer_id": customer_id, "assigned_at": assigned_at, "arm": arm, **columns}


def test_a_person_in_two_arms_of_a_campaign_is_mixed(resolved) -> None:
    cost = Decimal("0.25")
    found = resolved(
        customers=[account("a", email=ANNA), account("b", email=ANNA), account("c")],
        assignments=[
            assignment("b", "mail", day=2, cost=cost, propensity=0.8, exposed_at=datetime(2024, 3, 3)),
            assignment("a", "control", day=4, cost=cost, propensity=0.2, exposed_at=None),
            assignment("a", "mail", campaign_id="autumn", cost=cost, propensity=0.8, exposed_at=None),
            assignment("b", "mail", campaign_id="autumn", day=5, cost=cost, propensity=0.7, exposed_at=None),
            assignment("c", "mail", cost=cost, propensity=0.8, exposed_at=None),
        ],
    )
    rows = {(row["campaign_id"], row["customer_id"]): row for row in found.tables["assignments"]}
    assert len(rows) == len(found.tables["assignments"]) == 3
    assert rows["spring", "a"] == assignment(
        "a", "mixed", day=2, cost=2 * cost, propensity=None, exposed_at=datetime(2024, 3, 3)
    )
    assert rows["autumn", "a"] == assignment(
        "a", "mail", campaign_id="autumn", cost=2 * cost, propensity=0.8, exposed_at=None
    )
    assert rows["spring", "c"]["arm"] == "mail"


def test_assignments_of_one_account_are_left_as_they_are(resolved) -> None:
    rows = [assignment("a", "mail", day=1), assignment("a", "control", day=9)]
    found = resolved(customers=[account("a", email=ANNA), account("b", email=ANNA)], assignments=rows)
    assert found.tables["assignments"] == rows


# --- nothing to do ---------------------------------------------------------------------------------------------------


def test_without_contacts_and_map_nothing_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "identity.parquet"
    path.touch()
    with loaded(customers=[{"customer_id": "a", "source": "web"}]) as engine:
        assert resolve_identities(engine, IdentitySettings()) is None
        write_identities(engine, path)
        assert engine.table("SELECT * FROM customers").to_pylist() == [{"customer_id": "a", "source": "web"}]
    assert not path.exists()
    assert read_identity_outcome(path) is None


def test_contacts_of_nobody_merge_nobody(resolved) -> None:
    found = resolved(customers=[account("a", email="none@none"), account("b", email="none@none", phone="000")])
    assert (found.ids(), found.listing) == (["a", "b"], [])


# --- through the command line ----------------------------------------------------------------------------------------


def test_ingest_merges_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "transactions.csv").write_text(
        "customer_id,occurred_at,amount\na,2024-01-05,10\nb,2024-02-05,20\nc,2024-02-06,5\n", encoding="utf-8"
    )
    (tmp_path / "customers.csv").write_text(
        "customer_id,email,phone\na,anna@shop.com,\nb,Anna@Shop.com,050 123-45-68\nc,,+380501234568\n", encoding="utf-8"
    )
    shop.write_params(
        tmp_path,
        data={"transactions": {"path": "transactions.csv"}, "customers": {"path": "customers.csv"}},
        business={"timezone": "UTC"},
        identity={"country_code": 380},
    )
    done = shop.cvm(tmp_path, "ingest")
    assert done.code == 0, done.err
    assert "identity: 3 accounts of 1 person merged (e-mail 1)" in " ".join(done.out.split())
    with DuckDBEngine(tmp_path / "outputs" / "warehouse.duckdb", read_only=True) as engine:
        assert engine.row("SELECT count(*) AS n, sum(amount) AS total FROM transactions WHERE customer_id = 'a'") == {
            "n": 3,
            "total": Decimal(35),
        }
        assert engine.tables() == {"transactions", "customers"}
    listing = pq.read_table(tmp_path / "outputs" / "identity.parquet")
    assert listing.column_names == ["status", "customer_id", "account_id", "via", "key_hash", "n_accounts"]
    assert set(listing["account_id"].to_pylist()) == {"a", "b", "c"}


# --- measured against the truth --------------------------------------------------------------------------------------


def test_second_accounts_of_a_simulated_base_are_found_and_strangers_stay_apart(tmp_path: Path) -> None:
    simulate(tmp_path, n_customers=3_000, seed=11)
    tables = ("customers", "transactions", "events", "subscriptions", "assignments", "identities")
    second = pq.read_table(tmp_path / "truth" / "second_accounts.parquet").to_pylist()
    truth = {row["source_id"]: row["customer_id"] for row in second}
    with Memory() as engine:
        for table in tables:
            engine.replace_table(table, f"SELECT * FROM {literal(str(tmp_path / 'tables' / f'{table}.parquet'))}")
        before = engine.row("SELECT count(*) AS n, sum(amount) AS total FROM transactions")
        outcome = resolve_identities(engine, IdentitySettings())
        write_identities(engine, tmp_path / "identity.parquet")
        after = engine.row("SELECT count(*) AS n, sum(amount) AS total FROM transactions")
        customers = engine.row("SELECT count(*) AS n, count(DISTINCT customer_id) AS ids FROM customers")
        arms = engine.row("SELECT count(*) FILTER (arm = 'mixed') AS mixed FROM assignments")
        pairs = engine.row("SELECT count(*) AS n, count(DISTINCT (campaign_id, customer_id)) AS ids FROM assignments")
    rows = [row for row in pq.read_table(tmp_path / "identity.parquet").to_pylist() if row["status"] == "merged"]
    found = {row["account_id"]: row["customer_id"] for row in rows if row["account_id"] != row["customer_id"]}
    right = {name for name, person in found.items() if truth.get(name) == person}
    assert len(truth) > 40
    assert (len(right) / len(found), len(right) / len(truth)) == (1.0, 1.0)  # precision, recall
    assert outcome is not None
    assert outcome.n_people == len(truth)
    assert set(outcome.n_people_via) == {"identities", "email", "phone"}
    assert customers == {"n": 3_000, "ids": 3_000}
    assert before == pytest.approx(after)
    assert arms["mixed"] > 0
    assert pairs["n"] == pairs["ids"]


def test_own_features_follow_and_become_one_row_per_person_and_time(resolved) -> None:
    def own(customer_id: str, day: int, **columns: Any) -> Row:
        return {"customer_id": customer_id, "as_of": datetime(2024, 1, day), **columns}

    rows = [own("c1", 1, x=1, y=None), own("c2", 1, x=None, y=5), own("c2", 2, x=3, y=4), own("c3", 1, x=7, y=7)]
    people = [account("c1", day=1, email=ANNA), account("c2", day=2, email=ANNA), account("c3", email=BORIS)]
    found = resolved(customers=people, features=rows)
    assert sorted(found.tables["features"], key=str) == [
        own("c1", 1, x=1, y=5),
        own("c1", 2, x=3, y=4),
        own("c3", 1, x=7, y=7),
    ]
