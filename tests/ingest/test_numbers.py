from __future__ import annotations

from decimal import Decimal

import pytest

from cvm.engines import DuckDBEngine, literal
from cvm.ingest.numbers import NumberFormat

ENGINE = DuckDBEngine()


def read(text: str, **marks: str) -> Decimal | None:
    """The number that a text is under these marks."""
    numbers, sql = NumberFormat(**marks), literal(text)
    query = f"SELECT CASE WHEN {numbers.is_number(sql)} THEN CAST({numbers.plain(sql)} AS DECIMAL(18, 4)) END AS n"
    found: Decimal | None = ENGINE.row(query)["n"]
    return found


@pytest.mark.parametrize(
    ("text", "marks", "number"),
    [
        ("1234,56", {"decimal": ","}, "1234.56"),
        ("-1234,56", {"decimal": ","}, "-1234.56"),
        (",5", {"decimal": ","}, "0.5"),
        ("5,", {"decimal": ","}, "5"),
        ("1,5e3", {"decimal": ","}, "1500"),
        ("1.234,56", {"decimal": ",", "thousands": "."}, "1234.56"),
        ("1.234.567", {"decimal": ",", "thousands": "."}, "1234567"),
        ("1234567,8", {"decimal": ",", "thousands": "."}, "1234567.8"),
        # Fits both habits; the declaration decides.
        ("1.234", {"decimal": ",", "thousands": "."}, "1234"),
        ("1,234", {"decimal": ","}, "1.234"),
        ("1,234", {"thousands": ","}, "1234"),
        ("1.234", {}, "1.234"),
        ("1,234.50", {"thousands": ","}, "1234.5"),
        ("1 234,56", {"decimal": ",", "thousands": " "}, "1234.56"),
        ("1\u00a0234,56", {"decimal": ",", "thousands": " "}, "1234.56"),
        ("1\u202f234\u202f567,8", {"decimal": ",", "thousands": " "}, "1234567.8"),
        ("1'234.50", {"thousands": "'"}, "1234.5"),
        ("1\u2019234.50", {"thousands": "'"}, "1234.5"),
        ("$12.50", {"sign": "$"}, "12.5"),
        ("-$ 12.50", {"sign": "$"}, "-12.5"),
        ("$-12.50", {"sign": "$"}, "-12.5"),
        ("12.50", {"sign": "$"}, "12.5"),
        ("1 234,50\u00a0zl.", {"decimal": ",", "thousands": " ", "sign": "zl"}, "1234.5"),
    ],
)
def test_a_number_is_read_as_its_marks_say(text: str, marks: dict[str, str], number: str) -> None:
    assert read(text, **marks) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("1234,56", {}),
        ("$12.50", {}),
        ("$12.50", {"sign": "EUR"}),
        ("12 zl. net", {"sign": "zl"}),
        ("$", {"sign": "$"}),
        ("1.234,56", {"decimal": ","}),
        ("1.234", {"decimal": ","}),
        ("1234.56", {"decimal": ","}),
        ("1 234,56", {"decimal": ","}),
        ("1.23", {"decimal": ",", "thousands": "."}),
        ("1234.567", {"decimal": ",", "thousands": "."}),
        ("12.34.567", {"decimal": ",", "thousands": "."}),
        ("1,234.56", {"decimal": ",", "thousands": "."}),
        (".234", {"decimal": ",", "thousands": "."}),
        ("1,23,456", {"thousands": ","}),
        ("1.234,5,6", {"decimal": ",", "thousands": "."}),
        ("1  234", {"thousands": " "}),
        ("12,50 €", {"decimal": ","}),
    ],
)
def test_a_number_written_otherwise_is_none(text: str, marks: dict[str, str]) -> None:
    assert read(text, **marks) is None
