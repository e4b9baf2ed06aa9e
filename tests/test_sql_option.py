"""``--sql`` as a user meets it: what is printed, what is assumed, what is refused, and that nothing else is written."""

from __future__ import annotations

import pandas as pd
import pytest

import shop
from campaign_ledger import campaign
from cvm.cli_warehouse import SqlOption
from cvm.engines.warehouses import WAREHOUSES
from cvm.stages.data import run_ingest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A shop whose tables are ingested."""
    tmp_path = tmp_path_factory.mktemp("shop")
    tables = campaign(n=60)
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(tmp_path / f"{name}.csv", index=False)
    run_ingest(shop.params_for(tmp_path, data={name: {"path": f"{name}.csv"} for name in tables}))
    return tmp_path


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_features_are_printed_and_nothing_is_written(folder):
    before = files(folder)
    done = shop.cvm(folder, "features", "--sql", "snowflake", "--as-of", "2024-05-01", "--schema", "shop.analytics")
    assert done.code == 0
    assert done.out.startswith("-- All ")
    assert "--   as_of         2024-05-01" in done.out
    assert done.out.count("2024-05-01") == 2, "in the header, and once in the query"
    assert "FROM shop.analytics.transactions" in done.out
    assert "/* Orders so far. [orders] */" in done.out
    assert "-- Orders net of the returns known." in done.out
    assert "those of warehouse.duckdb" in done.out
    assert files(folder) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("features", "--sql", "bigquery", "--as-of", "2024-05-01", "--parameters"), "CAST(@as_of AS DATE)"),
        (("features", "--sql", "postgres", "--labels", "--as-of", "2024-05-01"), "CAST('0' AS INT) AS lead_days"),
        (("kpis", "--sql", "redshift", "--as-of", "2024-05-01"), "/* lost customers / customers at start [share] */"),
        (("evaluate", "spring", "--sql", "databricks", "--parameters"), "CAST(:campaign_id AS STRING) AS campaign_id"),
        (("evaluate", "--sql", "snowflake", "--segment-by", "city"), "COALESCE(CAST(g.city AS VARCHAR), 'unknown')"),
    ],
)
def test_each_command_prints_its_query(folder, arguments, expected):
    done = shop.cvm(folder, *arguments)
    assert done.code == 0, done.err
    assert expected in done.out


@pytest.mark.slow
def test_a_file_is_written_where_one_is_asked_for(folder):
    done = shop.cvm(folder, "evaluate", "--sql", "duckdb", "--output", str(folder / "sums.sql"))
    assert (done.code, "written to" in done.out) == (0, True)
    assert (folder / "sums.sql").read_text().startswith("-- Sums of campaign 'spring' by arm, for DuckDB.")


@pytest.mark.slow
def test_without_a_warehouse_columns_are_assumed(tmp_path):
    shop.write_params(
        tmp_path,
        data={
            "transactions": {"path": "orders.csv", "columns": {"customer_id": "client", "order_id": "number"}},
            "events": {"path": "events.csv"},
            "assignments": {"path": "ledger.csv"},
        },
    )
    done = shop.cvm(tmp_path, "features", "--sql", "snowflake", "--as-of", "2024-05-01")
    assert done.code == 0, done.err
    assert "ASSUMED: there is no warehouse of cvm yet" in done.out
    assert "customer_id VARCHAR, occurred_at TIMESTAMP_NTZ, amount NUMBER(18,4), order_id VARCHAR" in done.out
    assert "n_visit_30d" in done.out
    assert shop.cvm(tmp_path, "evaluate", "spring", "--sql", "redshift").code == 0
    odd = shop.cvm(tmp_path, "evaluate", "mother's\nday", "--sql", "redshift").out
    assert all(line.startswith("--") for line in odd.partition("\n\n")[0].splitlines())
    assert shop.cvm(tmp_path, "kpis", "--sql", "bigquery", "--as-of", "2024-05-01").code == 0
    for arguments, message in (
        (("features", "--sql", "snowflake"), "Name the date: --as-of"),
        (("evaluate", "--sql", "snowflake"), "Name the campaign"),
    ):
        done = shop.cvm(tmp_path, *arguments)
        assert (done.code, message in done.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("features", "--sql", "snowflak"), 1, "Did you mean snowflake?"),
        (("features", "--schema", "analytics"), 2, "only with --sql"),
        (("kpis", "--parameters"), 2, "only with --sql"),
        (("evaluate", "--sql", "duckdb", "--json"), 2, "leave out --cells, --json and --sequential"),
        (("evaluate", "autumn", "--sql", "duckdb"), 1, "knows no campaign 'autumn'"),
        (("evaluate", "--sql", "duckdb", "--segment-by", "tier"), 1, "is no column of customers"),
    ],
)
def test_what_makes_no_sense_is_refused(folder, arguments, code, message):
    done = shop.cvm(folder, *arguments)
    assert done.code == code
    assert message in done.err + done.out


def test_the_help_names_every_warehouse():
    (option,) = SqlOption.__metadata__
    assert all(name in option.help for name in WAREHOUSES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said", "unsaid"),
    [
        (("features", "--sql", "spark"), ("spark-sql -f FILE",), ("args=", "--schema")),
        (("features", "--sql", "spark", "--parameters"), ("spark.sql(one, args=PARAMETERS)",), ("spark-sql", "--schema")),
        (("kpis", "--sql", "spark"), ("spark-sql -f FILE", "a schema of its own", "--schema says where"), ("args=",)),
        (("kpis", "--sql", "spark", "--parameters"), ("args=PARAMETERS", "a schema of its own"), ("spark-sql",)),
    ],
)
def test_the_header_says_how_this_very_file_is_run(folder, arguments, said, unsaid):
    done = shop.cvm(folder, *arguments, "--as-of", "2024-05-01")
    told = done.out.partition("\n\n")[0].partition("-- Run it\n")[2]
    assert all(words in told for words in said)
    assert not any(words in told for words in unsaid)
