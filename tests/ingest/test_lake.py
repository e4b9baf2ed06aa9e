"""A dirty base ingested by both engines: the same rows, the same reasons, the same findings."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dirty_lake
from cvm.engines import DuckDBEngine, QueryError
from cvm.engines.spark import SparkEngine
from cvm.engines.spark_catalog import save_catalog_table
from cvm.engines.spark_lake import file_format
from cvm.errors import ColumnTypeError, CvmError, ParamsError, QualityError, SourceError
from cvm.ingest.assessment import read_assessment
from cvm.ingest.identity import IdentitySettings
from cvm.ingest.lake import LakeSource, ingest_lake
from cvm.ingest.origins import FileSource
from cvm.ingest.protection import EXPIRED, FORGOTTEN, Protection
from cvm.ingest.reading import Reading
from cvm.ingest.stage import Rules, ingest
from cvm.privacy.keyed_hash import KeyedHash
from cvm.privacy.suppression import Forgotten
from cvm.workspace import Workspace
from same_rows import assert_same_rows
from spark_server import MARKS

pytestmark = MARKS

RULES = Rules("USD", 0.2, timezone="Europe/Kyiv", horizon_days=90, identity=IdentitySettings(match=()))
PATHS = {
    "transactions": ("sales-*.csv", replace(dirty_lake.SALES, key=("order_id", "customer_id", "occurred_at", "amount"))),
    "events": ("events.jsonl", dirty_lake.EVENTS),
    "customers": ("customers/*.parquet", dirty_lake.CUSTOMERS),
    "exchange_rates": ("rates.csv", dirty_lake.RATES),
}
KEY = KeyedHash(b"a key that is long enough to be a secret", name="pseudonym")
PROTECTION = Protection(pseudonyms=KEY, forgotten=Forgotten.only(["c7", "007"]), keep_days={"events": 700})


def workspace(folder: Path) -> Workspace:
    return Workspace(folder / "outputs", folder / "models" / "champion")


def on_one_machine(lake: Path, folder: Path, **options) -> tuple[object, Workspace]:
    sources = {table: FileSource([path], lake, reading) for table, (path, reading) in PATHS.items()}
    return ingest(sources, workspace(folder), RULES, now=dirty_lake.NOW, **options), workspace(folder)


def on_spark(spark, lake: Path, folder: Path, **options) -> tuple[object, Workspace]:
    sources = {table: LakeSource([lake / path], None, reading) for table, (path, reading) in PATHS.items()}
    with SparkEngine(spark, scratch=folder / "scratch") as engine:
        return ingest_lake(engine, sources, workspace(folder), RULES, now=dirty_lake.NOW, **options), workspace(folder)


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    dirty_lake.write_lake(folder)
    return folder


@pytest.fixture(scope="module")
def both(spark, lake, tmp_path_factory):
    """What one machine and Spark make of the same files."""
    folder = tmp_path_factory.mktemp("both")
    return on_one_machine(lake, folder / "one"), on_spark(spark, lake, folder / "many")


def assert_same_tables(one: Workspace, many: Workspace, tables: list[str]) -> None:
    with DuckDBEngine(one.warehouse, read_only=True) as duckdb, DuckDBEngine() as files:
        for table in tables:
            found = f"read_parquet('{many.lake / table}/*.parquet')"
            assert files.columns(found) == duckdb.columns(table)
            expected = duckdb.table(f"SELECT * FROM {table} ORDER BY ALL")
            assert_same_rows(files.table(f"SELECT * FROM {found} ORDER BY ALL"), expected)


def test_the_same_rows_are_kept_and_the_others_left_out_for_the_same_reasons(both):
    (one, one_folder), (many, many_folder) = both
    assert many.outcomes == one.outcomes
    assert {outcome.table: outcome.n_rejected > 0 for outcome in one.outcomes} == {
        "transactions": True,
        "events": True,
        "customers": True,
        "exchange_rates": False,
    }
    assert (many.n_read, many.n_known) == (4, 0)
    assert_same_tables(one_folder, many_folder, list(PATHS))


def test_the_same_rows_are_in_the_quarantine_as_they_were_given(both):
    (_, one), (_, many) = both
    for table in ("transactions", "events", "customers"):
        expected = pq.read_table(one.quarantine / f"{table}.parquet").to_pylist()
        found = pq.read_table(many.quarantine / table).to_pylist()
        # Only Parquet numbers its rows, and each part of a replaced row's file by itself.
        told = [sorted(repr(sorted({**row, "source_row": None}.items())) for row in rows) for rows in (found, expected)]
        assert told[0] == told[1]
    assert {row["source_row"] for row in found} > {1}
    assert not (many.quarantine / "exchange_rates").exists()


def test_the_data_is_judged_alike(both):
    (_, one), (_, many) = both
    expected, found = read_assessment(one), read_assessment(many)
    assert found.verdicts == expected.verdicts
    told = [
        sorted(repr(replace(each, examples=())) for each in findings) for findings in (found.findings, expected.findings)
    ]
    assert told[0] == told[1]
    assert {"exact copy", "converted currency"} <= {finding.check for finding in found.findings}


def test_protection_holds_on_spark(spark, lake, tmp_path):
    one, one_folder = on_one_machine(lake, tmp_path / "one", protection=PROTECTION)
    many, many_folder = on_spark(spark, lake, tmp_path / "many", protection=PROTECTION)
    assert many.outcomes == one.outcomes
    reasons = {reason for outcome in many.outcomes for reason in outcome.n_by_reason}
    assert {FORGOTTEN, EXPIRED} <= reasons
    assert_same_tables(one_folder, many_folder, ["transactions", "events", "customers"])
    # No id is anywhere in what was written.
    for file in (tmp_path / "many" / "outputs").rglob("*.parquet"):
        assert "'c11'" not in repr(pq.read_table(file).to_pylist()), file


def test_tables_of_the_catalog_go_in_and_come_out(spark, tmp_path):
    sales = pa.table(
        {
            "client": ["a", "a", "b", None],
            "at": pa.array(["2024-05-01 10:00"] * 4, pa.string()),
            "total": pa.array([10.0, 20.0, 5.0, 1.0]),
        }
    )
    reading = Reading("UTC", {"customer_id": "client", "occurred_at": "at", "amount": "total"}, key=("customer_id",))
    rules = Rules("USD", 0.5)
    with SparkEngine(spark, scratch=tmp_path / "scratch") as engine:
        engine.session.sql(f"CREATE SCHEMA lake_in LOCATION '{tmp_path / 'in'}'")
        engine.session.sql(f"CREATE SCHEMA lake_out LOCATION '{tmp_path / 'out'}'")
        try:
            engine.session.createDataFrame(sales).write.format("parquet").saveAsTable("lake_in.sales")
            sources = {"transactions": LakeSource(None, "lake_in.sales", reading)}
            for _ in range(2):  # the second time what was there is replaced
                found = ingest_lake(engine, sources, workspace(tmp_path), rules, now=dirty_lake.NOW, schema="lake_out")
            # Without an order the greater row counts, whoever reads first.
            rows = engine.table("SELECT customer_id, CAST(amount AS DOUBLE) AS amount FROM lake_out.transactions ORDER BY 1")
            assert rows.to_pylist() == [{"customer_id": "a", "amount": 20.0}, {"customer_id": "b", "amount": 5.0}]
            assert (found.outcomes[0].n_kept, found.outcomes[0].n_rejected) == (2, 1)
            assert [
                row.tableName for row in engine.session.sql("SHOW TABLES IN lake_out").collect() if not row.isTemporary
            ] == ["transactions"]
            nothing = {"transactions": LakeSource(None, "lake_in.nothing", reading)}
            with pytest.raises(SourceError, match=r"table 'lake_in.nothing' cannot be read.*data.transactions.table"):
                ingest_lake(engine, nothing, workspace(tmp_path), rules, now=dirty_lake.NOW)
        finally:
            engine.session.sql("DROP SCHEMA lake_in CASCADE")
            engine.session.sql("DROP SCHEMA lake_out CASCADE")


def test_tables_that_cvm_did_not_write_are_never_touched(spark, tmp_path):
    reading = Reading("UTC")
    (tmp_path / "sales.csv").write_text("customer_id,occurred_at,amount\na,2024-01-01,1\n", encoding="utf-8")
    place = workspace(tmp_path)
    with SparkEngine(spark, scratch=tmp_path / "scratch") as engine:
        engine.session.sql(f"CREATE SCHEMA lake_theirs LOCATION '{tmp_path / 'theirs'}'")
        engine.session.sql(f"CREATE SCHEMA lake_ours LOCATION '{tmp_path / 'ours'}'")
        try:
            engine.session.sql("CREATE TABLE lake_theirs.transactions USING parquet AS SELECT 'theirs' AS word")
            engine.session.sql("USE lake_theirs")
            for name in ("lake_theirs.transactions", "spark_catalog.`LAKE_Theirs`.Transactions", "transactions"):
                # Of the first source there is no file: nothing is read.
                sources = {
                    "customers": LakeSource([tmp_path / "nothing.csv"], None, reading),
                    "transactions": LakeSource(None, name, reading),
                }
                with pytest.raises(
                    ParamsError, match=r"would have cvm write over 1 of its sources: .*data.transactions.table"
                ):
                    ingest_lake(engine, sources, place, RULES, now=dirty_lake.NOW, schema="Lake_theirs")
            files = {"transactions": LakeSource([tmp_path / "sales.csv"], None, reading)}
            with pytest.raises(ParamsError, match=r"has 1 tables that cvm did not write: \['transactions'\]"):
                ingest_lake(engine, files, place, RULES, now=dirty_lake.NOW, schema="lake_theirs")
            with pytest.raises(QueryError, match=r"was not written by cvm, and is not touched"):
                save_catalog_table(engine, "SELECT 1 AS n", "lake_theirs.transactions")
            assert engine.row("SELECT word FROM lake_theirs.transactions") == {"word": "theirs"}
            # What an earlier run wrote, of a source that is no more, goes.
            save_catalog_table(engine, "SELECT 'a' AS customer_id", "lake_ours.events")
            ingest_lake(engine, files, place, RULES, now=dirty_lake.NOW, schema="lake_ours")
            shown = engine.session.sql("SHOW TABLES IN lake_ours").collect()
            assert [row.tableName for row in shown if not row.isTemporary] == ["transactions"]
        finally:
            engine.session.sql("USE default")
            engine.session.sql("DROP SCHEMA lake_theirs CASCADE")
            engine.session.sql("DROP SCHEMA lake_ours CASCADE")


def test_too_many_faults_leave_the_former_tables_in_their_place(spark, lake, tmp_path):
    place = workspace(tmp_path)
    (place.lake / "transactions").mkdir(parents=True)
    sources = {"transactions": LakeSource([lake / "sales-1.csv"], None, dirty_lake.SALES)}
    with (
        SparkEngine(spark, scratch=tmp_path / "scratch") as engine,
        pytest.raises(QualityError, match=r"rejected, more than data.max_rejected_share == 0 .*quarantine/transactions"),
    ):
        ingest_lake(engine, sources, place, Rules("USD", 0.0), now=dirty_lake.NOW)
    assert list(place.lake.rglob("*.parquet")) == []
    assert pq.read_table(place.quarantine / "transactions").num_rows > 0
    assert place.quality.is_file()


@pytest.mark.parametrize(
    ("files", "source", "error", "message"),
    [
        ({}, {}, SourceError, r"no file matches .*sales.csv"),
        ({"sales.csv": "customer_id,occurred_at,amount\n"}, {}, SourceError, "has no rows"),
        ({"sales.csv": "customer_id,occurred_at,amount\na,2024-01-01\n"}, {}, CvmError, "sales.csv.*cannot be read"),
        ({"sales.csv": "customer_id,occurred_at,amount,AMOUNT\na,2024-01-01,1,2\n"}, {}, CvmError, "amount"),
        ({"sales.csv": "customer_id,occurred_at\na,2024-01-01\n"}, {}, CvmError, "lacks columns.*amount"),
        (
            {"sales.csv": "customer_id,occurred_at,amount\na,01/2024,1\n"},
            {"datetime_format": "%j/%Y"},
            ParamsError,
            "Spark does not know %j",
        ),
        (
            {"sales.csv": "customer_id,occurred_at,amount\na,2024-01-01,1\n"},
            {"timezone": None},
            ParamsError,
            "without a zone",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(spark, tmp_path, files, source, error, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    sources = {"transactions": LakeSource([tmp_path / "sales.csv"], None, Reading(**{"timezone": "UTC", **source}))}
    with SparkEngine(spark, scratch=tmp_path / "scratch") as engine, pytest.raises(error, match=message):
        ingest_lake(engine, sources, workspace(tmp_path), Rules("USD", 0.1), now=dirty_lake.NOW)


def test_headers_that_differ_are_refused(spark, tmp_path):
    (tmp_path / "sales").mkdir()
    (tmp_path / "sales" / "a.csv").write_text("customer_id,occurred_at,amount\na,2024-01-01,1\n", encoding="utf-8")
    (tmp_path / "sales" / "b.csv").write_text("occurred_at,customer_id,amount\n2024-01-01,a,1\n", encoding="utf-8")
    sources = {"transactions": LakeSource([tmp_path / "sales"], None, Reading("UTC"))}
    with (
        SparkEngine(spark, scratch=tmp_path / "scratch") as engine,
        pytest.raises(SourceError, match="differ in their headers"),
    ):
        ingest_lake(engine, sources, workspace(tmp_path), Rules("USD", 0.1), now=dirty_lake.NOW)


def test_what_would_merge_accounts_is_refused(spark, tmp_path):
    (tmp_path / "sales.csv").write_text("customer_id,occurred_at,amount\na,2024-01-01,1\n", encoding="utf-8")
    (tmp_path / "people.csv").write_text("customer_id,mail\na,a@b.com\n", encoding="utf-8")
    people = Reading("UTC", {"email": "mail"})
    sources = {
        "transactions": LakeSource([tmp_path / "sales.csv"], None, Reading("UTC")),
        "customers": LakeSource([tmp_path / "people.csv"], None, people),
    }
    for settings, protection, message in (
        (IdentitySettings(), Protection(), r"'customers' has \['email'\].*set identity.match: \[\]"),
        (IdentitySettings(), Protection(pseudonyms=KEY), r"'customers' has \['email'\]"),
        (IdentitySettings(match=(), probabilistic=True), Protection(), "set identity.probabilistic: false"),
    ):
        rules = Rules("USD", 0.1, identity=settings)
        with SparkEngine(spark, scratch=tmp_path / "scratch") as engine, pytest.raises(ParamsError, match=message):
            ingest_lake(engine, sources, workspace(tmp_path), rules, now=dirty_lake.NOW, protection=protection)
    listed = {**sources, "identities": LakeSource([tmp_path / "people.csv"], None, people)}
    with (
        SparkEngine(spark, scratch=tmp_path / "scratch") as engine,
        pytest.raises(ParamsError, match=r"remove data\.identities"),
    ):
        ingest_lake(engine, listed, workspace(tmp_path), rules, now=dirty_lake.NOW)


def test_a_delta_table_is_not_read_as_parquet(spark, tmp_path):
    (tmp_path / "sales" / "_delta_log").mkdir(parents=True)
    pq.write_table(pa.table({"customer_id": ["a"]}), tmp_path / "sales" / "part.parquet")
    assert file_format(tmp_path / "sales") == "delta"
    sources = {"transactions": LakeSource([tmp_path / "sales"], None, Reading("UTC"))}
    with SparkEngine(spark, scratch=tmp_path / "scratch") as engine, pytest.raises(SourceError, match="does not know Delta"):
        ingest_lake(engine, sources, workspace(tmp_path), Rules("USD", 0.1), now=dirty_lake.NOW)


def test_a_type_that_would_be_guessed_at_is_refused(spark, tmp_path):
    table = pa.table({"customer_id": ["a"], "occurred_at": ["2024-01-01"], "amount": pa.array([True])})
    pq.write_table(table, tmp_path / "sales.parquet")
    sources = {"transactions": LakeSource([tmp_path / "sales.parquet"], None, Reading("UTC"))}
    with SparkEngine(spark, scratch=tmp_path / "scratch") as engine, pytest.raises(ColumnTypeError, match="type BOOLEAN"):
        ingest_lake(engine, sources, workspace(tmp_path), Rules("USD", 0.1), now=dirty_lake.NOW)


def test_ages_of_a_quarantine_that_is_written_anew_are_refused(spark, tmp_path):
    sources = {"transactions": LakeSource([tmp_path / "sales.csv"], None, Reading("UTC"))}
    kept = Protection(keep_days={"quarantine": 30})
    with (
        SparkEngine(spark, scratch=tmp_path / "scratch") as engine,
        pytest.raises(ParamsError, match=r"privacy\.keep_days\.quarantine counts from the day"),
    ):
        ingest_lake(engine, sources, workspace(tmp_path), Rules("USD", 0.1), now=dirty_lake.NOW, protection=kept)


def test_draws_of_approved_plans_join_the_assignments(spark, tmp_path):
    (tmp_path / "sales.csv").write_text("customer_id,occurred_at,amount\na,2024-01-01,1\n", encoding="utf-8")
    (tmp_path / "draws.csv").write_text("campaign_id,who,assigned_at,arm\nspring,a,2024-03-01,mail\n", encoding="utf-8")
    place = workspace(tmp_path)
    place.ledger_of("june").parent.mkdir(parents=True)
    drawn = pa.array([datetime(2024, 5, 20, 9)] * 2, pa.timestamp("us", "UTC"))
    plan = pa.table(
        {"campaign_id": ["june"] * 2, "customer_id": ["a", "b"], "assigned_at": drawn, "arm": ["control", "mail"]}
    )
    pq.write_table(plan, place.ledger_of("june"))
    sources = {
        "transactions": LakeSource([tmp_path / "sales.csv"], None, Reading("UTC")),
        "assignments": LakeSource([tmp_path / "draws.csv"], None, Reading("Europe/Kyiv", {"customer_id": "who"})),
    }
    with SparkEngine(spark, scratch=tmp_path / "scratch") as engine:
        ingest_lake(engine, sources, place, Rules("USD", 0.1), now=dirty_lake.NOW)
        rows = engine.table("SELECT campaign_id, customer_id, assigned_at FROM assignments ORDER BY 1, 2").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("june", "a", datetime(2024, 5, 20, 9)),
        ("june", "b", datetime(2024, 5, 20, 9)),
        ("spring", "a", datetime(2024, 2, 29, 22)),
    ]
