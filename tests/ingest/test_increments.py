"""Ingest after ingest: what is known is not read again, and nothing that was ingested is lost."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shop as shop_of_tests
from cvm.engines import DuckDBEngine
from cvm.errors import MissingColumnsError, MissingOutputError, QualityError, SourceError, WorkspaceError
from cvm.ingest.clean import REPLACED
from cvm.ingest.origins import FileSource, FrameSource, passed_name
from cvm.ingest.reading import Reading
from cvm.ingest.stage import Ingested, Rules, ingest
from cvm.workspace import Workspace
from held import held

NOW = datetime(2024, 6, 1)


class Shop:
    """A folder of exports, and what is ingested from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = Workspace(outputs=folder / "outputs", champion=folder / "models" / "champion")

    def export(self, name: str, *rows: str, header: str = "customer_id,occurred_at,amount,order_id") -> None:
        """Write a CSV file; a row of one word is the order of that number, worth as much."""
        lines = [row if "," in row else f"c1,2024-05-01,{row},o{row}" for row in rows]
        (self.folder / name).write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")

    def ingest(self, *paths: str, now: datetime = NOW, share: float = 0.05, full: bool = False, **how: Any) -> Ingested:
        source = FileSource(list(paths) or ["*.csv"], self.folder, Reading(**{"timezone": "UTC", **how}))
        return self.ingest_all(now=now, share=share, full=full, transactions=source)

    def ingest_all(
        self, *, now: datetime = NOW, share: float = 0.05, full: bool = False, **sources: FileSource | FrameSource
    ) -> Ingested:
        return ingest(sources, self.workspace, Rules("USD", share), now=now, full=full)

    def rows(self, table: str = "transactions") -> list[dict[str, Any]]:
        """Rows of the warehouse in their order."""
        with DuckDBEngine(self.workspace.warehouse, read_only=True) as engine:
            return engine.table(f"SELECT * FROM {table}").to_pylist()

    @property
    def amounts(self) -> list[int]:
        return [int(row["amount"]) for row in self.rows()]

    @property
    def quarantine(self) -> list[dict[str, Any]]:
        path = self.workspace.quarantine / "transactions.parquet"
        return pq.read_table(path).to_pylist() if path.exists() else []

    @property
    def contents(self) -> dict[str, tuple[bytes, int]]:
        """Bytes and time of every output."""
        files = [path for path in self.workspace.outputs.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    @property
    def parts(self) -> list[Path]:
        return sorted(self.workspace.ingested.rglob("*.parquet"))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


# --- nothing new -----------------------------------------------------------------------------------------------------


def test_what_is_known_changes_nothing(shop: Shop) -> None:
    shop.export("1.csv", "1", "2", "x,2024-05-01,many,o9")
    first = shop.ingest(share=0.5)
    before = shop.contents
    second = shop.ingest(share=0.5)
    assert shop.contents == before
    assert second.outcomes == first.outcomes
    assert (first.n_read, first.n_known, second.n_read, second.n_known) == (1, 0, 0, 1)


def test_a_touched_file_is_the_same_file(shop: Shop) -> None:
    shop.export("1.csv", "1")
    shop.ingest()
    os.utime(shop.folder / "1.csv", (1, 1))
    before = shop.contents
    assert shop.ingest().n_read == 0
    assert shop.contents == before


def test_a_project_that_was_moved_knows_its_files(shop: Shop) -> None:
    shop.export("1.csv", "1")
    shop.ingest()
    moved = Shop(shop.folder / "moved")
    shutil.copytree(shop.workspace.outputs, moved.workspace.outputs)
    shutil.copy(shop.folder / "1.csv", moved.folder)
    assert moved.ingest().n_read == 0


@pytest.mark.parametrize("lost", ["warehouse.duckdb", "quarantine/transactions.parquet"])
def test_an_output_that_was_lost_or_touched_is_written_again_without_reading(shop: Shop, lost: str) -> None:
    shop.export("1.csv", "1", "2,2,many,o9")
    shop.ingest(share=0.5)
    for harm in (lambda path: path.unlink(), lambda path: path.write_bytes(b"")):
        harm(shop.workspace.outputs / lost)
        assert shop.ingest(share=0.5).n_read == 0
        assert (shop.amounts, len(shop.quarantine)) == ([1], 1)


def test_another_key_or_currency_needs_no_reading_but_is_judged(shop: Shop) -> None:
    shop.export("1.csv", "1", "c1,2024-05-01,5,o1")
    shop.ingest()
    assert shop.ingest(key=["order_id"]).n_read == 0
    assert shop.amounts == [5]
    shop.export("1.csv", "1", "c1,2024-05-01,many,o2")
    shop.ingest(share=0.5)
    with pytest.raises(QualityError, match=r"more than data.max_rejected_share == 0.1"):
        shop.ingest(share=0.1)


# --- new exports -----------------------------------------------------------------------------------------------------


def test_a_new_file_joins_the_known_ones(shop: Shop) -> None:
    shop.export("1.csv", "1", "2")
    shop.ingest()
    part = shop.parts[0].stat().st_mtime_ns
    shop.export("2.csv", "3")
    second = shop.ingest()
    assert (second.n_read, second.n_known, second.outcomes[0].n_kept) == (1, 1, 3)
    assert shop.amounts == [1, 2, 3]
    assert shop.parts[0].stat().st_mtime_ns == part


def test_one_ingest_after_another_equals_one_of_all(shop: Shop, tmp_path: Path) -> None:
    other = Shop(tmp_path / "other")
    other.folder.mkdir()
    files = {"1.csv": ["3", "1"], "2.csv": ["x,2024-05-01,many,o9", "2"], "3.csv": ["c2,2024-05-01,9,o1", "4"]}
    for name, rows in files.items():
        shop.export(name, *rows)
        outcome = shop.ingest(share=0.6, key=["order_id"]).outcomes
        other.export(name, *rows)
    assert other.ingest(share=0.6, key=["order_id"]).outcomes == outcome
    assert shop.rows() == other.rows()
    assert [row | {"source_file": ""} for row in shop.quarantine] == [row | {"source_file": ""} for row in other.quarantine]


def test_rows_follow_the_files_over_many_rows_and_threads(shop: Shop) -> None:
    n = 400_000
    for number in range(2):
        first = number * n
        sales = {"customer_id": ["c1"] * n, "order_id": range(first, first + n), "amount": [1] * n}
        pq.write_table(pa.table(sales | {"occurred_at": ["2024-05-01"] * n}), shop.folder / f"{number}.parquet")
    for key in ([], ["order_id"]):
        shop.ingest("*.parquet", key=key)
        with DuckDBEngine(shop.workspace.warehouse, read_only=True) as engine:
            row = engine.row("SELECT count(*) AS n FROM transactions WHERE order_id = CAST(rowid AS VARCHAR)")
        assert row == {"n": 2 * n}


def test_a_corrected_row_replaces_its_predecessor_wherever_that_came_from(shop: Shop) -> None:
    shop.export("1.csv", "1", "2", "3")
    shop.ingest(key=["order_id"])
    shop.export("correction.csv", "c1,2024-05-01,20,o2")
    (outcome,) = shop.ingest(key=["order_id"]).outcomes
    assert shop.amounts == [1, 3, 20]
    assert (outcome.n_read, outcome.n_kept, outcome.n_by_reason) == (4, 3, {REPLACED: 1})
    assert [(row["amount"], row["source_row"], Path(row["source_file"]).name) for row in shop.quarantine] == [
        ("2.0000", 2, "1.csv")
    ]


def test_the_time_of_record_decides_before_the_order_of_arrival(shop: Shop) -> None:
    header = "customer_id,occurred_at,amount,order_id,recorded_at"
    shop.export("2.csv", "c1,2024-05-01,2,o1,2024-05-20", header=header)
    shop.ingest(key=["order_id"])
    shop.export("3.csv", "c1,2024-05-01,3,o1,2024-05-10", header=header)
    shop.ingest(key=["order_id"])
    assert shop.amounts == [2]


def test_without_a_time_of_record_the_later_arrival_decides_whatever_its_name(shop: Shop) -> None:
    shop.export("z.csv", "c1,2024-05-01,2,o1")
    shop.ingest(key=["order_id"])
    shop.export("a.csv", "c1,2024-05-01,3,o1")
    shop.ingest(key=["order_id"])
    assert shop.amounts == [3]


def test_a_file_that_changed_replaces_its_former_rows_in_their_place(shop: Shop) -> None:
    shop.export("1.csv", "1", "2")
    shop.export("2.csv", "3")
    shop.ingest()
    shop.export("1.csv", "1", "20", "21")
    found = shop.ingest()
    assert (shop.amounts, found.notes) == ([1, 20, 21, 3], ())
    assert len(shop.parts) == 2


def test_a_file_that_shrank_is_said(shop: Shop) -> None:
    shop.export("latest.csv", "1", "2")
    shop.ingest()
    shop.export("latest.csv", "3")
    (note,) = shop.ingest().notes
    assert "'latest.csv' changed and replaces its former 2 rows by 1" in note
    assert shop.amounts == [3]


def test_a_file_that_is_gone_stays_ingested_and_is_said(shop: Shop) -> None:
    shop.export("1.csv", "1")
    shop.ingest()
    (shop.folder / "1.csv").unlink()
    assert shop.ingest().n_read == 0
    shop.export("2.csv", "2")
    (note,) = shop.ingest().notes
    assert "'1.csv' ingested before and gone since; their 1 rows stay (`cvm ingest --full` forgets them)" in note
    assert shop.amounts == [1, 2]


def test_a_file_named_by_its_path_must_be_there(shop: Shop) -> None:
    shop.export("1.csv", "1")
    shop.ingest("1.csv")
    (shop.folder / "1.csv").unlink()
    with pytest.raises(SourceError, match=r"no file matches '1.csv'"):
        shop.ingest("1.csv")


def test_a_file_no_longer_named_is_taken_out(shop: Shop) -> None:
    shop.export("1.csv", "1")
    shop.export("2.csv", "2")
    shop.ingest()
    (note,) = shop.ingest("2.csv").notes
    assert "'1.csv' no longer named in params.yaml; 1 rows taken out" in note
    assert (shop.amounts, len(shop.parts)) == ([2], 1)


def test_a_frame_in_the_place_of_a_file_is_said(shop: Shop) -> None:
    shop.export("1.csv", "1")
    shop.ingest()
    frame = pa.table({"customer_id": ["c1"], "occurred_at": ["2024-05-01"], "amount": [2]})
    passed = FrameSource(frame, passed_name("transactions"), Reading("UTC"), is_passed=True)
    (note,) = shop.ingest_all(transactions=passed).notes
    assert note == "transactions: a frame was passed in the place of '1.csv'; 1 rows taken out"
    (note,) = [note for note in shop.ingest().notes if "taken out" in note]
    assert note == "transactions: the frame that was passed before was not passed again; its 1 rows taken out"


def test_the_same_export_under_another_name_changes_nothing(shop: Shop) -> None:
    shop.export("2.csv", "1")
    shop.ingest()
    warehouse = shop.workspace.warehouse.stat().st_mtime_ns
    shop.export("1.csv", "1")
    found = shop.ingest()
    assert (found.n_read, shop.amounts) == (0, [1])
    assert found.notes == ("transactions: '1.csv' is '2.csv' over again and was not read",)
    (shop.folder / "2.csv").unlink()
    assert shop.ingest().notes == ("transactions: '1.csv' is '2.csv' over again and was not read",)
    assert shop.ingest().notes == ()
    assert shop.workspace.warehouse.stat().st_mtime_ns == warehouse


def test_files_that_take_each_others_names_in_turn_lose_nothing(shop: Shop) -> None:
    shop.export("orders.csv", "1")
    shop.ingest()
    (shop.folder / "orders.csv").rename(shop.folder / "orders-1.csv")
    shop.export("orders.csv", "2")
    shop.ingest()
    assert shop.amounts == [1, 2]


def test_a_compressed_copy_is_another_file(shop: Shop) -> None:
    shop.export("1.csv", "1")
    shop.ingest("1.csv")
    (shop.folder / "1.csv.gz").write_bytes(gzip.compress((shop.folder / "1.csv").read_bytes()))
    shop.ingest("1.csv", "1.csv.gz")
    assert shop.amounts == [1, 1]


def test_a_column_may_come_or_go_with_an_export(shop: Shop) -> None:
    how = {"columns": {"channel": "Kanal"}, "key": ["order_id"]}
    header = "customer_id,occurred_at,amount,order_id,Kanal"
    shop.export("1.csv", "c1,2024-05-01,1,o1,web", header=header)
    shop.ingest(**how)
    shop.export("2.csv", "2")
    shop.ingest(**how)
    assert [(row["amount"], row["channel"]) for row in shop.rows()] == [(Decimal(1), "web"), (Decimal(2), None)]


def test_a_new_export_without_a_required_column_is_refused_by_name(shop: Shop) -> None:
    shop.export("1.csv", "1")
    shop.ingest()
    before = shop.contents
    shop.export("2.csv", "c1,2024-05-01,1", header="customer_id,occurred_at,total")
    with pytest.raises(MissingColumnsError, match=r"In '2.csv': Table 'transactions' lacks columns \['amount'\]"):
        shop.ingest()
    assert shop.contents == before


def test_attributes_are_typed_over_all_exports(shop: Shop) -> None:
    sales = FrameSource(
        pa.table({"customer_id": ["c1"], "occurred_at": ["2024-05-01"], "amount": ["1"]}), "sales", Reading("UTC")
    )
    people = FileSource(["people-*.csv"], shop.folder, Reading("UTC", key=["customer_id"]))
    for number, (age, found) in enumerate([("30", 30.0), ("40", 40.0), ("unknown", "unknown"), ("50", "50")]):
        shop.export(
            f"people-{number}.csv", f"p{number},{age}", header="customer_id,Age" if number % 2 else "customer_id,age"
        )
        shop.ingest_all(transactions=sales, customers=people)
        assert shop.rows("customers")[number] == {"customer_id": f"p{number}", "age": found}


def test_an_attribute_of_several_types_becomes_text(shop: Shop) -> None:
    sales = FrameSource(
        pa.table({"customer_id": ["c1"], "occurred_at": ["2024-05-01"], "amount": ["1"]}), "sales", Reading("UTC")
    )
    people = FileSource(["*.parquet"], shop.folder, Reading("UTC"))
    for name, values in {"1": pa.array([datetime(2024, 1, 1)]), "2": pa.array([3]), "3": pa.array([2.5])}.items():
        pq.write_table(pa.table({"customer_id": [name], "score": values}), shop.folder / f"{name}.parquet")
    shop.ingest_all(transactions=sales, customers=people)
    assert [row["score"] for row in shop.rows("customers")] == ["2024-01-01 00:00:00", "3", "2.5"]
    (shop.folder / "1.parquet").unlink()
    shop.ingest_all(transactions=sales, customers=people, full=True)
    assert [row["score"] for row in shop.rows("customers")] == [3.0, 2.5]


# --- read again ------------------------------------------------------------------------------------------------------


def test_rows_of_the_future_are_looked_at_again(shop: Shop) -> None:
    shop.export("1.csv", "1", "c1,2024-06-02,2,o2")
    assert shop.ingest(share=0.5).outcomes[0].n_rejected == 1
    assert shop.ingest(share=0.5).outcomes[0].n_rejected == 1
    assert shop.ingest(share=0.5, now=datetime(2024, 6, 3)).outcomes[0].n_rejected == 0
    assert (shop.amounts, shop.quarantine) == ([1, 2], [])
    assert shop.ingest(share=0.5).n_read == 0


def test_another_way_of_reading_reads_everything_again(shop: Shop) -> None:
    shop.export("1.csv", "c1,2024-05-01T12:00,1,o1")
    shop.export("2.csv", "c1,2024-05-01T12:00,2,o2")
    shop.ingest()
    found = shop.ingest(timezone="Europe/Kyiv")
    assert found.n_read == 2
    assert "everything was read again, because params.yaml or cvm now reads it in another way" in found.notes[0]
    assert [row["occurred_at"].hour for row in shop.rows()] == [9, 9]


def test_another_way_of_reading_is_refused_while_files_are_gone(shop: Shop) -> None:
    shop.export("1.csv", "1")
    shop.export("2.csv", "2")
    shop.ingest()
    before = shop.contents
    (shop.folder / "1.csv").unlink()
    with pytest.raises(SourceError, match=r"but '1.csv' ingested before and gone since.*run `cvm ingest --full` to go on"):
        shop.ingest(timezone="Europe/Kyiv")
    assert shop.contents == before
    shop.ingest(timezone="Europe/Kyiv", full=True)
    assert shop.amounts == [2]


def test_full_forgets_what_is_gone(shop: Shop) -> None:
    shop.export("1.csv", "1")
    shop.export("2.csv", "2")
    shop.ingest()
    (shop.folder / "1.csv").unlink()
    found = shop.ingest(full=True)
    assert (found.n_read, found.n_known, found.notes) == (1, 0, ())
    assert (shop.amounts, len(shop.parts)) == ([2], 1)


def test_a_frame_is_all_of_its_table_each_time(shop: Shop) -> None:
    shop.export("1.csv", "1")
    shop.ingest()
    for amount in ("5", "6"):
        frame = pa.table({"customer_id": ["c1"], "occurred_at": ["2024-05-01"], "amount": [amount]})
        shop.ingest_all(transactions=FrameSource(frame, "mine", Reading("UTC")))
        assert shop.amounts == [int(amount)]
    shop.ingest()
    assert shop.amounts == [1]


def test_a_table_that_pauses_keeps_its_history(shop: Shop) -> None:
    shop.export("t.csv", "1")
    shop.export("e1.csv", "c1,2024-05-01,visit", header="customer_id,occurred_at,event_type")
    sales, events = (FileSource([name], shop.folder, Reading("UTC")) for name in ("t*.csv", "e*.csv"))
    shop.ingest_all(transactions=sales, events=events)
    (shop.folder / "e1.csv").unlink()
    shop.ingest_all(transactions=sales)
    with DuckDBEngine(shop.workspace.warehouse, read_only=True) as engine:
        assert engine.tables() == {"transactions"}
    assert shop.ingest_all(transactions=sales, events=events).n_read == 0
    assert len(shop.rows("events")) == 1


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_faulty_export_cannot_hide_behind_a_long_history(shop: Shop) -> None:
    shop.export("1.csv", *map(str, range(1, 100)))
    shop.ingest()
    warehouse, parts = shop.workspace.warehouse.read_bytes(), shop.parts
    ledger = (shop.workspace.ingested / "ledger.json").read_bytes()
    shop.export("2.csv", "100", "c1,2024-05-01,many,o7")
    with pytest.raises(QualityError, match=r"1 of 2 new rows \(50.0%\) were rejected, more than .* == 0.05 \(amount is no"):
        shop.ingest()
    assert (shop.workspace.warehouse.read_bytes(), shop.parts) == (warehouse, parts)
    assert (shop.workspace.ingested / "ledger.json").read_bytes() == ledger
    assert [Path(row["source_file"]).name for row in shop.quarantine] == ["2.csv"]
    (shop.folder / "2.csv").unlink()
    assert (shop.ingest().n_read, shop.quarantine) == (0, [])


def test_an_export_that_was_accepted_with_others_is_not_judged_alone_later(shop: Shop) -> None:
    shop.export("1.csv", *map(str, range(1, 100)))
    shop.export("2.csv", "100", "c1,2024-06-02,5,o7")
    shop.ingest()
    assert shop.ingest(now=datetime(2024, 6, 1, 1)).outcomes[0].n_rejected == 1


def test_an_empty_export_among_others_is_no_fault(shop: Shop) -> None:
    shop.export("1.csv", "1")
    shop.export("2.csv")
    (shop.folder / "3.csv").touch()
    shop.ingest()
    assert (shop.amounts, shop.ingest().n_read) == ([1], 0)
    shop.export("1.csv")
    with pytest.raises(SourceError, match=r"'\*.csv' has no rows"):
        shop.ingest(full=True)


def test_a_column_that_no_export_has_is_refused(shop: Shop) -> None:
    shop.export("1.csv", "1")
    with pytest.raises(MissingColumnsError, match=r"columns points at \['Kanal'\]; the file has \['amount', 'customer_id'"):
        shop.ingest(columns={"channel": "Kanal"})
    with pytest.raises(MissingColumnsError, match=r"data.transactions.key names \['channel'\]"):
        shop.ingest(key=["channel"])
    assert not shop.workspace.ingested.exists()


# --- damage and interruption -----------------------------------------------------------------------------------------


@pytest.fixture
def damaged(shop: Shop) -> Shop:
    """Two files ingested, and a part of the first damaged; the second is new in part."""
    shop.export("1.csv", "1")
    shop.ingest()
    content = bytearray(shop.parts[0].read_bytes())
    content[20] ^= 255
    shop.parts[0].write_bytes(content)
    shop.export("2.csv", "2")
    return shop


def test_a_damaged_part_is_read_again(damaged: Shop) -> None:
    (note,) = damaged.ingest().notes
    assert "1 exports were read again, because their ingested rows were damaged" in note
    assert damaged.amounts == [1, 2]


def test_a_damaged_part_whose_file_is_gone_is_refused(damaged: Shop) -> None:
    (damaged.folder / "1.csv").unlink()
    with pytest.raises(SourceError, match=r"the rows of '1.csv' .* damaged and the files are gone. Put the files back, or"):
        damaged.ingest()
    assert damaged.amounts == [1]
    damaged.ingest(full=True)
    assert damaged.amounts == [2]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 2}', '{"version": 1, "tables": {"transactions": 3}}'])
def test_a_damaged_ledger_counts_as_none_while_every_file_is_there(shop: Shop, text: str) -> None:
    shop.export("1.csv", "1")
    shop.ingest()
    (shop.workspace.ingested / "ledger.json").write_text(text, encoding="utf-8")
    (note,) = shop.ingest().notes
    assert "ledger.json was damaged; every export was read again" in note
    assert (shop.amounts, len(shop.parts)) == ([1], 1)


def test_a_damaged_ledger_is_refused_while_a_file_is_gone(shop: Shop) -> None:
    shop.export("1.csv", "1")
    shop.ingest()
    (shop.folder / "1.csv").unlink()
    shop.export("2.csv", "2")
    (shop.workspace.ingested / "ledger.json").write_text("{", encoding="utf-8")
    before = shop.contents
    with pytest.raises(MissingOutputError, match=r"ledger.json is damaged. Run `cvm ingest --full` to write it again"):
        shop.ingest()
    assert shop.contents == before
    shop.ingest(full=True)
    assert shop.amounts == [2]


@pytest.mark.parametrize("step", ["assemble_table", "refusal_of", "write_ledger", "remove_orphans"])
def test_a_run_killed_before_any_step_loses_nothing_and_the_next_completes_it(shop: Shop, step: str) -> None:
    shop.export("1.csv", "1")
    shop.ingest()
    shop.export("2.csv", "2")
    code = (
        "import os, sys; from datetime import datetime; from pathlib import Path\n"
        "from cvm.ingest import stage; from cvm.ingest.origins import FileSource\n"
        "from cvm.ingest.reading import Reading; from cvm.workspace import Workspace\n"
        "folder, step = Path(sys.argv[1]), sys.argv[2]\n"
        "setattr(stage, step, lambda *_, **__: os.kill(os.getpid(), 9))\n"
        "source = {'transactions': FileSource(['*.csv'], folder, Reading('UTC'))}\n"
        "workspace = Workspace(folder / 'outputs', folder / 'champion')\n"
        "stage.ingest(source, workspace, stage.Rules('USD', 0.05), now=datetime(2024, 6, 1))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(shop.folder), step], check=False, timeout=60)
    assert done.returncode == -9
    assert shop.amounts == ([1] if step in ("assemble_table", "refusal_of") else [1, 2])
    shop.ingest()
    assert (shop.amounts, len(shop.parts)) == ([1, 2], 2)
    assert list(shop.workspace.outputs.rglob(".*")) == []


def test_what_a_killed_run_left_is_tidied_up(shop: Shop) -> None:
    shop.export("1.csv", "1")
    shop.ingest()
    for name in (".warehouse.duckdb.999999999.tmp", ".warehouse.duckdb.999999999.tmp.wal", ".ledger.json.999999999.tmp"):
        (shop.workspace.outputs / name).touch()
    (shop.workspace.ingested / "transactions" / "000009.parquet").touch()
    before = shop.contents.keys()
    shop.ingest(full=True)
    assert {name for name in before if "99999" in name or "000009" in name} & shop.contents.keys() == set()
    assert (shop.amounts, len(shop.parts)) == ([1], 1)


def test_two_ingests_at_once_are_refused(shop: Shop) -> None:
    shop.export("1.csv", "1")
    with held(shop.workspace.outputs), pytest.raises(WorkspaceError, match="Another cvm command is writing to"):
        shop.ingest()
    shop.ingest()
    assert shop.amounts == [1]


# --- from the command line, and on to the features -------------------------------------------------------------------


def test_features_are_the_same_to_the_byte_however_the_rows_arrived(tmp_path: Path) -> None:
    lines = shop_of_tests.purchases(n_customers=60, days=300).astype({"occurred_at": str}).sort_values("occurred_at")
    features = []
    for arrivals in (1, 3):
        folder = tmp_path / str(arrivals)
        folder.mkdir()
        params = {"data": {"transactions": {"path": "sales-*.csv"}}, "business": {"timezone": "UTC"}}
        shop_of_tests.write_params(folder, **params, windows={"horizon_days": 60}, train={"snapshots": 1})
        for number in range(3):
            part = lines.iloc[number * len(lines) // 3 : (number + 1) * len(lines) // 3]
            part.to_csv(folder / f"sales-{number}.csv", index=False)
            if arrivals == 3 or number == 2:
                assert shop_of_tests.cvm(folder, "ingest").code == 0
        assert shop_of_tests.cvm(folder, "features").code == 0
        files = sorted((folder / "outputs" / "features").rglob("*.parquet"))
        features.append({str(path.relative_to(folder)): path.read_bytes() for path in files})
    assert features[0] == features[1]
    assert len(features[0]) > 1


def test_the_command_says_what_was_new(tmp_path: Path) -> None:
    Shop(tmp_path).export("transactions.csv", "1", "2")
    shop_of_tests.write_params(tmp_path, business={"timezone": "UTC"})
    assert "2 rows kept, 0 rejected (" in shop_of_tests.cvm(tmp_path, "ingest").out
    assert "2 rows kept, 0 rejected; nothing new: 1 known (" in shop_of_tests.cvm(tmp_path, "ingest").out
    assert "2 rows kept, 0 rejected (" in shop_of_tests.cvm(tmp_path, "ingest", "--full").out
