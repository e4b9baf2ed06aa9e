"""``cvm forget`` and ``cvm purge`` as a user meets them, over the outputs of a shop that was ingested."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shop
from cvm.campaigns.spreadsheet import write_csv
from cvm.engines import DuckDBEngine
from cvm.params import load_params
from cvm.stages.context import utc_now
from cvm.stages.forget import find_people, run_forget
from cvm.stages.publish import publish_scores

DAY = "2024-03-01"


def write_shop(folder: Path) -> None:
    """Two accounts of one person, c1 of the shop and w9 of the app, and what runs leave of everybody."""
    rows = [f"{name},2024-0{month}-01,{month}.0" for name in ("c1-shop", "w9-app", "c2-shop", "c3-shop") for month in (1, 2)]
    (folder / "transactions.csv").write_text("\n".join(["customer_id,occurred_at,amount", *rows, "c1-shop,never,1"]) + "\n")
    people = ["c1-shop,ann@example.org", "w9-app,ANN@example.org", "c2-shop,bob@example.org", "c3-shop,"]
    (folder / "customers.csv").write_text("\n".join(["customer_id,email", *people]) + "\n")
    shop.write_params(
        folder,
        data={
            "transactions": {"path": "transactions.csv"},
            "customers": {"path": "customers.csv"},
            "max_rejected_share": 0.5,
        },
        publish={"url": "duckdb:///tables.duckdb"},
    )


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forget")
    write_shop(folder)
    assert shop.cvm(folder, "ingest", "--quiet").code == 0
    outputs = folder / "outputs"
    for name in ("scores", "features"):
        path = outputs / name / f"as_of={DAY}" / f"{name}.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table({"customer_id": ["c1-shop", "c2-shop"], "clv": [1.0, 2.0]}), path)
    publish_scores(load_params(folder / "params.yaml"), date.fromisoformat(DAY))
    files = outputs / "audiences" / "spring" / "files"
    files.mkdir(parents=True)
    mails = pa.table({"customer_id": ["w9-app", "c2-shop"], "email": ["ann@example.org", "bob@example.org"]})
    write_csv(files / "mail.csv", mails.column_names, mails.to_batches())
    (files.parent / "plan.json").write_text(json.dumps({"by_hand": {"included": ["c1-shop", "c2-shop"]}}))
    (outputs / "report.html").write_text("<td>c1-shop</td>")
    return folder


@pytest.fixture
def folder(ingested: Path, tmp_path: Path) -> Path:
    return shutil.copytree(ingested, tmp_path / "shop", copy_function=shutil.copy2)


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((folder / "outputs").rglob("*")) if path.is_file())


def published(folder: Path) -> set[str]:
    with DuckDBEngine(folder / "tables.duckdb", read_only=True) as engine:
        return set(engine.table("SELECT customer_id FROM cvm.scores").column(0).to_pylist())


def buyers(folder: Path) -> set[str]:
    with DuckDBEngine(folder / "outputs" / "warehouse.duckdb", read_only=True) as engine:
        return set(engine.table("SELECT customer_id FROM transactions").column(0).to_pylist())


def test_a_warehouse_cut_short_names_what_mends_it(folder):
    warehouse = folder / "outputs" / "warehouse.duckdb"
    os.truncate(warehouse, warehouse.stat().st_size // 4)
    done = shop.cvm(folder, "forget", "c1-shop", "--yes")
    assert done.code == 1
    assert "`cvm ingest`" in done.err
    assert "Free disk space" not in done.err


@pytest.mark.parametrize("asked", ["c1-shop", pytest.param(" w9-app\t", marks=pytest.mark.slow)])
def test_a_person_goes_by_any_of_their_ids_and_does_not_come_back(folder, asked):
    done = shop.cvm(folder, "forget", asked, "--yes")
    assert done.code == 0, done.err
    assert "of 1 person removed" in done.out
    assert "no trace is left" in done.out
    assert asked.strip() not in done.out + done.err
    left = written(folder).lower()
    assert all(mark not in left for mark in (b"c1-shop", b"w9-app", b"ann@example.org"))
    assert b"bob@example.org" in left
    assert not (folder / "outputs" / "report.html").exists()
    assert published(folder) == {"c2-shop"}
    again = shop.cvm(folder, "ingest", "--full")
    assert "forgotten at the person's request" in again.out
    assert buyers(folder) == {"c2-shop", "c3-shop"}
    assert b"ann@example.org" not in written(folder).lower()


def test_a_dry_run_counts_and_changes_nothing(folder):
    before = written(folder)
    done = shop.cvm(folder, "forget", "c1-shop", "--dry-run")
    assert done.code == 0
    assert "would be removed" in done.out
    for where in (
        "scores",
        "features",
        "audiences",
        "ingested",
        "identity.parquet",
        "quarantine",
        "warehouse.duckdb",
        "published",
    ):
        assert where in done.out
    assert written(folder) == before
    assert published(folder) == {"c1-shop", "c2-shop"}


@pytest.mark.slow
def test_several_people_go_at_once_and_strangers_are_counted(folder):
    (folder / "ids.txt").write_text("c1-shop\nc2-shop\nnobody-7\n")
    done = shop.cvm(folder, "forget", "--file", "ids.txt", "--yes")
    assert done.code == 0, done.err
    assert "of 2 people removed" in done.out
    assert "1 of 3 ids are those of nobody on file" in done.out
    assert buyers(folder) == {"c3-shop"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nobody-7", "--yes"], 1, "Nobody is known by that id"),
        (["C1-SHOP", "--yes"], 1, "upper and lower case matter"),
        ([" ", "--yes"], 1, "No id was given"),
        (["c1-shop"], 1, "nobody can be asked. Add --yes"),
        ([], 2, "give either a customer_id or --file"),
        (["c1-shop", "--file", "ids.txt"], 2, "give either a customer_id or --file"),
        (["--file", "gone.txt", "--yes"], 1, "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(folder, arguments, code, says):
    before = written(folder)
    done = shop.cvm(folder, "forget", *arguments)
    assert (done.code, says in " ".join(done.err.replace("│", " ").split())) == (code, True), done.err
    assert written(folder) == before


@pytest.mark.slow
def test_who_was_forgotten_is_known_to_be(folder):
    assert shop.cvm(folder, "forget", "c1-shop", "--yes").code == 0
    done = shop.cvm(folder, "forget", "c1-shop", "--yes")
    assert "They were forgotten before; nothing about them is on file: searched" in " ".join(done.err.split())
    (folder / "outputs" / "notes.txt").write_text("call c1-shop")
    assert "notes.txt (bytes)" in shop.cvm(folder, "forget", "c1-shop", "--yes").err


@pytest.mark.slow
def test_what_came_after_the_question_is_found_too(folder):
    params = load_params(folder / "params.yaml")
    find_people(params, ["w9-app"])
    late = folder / "outputs" / "scores" / "as_of=2024-04-01" / "scores.parquet"
    late.parent.mkdir()
    pq.write_table(pa.table({"customer_id": ["c1-shop", "c2-shop"]}), late)
    run_forget(params, ["w9-app"])
    assert pq.read_table(late, partitioning=None).to_pydict() == {"customer_id": ["c2-shop"]}


@pytest.mark.slow
def test_while_published_tables_cannot_be_reached_who_is_who_stays_known(folder):
    nowhere = ["--set", "publish.url=postgresql://me:hidden@127.0.0.1:1/shop"]
    done = shop.cvm(folder, "forget", "w9-app", "--yes", *nowhere)
    told = " ".join(done.err.split())
    assert done.code == 1
    assert "published tables: The files in outputs are done, but the tables in postgresql://127.0.0.1:1/shop" in told
    assert "The ingested exports, the warehouse and the identities still hold them" in told
    scores = folder / "outputs" / "scores" / f"as_of={DAY}" / "scores.parquet"
    assert pq.read_table(scores, partitioning=None)["customer_id"].to_pylist() == ["c2-shop"]
    assert "c1-shop" in buyers(folder) | published(folder)
    assert shop.cvm(folder, "forget", "w9-app", "--yes").code == 0
    assert published(folder) == {"c2-shop"}
    assert "c1-shop" not in buyers(folder)
    refused = shop.cvm(folder, "forget", "w9-app", "--yes", *nowhere)
    assert (refused.code, "nothing about them" in refused.err) == (1, False)


@pytest.mark.slow
def test_a_run_cut_short_can_be_run_again(folder, monkeypatch):
    import cvm.stages.forget as stage

    with monkeypatch.context() as patch:
        patch.setattr(stage, "forget_in_parts", interrupted(stage.forget_in_parts))
        assert shop.cvm(folder, "forget", "w9-app", "--yes").code != 0
    with monkeypatch.context() as patch:
        patch.setattr(stage, "erase", without_the_warehouse(stage.erase))
        assert shop.cvm(folder, "forget", "w9-app", "--yes").code != 0
    (folder / "outputs" / "late.csv").write_text("email\nann@example.org\n")
    assert shop.cvm(folder, "forget", "w9-app", "--yes").code == 0
    assert b"c1-shop" not in written(folder)
    assert b"ann@example.org" not in written(folder)


def without_the_warehouse(work):
    def stopped(path, marks):
        if path.name == "warehouse.duckdb":
            raise KeyboardInterrupt
        return work(path, marks)

    return stopped


def interrupted(work):
    def stopped(*arguments, writes, **options):
        if writes:
            raise KeyboardInterrupt
        return work(*arguments, writes=writes, **options)

    return stopped


@pytest.mark.slow
def test_a_file_of_somebody_elses_that_names_the_person_fails_the_proof(folder):
    (folder / "outputs" / "notes.txt").write_text("call ann@example.org")
    for _ in range(2):  # what tells whose address it is goes last
        done = shop.cvm(folder, "forget", "c1-shop", "--yes")
        assert done.code == 1
        assert "notes.txt (bytes)" in done.err
        assert "ann@" not in done.err
    (folder / "outputs" / "notes.txt").unlink()
    assert shop.cvm(folder, "forget", "c1-shop", "--yes").code == 0


@pytest.mark.slow
def test_with_pseudonyms_the_original_id_is_forgotten(tmp_path, monkeypatch):
    monkeypatch.setenv("CVM_TEST_KEY", "k" * 32)
    write_shop(tmp_path)
    hashed = ["--set", "privacy.pseudonym_key=env:CVM_TEST_KEY"]
    assert shop.cvm(tmp_path, "ingest", "--quiet", *hashed).code == 0
    assert b"c1-shop" not in written(tmp_path)
    assert len(buyers(tmp_path)) == 3
    assert shop.cvm(tmp_path, "forget", "c1-shop", "--yes", *hashed).code == 0
    assert shop.cvm(tmp_path, "ingest", "--full", *hashed).code == 0
    assert len(buyers(tmp_path)) == 2


def test_outputs_past_their_time_are_purged_and_others_kept(folder):
    """By the day in its name, however lately it was written, or when it was written."""
    today = f"as_of={utc_now().date()}"
    (folder / "outputs" / "scores" / today).mkdir()
    (folder / "outputs" / "scores" / today / "scores.parquet").write_bytes(b"new")
    os.utime(folder / "outputs" / "scores" / today / "scores.parquet", (0, 0))
    kept = ["--set", "privacy.keep_days={scores: 30, features: 30, audiences: 30}"]
    assert "1 outputs would be removed" in shop.cvm(folder, "purge", "--dry-run", *kept).out
    assert "scores/as_of=2024-03-01" in shop.cvm(folder, "purge", *kept).out
    assert [path.name for path in (folder / "outputs" / "scores").iterdir()] == [today]
    assert (folder / "outputs" / "audiences" / "spring").is_dir()
    assert (folder / "outputs" / "features" / f"as_of={DAY}").is_dir()
    assert "nothing is past" in shop.cvm(folder, "purge", *kept).out


def test_features_of_everybody_that_spark_wrote_are_purged_too(folder):
    written = folder / "outputs" / "all_features" / f"as_of={DAY}" / "features.parquet" / "part-00000.parquet"
    written.parent.mkdir(parents=True)
    pq.write_table(pa.table({"customer_id": ["c1-shop"]}), written)
    os.utime(written, (0, 0))
    told = shop.cvm(folder, "purge", "--set", "privacy.keep_days={features: 30}").out
    assert f"1 outputs removed: all_features/as_of={DAY}" in told
    assert not list((folder / "outputs" / "all_features").iterdir())
    assert (folder / "outputs" / "features" / f"as_of={DAY}").is_dir()


def test_a_person_goes_from_the_folders_of_spark_too(folder):
    outputs = folder / "outputs"
    of_day = [f"{kind}/as_of={DAY}/{kind}.parquet" for kind in ("all_features", "uplift")]
    for parts in ("warehouse/transactions", *of_day):
        (outputs / parts).mkdir(parents=True)
        rows = {"customer_id": ["c1-shop", "c2-shop"], "at": pa.array([0, 1], pa.timestamp("us"))}
        pq.write_table(pa.table(rows), outputs / parts / "part-00000.parquet")
        (outputs / parts / ".part-00000.parquet.crc").write_bytes(b"of the bytes before")
    assert shop.cvm(folder, "forget", "c1-shop", "--yes").code == 0
    files = [path for path in outputs.rglob("part-*.parquet") if "ingested" not in path.parts]
    assert [pq.read_table(path, partitioning=None)["customer_id"].to_pylist() for path in files] == [["c2-shop"]] * 3
    assert not list(outputs.rglob("*.crc"))  # Spark would refuse files by it


def test_a_retention_shorter_than_training_needs_is_warned_of(folder):
    told = shop.cvm(folder, "purge", "--set", "privacy.keep_days.transactions=400").out
    assert "privacy.keep_days.transactions == 400, but training looks" in " ".join(told.split())
