"""Lists of customers that people keep by hand: one id a line, or the column ``customer_id`` of a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
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
        If it cannot be read, has several columns and none of them is ``customer_id``, or a quote that is never closed.
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
    """Ids in their order; no message shows what a line holds: where titles are missing, that is a person."""
    lines = text.splitlines()
    header = lines[0] if lines else ""
    delimiter = max(",;\t", key=header.count)
    # Strict: else a quote that is never closed makes one id of all lines that follow, and nobody is told.
    rows, n_read = csv.reader(lines, delimiter=delimiter, strict=True), 0
    try:
        names = [name.strip() for name in next(rows, [])]
        has_titles = _COLUMN in names
        if not has_titles and len(names) > 1:
            raise SourceError(
                f"The list of customers {str(file)!r} has {len(names)} columns and none is {_COLUMN!r}. Name the column of "
                "ids so in the first line, or write one id a line."
            )
        position = names.index(_COLUMN) if has_titles else 0
        for row in chain([] if has_titles else [names], rows):
            n_read = rows.line_num
            if len(row) > position and row[position].strip():
                yield row[position].strip()
    except csv.Error as error:
        raise SourceError(
            f"The list of customers {str(file)!r} cannot be read after line {n_read:,}: {error}. Close every quote, or "
            "write one id a line."
        ) from None
