"""What the printed queries find: on DuckDB and on a real PostgreSQL the numbers of the product itself."""

from __future__ import annotations

import io

import psycopg
import pyarrow as pa
import pytest

from cvm.campaigns.effect_campaign import read_campaign
from cvm.campaigns.effect_sums import campaign_sums
from cvm.campaigns.effect_variables import choose_variables
from cvm.engines import DuckDBEngine, identifier
from cvm.stages.context import workspace_of
from cvm.stages.inputs import evaluation_settings_of
from cvm.stages.printed import Target, campaign_sql, features_sql, kpis_sql
from printed_base import (
    AS_OF,
    CAMPAIGN,
    LABELLED,
    ODD,
    assert_same_kpis,
    own_features,
    own_labels,
    printed_base,
    told_kpis,
)
from same_rows import assert_same_rows

pytestmark = pytest.mark.postgres

_TYPES = {"DOUBLE": "DOUBLE PRECISION"}


@pytest.fixture(scope="module")
def params(tmp_path_factory):
    return printed_base(tmp_path_factory.mktemp("simulated"), n_customers=300)


@pytest.fixture(scope="module")
def engine(params):
    with DuckDBEngine(workspace_of(params).warehouse, read_only=True) as engine:
        yield engine


@pytest.fixture(scope="module")
def postgres(server, engine):
    """The same tables in a schema of a server."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA analytics")
        for table in sorted(engine.tables()):
            columns = engine.columns(table)
            kinds = ", ".join(f"{identifier(name)} {_TYPES.get(kind, kind)}" for name, kind in columns.items())
            connection.execute(f"CREATE TABLE analytics.{table} ({kinds})")
            text = io.StringIO()
            engine.table(f"SELECT * FROM {table}").to_pandas().to_csv(text, index=False, header=False, na_rep="\\N")
            with connection.cursor().copy(f"COPY analytics.{table} FROM STDIN (FORMAT csv, NULL '\\N')") as copy:
                copy.write(text.getvalue())
        connection.execute("ANALYZE")
        connection.execute("SET jit = off")
        connection.execute("SET enable_nestloop = off")
        yield connection


def read(connection: psycopg.Connection, sql: str) -> pa.Table:
    found = connection.execute(sql.encode())
    rows = found.fetchall()
    assert found.description is not None
    return pa.table({one.name: pa.array([row[n] for row in rows]) for n, one in enumerate(found.description)})


def on_duckdb(engine: DuckDBEngine, sql: str) -> pa.Table:
    return engine.table(sql.rstrip().rstrip(";"))


def test_features(params, engine, postgres):
    expected, key = own_features(params, engine), ("as_of", "customer_id")
    assert set(ODD) <= set(expected.column("customer_id").to_pylist())
    printed = on_duckdb(engine, features_sql(params, Target("duckdb"), as_of=AS_OF))
    assert_same_rows(printed, expected.select(printed.column_names), key=key)
    assert set(expected.column_names) == set(printed.column_names)
    found = read(postgres, features_sql(params, Target("postgres", "analytics"), as_of=AS_OF))
    assert_same_rows(found.rename_columns(printed.column_names), printed, key=key)


def test_labels(params, engine, postgres):
    expected = own_labels(params, engine)
    for found in (
        on_duckdb(engine, features_sql(params, Target("duckdb"), as_of=LABELLED, labels=True)),
        read(postgres, features_sql(params, Target("postgres", "analytics"), as_of=LABELLED, labels=True)),
    ):
        assert_same_rows(found, expected, key=("customer_id",))


def test_kpis(params, engine, postgres):
    told = told_kpis(params, engine)
    assert_same_kpis(on_duckdb(engine, kpis_sql(params, Target("duckdb"), as_of=AS_OF)), told, more_than=1_000)
    assert_same_kpis(read(postgres, kpis_sql(params, Target("postgres", "analytics"), as_of=AS_OF)), told, more_than=1_000)


def test_sums_of_a_campaign(params, engine, postgres):
    settings = evaluation_settings_of(params, score_files={})
    with read_campaign(engine, CAMPAIGN, settings) as campaign:
        variables = choose_variables(engine, campaign, settings)
        arms = campaign_sums(engine, campaign, variables, settings).arms
    printed = on_duckdb(engine, campaign_sql(params, Target("duckdb"), CAMPAIGN))
    found = read(postgres, campaign_sql(params, Target("postgres", "analytics"), CAMPAIGN))
    assert_same_rows(found, printed, key=("arm",))
    for row in printed.to_pylist():
        moments = arms[row["arm"]].moments
        assert row["sum_0"] == moments.n
        for place, name in enumerate(name for name in variables.names if name not in variables.timeline.values()):
            assert row[f"sum_{place + 1}"] == pytest.approx(float(moments.of(name).mean[0]) * moments.n, rel=1e-9, abs=1e-9)
