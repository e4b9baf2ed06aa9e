"""A person goes from files of every kind, everybody else stays, and the search tells the two cases apart."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.campaigns.spreadsheet import write_csv
from cvm.engines import DuckDBEngine
from cvm.privacy.erasing import erase, n_traces
from cvm.privacy.marks import Marks, contact_marks
from cvm.privacy.searching import search

ANN = Marks(ids=frozenset({"ann-001", "W77"}), contacts=frozenset(contact_marks(["Ann@Example.org"], ["+38 050 111 22 33"])))


def parquet_file(folder: Path) -> Path:
    reasons = pa.array([[{"feature": "spend"}]] * 3, pa.list_(pa.struct([("feature", pa.string())])))
    table = pa.table({"customer_id": ["ann-001", "bob-002", "W77"], "clv": [1.5, None, 3.0], "reasons": reasons})
    path = folder / "scores.parquet"
    pq.write_table(table.replace_schema_metadata({"cvm.segmentation": '{"it\'s": "kept"}'}), path)
    return path


def database(folder: Path) -> Path:
    path = folder / "warehouse.duckdb"
    with DuckDBEngine(path) as engine:
        people = "VALUES ('ann-001', 'x'), ('bob-002', 'y')"
        engine.execute(f"CREATE TABLE customers AS SELECT * FROM ({people}) AS t(customer_id, a)")
        engine.execute("CREATE TABLE mails AS SELECT * FROM (VALUES ('ann@example.org'), ('bob@example.org')) AS t(sent_to)")
        engine.execute("CREATE VIEW everybody AS SELECT customer_id FROM customers")
    return path


def audience(folder: Path) -> Path:
    path = folder / "audience.csv"
    columns = {"ID": ["ann-001", "bob-002", "cy-003"], "Email": ["a@b.org", "b@b.org", "ANN@example.org"]}
    write_csv(path, list(columns), pa.table(columns).to_batches(), delimiter=";", has_bom=True)
    return path


def plan(folder: Path) -> Path:
    path = folder / "plan.json"
    path.write_text(json.dumps({"by_hand": {"in": ["ann-001", "bob-002"]}, "of": {"W77": 1, "n": 2}, "who": "W77"}))
    return path


def findings(folder: Path) -> Path:
    path = folder / "quality.parquet"
    pq.write_table(pa.table({"check": ["copies"], "examples": [["ann-001", "bob-002"]]}), path)
    return path


@pytest.mark.parametrize(
    ("make", "n"), [(parquet_file, 2), (database, 2), (audience, 2), (plan, 3), (findings, 1)], ids=lambda x: str(x)[:15]
)
def test_a_person_goes_from_a_file_and_the_search_proves_it(tmp_path, make, n):
    path = make(tmp_path)
    os.utime(path, (1, 2))
    mode = path.stat().st_mode
    assert n_traces(path, ANN) == n
    assert [found for found, _ in search([path], ANN).found] == [path]
    assert erase(path, ANN) == n
    assert (path.stat().st_mode, path.stat().st_mtime) == (mode, 2)
    proof = search([path], ANN)
    assert (proof.found, proof.unreadable, proof.n_files) == ((), (), 1)
    assert b"ann-001" not in path.read_bytes()
    assert erase(path, ANN) == 0


def test_everything_else_stays_as_it_was(tmp_path):
    scores, mails = parquet_file(tmp_path), audience(tmp_path)
    before = pq.read_table(scores)
    for path in (scores, mails, made := database(tmp_path)):
        erase(path, ANN)
    after = pq.read_table(scores)
    assert after.schema.equals(before.schema)
    assert after.schema.metadata[b"cvm.segmentation"] == b'{"it\'s": "kept"}'
    assert after.to_pylist() == before.slice(1, 1).to_pylist()
    assert mails.read_bytes() == "\ufeffID;Email\r\nbob-002;b@b.org\r\n".encode()
    with DuckDBEngine(made, read_only=True) as engine:
        assert engine.table("FROM everybody").to_pylist() == [{"customer_id": "bob-002"}]


def test_a_longer_id_is_another_person(tmp_path):
    path = tmp_path / "scores.parquet"
    pq.write_table(pa.table({"customer_id": ["ann-0011", "joann-001"]}), path)
    (tmp_path / "note.txt").write_text("ann-0012 and joann-001")
    assert n_traces(path, ANN) == 0
    assert search([path, tmp_path / "note.txt"], ANN).found == ()


@pytest.mark.parametrize("text", ["ann-001", "sent to ANN-001.", '"ann@example.org"', "tel:+380501112233"])
def test_the_search_finds_what_no_writer_of_ours_would_write(tmp_path, text):
    note = tmp_path / "note.txt"
    note.write_text(f"about {text}")
    nested = tmp_path / "nested.parquet"
    pq.write_table(pa.table({"any": [[{"deep": {"er": text}}]]}), nested)
    proof = search([note, nested], ANN)
    assert dict(proof.found) == {note: "bytes", nested: "columns ['any']"}


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 nothing")
    assert search([broken], ANN).unreadable == (broken,)


def test_a_csv_that_is_none_is_named(tmp_path):
    strange = tmp_path / "strange.csv"
    strange.write_text('note\n"' + "x" * 200_000)
    with pytest.raises(ValueError, match="it is no CSV: field larger than"):
        n_traces(strange, ANN)
    assert search([strange], ANN).unreadable == (strange,)


def test_a_short_id_is_looked_for_in_columns_of_ids_alone(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"customer_id": ["8"], "order_id": ["7"]}), path)
    assert search([path], Marks(ids=frozenset({"7"}))).found == ()
    assert search([path], Marks(ids=frozenset({"8"}))).found == ((path, "columns ['customer_id']"),)


def test_contacts_are_known_in_the_forms_senders_get():
    digest = hashlib.sha256(b"ann@example.org").hexdigest()  # as audiences of Google and Meta hold it
    assert {"+380501112233", "380501112233", "ann@example.org", digest} <= ANN.contacts


def test_what_is_somebody_else_s_is_no_contact_of_a_person():
    marks = set(contact_marks(["ann.smith+shop@example.org", "n/a"], ["n/a", "12 34", ""]))
    assert marks == {"ann.smith+shop@example.org", hashlib.sha256(b"ann.smith+shop@example.org").hexdigest()}
    assert {"ann.smith@gmail.com", "annsmith@gmail.com"} <= set(contact_marks(["Ann.Smith@gmail.com"], []))
