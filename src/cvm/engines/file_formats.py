"""What every engine knows of files: formats by the ending of a name, and what separates the values of a line."""

from __future__ import annotations

import re
from pathlib import Path

# By the ending of a file's name, which may be followed by that of a compression.
FORMATS = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "csv"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "json"),
    ".parquet": "parquet",
}
_COMPRESSIONS = {".gz", ".zst"}
_DELIMITERS = (",", ";", "\t", "|")


def format_by_name(file: Path) -> str | None:
    """``csv``, ``json`` or ``parquet``, by the ending of a name, compression aside; ``None`` if it is none of them."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSIONS:
        suffixes.pop()
    return FORMATS.get(suffixes[-1]) if suffixes else None


def likeliest_delimiter(line: str) -> str | None:
    """The commonest candidate in the first line of a file of separated values; ``None`` where there is none."""
    unquoted = re.sub('"[^"]*"', "", line)
    likeliest = max(_DELIMITERS, key=unquoted.count)
    return likeliest if likeliest in unquoted else None
