from __future__ import annotations

from datetime import UTC, date, datetime
from importlib.metadata import version

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.engines import DuckDBEngine, QueryError, identifier, literal
from cvm.engines.sql import literals, parquet, pretty

bounded = settings(derandomize=True, deadline=None, database=None)
HOSTILE = [
    "plain",
    'double "quote"',
    "single 'quote'",
    "semicolon; DROP TABLE transactions; --",
    "back\\slash",
    "new\nline",
    "tab\tand\rreturn",
    "/* comment */ -- too",
    "ім'я клієнта",
    "顧客 🙂",
    "{braces} %s ? $1",
    " ",
    "select",
]
NULL = "null\0character"
# DuckDB 1 ends a query at a null character, and so refuses it for the quote that is missing.
ENDS_AT_NULL = version("duckdb").startswith("1.")


@pytest.fixture(scope="module")
def engine() -> DuckDBEngine:
    return DuckDBEngine()


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_survives_as_an_identifier(engine: DuckDBEngine, name: str) -> None:
    found = engine.columns(f"(SELECT 7 AS {identifier(name)})")
    assert list(found) == [name]
    assert engine.row(f"SELECT {identifier(name)} AS value FROM (SELECT 7 AS {identifier(name)})") == {"value": 7}


@pytest.mark.parametrize("value", [*HOSTILE, "", "'", "''", '"'])
def test_any_text_survives_as_a_literal(engine: DuckDBEngine, value: str) -> None:
    assert engine.row(f"SELECT {literal(value)} AS value") == {"value": value}


@pytest.mark.skipif(ENDS_AT_NULL, reason="DuckDB 1 refuses null characters")
def test_a_null_character_survives(engine: DuckDBEngine) -> None:
    table = f"(SELECT {literal(NULL)} AS {identifier(NULL)})"
    assert list(engine.columns(table)) == [NULL]
    assert engine.row(f"SELECT {identifier(NULL)} AS value FROM {table}") == {"value": NULL}


@pytest.mark.skipif(not ENDS_AT_NULL, reason="DuckDB 2 takes null characters for what they are")
@pytest.mark.parametrize("query", [f"SELECT {literal(NULL)} AS value", f"SELECT 1 AS {identifier(NULL)}"])
def test_a_null_character_is_refused_rather_than_cut(engine: DuckDBEngine, query: str) -> None:
    with pytest.raises(QueryError, match="unterminated quoted"):
        engine.row(query)


@bounded
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0" if ENDS_AT_NULL else ""), max_size=40))
def test_no_text_escapes_its_quotes(engine: DuckDBEngine, value: str) -> None:
    assert engine.row(f"SELECT {literal(value)} AS value, 1 AS one") == {"value": value, "one": 1}


@pytest.mark.parametrize(
    "value", [0, -3, 2**40, 0.1, -1e-300, 1e300, date(2024, 2, 29), datetime(2024, 2, 29, 23, 59, 59, 123456)]
)
def test_numbers_dates_and_moments_keep_their_value(engine: DuckDBEngine, value: int | float | date) -> None:
    found = engine.row(f"SELECT {literal(value)} AS value")["value"]
    assert float(found) == value if isinstance(value, float) else found == value


def test_a_moment_with_a_zone_is_refused_rather_than_cut_to_its_day() -> None:
    with pytest.raises(ValueError, match="convert it to UTC and drop its zone first"):
        literal(datetime(2024, 2, 29, 10, tzinfo=UTC))


def test_literals_are_separated_by_commas(engine: DuckDBEngine) -> None:
    values = ["a", "b'c", "d,e"]
    assert engine.row(f"SELECT [{literals(values)}] AS value") == {"value": values}
    assert literals([]) == ""


def test_a_query_laid_out_for_a_reader_has_the_same_result(engine: DuckDBEngine) -> None:
    query = (
        "SELECT sum(x) FILTER (WHERE x > 1) AS s, arg_max(x, y) AS m FROM (VALUES (1, 'it''s'), (3, 'b'), (4, 'a')) t(x, y)"
    )
    laid_out = pretty(query)
    assert laid_out.count("\n") > 3
    assert engine.row(laid_out) == engine.row(query) == {"s": 7, "m": 1}


def test_signs_of_a_glob_in_a_path_are_signs(tmp_path):
    folder = tmp_path / "a[b]*"
    folder.mkdir()
    with DuckDBEngine() as engine:
        engine.write_parquet("SELECT 1 AS n", folder / "x.parquet")
        assert engine.row(f"SELECT n FROM {parquet([folder / 'x.parquet'])}") == {"n": 1}
