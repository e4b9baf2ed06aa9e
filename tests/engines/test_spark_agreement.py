"""DuckDB and Spark agree on features, labels, KPIs and campaigns, of small parts of the bases of benchmarks/agreement.py."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from agreement import BASES, asked_of
from cvm.engines import DuckDBEngine
from cvm.engines.spark import SparkEngine
from spark_server import MARKS
from two_engines import TOLERANCE, apart, campaign_statistics, export_tables, features_and_labels, kpis_and_goals

pytestmark = MARKS
# Few customers, and few snapshots: Spark takes its seconds to plan a query, however few the rows.
SIZES = {"cdnow": 120, "complete-journey": 12, "simulated": 100}


@pytest.fixture(scope="module", params=list(SIZES))
def base(request, spark, tmp_path_factory):
    """Both engines on one base, and what is asked of it."""
    folder = tmp_path_factory.mktemp(request.param)
    params = BASES[request.param](folder, SIZES[request.param])
    warehouse = folder / "outputs" / "warehouse.duckdb"
    asked = asked_of(params)
    plan = replace(asked.plan, training=(), labelled=asked.plan.training[:1])
    params = params.model_copy(update={"kpis": params.kpis.model_copy(update={"periods": ["quarter"]})})
    tables = export_tables(warehouse, folder / "exported")
    with (
        DuckDBEngine(warehouse, read_only=True) as duckdb,
        SparkEngine(spark, scratch=folder / "scratch", tables=tables) as engine,
    ):
        yield folder, duckdb, engine, replace(asked, plan=plan, params=params)


def assert_agree(found, expected):
    assert found.keys() == expected.keys()
    gaps = {(name, column): gap for name in expected for column, gap in apart(found[name], expected[name]).items()}
    assert {place: gap for place, gap in gaps.items() if not gap <= TOLERANCE} == {}
    assert sum(table.num_rows for table in expected.values())


def test_features_and_labels_agree(base):
    folder, duckdb, spark, asked = base
    assert_agree(
        features_and_labels(spark, asked, folder / "of spark"), features_and_labels(duckdb, asked, folder / "of duckdb")
    )


def test_kpis_agree(base):
    _, duckdb, spark, asked = base
    assert_agree(kpis_and_goals(spark, asked), kpis_and_goals(duckdb, asked))


def test_campaign_statistics_agree(base):
    _, duckdb, spark, asked = base
    if "assignments" not in duckdb.tables():
        assert not campaign_statistics(spark, asked)
        return
    assert_agree(
        campaign_statistics(spark, asked, most=1),
        campaign_statistics(duckdb, asked, most=1),
    )


def test_what_is_apart_is_told():
    one = pa.table({"id": ["a", "b"], "x": [1.0, 2.0], "y": [1e9, 1e-9], "z": [None, 1]})
    other = pa.table({"id": ["b", "a"], "x": [2.0, 1.0 + 1e-6], "y": [0.0, 1e9], "z": [1, 2]})
    found = apart(one, other)
    assert found["id"] == 0
    assert found["x"] == pytest.approx(1e-6, rel=1e-3)
    assert found["y"] < 1e-13  # what sums that cancel leave
    assert found["z"] == np.inf
    assert apart(one, one.slice(1)) == {"rows or columns": np.inf}
