from __future__ import annotations

import csv
import stat
from pathlib import Path

import pyarrow as pa
import pytest

from cvm.campaigns.spreadsheet import safe_cells, write_csv


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+1-2", "'+1-2"),
        ("-x", "'-x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("  =1", "'  =1"),
        ('"=1"', '\'"=1"'),
        ("'=1", "''=1"),
        ("\ufeff\u200b=1", "'\ufeff\u200b=1"),
        ("\uff1d1", "'\uff1d1"),
        ("a;=1", "a;'=1"),
        ("a, \t@b", "a, \t'@b"),
        ("two\n-lines", "two\n'-lines"),
    ],
)
def test_a_text_like_a_formula_gets_an_apostrophe(text: str, cell: str) -> None:
    assert safe_cells(pa.array([text])).to_pylist() == [cell]


@pytest.mark.parametrize(
    "text", ["-5", "-5.25", "+380501234567", "-1e-05", "", "a-b", "anna@shop.com", "O'Hara", "1=1", "5;6"]
)
def test_other_texts_and_numbers_stay_as_they_are(text: str) -> None:
    assert safe_cells(pa.array([text, None], pa.string())).to_pylist() == [text, None]


def test_a_file_is_read_back_as_it_was_and_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    columns = [["a;b", "two\r\nlines"], ['say "hi"', None]], [["їжак"], [""]]
    batches = [pa.record_batch([pa.array(one, pa.string()) for one in both], names=["x", "y"]) for both in columns]
    assert write_csv(path, ["x", "=y"], batches, delimiter=";", has_bom=True) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().startswith(b"\xef\xbb\xbfx;'=y\r\n")
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.reader(file, delimiter=";"))
    assert found == [["x", "'=y"], ["a;b", 'say "hi"'], ["two\r\nlines", ""], ["їжак", ""]]


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    with pytest.raises(FileExistsError, match=r"a\.csv"):
        write_csv(tmp_path / "a.csv", ["x"], [])
