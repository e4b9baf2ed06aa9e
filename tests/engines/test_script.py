"""A printed query says its parameters in the words of each warehouse, whatever they are."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from cvm.engines import DuckDBEngine
from cvm.engines.script import Parameter, Script
from cvm.engines.warehouses import WAREHOUSES

ODD = [
    "mother's day",
    "o''x; --",
    "'; DROP TABLE t; --",
    "a\\",
    r"\'; DROP TABLE t; --",
    r"a\nb",
    "''",
    "/* */ %s {x} $1 :y",
]


def script(value: str) -> Script:
    query = "WITH picked AS (SELECT 'the value' AS found) SELECT found FROM picked"
    return Script(
        query,
        (Parameter("campaign_id", "VARCHAR", value),),
        {},
        first={},
        values={"'the value'": "(SELECT campaign_id FROM params)"},
    )


@pytest.mark.parametrize("name", WAREHOUSES)
@pytest.mark.parametrize("value", ODD)
def test_a_value_is_one_text_and_no_more(name, value):
    (tree,) = sqlglot.parse(script(value).sql(WAREHOUSES[name]).rstrip().removesuffix(";"), read=name)
    assert [one.name for one in tree.find_all(exp.Literal)] == [value]


@pytest.mark.parametrize("value", ODD)
def test_duckdb_finds_the_value(value):
    with DuckDBEngine() as engine:
        sql = script(value).sql(WAREHOUSES["duckdb"]).rstrip().removesuffix(";")
        assert engine.table(sql).column(0).to_pylist() == [value]


@pytest.mark.parametrize("name", WAREHOUSES)
def test_a_marker_is_no_text(name):
    marker = WAREHOUSES[name].marker.format(name="campaign_id")
    assert f"CAST({marker} AS " in script("spring").sql(WAREHOUSES[name], with_markers=True)


def doubled(times: int) -> Script:
    """A row that is joined with itself, and what results with itself, so many times."""
    pieces = ["p0 AS (SELECT n FROM numbers)"]
    both = "SELECT a.n + b.n AS n FROM p{0} AS a JOIN p{0} AS b ON a.n = b.n"
    pieces += [f"p{k} AS ({both.format(k - 1)})" for k in range(1, times)]
    query = f"WITH {', '.join(pieces)} SELECT n, (SELECT as_of FROM params) AS as_of FROM p{times - 1}"
    return Script(query, (Parameter("as_of", "DATE", "2025-06-01"),), {"numbers": {"n": "INTEGER"}})


def test_what_would_be_written_out_too_often_is_made_of_tables():
    *made, last = doubled(10).sql(WAREHOUSES["databricks"]).rstrip().removesuffix(";").split(";\n\n")
    assert [one.split("\n")[0] for one in made] == [
        "CREATE TEMPORARY TABLE params AS",
        "CREATE TEMPORARY VIEW given_numbers AS",
        *(f"CREATE TEMPORARY TABLE p{k} AS" for k in range(9)),
    ]
    with DuckDBEngine() as engine:
        engine.execute("CREATE TABLE numbers AS SELECT CAST(3 AS INTEGER) AS n")
        expected = engine.table(doubled(10).sql(WAREHOUSES["duckdb"]).rstrip().removesuffix(";"))
        for one in made:
            engine.execute(one)
        assert engine.table(last).to_pylist() == expected.to_pylist()
    assert expected.column("n").to_pylist() == [3 * 2**9]


@pytest.mark.parametrize("name", WAREHOUSES)
def test_what_is_short_enough_is_one_statement(name):
    assert doubled(8).sql(WAREHOUSES[name]).count(";") == 1


def test_a_parameter_stands_once_however_many_statements():
    assert doubled(10).sql(WAREHOUSES["spark"], with_markers=True).count(":as_of") == 1
