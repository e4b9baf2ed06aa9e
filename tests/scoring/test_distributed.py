"""Executors score as one machine does, and the folder they write is taken for the file that it would write."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_scores import batch_scores, write_scores
from cvm.engines import DuckDBEngine, QueryError
from cvm.engines.spark import SparkEngine
from cvm.engines.sql import literal, parquet
from cvm.errors import FeatureMismatchError, MissingOutputError
from cvm.features.files import features_file
from cvm.models.boosting import Encoder
from cvm.models.uplift import MEAN, ArmUplift, TreatmentUplift, Uplift, UpliftModel
from cvm.models.uplift.linear import LinearDesign, LinearEffect
from cvm.scoring.chunks import EarlierSegments
from cvm.scoring.distributed import score_distributed
from cvm.scoring.files import is_on_file, latest_earlier, origin_of, read_scores, score_schema
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.segments import Condition, RuleSet, Segmentation, SegmentRule
from cvm.stages.context import workspace_of
from cvm.stages.lake import found_on_spark
from same_rows import assert_same_rows
from spark_server import MARKS

pytestmark = MARKS


@pytest.fixture
def engine(spark, tmp_path):
    with SparkEngine(spark, scratch=tmp_path / "scratch") as engine:
        yield engine


@pytest.fixture
def lake(trained, workspace):
    """The features of the workspace as Spark would leave them: a folder of files."""
    rows = pq.read_table(features_file(workspace.features, trained.as_of), partitioning=None)
    folder = features_file(workspace.all_features, trained.as_of)
    folder.mkdir(parents=True)
    for number, start in enumerate(range(0, rows.num_rows, 100)):
        pq.write_table(rows.slice(start, 100), folder / f"part-{number:05d}.parquet")
    return folder


def treatment(arm, cost, mean):
    """One that adds more to who ordered longer ago."""
    design = LinearDesign(Encoder(("recency_days",), {}), (0.0,), (1000.0,), (100.0,), (100.0,))
    model = UpliftModel((ArmUplift(arm, mean, MEAN, 1.0, 0.0),), {MEAN: LinearEffect(design, (0.0,), ((1.0,),))})
    return TreatmentUplift(arm, cost, ("spring",), model)


def distributed(engine, trained, workspace, lake, **options):
    found = score_distributed(engine, trained.bundle, workspace, as_of=trained.as_of, features=lake, **options)
    return found, read_scores(workspace.scores_of(trained.as_of))


def test_the_scores_are_those_of_one_machine(engine, trained, workspace, lake):
    expected = batch_scores(trained.bundle, workspace, as_of=trained.as_of, reasons_share=0.3)
    found, scores = distributed(engine, trained, workspace, lake, reasons_share=0.3)
    assert_same_rows(scores, expected)
    assert scores.schema.equals(SCORE_SCHEMA)
    assert found.n_customers == scores.num_rows == len(set(scores["customer_id"].to_pylist()))
    assert found.clv_total == pytest.approx(sum(expected["clv"].to_pylist()))
    folder = workspace.scores_of(trained.as_of)
    assert folder.name == f"as_of={trained.as_of}"
    assert not (folder / "scores.parquet").exists()
    with DuckDBEngine() as duckdb:  # as other programs read it
        assert duckdb.row(f"SELECT count(*) AS n FROM {parquet([folder])}")["n"] == scores.num_rows
    # One machine goes on from there, and leaves nothing of it.
    assert batch_scores(trained.bundle, workspace, as_of=trained.as_of, reasons_share=0.3).equals(expected)
    assert [path.name for path in folder.glob("*.parquet")] == ["scores.parquet"]


def test_everybody_gets_reasons_by_default(engine, trained, workspace, lake):
    expected = batch_scores(trained.bundle, workspace, as_of=trained.as_of)
    _, scores = distributed(engine, trained, workspace, lake)
    assert_same_rows(scores, expected)
    assert scores["reasons"].null_count < scores.num_rows


def test_the_segments_before_come_from_the_scores_before(engine, trained, workspace, lake):
    ids = trained.features["customer_id"].tolist()
    rows = [{**dict.fromkeys(SCORE_SCHEMA.names), "customer_id": who, "clv": 5.0, "segment": "vip"} for who in ids[::2]]
    before = trained.as_of - timedelta(days=30)
    write_scores(pa.Table.from_pylist(rows, schema=SCORE_SCHEMA), workspace.scores_of(before), segmentation=Segmentation())
    _, scores = distributed(engine, trained, workspace, lake, reasons_share=0.0)
    assert scores["previous_segment"].to_pylist() == ["vip" if number % 2 == 0 else None for number in range(len(ids))]
    assert scores["reasons"].null_count == scores.num_rows
    rules = RuleSet((SegmentRule("dear", "keep", Condition(minimum={"clv": 1.0})), SegmentRule("cheap", "wait")))
    segmentation = replace(trained.bundle.segmentation, rules=rules)
    _, scores = distributed(engine, trained, workspace, lake, reasons_share=0.0, segmentation=segmentation)
    assert scores["previous_segment"].to_pylist() == ["dear" if number % 2 == 0 else None for number in range(len(ids))]
    # What Spark wrote is in its turn what comes before.
    earlier = latest_earlier(workspace, date.max)
    assert earlier[0] == trained.as_of
    assert EarlierSegments(earlier[1], rules).of(pa.array(ids)).to_pylist() == scores["segment"].to_pylist()


def test_the_effects_of_treatments_are_written_beside(engine, trained, workspace, lake):
    bundle = replace(trained.bundle, uplift=Uplift(30, (treatment("letter", 1.5, 2.0), treatment("mail", 0.25, 0.2))))
    expected = batch_scores(bundle, workspace, as_of=trained.as_of, reasons_share=0.0)
    effects = pq.read_table(workspace.uplift_of(trained.as_of), partitioning=None)
    _, scores = distributed(engine, replace(trained, bundle=bundle), workspace, lake, reasons_share=0.0)
    assert_same_rows(scores, expected)
    found = pq.read_table(workspace.uplift_of(trained.as_of), partitioning=None)
    assert_same_rows(found, effects, key=["customer_id", "arm"])


def test_the_folder_says_what_made_it(engine, trained, workspace, lake):
    origin = {"warehouse": "of today"}
    distributed(engine, trained, workspace, lake, reasons_share=0.0, origin=origin)
    path, segmentation = workspace.scores_of(trained.as_of), trained.bundle.segmentation
    assert origin_of(path)["model_version"] == trained.bundle.model_version
    assert is_on_file(path, score_schema(segmentation, origin_of(path)))
    assert workspace.score_files() == {trained.as_of: path}
    assert not workspace.damaged_scores()
    next(path.glob("part-*.parquet")).write_bytes(b"cut short")
    assert workspace.damaged_scores() == {trained.as_of: path}


def test_a_refusal_leaves_the_scores_that_were_there(engine, trained, workspace, lake):
    expected = batch_scores(trained.bundle, workspace, as_of=trained.as_of)
    first = next(iter(sorted(lake.iterdir())))
    pq.write_table(pq.read_table(first), lake / "part-99999.parquet")
    with pytest.raises(FeatureMismatchError, match=r"occurs twice in 100 rows"):
        distributed(engine, trained, workspace, lake)
    assert read_scores(workspace.scores_of(trained.as_of)).equals(expected)
    nowhere = features_file(workspace.all_features, date(2030, 1, 1))
    with pytest.raises(MissingOutputError, match=r"cvm features --set windows.as_of=2030-01-01"):
        score_distributed(engine, trained.bundle, workspace, as_of=date(2030, 1, 1), features=nowhere)


def test_a_table_of_the_catalog_holds_every_date_once(engine, tmp_path):
    table = f"scores_{tmp_path.name.replace('-', '_')}"
    try:
        for day, value in ((date(2024, 1, 1), 1), (date(2024, 2, 1), 2), (date(2024, 1, 1), 3)):
            rows = f"SELECT {value} AS clv, {literal(day)} AS as_of"
            engine.save_partition(rows, table, by="as_of", value=day, form="parquet")
        found = engine.session.table(table).orderBy("as_of").collect()
        assert [(row["clv"], row["as_of"]) for row in found] == [(3, date(2024, 1, 1)), (2, date(2024, 2, 1))]
    finally:
        engine.session.sql(f"DROP TABLE IF EXISTS {table}")


def test_columns_of_a_table_of_the_catalog_are_met_by_their_names(engine, tmp_path):
    table, day = f"swapped_{tmp_path.name.replace('-', '_')}", date(2024, 1, 1)
    try:
        for columns in ("1 AS clv, 2 AS orders", "4 AS Orders, 3 AS clv"):
            rows = f"SELECT {columns}, {literal(day)} AS as_of"
            engine.save_partition(rows, table, by="as_of", value=day, form="parquet")
        assert [(row["clv"], row["orders"]) for row in engine.session.table(table).collect()] == [(3, 4)]
        other = f"SELECT 5 AS clv, 6 AS sales, {literal(day)} AS as_of"
        with pytest.raises(QueryError, match=r"the rows lack \['orders'\] and have \['sales'\] beside"):
            engine.save_partition(other, table, by="as_of", value=day, form="parquet")
    finally:
        engine.session.sql(f"DROP TABLE IF EXISTS {table}")


def test_scores_that_are_on_file_go_into_the_table_that_is_named_later(engine, trained, workspace):
    as_of, table = trained.as_of, f"scores_{workspace.outputs.parent.name.replace('-', '_')}"
    expected = batch_scores(trained.bundle, workspace, as_of=as_of, reasons_share=0.0)
    (workspace.lake / "transactions").mkdir(parents=True)
    pq.write_table(pa.table({"customer_id": ["c1"]}), workspace.lake / "transactions" / "part-00000.parquet")
    spark = trained.params.spark.model_copy(update={"scores_table": table})
    root = workspace.outputs.parent
    params = trained.params.model_copy(update={"root": root, "engine": "spark", "spark": spark})
    assert workspace_of(params).outputs == workspace.outputs
    try:
        for _ in range(2):
            assert found_on_spark(params, as_of).n_customers == expected.num_rows
        rows = engine.session.table(table).select("customer_id", "as_of").orderBy("customer_id").collect()
        assert [row["customer_id"] for row in rows] == expected["customer_id"].to_pylist()
        assert {row["as_of"] for row in rows} == {as_of}
    finally:
        engine.session.sql(f"DROP TABLE IF EXISTS {table}")
