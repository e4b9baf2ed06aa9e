"""A printed query says its parameters in the words of each warehouse, whatever they are."""

from __future__ import annotations

from dataclasses import replace

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
    printed = doubled(10).statements(WAREHOUSES["databricks"])
    assert [one.split("\n")[0] for one in printed[:-1]] == [
        "CREATE TEMPORARY TABLE params AS",
        "CREATE TEMPORARY VIEW given_numbers AS",
        *(f"CREATE TEMPORARY TABLE p{k} AS" for k in range(9)),
    ]
    assert [row["n"] for row in same_on_duckdb(printed, doubled(10))] == [3 * 2**9]


@pytest.mark.parametrize("name", WAREHOUSES)
def test_what_is_short_enough_is_one_statement(name):
    assert doubled(8).sql(WAREHOUSES[name]).count(";") == 1


def test_a_parameter_stands_once_however_many_statements():
    assert doubled(10).sql(WAREHOUSES["spark"], with_markers=True).count(":as_of") == 1


def same_on_duckdb(printed: list[str], asked: Script) -> list[dict[str, object]]:
    """The rows of statements that DuckDB reads, too, once they are those of the one statement for DuckDB."""
    with DuckDBEngine() as engine:
        engine.execute("CREATE TABLE numbers AS SELECT CAST(3 AS INTEGER) AS n")
        expected = engine.table(asked.sql(WAREHOUSES["duckdb"]).rstrip().removesuffix(";")).to_pylist()
        *made, last = (one.rstrip().removesuffix(";") for one in printed)
        for one in made:
            engine.execute(one)
        assert engine.table(last).to_pylist() == expected
    return expected


def test_a_last_query_that_reads_tables_alone_has_no_pieces():
    once = doubled(10)
    twice = replace(
        once,
        query=once.query.replace("SELECT n, (", "SELECT a.n, (").replace(
            "FROM p9", "FROM p9 AS a JOIN p9 AS b ON a.n = b.n"
        ),
    )
    *made, last = twice.statements(WAREHOUSES["databricks"])
    assert made[-1].startswith("CREATE TEMPORARY TABLE p9 AS")
    assert last.startswith("SELECT")
    assert same_on_duckdb([*made, last], twice)[0]["n"] == 3 * 2**9


def test_a_piece_within_a_piece_is_not_taken_for_another_of_its_name():
    within = "p0 AS (WITH p0 AS (SELECT n FROM numbers), p1 AS (SELECT n FROM p0) SELECT n FROM p1)"
    asked = doubled(10)
    asked = replace(asked, query=asked.query.replace("p0 AS (SELECT n FROM numbers)", within))
    printed = asked.statements(WAREHOUSES["databricks"])
    assert len(printed) == 12
    assert same_on_duckdb(printed, asked)[0]["n"] == 3 * 2**9


def test_a_piece_within_a_piece_may_be_made_of_the_outer_one_of_its_name():
    asked = doubled(10)
    within = "p9 AS (WITH p8 AS (SELECT n + 1 AS n FROM p8) SELECT a.n + b.n AS n FROM p8 AS a JOIN p8 AS b ON a.n = b.n)"
    last = asked.query.rindex("p9 AS (")
    asked = replace(asked, query=f"{asked.query[:last]}{within}{asked.query[asked.query.rindex(') SELECT n, (') + 1 :]}")
    printed = asked.statements(WAREHOUSES["databricks"])
    assert same_on_duckdb(printed, asked)[0]["n"] == 2 * (3 * 2**8 + 1)


def test_a_table_of_the_user_is_never_copied():
    printed = doubled(10).statements(WAREHOUSES["bigquery"])
    assert [one.split("\n")[0] for one in printed[:2]] == ["CREATE TEMP TABLE params AS", "CREATE TEMP TABLE p0 AS"]
    assert printed[1].count("given_numbers AS (") == 1
    assert same_on_duckdb(printed, doubled(10))[0]["n"] == 3 * 2**9
