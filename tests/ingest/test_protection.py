"""What privacy asks of ingest: nobody forgotten, nothing past its time, no id where pseudonyms are asked for."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cvm.engines import DuckDBEngine
from cvm.errors import QualityError
from cvm.ingest.forgetting import accounts_of, forget_in_parts
from cvm.ingest.identity import IdentitySettings, read_identity_outcome
from cvm.ingest.origins import FileSource
from cvm.ingest.protection import EXPIRED, FORGOTTEN, UNPROTECTED, Protection
from cvm.ingest.quality import read_findings
from cvm.ingest.reading import Reading
from cvm.ingest.stage import Ingested, Rules, ingest
from cvm.privacy.keyed_hash import KeyedHash
from cvm.privacy.marks import Marks
from cvm.privacy.suppression import Forgotten
from cvm.workspace import Workspace

NOW = datetime(2024, 6, 1, 12)
RULES = Rules("USD", max_rejected_share=0.9, identity=IdentitySettings())
HASHED = Protection(pseudonyms=KeyedHash(b"k" * 32, name="pseudonym"))

SALES = """client,occurred_at,amount,note
 c1 ,2024-01-01,1,Annabelle
c1,2020-01-01,2,Annabelle
c2,2024-02-01,3,Bob
c3,yesterday,4,cy@example.org
c3-again,2024-03-01,5,Cy
,2024-03-01,6,nobody
"""
CUSTOMERS = """customer_id,email,phone,first_name,region
c1,Annabelle@example.org,+380501112233,Annabelle,north
c2,bob@example.org,,Bob,south
c3,cy@example.org,,Cy,east
c3-again,CY@example.org,,Cy,east
"""


class Shop:
    """A folder with two exports, ingested under changing protection."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.workspace = folder, Workspace(folder / "outputs", folder / "models" / "champion")
        (folder / "sales.csv").write_text(SALES)
        (folder / "customers.csv").write_text(CUSTOMERS)

    def ingest(self, protection: Protection = UNPROTECTED, **options: Any) -> Ingested:
        mapped = Reading(timezone="UTC", columns={"customer_id": "client"})
        sources = {
            "transactions": FileSource(["sales.csv"], self.folder, mapped),
            "customers": FileSource(["customers.csv"], self.folder, Reading(timezone="UTC")),
        }
        return ingest(sources, self.workspace, RULES, **{"now": NOW, "protection": protection, **options})

    def rows(self, table: str, columns: str = "*") -> list[dict[str, Any]]:
        with DuckDBEngine(self.workspace.warehouse, read_only=True) as engine:
            return engine.table(f"SELECT {columns} FROM {table} ORDER BY ALL").to_pylist()

    def ids(self, table: str = "transactions") -> list[str]:
        return [row["customer_id"] for row in self.rows(table, "customer_id")]

    def counts(self) -> dict[str, int]:
        return {name: n for outcome in self.ingest().outcomes for name, n in outcome.n_by_reason.items()}

    def written(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self.workspace.outputs.rglob("*")) if path.is_file())


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def counts_of(ingested: Ingested, table: str = "transactions") -> dict[str, int]:
    return next(outcome.n_by_reason for outcome in ingested.outcomes if outcome.table == table)


def test_pseudonyms_take_the_place_of_ids_before_anything_is_written(shop):
    shop.ingest(HASHED)
    c1, c3 = (HASHED.pseudonyms.pseudonym(name) for name in ("c1", "c3"))
    c2 = HASHED.pseudonyms.pseudonym("c2")
    assert shop.ids() == sorted([c1, c1, c2, c3])  # c3-again was merged by its e-mail, with which it was matched as a hash
    assert shop.ids("customers") == sorted([c1, c2, c3])
    assert list(shop.rows("customers")[0]) == ["customer_id", "region"]
    for secret in (b"example.org", b"0501112233", b"Annabelle", b"c3-again", b"nobody"):
        assert secret not in shop.written()


def test_the_quarantine_of_pseudonyms_shows_no_column_that_is_not_read(shop):
    shop.ingest(HASHED)
    rejected = pq.read_table(shop.workspace.quarantine / "transactions.parquet").to_pylist()
    assert [row["client"] for row in rejected] == [HASHED.pseudonyms.pseudonym("c3"), None]
    assert "note" not in rejected[0]
    assert rejected[0]["reason"] == "occurred_at is no date"


def test_a_pseudonym_that_comes_back_is_not_hashed_again(shop):
    pseudonym = HASHED.pseudonyms.pseudonym("c1")
    (shop.folder / "sales.csv").write_text(f"client,occurred_at,amount\n{pseudonym},2024-01-01,1\nc1,2024-01-02,2\n")
    shop.ingest(HASHED)
    assert shop.ids() == [pseudonym, pseudonym]


def test_another_key_reads_everything_again_and_says_so(shop):
    shop.ingest()
    again = shop.ingest(HASHED)
    assert again.n_read == 2
    assert any("stored under other names than before" in note for note in again.notes)
    assert shop.ingest(HASHED).n_read == 0


def test_without_pseudonyms_nothing_is_read_again_after_an_upgrade(shop):
    shop.ingest()
    assert shop.ingest(replace(UNPROTECTED, country_code="380")).n_read == 0


@pytest.mark.parametrize("protection", [UNPROTECTED, HASHED], ids=["ids", "pseudonyms"])
def test_the_forgotten_are_dropped_counted_and_not_quarantined(shop, protection):
    ingested = shop.ingest(replace(protection, forgotten=Forgotten.only(["c1", "c3"])))
    assert counts_of(ingested) == {"customer_id is missing": 1, FORGOTTEN: 3}
    assert counts_of(ingested, "customers") == {FORGOTTEN: 2}
    assert sum(outcome.n_rejected for outcome in ingested.outcomes) == 1
    assert len(pq.read_table(shop.workspace.quarantine / "transactions.parquet")) == 1
    assert b"Annabelle" not in shop.written()


def test_one_id_of_two_systems_is_forgotten_in_the_one_that_is_meant(shop):
    (shop.folder / "sales.csv").write_text("client,occurred_at,amount,source\nc1,2024-01-01,1,crm\nc1,2024-01-02,2,shop\n")
    assert counts_of(shop.ingest(Protection(forgotten=Forgotten.only(["crm:c1"])))) == {FORGOTTEN: 1}
    assert [row["amount"] for row in shop.rows("transactions", "amount")] == [2]


def test_rows_past_their_time_never_reach_the_warehouse(shop):
    ingested = shop.ingest(Protection(keep_days={"transactions": 365}))
    assert counts_of(ingested)[EXPIRED] == 1
    assert shop.ids() == ["c1", "c2", "c3"]


def test_rows_that_grow_old_go_from_what_was_ingested_before(shop):
    kept = Protection(keep_days={"transactions": 2000})
    shop.ingest(kept)
    same = shop.ingest(kept, now=NOW + timedelta(days=1))
    assert (same.n_read, EXPIRED in counts_of(same)) == (0, False)
    later = shop.ingest(kept, now=NOW + timedelta(days=600))
    assert (later.n_read, counts_of(later)[EXPIRED]) == (0, 1)
    assert shop.ids() == ["c1", "c2", "c3"]
    assert not shop.ingest(kept, now=NOW + timedelta(days=600)).notes


def test_an_old_quarantine_is_emptied_and_still_counted(shop):
    shop.ingest()
    for path in shop.workspace.ingested.rglob("*.rejected.parquet"):
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    later = shop.ingest(Protection(keep_days={"quarantine": 30}), now=NOW + timedelta(days=31))
    assert not list(shop.workspace.ingested.rglob("*.rejected.parquet"))
    assert not (shop.workspace.quarantine / "transactions.parquet").exists()
    assert counts_of(later) == {"customer_id is missing": 1, "occurred_at is no date": 1}
    found = [finding for finding in read_findings(shop.workspace.quality) if finding.action == "quarantined"]
    assert ["1 of them are in the quarantine no more" in finding.meaning for finding in found] == [True, True]
    assert not any("Look at them" in finding.advice for finding in found)


def test_what_an_old_quarantine_holds_is_no_younger_once_other_rows_went(shop):
    shop.ingest()
    for path in shop.workspace.ingested.rglob("*.rejected.parquet"):
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    kept = Protection(keep_days={"transactions": 1620, "quarantine": 30})
    assert counts_of(shop.ingest(kept, now=NOW + timedelta(days=10)))[EXPIRED] == 1
    assert list(shop.workspace.ingested.rglob("*.rejected.parquet"))
    shop.ingest(kept, now=NOW + timedelta(days=41))
    assert not list(shop.workspace.ingested.rglob("*.rejected.parquet"))


@pytest.mark.parametrize(
    ("kept", "lost"), [("quarantine", "*.rejected.parquet"), ("transactions", "transactions/*[0-9].parquet")]
)
def test_a_lost_part_is_read_again_rather_than_asked_how_old_it_is(shop, kept, lost):
    shop.ingest()
    for path in list(shop.workspace.ingested.rglob(lost)):
        path.unlink()
    again = shop.ingest(Protection(keep_days={kept: 2000}))
    assert (again.n_read, shop.ids()) == (1, ["c1", "c1", "c2", "c3"])


def test_the_folders_that_a_workspace_lies_in_have_no_say(tmp_path):
    folder = tmp_path / "tenant=acme" / "shop [1]"
    folder.mkdir(parents=True)
    shop = Shop(folder)
    for _ in range(2):
        shop.ingest(Protection(keep_days={"transactions": 365}))
        assert [set(row) for row in shop.rows("transactions")] == [{"customer_id", "occurred_at", "amount"}] * 3
    assert read_identity_outcome(shop.workspace.identity).n_people == 1
    assert accounts_of(shop.workspace, ["c3-again"], country_code=None).ids == {"c3", "c3-again"}


def test_a_table_of_which_nothing_is_kept_says_which_key_to_change(shop):
    wanted = r"none of 6 rows may be kept \(older than .*\)\. Raise privacy\.keep_days\.transactions and run"
    with pytest.raises(QualityError, match=wanted):
        shop.ingest(Protection(keep_days={"transactions": 1}))


def test_a_person_is_known_by_every_account_and_contact(shop):
    shop.ingest()
    found = accounts_of(shop.workspace, ["c3-again", "nobody"], country_code=None)
    assert found.ids == {"c3", "c3-again"}
    assert found.addresses == {"cy@example.org", "CY@example.org"}
    assert (found.found, found.ambiguous) == ({"c3-again"}, frozenset())


def test_a_contact_that_others_have_too_stays_theirs(shop):
    (shop.folder / "customers.csv").write_text(CUSTOMERS.replace("cy@example.org", "bob@example.org"))
    ingest_apart = replace(RULES, identity=IdentitySettings(match=()))
    sources = {
        "transactions": FileSource(["sales.csv"], shop.folder, Reading(timezone="UTC", columns={"customer_id": "client"})),
        "customers": FileSource(["customers.csv"], shop.folder, Reading(timezone="UTC")),
    }
    ingest(sources, shop.workspace, ingest_apart, now=NOW)
    assert accounts_of(shop.workspace, ["c2"], country_code=None).addresses == frozenset()


def test_parts_lose_a_person_also_where_only_a_contact_tells(shop):
    (shop.folder / "sales.csv").write_text(SALES + ",2024-05-05,7,cy@example.org\n")
    shop.ingest()
    marks = Marks(frozenset({"c3", "c3-again"}), frozenset({"cy@example.org"}), frozenset({"customer_id", "client"}))
    protection = Protection(forgotten=Forgotten.only(marks.ids))
    for writes in (False, True):
        assert forget_in_parts(shop.workspace, protection, marks, now=NOW, writes=writes) == 5
    assert forget_in_parts(shop.workspace, protection, marks, now=NOW, writes=True) == 0
    ingested = shop.ingest()
    assert ingested.n_read == 0
    assert shop.ids() == ["c1", "c1", "c2"]
    assert counts_of(ingested) == {"customer_id is missing": 1, FORGOTTEN: 3}
    assert b"cy@example" not in shop.written().lower()
