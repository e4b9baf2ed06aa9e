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
