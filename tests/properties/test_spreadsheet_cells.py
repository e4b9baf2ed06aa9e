"""Whatever a customer is called, their row opens as text and is read back."""

from __future__ import annotations

import csv
import re
import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.campaigns.spreadsheet import SIGNS, safe_cells, write_csv

# Letters that matter, so that signs meet separators, quotes and blanks often.
awkward = st.text(alphabet=st.sampled_from([*SIGNS, *"ab1.e,;|\t\r\n\"' \u00a0\ufeff\u200b"]), max_size=12)
assigned = st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs", "Cn", "Co"))
texts = st.lists(st.one_of(awkward, st.text(assigned, max_size=12)), min_size=1, max_size=10)
QUOTES = "\"'`\u00b4\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
BLANKS = "".join(char for char in map(chr, range(0x10000)) if unicodedata.category(char) in ("Zs", "Zl", "Zp", "Cc", "Cf"))
BEFORE = f"[{re.escape(BLANKS)}{re.escape(QUOTES)}]*"
BEGINS = re.compile(f"'{BEFORE}[{re.escape(SIGNS)}\t\r\n]")
INSIDE = re.compile(f"([,;|\t\r\n]{BEFORE})'([{re.escape(SIGNS)}])")


def begins_like_a_formula(cell: str) -> bool:
    """As a spreadsheet at its most careless would: blanks, what cannot be seen, and the width of characters aside."""
    return unicodedata.normalize("NFKC", cell.lstrip(BLANKS)[:1])[:1] in tuple("=+-@")


def original(cell: str) -> str:
    """The text of a cell, its apostrophes taken away again."""
    return INSIDE.sub(r"\1\2", cell[1:] if BEGINS.match(cell) else cell)


@given(texts)
def test_no_cell_begins_like_a_formula_at_any_separator(given_texts):
    for text, cell in zip(given_texts, safe_cells(pa.array(given_texts)).to_pylist(), strict=True):
        assert NUMBER.fullmatch(cell) or not begins_like_a_formula(cell)
        assert not cell.startswith(("\t", "\r", "\n"))
        for separator in ",;|\t\r\n":
            assert not any(begins_like_a_formula(part) for part in cell.split(separator)[1:])
        assert text == cell or "'" in cell


@settings(deadline=None)
@given(texts)
def test_a_reader_gets_the_text_back(given_texts):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cells.csv"
        column = pa.array(given_texts)
        write_csv(path, ["a", "b"], [pa.record_batch([column, column], names=["a", "b"])])
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
    cells = safe_cells(column).to_pylist()
    assert rows == [[cell, cell] for cell in cells]
    assert [original(cell) for cell in cells] == given_texts
