from __future__ import annotations

from pathlib import Path

import pytest

from cvm.engines import DuckDBEngine
from cvm.errors import SourceError
from cvm.proposing.files import FileGroup
from cvm.proposing.samples import NUMBER_FORMATS, TIME_WRITINGS, sampled
from drawn import lines, sample_of


def test_values_are_counted_as_what_they_read_as(tmp_path: Path) -> None:
    text = lines(
        "when;much;flag;code;price;nested;blank",
        "31.12.2024;-1 234,50;yes;UAH;$12.50;{};",
        "01.02.2025;2,5;no;EUR;3 грн;[];",
    )
    columns = sample_of(tmp_path, text).columns
    assert columns["when"].n_dates[TIME_WRITINGS.index({"day_first": True})] == 2
    assert columns["when"].n_dates[0] == 0
    numbers = dict(zip([(one.decimal, one.thousands) for one in NUMBER_FORMATS], columns["much"].n_numbers, strict=True))
    assert (numbers[",", " "], numbers[",", None], numbers[".", None]) == (2, 1, 0)
    assert (columns["much"].n_negative, columns["flag"].n_flags, columns["code"].n_codes) == (1, 2, 2)
    assert (max(columns["much"].n_priced), columns["nested"].n_nested) == (0, 2)
    assert (columns["blank"].n_given, columns["blank"].are_dates, columns["code"].few) == (0, False, ("EUR", "UAH"))


def test_typed_columns_are_what_their_type_says(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with DuckDBEngine() as engine:
        engine.write_parquet(
            "SELECT TIMESTAMP '2024-01-02' AS moment, 1.5::DOUBLE AS n, 'NaN'::DOUBLE AS gap, true AS flag", path
        )
        columns = sampled(engine, FileGroup((path,), "a.parquet", "a.parquet")).columns
    assert columns["moment"].are_dates
    assert columns["n"].are_numbers
    assert not columns["n"].are_dates
    assert (columns["gap"].n_given, columns["flag"].n_flags) == (0, 1)


@pytest.mark.parametrize("name", ["text", "value"])
def test_a_column_may_be_called_anything(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.parquet"
    with DuckDBEngine() as engine:
        engine.write_parquet(f"SELECT 7 AS {name}, TIMESTAMP '2024-01-02' AS \"{name.upper()} 2\"", path)
        columns = sampled(engine, FileGroup((path,), "a.parquet", "a.parquet")).columns
    assert (columns[name].are_numbers, columns[f"{name.upper()} 2"].are_dates) == (True, True)
    assert sample_of(tmp_path, lines(f"{name};n", "2024-01-31;1", "  ;2")).columns[name].n_given == 1


def test_numbers_of_telephones_are_no_moments(tmp_path: Path) -> None:
    assert not sample_of(tmp_path, lines("phone", "380501234567", "380671234567")).columns["phone"].are_dates


def test_shares_say_whether_they_are_of_a_sample(tmp_path: Path) -> None:
    small = sample_of(tmp_path, lines("n", "1", times=3))
    assert (small.is_whole, small.share(3, 3), small.share(2, 3)) == (True, "all 3 values", "2 of 3 values")
    large = sample_of(tmp_path, lines("n", "1", times=10_001))
    assert (large.is_whole, large.share(10_000, 10_000)) == (False, "all 10,000 sampled values")


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"file.csv' has no rows. Check the export."):
        sample_of(tmp_path, "customer_id,amount\n")
