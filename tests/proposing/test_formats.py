from __future__ import annotations

from pathlib import Path

import pytest

from cvm.proposing.formats import writing_of
from cvm.proposing.tables import Candidate, candidates
from drawn import lines, sample_of


def orders(folder: Path, *rows: str) -> Candidate:
    return candidates(sample_of(folder, lines("client;date;amount", *rows), name="orders.csv"))[0]


@pytest.mark.parametrize(
    ("rows", "keys"),
    [
        (["a;2024-01-31;1234.50"], {}),
        (["a;31.01.2024;1234,50"], {"day_first": True, "decimal": ",", "thousands": " "}),
        (["a;01/31/2024 10:00;1,234.50"], {"datetime_format": "%m/%d/%Y %H:%M", "thousands": ","}),
        (["a;20240131;1.234,50"], {"datetime_format": "%Y%m%d", "decimal": ",", "thousands": "."}),
        (["a;1706659200;1'234.50"], {"datetime_format": "epoch_s", "thousands": "'"}),
    ],
)
def test_a_table_is_written_as_most_of_its_values_read(tmp_path: Path, rows: list[str], keys: dict[str, object]) -> None:
    found = writing_of(orders(tmp_path, *rows))
    assert {key: value for key, (value, _) in found.keys.items()} == keys
    assert found.lacks_zone is ("epoch_s" not in keys.values())
    assert found.notes == ()


def test_times_with_an_offset_tell_their_zone(tmp_path: Path) -> None:
    assert not writing_of(orders(tmp_path, "a;2024-01-31T10:00:00Z;1", "b;2024-01-31 10:00+02:00;2")).lacks_zone


def test_dates_tell_no_zone_though_they_end_like_an_offset(tmp_path: Path) -> None:
    assert writing_of(orders(tmp_path, "a;2024-01-01;1", "b;2024-02-01;2")).lacks_zone


def test_day_and_month_that_cannot_be_told_apart_are_told(tmp_path: Path) -> None:
    found = writing_of(orders(tmp_path, "a;01/02/2024;1", "b;05/06/2024;1"))
    assert found.keys["day_first"] == (True, "reads 2 values of date")
    assert "date: no day is after the 12th, so day and month cannot be told apart" in found.notes[0]


@pytest.mark.parametrize(
    ("values", "keys", "note"),
    [
        (
            ["1,234", "12,500"],
            {"thousands": ","},
            "three digits follow every comma, so it is taken for the mark of thousands",
        ),
        (["1.234", "12.500"], {}, "three digits follow every point, which is taken for the decimal mark"),
    ],
)
def test_marks_that_can_be_read_in_two_ways_are_told(
    tmp_path: Path, values: list[str], keys: dict[str, str], note: str
) -> None:
    found = writing_of(orders(tmp_path, *(f"a;2024-01-31;{value}" for value in values)))
    assert {key: value for key, (value, _) in found.keys.items()} == keys
    assert note in found.notes[0]


def test_a_currency_beside_the_numbers_is_taken_off(tmp_path: Path) -> None:
    found = writing_of(orders(tmp_path, "a;2024-01-31;1 112,50 грн.", "a;2024-01-31;3 грн"))
    keys = {key: value for key, (value, _) in found.keys.items()}
    assert keys == {"decimal": ",", "thousands": " ", "currency_sign": "грн"}
