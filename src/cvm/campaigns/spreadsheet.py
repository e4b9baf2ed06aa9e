"""CSV files that a person may open in a spreadsheet: no cell of theirs is ever taken for a formula.

A text that begins like a formula gets an apostrophe in front, which a spreadsheet shows as text. It counts as beginning so
whatever blanks, invisible characters and quotes stand before the sign, and in any width. Text further in that would begin
like a formula if the file were cut at other separators than its own (``;=...`` in a file of commas) gets one before the
sign. Whole numbers and decimals, such as ``-5.2`` or ``+380501112233``, are values and stay as they are.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

# Signs a formula begins with, and every character that compatibility normalisation turns into one of them.
SIGNS = "=+-@\u207a\u207c\u208a\u208c\u2a75\u2a76\ufb29\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
_SIGN = "[" + re.escape(SIGNS) + "]"
# Blanks, control and invisible characters, quotes: nothing that would make what follows a text for all spreadsheets.
_BEFORE = r"""[\s\p{Z}\p{C}"'`\p{Pi}\p{Pf}\x{B4}\x{201A}\x{201E}]*"""
_BEGINS = rf"^{_BEFORE}(?:{_SIGN}|[\t\r\n])"
_INSIDE = rf"([,;|\t\r\n]{_BEFORE})({_SIGN})"
_NUMBER = r"^[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"


def safe_cells(texts: pa.Array) -> pa.Array:
    """The same texts, none of which a spreadsheet takes for a formula; null stays null.

    Parameters
    ----------
    texts : Array of string

    Source
    ------
    OWASP, "CSV Injection", for signs and separators; the apostrophes are undone by removing those before a sign.
    """
    inside = pc.replace_substring_regex(texts, _INSIDE, r"\1'\2")
    begins = pc.match_substring_regex(inside, _BEGINS)
    safe = pc.if_else(begins, pc.binary_join_element_wise("'", inside, ""), inside)
    return pc.if_else(pc.match_substring_regex(texts, _NUMBER), texts, safe)


def write_csv(
    path: Path, titles: Sequence[str], batches: Iterable[pa.RecordBatch], *, delimiter: str = ",", has_bom: bool = False
) -> int:
    """Write one new CSV file (RFC 4180, UTF-8) that only its owner can read.

    Parameters
    ----------
    path : Path
        Must not exist yet.
    titles : sequence of str
        First line, one per column.
    batches : iterable of RecordBatch
        Columns of text; held one at a time.
    delimiter : str
        One character.
    has_bom : bool
        Begin with a byte order mark, without which Excel takes UTF-8 for the code page of the machine.

    Returns
    -------
    int
        Rows written, without the first line.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    n_rows = 0
    with open(handle, "w", encoding="utf-8-sig" if has_bom else "utf-8", newline="") as file:  # noqa: PTH123 - opened private
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n")
        writer.writerow(safe_cells(pa.array(titles, pa.string())).to_pylist())
        for batch in batches:
            columns = [safe_cells(column).to_pylist() for column in batch.columns]
            writer.writerows(zip(*columns, strict=True))
            n_rows += batch.num_rows
    return n_rows
