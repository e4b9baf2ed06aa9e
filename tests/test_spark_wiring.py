"""What ``engine: spark`` means to commands, as far as it can be told without Spark."""

from __future__ import annotations

import json
import sys

import pytest

import shop
from cvm.errors import MissingOutputError, ParamsError
from cvm.features.files import SAMPLE_FILE
from cvm.ingest.lake import LakeSource
from cvm.pipeline import STAGES, in_order
from cvm.stages.context import StageOutcome, workspace_of
from cvm.stages.data import run_ingest
from cvm.stages.lake import lake_sources_of
from cvm.stages.warehouse import EngineError, learned_features, open_duckdb, open_spark

SPARK = ("--set", "engine=spark")


@pytest.mark.parametrize(
    ("arguments", "step"),
    [
        (("segment",), "cvm segment"),
        (("actions",), "cvm actions"),
        (("monitor",), "cvm monitor"),
        (("plan", "spring"), "cvm plan"),
        (("forget", "c00001"), "cvm forget"),
    ],
)
def test_what_needs_one_machine_is_refused_in_a_sentence(shop_folder, arguments, step):
    refused = shop.cvm(shop_folder, *arguments, *SPARK)
    assert refused.code == 1
    assert f"{step} does not run with engine: spark, which does ingest, features" in refused.err
    assert "Run it with engine: duckdb" in refused.err


def test_features_without_clean_tables_name_the_folder_before_spark_is_started(shop_folder):
    refused = shop.cvm(shop_folder, "features", *SPARK)
    assert refused.code == 1
    assert "warehouse/transactions does not exist yet. Run `cvm ingest` first" in refused.err


def test_without_pyspark_the_extra_is_named(shop_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.errors", None)
    (shop_folder / "outputs" / "warehouse" / "transactions").mkdir(parents=True)
    refused = shop.cvm(shop_folder, "features", *SPARK)
    assert refused.code == 1
    assert "pip install 'cvm[spark]'" in refused.err


def test_a_run_says_what_it_leaves_out(tmp_path):
    params = shop.params_for(tmp_path, engine="spark")
    done = in_order(
        params,
        lambda name, stage: stage(params) if stage is not STAGES[name] and name != "train" else StageOutcome(name, "done"),
    )
    left_out = [outcome.stage for outcome in done if outcome.figures.get("is_left_out")]
    assert left_out == ["segment", "actions"]
    assert [outcome.stage for outcome in done] == list(STAGES)


def test_sources_are_files_and_tables_of_the_catalog(tmp_path):
    data = {
        "transactions": {"table": "sales.orders", "columns": {"amount": "total"}},
        "customers": {"path": "customers-*.csv", "timezone": "Europe/Kyiv"},
    }
    sources = lake_sources_of(shop.params_for(tmp_path, engine="spark", data=data))
    assert list(sources) == ["transactions", "customers"]
    assert isinstance(sources["transactions"], LakeSource)
    assert (sources["transactions"].paths, sources["transactions"].table) == (None, "sales.orders")
    assert sources["transactions"].reading.columns == {"amount": "total"}
    assert sources["customers"].paths == [tmp_path / "customers-*.csv"]
    assert sources["customers"].reading.timezone == "Europe/Kyiv"


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        ({"dataset": "cdnow"}, EngineError, r"data.dataset: cdnow does not run with engine: spark"),
        ({"transactions": {"url": "sqlite:///x.db", "query": "SELECT 1"}}, EngineError, r"data.transactions of a database"),
        ({"transactions": {"path": "x.duckdb", "table": "t"}}, EngineError, r"data.transactions of a database"),
        ({"transactions": {"timezone": "UTC"}}, ParamsError, r"no origin that engine: spark can read. Set path, or table"),
    ],
)
def test_origins_of_one_machine_are_refused(tmp_path, data, kind, words):
    with pytest.raises(kind, match=words):
        lake_sources_of(shop.params_for(tmp_path, engine="spark", data=data))


def test_a_table_of_the_catalog_is_none_for_duckdb(tmp_path):
    params = shop.params_for(tmp_path, data={"transactions": {"table": "sales.orders"}})
    with pytest.raises(ParamsError, match=r"data.transactions has no origin that engine: duckdb can read"):
        run_ingest(params)


def test_tables_of_python_are_for_duckdb(tmp_path):
    params = shop.params_for(tmp_path, engine="spark")
    with pytest.raises(EngineError, match=r"tables= of Python does not run with engine: spark"):
        run_ingest(params, tables={"transactions": shop.purchases(n_customers=5)})


def test_publishing_is_for_duckdb(shop_folder):
    refused = shop.cvm(shop_folder, "score", *SPARK, "--set", "publish={url: 'sqlite:///x.db'}")
    assert refused.code == 1
    assert "publish: (tables in a database) does not run with engine: spark" in refused.err


def test_a_sample_is_not_scored_for_the_base(tmp_path):
    params = shop.params_for(tmp_path)
    features = workspace_of(params).features
    features.mkdir(parents=True)
    assert learned_features(params) == features
    (features / SAMPLE_FILE).write_text(json.dumps({}))
    with pytest.raises(EngineError, match=r"are a sample of the customers"):
        learned_features(params)
    assert learned_features(params.model_copy(update={"engine": "spark"})) == features


def test_the_engine_of_params_decides_what_is_opened(tmp_path):
    params = shop.params_for(tmp_path)
    with pytest.raises(MissingOutputError, match=r"warehouse.duckdb does not exist yet"):
        open_duckdb(params, step="the test")
    with pytest.raises(EngineError, match=r"the test does not run with engine: spark"):
        open_duckdb(shop.params_for(tmp_path, engine="spark"), step="the test")
    with pytest.raises(MissingOutputError, match=r"Run `cvm ingest` first"), open_spark(params):
        pass
