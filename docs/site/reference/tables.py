"""Tables that can be read on a telephone, too: there each row becomes a card, and each cell says what it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

_DOCS = Path(__file__).parents[2]


@dataclass(frozen=True)
class Row:
    """One row: its anchor, and its cells as HTML; the first names what the row is about."""

    anchor: str
    cells: tuple[str, ...]


def table(columns: Sequence[str], rows: Iterable[Row], *, kind: str = "") -> str:
    """HTML of a table, a block of Markdown of its own; columns in which no row says anything are left out."""
    told = list(rows)
    kept = [number for number in range(len(columns)) if any(row.cells[number] for row in told)]
    head = "".join(f"<th>{escape(columns[number])}</th>" for number in kept)
    body = "\n".join(_line(row, {columns[number]: row.cells[number] for number in kept}) for row in told)
    return (
        f'<div class="reference {kind}"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>\n'
    )


def _line(row: Row, cells: Mapping[str, str]) -> str:
    anchor = f' id="{escape(row.anchor)}"' if row.anchor else ""
    told = (
        f'<td data-label="{escape(column)}">{cell}</td>' if cell else '<td class="none"></td>'
        for column, cell in cells.items()
    )
    return f"<tr{anchor}>{''.join(told)}</tr>"


def code(text: str) -> str:
    """``text`` as code, which may break behind the signs that join words."""
    breakable = re.sub(r"([_.])", r"\1<wbr>", escape(text, quote=False))
    return f"<code>{breakable}</code>"


def prose(text: str) -> str:
    """A sentence of the code: its backquotes are code, and pages of ``docs`` that it names are links."""
    parts = re.split(r"``?([^`]+)``?", text)
    written = (code(part) if number % 2 else escape(part, quote=False) for number, part in enumerate(parts))
    return re.sub(r"\bdocs/([\w/-]+)\.md\b", _page, "".join(written))


def _page(named: re.Match[str]) -> str:
    """A page is linked as it is written; where there is none, it is no link."""
    is_there = (_DOCS / f"{named[1]}.md").exists()
    return f'<a href="../{named[1]}.html">{named[0]}</a>' if is_there else named[0]
