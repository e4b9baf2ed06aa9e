"""Lists of customers that people keep by hand: one id a line, or the column ``customer_id`` of a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from cvm.errors import SourceError
from cvm.privacy.keyed_hash import KeyedHash

_COLUMN = "customer_id"


def read_customer_list(file: Path, *, pseudonyms: KeyedHash | None = None) -> tuple[str, ...]:
    """The ids of a list, each once, in their order.

    Parameters
    ----------
    file : Path
        UTF-8 text: one id a line, or a CSV file (comma, semicolon or tab) with a column ``customer_id``.
    pseudonyms : KeyedHash or None
        Under which customers are stored, where they are; people keep lists of original ids.

    Raises
    ------
    SourceError
        If it cannot be read, or has several columns and none of them is ``customer_id``.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SourceError(
            f"The list of customers {str(file)!r} cannot be read: {reason}. Write one customer_id a line, as UTF-8 text."
        ) from None
    return as_stored(_ids(file, text), pseudonyms)


def as_stored(ids: Iterable[str], pseudonyms: KeyedHash | None) -> tuple[str, ...]:
    """Ids as customers are stored under them, each once, in their order."""
    return tuple(dict.fromkeys(pseudonyms.pseudonym(one) if pseudonyms else one for one in ids))


def _ids(file: Path, text: str) -> Iterator[str]:
    lines = text.splitlines()
    header = lines[0] if lines else ""
    delimiter = max(",;\t", key=header.count)
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    if _COLUMN not in names and len(names) > 1:
        raise SourceError(
            f"The list of customers {str(file)!r} has the columns {names} and none is {_COLUMN!r}. Rename the column of "
            "ids, or write one id a line."
        )
    has_header = _COLUMN in names
    position = names.index(_COLUMN) if has_header else 0
    for row in csv.reader(lines[has_header:], delimiter=delimiter):
        if len(row) > position and row[position].strip():
            yield row[position].strip()
