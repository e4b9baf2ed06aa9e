"""What printed features, labels and KPIs find on Spark: the numbers of the product itself."""

from __future__ import annotations

import re

import pytest

from cvm.engines import DuckDBEngine
from cvm.stages.context import workspace_of
from cvm.stages.printed import Target, features_sql, kpis_sql
from printed_base import (
    AS_OF,
    LABELLED,
    ODD,
    assert_same_kpis,
    own_features,
    own_labels,
    printed_base,
    told_kpis,
)
from same_rows import assert_same_rows
from spark_server import MARKS

pytestmark = MARKS


@pytest.fixture(scope="module")
def params(tmp_path_factory):
    return printed_base(tmp_path_factory.mktemp("simulated"), n_customers=60)


@pytest.fixture(scope="module")
def engine(params):
    with DuckDBEngine(workspace_of(params).warehouse, read_only=True) as engine:
        yield engine


@pytest.fixture(scope="module")
def session(spark, engine, tmp_path_factory):
    """The same tables in a session whose zone is UTC, as the header asks for."""
    folder, session = tmp_path_factory.mktemp("tables"), spark.newSession()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    for table in sorted(engine.tables()):
        engine.write_parquet(f"SELECT * FROM {table}", folder / f"{table}.parquet")
        session.read.parquet(str(folder / f"{table}.parquet")).createOrReplaceTempView(table)
    return session


def statement(sql):
    return sql.rstrip().rstrip(";")


def test_features(params, engine, session):
    expected = own_features(params, engine)
    assert set(ODD) <= set(expected.column("customer_id").to_pylist())
    found = session.sql(statement(features_sql(params, Target("spark"), as_of=AS_OF))).toArrow()
    assert set(found.column_names) == set(expected.column_names)
    assert_same_rows(found, expected.select(found.column_names), key=("as_of", "customer_id"))


def test_labels(params, engine, session):
    found = session.sql(statement(features_sql(params, Target("spark"), as_of=LABELLED, labels=True))).toArrow()
    assert_same_rows(found, own_labels(params, engine), key=("customer_id",))


def test_kpis_with_markers(params, engine, session, tmp_path):
    sql = kpis_sql(params, Target("spark", with_markers=True), as_of=AS_OF)
    values = dict(re.findall(r"^--   (\w+) +:\w+, for example (\S+)$", sql, re.MULTILINE))
    assert values["as_of"] == AS_OF.isoformat()
    *made, last = statement(sql).split(";\n\n")  # as the header says
    assert sum("CREATE TABLE" in one for one in made) > 10
    session.sql(f"CREATE SCHEMA pieces LOCATION '{tmp_path}'")
    session.sql("USE pieces")
    try:
        for one in made:
            session.sql(one, args=values)
        found = session.sql(last, args=values).toArrow()
    finally:
        session.sql("USE default")
        session.sql("DROP SCHEMA pieces CASCADE")
    assert_same_kpis(found, told_kpis(params, engine), more_than=1_000)
